"""Register many files at once."""

import pytest

from tests.support.client import MIB, new_id, pdf, put_all
from tests.support.fuzzy import TEXT, UUID, error, presigned

IMAGE = {"name": "a.png", "size": 100, "type": "image/png"}


def post(api, session, files):
    return api.call("POST", f"/{session}/files/batch", {"files": files})


def refusal(**error_object):
    return {"fileId": None, "uploadId": None, "error": error_object}


def test_br_hp_001_three_files_all_registered(api):
    """BR-HP-001"""
    session = api.session()
    files = [pdf("1.pdf"), IMAGE | {"partCount": 1}, {"name": "l.csv", "size": 5, "type": "text/csv"}]
    response = post(api, session, files)
    assert response.status_code == 201
    assert response.json() == {
        "results": [
            {"fileId": UUID, "uploadId": TEXT},
            {
                "fileId": UUID,
                "uploadId": TEXT,
                "partCount": 1,
                "partSizeBytes": 5 * MIB,
                "presignedUrls": [presigned(1, 100, "image/png")],
            },
            {"fileId": UUID, "uploadId": TEXT},
        ],
        "succeeded": 3,
        "failed": 0,
    }
    assert [file["name"] for file in api.show(session)["files"]] == ["1.pdf", "a.png", "l.csv"]


def test_br_hp_002_one_of_three_does_not_fit_and_the_others_stay(api):
    """BR-HP-002"""
    session = api.session(maxFiles=2)
    response = post(api, session, [pdf("1.pdf"), pdf("2.pdf"), pdf("3.pdf")])
    assert response.status_code == 207
    assert response.json() == {
        "results": [
            {"fileId": UUID, "uploadId": TEXT},
            {"fileId": UUID, "uploadId": TEXT},
            refusal(**error("BAD_REQUEST", "FILE_COUNT_EXCEEDED", maxFiles=2)),
        ],
        "succeeded": 2,
        "failed": 1,
    }
    assert [file["name"] for file in api.show(session)["files"]] == ["1.pdf", "2.pdf"]


def test_br_err_001_a_batch_that_is_too_large(api):
    """BR-ERR-001"""
    session = api.session()
    files = [pdf(f"{number}.pdf") for number in range(11)]
    assert api.refused("POST", f"/{session}/files/batch", {"files": files}) == (
        400, error("BAD_REQUEST", "BATCH_TOO_LARGE", maxBatchSize=10),
    )  # fmt: skip
    assert api.show(session)["files"] == []
    assert post(api, session, files[:10]).status_code == 201


@pytest.mark.parametrize("body", [{}, {"files": []}, {"files": None}, {"files": pdf()}, [pdf()]])
def test_a_batch_of_nothing_is_422(api, body):
    status, refused = api.refused("POST", f"/{api.session()}/files/batch", body)
    assert (status, refused["reason"]) == (422, "VALIDATION_ERROR")


def test_each_file_is_judged_alone_and_in_order(api):
    session = api.session(maxFiles=4)
    there = api.register(session, pdf("there.pdf"))["fileId"]
    file_id = new_id()
    results = post(
        api,
        session,
        [
            pdf("there.pdf"),
            {"name": 3},
            "no object",
            pdf("1.pdf", fileId=file_id),
            pdf("1.pdf"),
            pdf("1.pdf", fileId=file_id, partCount=3),
            pdf("big.pdf", size=10**9),
            IMAGE,
            pdf("2.pdf"),
            pdf("3.pdf"),
        ],
    ).json()
    reasons = [result.get("error", {}).get("reason") for result in results["results"]]
    assert reasons == [
        "DUPLICATE_FILE_KEY", "VALIDATION_ERROR", "VALIDATION_ERROR", None, "DUPLICATE_FILE_KEY", None,
        "FILE_TOO_LARGE", None, None, "FILE_COUNT_EXCEEDED",
    ]  # fmt: skip
    assert (results["succeeded"], results["failed"]) == (4, 6)
    assert results["results"][0]["error"] == error("CONFLICT", "DUPLICATE_FILE_KEY", fileId=there)
    assert results["results"][3]["uploadId"] == results["results"][5]["uploadId"]
    assert results["results"][1]["error"]["details"]["fields"][0]["field"] == "name"
    assert len(api.show(session)["files"]) == 4


def test_all_failed_is_207_too(api):
    session = api.session()
    response = post(api, session, [pdf(size=10**12)])
    assert (response.status_code, response.json()["failed"]) == (207, 1)


def test_a_repeated_batch_is_the_same_batch(api):
    session = api.session()
    files = [pdf("1.pdf", fileId=new_id(), partCount=3), IMAGE | {"fileId": new_id(), "partCount": 1}]
    first, again = (post(api, session, files) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    ids = [[(r["fileId"], r["uploadId"]) for r in one.json()["results"]] for one in (first, again)]
    assert ids[0] == ids[1]
    assert len(api.show(session)["files"]) == 2


def test_what_a_batch_registered_can_be_uploaded(api):
    session = api.session()
    contents = {"a.pdf": bytes(6 * MIB), "b.pdf": b"b"}
    files = [pdf(n, size=len(c), partCount=-(-len(c) // (5 * MIB))) for n, c in contents.items()]
    results = api.batch(session, files)["results"]
    for result, content in zip(results, contents.values(), strict=True):
        put_all(result["presignedUrls"], content, result["partSizeBytes"])
        assert api.complete(session, result["fileId"])["sizeBytes"] == len(content)
