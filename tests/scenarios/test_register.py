"""Register one file."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.domain.test_replay_fields import SENT
from tests.support.client import MIB, new_id, pdf, put, put_part
from tests.support.fuzzy import TEXT, UUID, about, error, moment, presigned
from tests.support.open_uploads import abort, uploads_of


def refused(api, session, file):
    return api.refused("POST", f"/{session}/files", file)


def test_without_part_count_there_are_no_urls(api):
    session = api.session()
    response = api.call("POST", f"/{session}/files", pdf())
    assert (response.status_code, response.json()) == (201, {"fileId": UUID, "uploadId": TEXT})


def test_pu_hp_001_register_with_part_count_5(api):
    """PU-HP-001"""
    session = api.session()
    size = 24 * MIB
    response = api.call("POST", f"/{session}/files", pdf(size=size, partCount=5))
    part_size = 5 * MIB
    assert response.status_code == 201
    assert response.json() == {
        "fileId": UUID,
        "uploadId": TEXT,
        "partCount": 5,
        "partSizeBytes": part_size,
        "presignedUrls": [presigned(n, part_size) for n in range(1, 5)] + [presigned(5, 4 * MIB)],
    }
    in_15_minutes = about(datetime.now(UTC) + timedelta(minutes=15))
    assert all(entry["expiresAt"] == in_15_minutes for entry in response.json()["presignedUrls"])


def test_other_part_counts_make_other_part_sizes(api):
    session = api.session()
    registered = api.register(session, pdf(size=20 * MIB + 1, partCount=4))
    assert registered["partSizeBytes"] == 5 * MIB + 1
    assert [entry["sizeBytes"] for entry in registered["presignedUrls"]] == [5 * MIB + 1] * 3 + [5 * MIB - 2]


@pytest.mark.parametrize(
    ("size", "count", "fewest", "most"),
    [(20 * MIB, 5, 1, 4), (4 * MIB, 2, 1, 1), (12 * MIB, 0, 1, 3), (12 * MIB, -1, 1, 3),
     (12 * MIB, 10**18, 1, 3), (12 * MIB, 4, 1, 3)],
)  # fmt: skip
def test_part_counts_that_s3_would_refuse_are_refused(api, size, count, fewest, most):
    session = api.session()
    expected = error("BAD_REQUEST", "PART_COUNT_INVALID", minPartCount=fewest, maxPartCount=most)
    assert refused(api, session, pdf(size=size, partCount=count)) == (400, expected)
    assert api.show(session)["files"] == []


def test_the_signed_length_is_the_only_one_that_the_store_takes(api):
    session = api.session()
    [entry] = api.register(session, pdf(size=100, partCount=1))["presignedUrls"]
    assert put(entry["url"], bytes(101)).status_code == 403
    assert put(entry["url"], bytes(99)).status_code == 403
    assert put(entry["url"].replace("partNumber=1", "partNumber=2"), bytes(100)).status_code == 403
    assert put_part(entry, bytes(100))


def test_pu_err_001_an_expired_url_is_403_from_the_store(api, db):
    """PU-ERR-001"""
    session = api.session()
    # URLs end with their session, so one that ends in two seconds makes URLs that do.
    db.execute(
        "UPDATE upload_sessions SET expires_at = NOW() + INTERVAL '2 seconds' WHERE id = %s", [session]
    )
    [entry] = api.register(session, pdf(size=100, partCount=1))["presignedUrls"]
    assert moment(entry["expiresAt"]) <= datetime.now(UTC) + timedelta(seconds=2)
    in_time = put(entry["url"], bytes(100), entry["headers"])
    # A busy machine may have needed the two seconds itself.
    assert in_time.status_code == 200 or datetime.now(UTC) > moment(entry["expiresAt"]), in_time.text
    wait = (moment(entry["expiresAt"]) - datetime.now(UTC)).total_seconds() + 1.2
    import time

    time.sleep(max(0, wait))
    response = put(entry["url"], bytes(100))
    assert response.status_code == 403
    assert "AccessDenied" in response.text or "Expired" in response.text


def test_the_object_key_is_safe_whatever_the_names_are(api, s3):
    session = api.session()
    name = "../../évil name?.P/D*F"
    registered = api.register(session, pdf(name, size=3, partCount=1, ext="p/../f"))
    put_part(registered["presignedUrls"][0], b"abc")
    completed = api.complete(session, registered["fileId"])
    key = completed["fileUrl"].partition("/uploads/")[2]
    assert key.startswith("dev/moc-instructions/user-")
    assert re.search(f"/{session}/instruction/{registered['fileId']}-[0-9a-f]{{8}}[.]pdf$", key)
    assert s3.get_object(Bucket="uploads", Key=key)["Body"].read() == b"abc"
    assert api.show(session)["files"][0]["name"] == name


@pytest.mark.parametrize(
    ("file", "status", "code", "reason"),
    [
        (pdf(type="application/zip"), 415, "UNSUPPORTED_MEDIA_TYPE", "MIME_TYPE_NOT_ALLOWED"),
        (pdf(size=51 * MIB), 413, "PAYLOAD_TOO_LARGE", "FILE_TOO_LARGE"),
        ({"name": "a"}, 422, "VALIDATION_ERROR", "VALIDATION_ERROR"),
    ],
)
def test_the_policy_holds(api, file, status, code, reason):
    session = api.session()
    got, refusal = refused(api, session, file)
    assert (got, refusal["code"], refusal["reason"]) == (status, code, reason)
    assert api.show(session)["files"] == []


def test_each_category_has_its_places(api):
    session = api.session()
    image = {"size": 10, "type": "image/png", "category": "thumbnail"}
    api.register(session, image | {"name": "1.png"})
    expected = error("BAD_REQUEST", "CATEGORY_LIMIT_EXCEEDED", category="thumbnail", maxFiles=1)
    assert refused(api, session, image | {"name": "2.png"}) == (400, expected)
    api.register(session, {"name": "2.png", "size": 10, "type": "image/png; x=1"})


def test_a_full_session_takes_no_more(api):
    session = api.session(maxFiles=1)
    api.register(session, pdf("1.pdf"))
    full = error("BAD_REQUEST", "FILE_COUNT_EXCEEDED", maxFiles=1)
    assert refused(api, session, pdf("2.pdf")) == (400, full)


def test_max_files_is_read_from_the_sessions_row(api, db):
    session = api.session(maxFiles=9)
    db.execute("UPDATE upload_sessions SET metadata = '{\"maxFiles\": 1}' WHERE id = %s", [session])
    api.register(session, pdf("1.pdf"))
    assert refused(api, session, pdf("2.pdf"))[1]["reason"] == "FILE_COUNT_EXCEEDED"
    assert api.show(session)["maxFiles"] == 1


def test_a_file_key_is_unique_in_its_session(api):
    session = api.session()
    first = api.register(session, pdf())["fileId"]
    duplicate = (409, error("CONFLICT", "DUPLICATE_FILE_KEY", fileId=first))
    assert refused(api, session, pdf()) == duplicate
    assert refused(api, session, pdf("other.pdf", fileKey="manual.pdf")) == duplicate
    assert refused(api, session, pdf(fileId=new_id())) == duplicate
    api.register(session, pdf(fileKey="another key"))
    api.register(api.session(), pdf())


def test_the_same_file_id_is_the_same_file(api, s3):
    session, file_id = api.session(), new_id()
    file = pdf(fileId=file_id, partCount=3)
    first = api.call("POST", f"/{session}/files", file)
    assert (first.status_code, first.json()["fileId"]) == (201, file_id)
    again = api.call("POST", f"/{session}/files", file)
    assert again.status_code == 200
    assert again.json() == first.json() | {
        "presignedUrls": [presigned(1, 5 * MIB), presigned(2, 5 * MIB), presigned(3, 2 * MIB)]
    }
    silent = api.call("POST", f"/{session}/files", pdf(fileId=file_id.upper()))
    assert (silent.status_code, silent.json()) == (
        200, {"fileId": file_id, "uploadId": first.json()["uploadId"]},
    )  # fmt: skip
    assert uploads_of(s3, session, "dev/") == [first.json()["uploadId"]]


@pytest.mark.parametrize(
    "other",
    [{"name": "other.pdf"}, {"size": 11 * MIB}, {"ext": "PDF"}, {"fileKey": "k"}, {"partCount": 2},
     {"partCount": 0}],
)  # fmt: skip
def test_the_same_file_id_with_other_metadata_is_a_conflict(api, other):
    session, file_id = api.session(), new_id()
    api.register(session, pdf(fileId=file_id, partCount=3))
    assert refused(api, session, pdf(fileId=file_id, partCount=3) | other) == (
        409, error("CONFLICT", "FILE_ID_CONFLICT"),
    )  # fmt: skip


def test_a_file_id_of_another_session_is_a_conflict_that_tells_nothing(api, stranger):
    file_id = new_id()
    api.register(api.session(), pdf(fileId=file_id))
    for other in (api, stranger):
        assert refused(other, other.session(), pdf(fileId=file_id)) == (
            409, error("CONFLICT", "FILE_ID_CONFLICT"),
        )  # fmt: skip


def test_a_file_with_every_field_is_replayed(api):
    """A field that is compared and not kept in the table would make a conflict of it."""
    session, file = api.session(), SENT | {"fileId": new_id()}
    answers = [api.call("POST", f"/{session}/files", file) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]


def test_a_completed_file_is_replayed_without_urls(api):
    session, file_id = api.session(), new_id()
    registered, _ = api.upload(session, pdf(fileId=file_id), b"abc")
    api.complete(session, file_id)
    response = api.call("POST", f"/{session}/files", pdf(fileId=file_id, size=3, partCount=1))
    assert (response.status_code, response.json()) == (200, registered | {"presignedUrls": []})


def test_a_failed_file_starts_again_under_its_id(api, s3):
    session = api.session()
    first, _ = api.upload(session, pdf(), bytes(6 * MIB))
    abort(s3, first)
    gone = error("BAD_REQUEST", "UPLOAD_NOT_FOUND")
    path = f"/{session}/files/{first['fileId']}"
    assert api.refused("GET", f"{path}/parts?presign=true") == (400, gone)
    assert api.show(session)["files"][0]["status"] == "failed"
    assert api.refused("POST", f"{path}/complete") == (400, gone)
    part = {"partNumber": 1, "etag": "e"}
    assert api.refused("POST", f"{path}/parts", {"parts": [part]}) == (400, gone)

    file = pdf(size=6 * MIB, partCount=2)  # by its fileKey this time
    response = api.call("POST", f"/{session}/files", file)
    again = response.json()
    assert (response.status_code, again["fileId"]) == (201, first["fileId"])
    assert again["uploadId"] != first["uploadId"]
    assert api.parts(session, first["fileId"])["parts"] == []
    put_part(again["presignedUrls"][0], bytes(5 * MIB))
    put_part(again["presignedUrls"][1], bytes(1 * MIB))
    assert api.complete(session, first["fileId"])["sizeBytes"] == 6 * MIB
