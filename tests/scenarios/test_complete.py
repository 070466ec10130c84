"""Complete a file, and abort one."""

import hashlib
import re

import pytest

from tests.support.client import MIB, pdf, put_all, put_part
from tests.support.fuzzy import ETAG, error
from tests.support.open_uploads import assemble, key_of, uploads_of


def complete(api, session, file, body=None):
    return api.refused("POST", f"/{session}/files/{file['fileId']}/complete", body)


def stored(s3, completed):
    key = completed["fileUrl"].partition("/uploads/")[2]
    return s3.get_object(Bucket="uploads", Key=key)["Body"].read()


def test_ur_hp_002_complete_after_all_parts_are_uploaded(api, session, s3, db):
    """UR-HP-002"""
    content = bytes(range(256)) * (11 * MIB // 256)
    file, parts = api.upload(session, pdf(), content)
    response = api.call("POST", f"/{session}/files/{file['fileId']}/complete", {"parts": parts})
    assert response.status_code == 200
    completed = response.json()
    key = rf"/{session}/instruction/{file['fileId']}-[0-9a-f]{{8}}\.pdf"
    assert re.search(f"{key}$", completed.pop("fileUrl"))
    assert completed == {"fileId": file["fileId"], "sizeBytes": len(content), "etag": ETAG}
    assert completed["etag"].endswith("-3")
    assert hashlib.sha256(stored(s3, response.json())).digest() == hashlib.sha256(content).digest()
    [shown] = api.show(session)["files"]
    assert shown == {
        "fileId": file["fileId"],
        "fileKey": "manual.pdf",
        "name": "manual.pdf",
        "category": "instruction",
        "sizeBytes": len(content),
        "status": "completed",
        "partCount": 3,
        "recordedPartCount": 3,
        "fileUrl": response.json()["fileUrl"],
    }


@pytest.mark.parametrize(
    "body", [b"", b"  ", b"null", b" null ", b"{}", b'{"parts": null}', b'{"parts": []}']
)
def test_the_body_may_be_empty(api, session, body):
    file, _ = api.upload(session, pdf(), b"abc")
    path = f"/{session}/files/{file['fileId']}/complete"
    assert api.call("POST", path, content=body).status_code == 200


def test_ur_err_001_complete_with_missing_parts(api, session):
    """UR-ERR-001"""
    file = api.register(session, pdf(partCount=3))
    put_part(file["presignedUrls"][1], bytes(5 * MIB))
    refused = (
        400,
        error(
            "BAD_REQUEST",
            "PARTS_MISSING",
            expectedPartCount=3,
            missingPartNumbers=[1, 3],
            parts=[{"partNumber": 1, "problem": "MISSING"}, {"partNumber": 3, "problem": "MISSING"}],
        ),
    )
    assert complete(api, session, file) == refused
    assert complete(api, session, file) == refused
    assert api.show(session)["files"][0]["status"] == "pending"


def test_etags_that_are_sent_must_be_those_of_the_store(api, session):
    file, parts = api.upload(session, pdf(), bytes(6 * MIB))
    wrong = [{"partNumber": 2, "etag": "wrong"}, {"partNumber": 99, "etag": "ignored"}]
    assert complete(api, session, file, {"parts": wrong}) == (
        400,
        error(
            "BAD_REQUEST",
            "ETAG_MISMATCH",
            expectedPartCount=2,
            missingPartNumbers=[],
            parts=[{"partNumber": 2, "problem": "ETAG_MISMATCH"}],
        ),
    )
    assert api.complete(session, file["fileId"], {"parts": parts[:1]})["sizeBytes"] == 6 * MIB


def test_recorded_etags_do_not_block_and_are_brought_up_to_date(api, session, db):
    file, parts = api.upload(session, pdf(), bytes(6 * MIB))
    api.record(session, file["fileId"], [{"partNumber": 1, "etag": "stale"}])
    api.complete(session, file["fileId"])
    rows = db.execute(
        "SELECT etag FROM upload_session_parts WHERE file_id = %s ORDER BY part_number", [file["fileId"]]
    ).fetchall()
    assert rows == [(part["etag"].strip('"'),) for part in parts]


def test_parts_of_the_wrong_size_are_named(api, session, s3):
    file = api.register(session, pdf(partCount=3))
    put_all(file["presignedUrls"][:1], bytes(5 * MIB), 5 * MIB)
    key = key_of(s3, file)
    for number in (2, 3):
        s3.upload_part(
            Bucket="uploads", Key=key, UploadId=file["uploadId"], PartNumber=number, Body=bytes(5 * MIB)
        )
    assert complete(api, session, file) == (
        400,
        error(
            "BAD_REQUEST",
            "PART_SIZE_MISMATCH",
            expectedPartCount=3,
            missingPartNumbers=[],
            parts=[{"partNumber": 3, "problem": "WRONG_SIZE"}],
        ),
    )


def test_extra_parts_are_left_out(api, session, s3):
    file = api.register(session, pdf(size=6 * MIB, partCount=2))
    put_all(file["presignedUrls"], bytes(6 * MIB), 5 * MIB)
    s3.upload_part(
        Bucket="uploads", Key=key_of(s3, file), UploadId=file["uploadId"], PartNumber=3, Body=b"extra"
    )
    assert api.complete(session, file["fileId"])["etag"].endswith("-2")


def test_a_part_sent_twice_ends_up_with_the_newer_bytes(api, session, s3):
    file = api.register(session, pdf(size=6 * MIB, partCount=2))
    put_all(file["presignedUrls"], bytes(6 * MIB), 5 * MIB)
    newer = b"n" * (5 * MIB)
    etag = put_part(file["presignedUrls"][0], newer)
    api.record(session, file["fileId"], [{"partNumber": 1, "etag": etag}])
    completed = api.complete(session, file["fileId"])
    assert stored(s3, completed) == newer + bytes(MIB)


def test_completing_again_answers_the_same(api, session):
    file, parts = api.upload(session, pdf(), b"abc")
    first = api.complete(session, file["fileId"], {"parts": parts})
    assert api.complete(session, file["fileId"]) == first
    assert api.complete(session, file["fileId"], {"parts": [{"partNumber": 1, "etag": "x"}]}) == first


def test_aborting_frees_the_key_and_the_place(api, s3):
    session = api.session(maxFiles=1)
    file, _ = api.upload(session, pdf(), b"abc")
    path = f"/{session}/files/{file['fileId']}"
    response = api.call("DELETE", path)
    assert (response.status_code, response.content) == (204, b"")
    assert uploads_of(s3, session) == []
    assert api.refused("DELETE", path) == (404, error("NOT_FOUND", "FILE_NOT_FOUND"))
    assert api.register(session, pdf())["fileId"] != file["fileId"]


def test_a_completed_file_is_not_aborted(api, session, s3):
    file, _ = api.upload(session, pdf(), b"abc")
    completed = api.complete(session, file["fileId"])
    assert api.refused("DELETE", f"/{session}/files/{file['fileId']}") == (
        400, error("BAD_REQUEST", "FILE_COMPLETED"),
    )  # fmt: skip
    assert stored(s3, completed) == b"abc"


def test_an_upload_completed_behind_our_back_is_not_aborted(api, session, s3):
    file, parts = api.upload(session, pdf(), b"abc")
    assemble(s3, file, parts)
    assert api.refused("DELETE", f"/{session}/files/{file['fileId']}")[1]["reason"] == "FILE_COMPLETED"
    assert stored(s3, api.complete(session, file["fileId"])) == b"abc"


def test_a_row_of_the_storys_inserts_works(api, db, s3, user):
    """A file that another program wrote, with the columns of the story only."""
    session = api.session()
    file = db.execute(
        "INSERT INTO upload_session_files (session_id, file_key, file_size_bytes, status, upload_id) "
        "VALUES (%s, 'resume-test.pdf', 10485760, 'pending', 's3-upload-id-12345') RETURNING id::text",
        [session],
    ).fetchone()[0]
    db.execute(
        "INSERT INTO upload_session_parts (session_id, file_id, part_number, etag) "
        "VALUES (%s, %s, 1, 'etag-part-1')",
        [session, file],
    )
    found = api.parts(session, file)
    assert (found["partCount"], found["missingPartNumbers"], found["verified"]) == (2, [2], False)
    assert [part["etag"] for part in found["parts"]] == ["etag-part-1"]
    assert api.refused("POST", f"/{session}/files/{file}/complete") == (
        400, error("BAD_REQUEST", "UPLOAD_NOT_FOUND"),
    )  # fmt: skip
    again = api.register(session, pdf("resume-test.pdf", size=10485760, partCount=2))
    assert again["fileId"] == file
    put_all(again["presignedUrls"], bytes(10485760), 5 * MIB)
    assert api.complete(session, file)["sizeBytes"] == 10485760
