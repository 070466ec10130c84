"""Record, query and resume parts."""

import pytest

from tests.support.client import MIB, new_id, pdf, put_all, put_part
from tests.support.fuzzy import ETAG, TIME, error, presigned
from tests.support.open_uploads import abort, assemble, key_of


@pytest.fixture
def file(api, session):
    """A file of three parts, of which none is there."""
    return api.register(session, pdf(partCount=3))


def test_with_no_parts_all_are_missing(api, session, file):
    assert api.parts(session, file["fileId"]) == {
        "fileId": file["fileId"],
        "status": "pending",
        "partCount": 3,
        "partSizeBytes": 5 * MIB,
        "parts": [],
        "missingPartNumbers": [1, 2, 3],
        "verified": True,
    }


def test_ur_hp_001_query_uploaded_parts(api, session, file):
    """UR-HP-001"""
    etag = put_part(file["presignedUrls"][1], bytes(5 * MIB))
    recorded = api.record(session, file["fileId"], [{"partNumber": 2, "etag": etag}])
    assert recorded == {"parts": [{"partNumber": 2, "etag": etag.strip('"'), "uploadedAt": TIME}]}
    assert api.parts(session, file["fileId"]) == {
        "fileId": file["fileId"],
        "status": "pending",
        "partCount": 3,
        "partSizeBytes": 5 * MIB,
        "parts": [recorded["parts"][0] | {"sizeBytes": 5 * MIB}],
        "missingPartNumbers": [1, 3],
        "verified": True,
    }


def test_a_part_that_was_never_reported_is_found_and_stored(api, session, file, db):
    etag = put_part(file["presignedUrls"][2], bytes(2 * MIB))
    found = api.parts(session, file["fileId"])
    assert found["parts"] == [
        {"partNumber": 3, "etag": etag.strip('"'), "uploadedAt": TIME, "sizeBytes": 2 * MIB}
    ]
    row = db.execute(
        "SELECT session_id::text, part_number, etag FROM upload_session_parts WHERE file_id = %s",
        [file["fileId"]],
    ).fetchall()
    assert row == [(session, 3, etag.strip('"'))]
    assert api.show(session)["files"][0]["recordedPartCount"] == 1


def test_one_call_is_enough_to_resume(api, session, file):
    content = bytes(range(256)) * (12 * MIB // 256)
    put_all(file["presignedUrls"][:1], content, 5 * MIB)
    resumed = api.parts(session, file["fileId"], "?presign=true")
    assert resumed["missingPartNumbers"] == [2, 3]
    assert resumed["presignedUrls"] == [presigned(2, 5 * MIB), presigned(3, 2 * MIB)]
    put_all(resumed["presignedUrls"], content, 5 * MIB)
    assert api.complete(session, file["fileId"])["sizeBytes"] == 12 * MIB


def test_urls_begin_where_one_asks(api, session, file):
    resumed = api.parts(session, file["fileId"], "?presign=true&fromPart=3")
    assert resumed["missingPartNumbers"] == [1, 2, 3]
    assert resumed["presignedUrls"] == [presigned(3, 2 * MIB)]
    assert api.parts(session, file["fileId"], "?presign=true&fromPart=10000")["presignedUrls"] == []


@pytest.mark.parametrize(
    "query",
    [
        "?fromPart=0",
        "?fromPart=10001",
        "?fromPart=x",
        "?fromPart=1_0",
        "?fromPart=1.0",
        "?fromPart=%2B1",
        "?fromPart=+1",
        "?fromPart=-0",
        "?fromPart=1e1",
        "?presign=maybe",
        "?presign=true&fromPart=",
    ],
)
def test_an_invalid_query_is_422(api, session, file, query):
    status, refusal = api.refused("GET", f"/{session}/files/{file['fileId']}/parts{query}")
    assert (status, refusal["reason"]) == (422, "VALIDATION_ERROR")


def test_ids_in_the_query_string_mean_nothing(api, session, file):
    evil = f"?sessionId={new_id()}&fileId={new_id()}"
    assert api.parts(session, file["fileId"], evil)["fileId"] == file["fileId"]


def test_a_record_says_nothing_about_the_store(api, session, file):
    api.record(session, file["fileId"], [{"partNumber": 1, "etag": "no-such-etag"}])
    found = api.parts(session, file["fileId"])
    assert (found["parts"], found["missingPartNumbers"], found["verified"]) == ([], [1, 2, 3], True)
    assert api.show(session)["files"][0]["recordedPartCount"] == 1  # the record stays


def test_the_last_write_wins_also_within_one_call(api, session, file):
    parts = [(1, "a"), (2, '"b"'), (1, '"c"')]
    recorded = api.record(
        session, file["fileId"], [{"partNumber": number, "etag": etag} for number, etag in parts]
    )
    assert [(p["partNumber"], p["etag"]) for p in recorded["parts"]] == [(1, "c"), (2, "b")]
    again = api.record(session, file["fileId"], [{"partNumber": 1, "etag": "d"}])
    assert again == {"parts": [{"partNumber": 1, "etag": "d", "uploadedAt": TIME}]}


def test_a_part_uploaded_again_is_the_newer_one(api, session, file):
    put_part(file["presignedUrls"][0], bytes(5 * MIB))
    newer = put_part(file["presignedUrls"][0], b"x" * (5 * MIB)).strip('"')
    api.record(session, file["fileId"], [{"partNumber": 1, "etag": newer}])
    [part] = api.parts(session, file["fileId"])["parts"]
    assert part["etag"] == newer


def test_a_part_of_the_wrong_size_is_missing(api, session, file, s3):
    key = key_of(s3, file)
    s3.upload_part(Bucket="uploads", Key=key, UploadId=file["uploadId"], PartNumber=1, Body=bytes(100))
    s3.upload_part(Bucket="uploads", Key=key, UploadId=file["uploadId"], PartNumber=9, Body=bytes(100))
    found = api.parts(session, file["fileId"])
    assert (found["parts"], found["missingPartNumbers"]) == ([], [1, 2, 3])


@pytest.mark.parametrize("numbers", [[0], [4], [1, 4], [-1], [10**30]])
def test_part_numbers_outside_the_file_are_refused_and_nothing_is_recorded(api, session, file, numbers):
    parts = [{"partNumber": number, "etag": "e"} for number in numbers]
    outside = [number for number in numbers if number not in (1, 2, 3)]
    path = f"/{session}/files/{file['fileId']}/parts"
    assert api.refused("POST", path, {"parts": parts}) == (
        400, error("BAD_REQUEST", "PART_NUMBER_INVALID", partNumbers=outside, partCount=3),
    )  # fmt: skip
    assert api.show(session)["files"][0]["recordedPartCount"] == 0


def test_a_refusal_lists_no_more_part_numbers_than_a_person_reads(api, session, file):
    parts = [{"partNumber": number, "etag": "e"} for number in range(4, 1004)]
    _, refusal = api.refused("POST", f"/{session}/files/{file['fileId']}/parts", {"parts": parts})
    assert refusal["details"] == {"partNumbers": list(range(4, 24)), "partCount": 3}


@pytest.mark.parametrize(
    "body",
    [{}, {"parts": []}, {"parts": [{"partNumber": 1}]}, {"parts": [{"partNumber": "1", "etag": "e"}]},
     {"parts": [{"partNumber": 1, "etag": ""}]}, {"parts": [{"partNumber": 1, "etag": '""'}]},
     {"parts": [{"partNumber": 1, "etag": "x" * 300}]}, {"parts": [{"partNumber": 1, "etag": "e"}] * 1001},
     {"parts": [{"partNumber": 1.0, "etag": "e"}] * 2 + [3]}],
)  # fmt: skip
def test_reports_of_the_wrong_shape_are_422(api, session, file, body):
    status, refusal = api.refused("POST", f"/{session}/files/{file['fileId']}/parts", body)
    assert (status, refusal["reason"]) == (422, "VALIDATION_ERROR")


def test_a_thousand_reports_at_once(api, session, file):
    parts = [{"partNumber": 1 + n % 3, "etag": f"e{n}"} for n in range(1000)]
    recorded = api.record(session, file["fileId"], parts)["parts"]
    assert [p["etag"] for p in recorded] == ["e999", "e997", "e998"]


def test_a_completed_file_answers_from_the_table(api, session, db):
    file, parts = api.upload(session, pdf(), bytes(6 * MIB))
    api.complete(session, file["fileId"])
    found = api.parts(session, file["fileId"], "?presign=true")
    assert found == {
        "fileId": file["fileId"],
        "status": "completed",
        "partCount": 2,
        "partSizeBytes": 5 * MIB,
        "parts": [
            {"partNumber": part["partNumber"], "etag": part["etag"].strip('"'), "uploadedAt": TIME}
            for part in parts
        ],
        "missingPartNumbers": [],
        "verified": True,
        "presignedUrls": [],
    }
    path = f"/{session}/files/{file['fileId']}/parts"
    assert api.refused("POST", path, {"parts": parts}) == (400, error("BAD_REQUEST", "FILE_COMPLETED"))


def test_an_upload_aborted_behind_our_back(api, session, file, s3):
    etag = put_part(file["presignedUrls"][0], bytes(5 * MIB))
    api.record(session, file["fileId"], [{"partNumber": 1, "etag": etag}])
    abort(s3, file)
    found = api.parts(session, file["fileId"])
    assert (found["verified"], len(found["parts"]), found["status"]) == (False, 1, "pending")
    gone = (400, error("BAD_REQUEST", "UPLOAD_NOT_FOUND"))
    assert api.refused("GET", f"/{session}/files/{file['fileId']}/parts?presign=true") == gone
    assert api.parts(session, file["fileId"])["status"] == "failed"


def test_an_upload_completed_behind_our_back(api, session, file, s3):
    content = bytes(12 * MIB)
    etags = put_all(file["presignedUrls"], content, 5 * MIB)
    assemble(s3, file, [{"partNumber": number, "etag": etag} for number, etag in sorted(etags.items())])
    found = api.parts(session, file["fileId"], "?presign=true")
    assert (found["status"], found["missingPartNumbers"], found["presignedUrls"]) == ("completed", [], [])
    assert api.complete(session, file["fileId"])["etag"] == ETAG


def test_an_unknown_file_is_404(api, session):
    unknown = (404, error("NOT_FOUND", "FILE_NOT_FOUND"))
    for file_id in (new_id(), "no-uuid"):
        path = f"/{session}/files/{file_id}"
        assert api.refused("GET", f"{path}/parts") == unknown
        assert api.refused("POST", f"{path}/parts", {"parts": [{"partNumber": 1, "etag": "e"}]}) == unknown
        assert api.refused("POST", f"{path}/complete") == unknown
        assert api.refused("DELETE", path) == unknown


def test_a_file_of_another_session_is_404(api, session, file):
    other = api.session()
    unknown = (404, error("NOT_FOUND", "FILE_NOT_FOUND"))
    assert api.refused("GET", f"/{other}/files/{file['fileId']}/parts") == unknown
    assert api.refused("DELETE", f"/{other}/files/{file['fileId']}") == unknown
