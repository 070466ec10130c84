"""Create, show and cancel sessions."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.client import MIB, Client, new_id, pdf
from tests.support.fuzzy import TEXT, TIME, UUID, about, error
from tests.support.open_uploads import uploads_of

IMAGE = {"name": "a.png", "size": 100, "type": "image/png"}


def test_a_session_is_created_with_the_defaults(api):
    response = api.call("POST", "", {})
    assert response.status_code == 201
    assert response.json() == {
        "sessionId": UUID,
        "partSizeBytes": 5 * MIB,
        "expiresAt": about(datetime.now(UTC) + timedelta(days=1)),
        "maxFiles": 50,
    }


def test_a_session_is_shown_as_it_was_created(api):
    session = api.session(maxFiles=3, metadata={"title": "Castle", "deep": [{"ü": None}], "maxFiles": 99})
    assert api.show(session) == {
        "sessionId": session,
        "status": "active",
        "partSizeBytes": 5 * MIB,
        "maxFiles": 3,
        "expiresAt": TIME,
        "metadata": {"title": "Castle", "deep": [{"ü": None}], "maxFiles": 3},
        "files": [],
    }


def test_unknown_fields_are_ignored(api):
    assert api.call("POST", "", {"fromTheFuture": True, "files": [pdf(alsoNew=1)]}).status_code == 201


@pytest.mark.parametrize(
    ("files", "status", "expected"),
    [
        ([], 422, {"code": "VALIDATION_ERROR", "reason": "VALIDATION_ERROR", "message": TEXT,
                   "details": {"fields": [{"field": "files", "problem": TEXT}]}}),
        ([IMAGE], 400, error("BAD_REQUEST", "INSTRUCTION_REQUIRED")),
        ([pdf(size=50 * MIB + 1)], 413,
         error("PAYLOAD_TOO_LARGE", "FILE_TOO_LARGE", sizeBytes=50 * MIB + 1, maxSizeBytes=50 * MIB,
               category="instruction")),
        ([pdf(type="application/zip")], 415,
         error("UNSUPPORTED_MEDIA_TYPE", "MIME_TYPE_NOT_ALLOWED", type="application/zip",
               allowedTypes=sorted(["application/pdf", "image/jpeg", "image/png", "image/webp", "image/gif",
                                    "text/csv", "application/xml", "text/plain", "application/vnd.ms-excel",
                                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"]))),
        ([pdf(), pdf(type="image/png", category="instruction")], 415,
         error("UNSUPPORTED_MEDIA_TYPE", "MIME_TYPE_NOT_ALLOWED", type="image/png", category="instruction",
               allowedTypes=["application/pdf"])),
        ([pdf(), *[IMAGE | {"category": "thumbnail"}] * 2], 400,
         error("BAD_REQUEST", "CATEGORY_LIMIT_EXCEEDED", category="thumbnail", maxFiles=1)),
        ([pdf(), *[IMAGE] * 21], 400,
         error("BAD_REQUEST", "CATEGORY_LIMIT_EXCEEDED", category="image", maxFiles=20)),
        ([pdf(), *[{"name": "l.csv", "size": 1, "type": "text/csv"}] * 6], 400,
         error("BAD_REQUEST", "CATEGORY_LIMIT_EXCEEDED", category="parts-list", maxFiles=5)),
        ([pdf()] * 51, 400, error("BAD_REQUEST", "FILE_COUNT_EXCEEDED", maxFiles=50)),
        ([pdf(partCount=5)], 400,
         error("BAD_REQUEST", "PART_COUNT_INVALID", minPartCount=1, maxPartCount=3)),
    ],
)  # fmt: skip
def test_declared_files_are_checked_in_advance(api, files, status, expected):
    assert api.refused("POST", "", {"files": files}) == (status, expected)


def test_declared_files_are_neither_registered_nor_counted(api):
    session = api.session(files=[pdf(), IMAGE], maxFiles=2)
    assert api.show(session)["files"] == []
    assert api.batch(session, [pdf(), IMAGE])["succeeded"] == 2


@pytest.mark.parametrize("body", [
    {"maxFiles": 0}, {"maxFiles": 51}, {"maxFiles": "3"}, {"maxFiles": True}, {"maxFiles": 2.5},
    {"metadata": []}, {"metadata": {"a": "x" * 16 * 1024}}, {"files": {}}, {"files": [3]}, [], 3, "x",
    {"files": [pdf(size=2**63)]}, {"files": [pdf(name="")]},
    {"files": [pdf(name="x" * 256)]}, {"files": [pdf(type="pdf")]}, {"files": [pdf(category="other")]},
    {"files": [pdf(ext="x" * 11)]}, {"files": [pdf(fileId="1")]}, {"files": [pdf(partCount="1")]},
])  # fmt: skip
def test_the_wrong_shape_is_422_with_the_fields(api, body):
    status, refusal = api.refused("POST", "", body)
    assert status == 422
    assert refusal["reason"] == "VALIDATION_ERROR"
    assert all(field.keys() == {"field", "problem"} for field in refusal["details"]["fields"])


def test_another_users_session_is_as_unknown_as_none(api, stranger):
    session = api.session()
    file = api.register(session, pdf())["fileId"]
    unknown = error("NOT_FOUND", "SESSION_NOT_FOUND")
    for path in (f"/{session}", f"/{new_id()}", "/no-uuid", f"/{session.upper()}"):
        for method in ("GET", "DELETE"):
            assert stranger.refused(method, path) == (404, unknown)
    for method, path, body in [
        ("POST", "/files", pdf()), ("POST", "/files/batch", {"files": [pdf()]}),
        ("GET", f"/files/{file}/parts", None), ("DELETE", f"/files/{file}", None),
        ("POST", f"/files/{file}/parts", {"parts": [{"partNumber": 1, "etag": "e"}]}),
        ("POST", f"/files/{file}/complete", None),
    ]:  # fmt: skip
        assert stranger.refused(method, f"/{session}{path}", body) == (404, unknown)
        assert api.refused(method, f"/{new_id()}{path}", body) == (404, unknown)
    assert api.show(session.upper())["sessionId"] == session


def test_cancelling_removes_what_is_unfinished_and_keeps_what_is_complete(api, s3, db):
    session = api.session()
    done, parts = api.upload(session, pdf("done.pdf"), b"done")
    completed = api.complete(session, done["fileId"], {"parts": parts})
    unfinished, _ = api.upload(session, pdf("unfinished.pdf"), b"unfinished")
    assert api.call("DELETE", f"/{session}").status_code == 204
    shown = api.show(session)
    assert shown["status"] == "cancelled"
    assert [(file["name"], file["status"]) for file in shown["files"]] == [("done.pdf", "completed")]
    assert uploads_of(s3, session) == []
    assert api.complete(session, done["fileId"]) == completed
    assert api.call("DELETE", f"/{session}").status_code == 204
    assert api.refused("POST", f"/{session}/files/{unfinished['fileId']}/complete")[1]["reason"] == (
        "SESSION_NOT_ACTIVE"
    )


@pytest.mark.parametrize(
    ("end", "status", "reason"),
    [
        ("UPDATE upload_sessions SET expires_at = NOW() - INTERVAL '1 second' WHERE id = %s", "expired",
         "SESSION_EXPIRED"),
        ("UPDATE upload_sessions SET status = 'cancelled' WHERE id = %s", "cancelled", "SESSION_NOT_ACTIVE"),
        ("UPDATE upload_sessions SET status = 'cancelled', expires_at = NOW() - INTERVAL '1 second' "
         "WHERE id = %s", "expired", "SESSION_EXPIRED"),
    ],
)  # fmt: skip
def test_a_session_that_ended_can_be_read_and_left_but_not_written(api, db, end, status, reason):
    session = api.session()
    done, parts = api.upload(session, pdf("done.pdf"), b"done")
    completed = api.complete(session, done["fileId"], {"parts": parts})
    file = api.register(session, pdf())["fileId"]
    db.execute(end, [session])
    ended = (400, error("BAD_REQUEST", reason))
    assert api.refused("POST", f"/{session}/files", pdf("new.pdf")) == ended
    assert api.refused("POST", f"/{session}/files/batch", {"files": [pdf("new.pdf")]}) == ended
    assert api.refused("GET", f"/{session}/files/{file}/parts?presign=true") == ended
    for id_ in (file, new_id(), done["fileId"]):  # the session is judged before the file
        assert api.refused("POST", f"/{session}/files/{id_}/parts", {"parts": parts}) == ended
    assert api.refused("POST", f"/{session}/files/{file}/complete") == ended
    assert api.refused("POST", f"/{session}/files/{new_id()}/complete") == ended
    assert api.complete(session, done["fileId"]) == completed
    assert api.show(session)["status"] == status
    assert api.parts(session, file)["missingPartNumbers"] == [1, 2, 3]
    assert api.call("DELETE", f"/{session}/files/{file}").status_code == 204
    assert api.call("DELETE", f"/{session}").status_code == 204
    assert [one["fileId"] for one in api.show(session)["files"]] == [done["fileId"]]


def test_the_token_decides_who_owns_a_session(api, http):
    session = api.session()
    assert Client(http, api.token).show(session)["sessionId"] == session
