"""Every route against every kind of caller; and what a caller cannot reach through names, ids and sizes."""

import re
import time
import uuid
from dataclasses import replace

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.domain.policy import object_key
from lib.http import routes
from tests.conftest import token_for
from tests.support.client import MIB, Client, new_id, pdf, put, put_all
from tests.support.fuzzy import ETAG, MD5
from tests.support.open_uploads import abort, assemble, key_of

BODIES = {
    "createSession": {},
    "registerFile": pdf("new.pdf", 3),
    "batchRegisterFiles": {"files": [pdf("new.pdf", 3)]},
    "storePartEtags": {"parts": [{"partNumber": 1, "etag": "e"}]},
    "completeFile": {},
}

[QUERY] = [operation for operation in routes.ROUTES if operation.query]
# Asking for URLs is a right of its own.
ROUTES = [*routes.ROUTES, replace(QUERY, name="presignParts", path=QUERY.path + "?presign=true")]

# What each route answers to the owner of a session that is active, past its end, or cancelled.
SESSIONS = ("active", "expired", "cancelled")
OWNER = {
    "createSession": (201, 201, 201),
    "getSession": (200, 200, 200),
    "cancelSession": (204, 204, 204),
    "registerFile": (201, "SESSION_EXPIRED", "SESSION_NOT_ACTIVE"),
    "batchRegisterFiles": (201, "SESSION_EXPIRED", "SESSION_NOT_ACTIVE"),
    "abortFile": (204, 204, "FILE_NOT_FOUND"),  # cancelling has removed it
    "getUploadedParts": (200, 200, "FILE_NOT_FOUND"),
    "presignParts": (200, "SESSION_EXPIRED", "SESSION_NOT_ACTIVE"),
    "storePartEtags": (200, "SESSION_EXPIRED", "SESSION_NOT_ACTIVE"),
    "completeFile": ("PARTS_MISSING", "SESSION_EXPIRED", "SESSION_NOT_ACTIVE"),
    "checkHealth": (200, 200, 200),
    "getOpenapi": (200, 200, 200),
}
# The same, where the file is complete, and where its upload is gone.
OWNER_OF = {
    "completed": {
        "abortFile": ("FILE_COMPLETED", "FILE_COMPLETED", "FILE_COMPLETED"),
        "getUploadedParts": (200, 200, 200),
        "presignParts": (200, "SESSION_EXPIRED", "SESSION_NOT_ACTIVE"),
        "storePartEtags": ("FILE_COMPLETED", "SESSION_EXPIRED", "SESSION_NOT_ACTIVE"),
        "completeFile": (200, 200, 200),
    },
    "failed": {
        "abortFile": (204, 204, "FILE_NOT_FOUND"),
        "getUploadedParts": (200, 200, "FILE_NOT_FOUND"),
        "presignParts": ("UPLOAD_NOT_FOUND", "SESSION_EXPIRED", "SESSION_NOT_ACTIVE"),
        "storePartEtags": ("UPLOAD_NOT_FOUND", "SESSION_EXPIRED", "SESSION_NOT_ACTIVE"),
        "completeFile": ("UPLOAD_NOT_FOUND", "SESSION_EXPIRED", "SESSION_NOT_ACTIVE"),
    },
}


def each(operations):
    return pytest.mark.parametrize("operation", operations, ids=lambda operation: operation.name)


ALL = each(ROUTES)
WITH_SESSION = each([one for one in ROUTES if ":sessionId" in one.path])
WITH_FILE = each([one for one in ROUTES if ":fileId" in one.path])
READING = each([one for one in ROUTES if one.method == "GET"])
IN_EVERY_STATE = pytest.mark.parametrize("state", SESSIONS)


@pytest.fixture
def api(shared_api):
    return shared_api


@pytest.fixture
def stranger(api):
    return Client(api.http, token_for(f"stranger-{new_id()}"))


@pytest.fixture
def file(api, session):
    return api.register(session, pdf("there.pdf", 3))["fileId"]


@pytest.fixture
def completed(api, session):
    file, _ = api.upload(session, pdf("done.pdf"), b"abc")
    api.complete(session, file["fileId"])
    return file["fileId"]


@pytest.fixture
def failed(api, session, s3):
    file, _ = api.upload(session, pdf("gone.pdf"), b"abc")
    abort(s3, file)
    path = f"/{session}/files/{file['fileId']}/complete"
    assert api.refused("POST", path)[1]["reason"] == "UPLOAD_NOT_FOUND"
    return file["fileId"]


@pytest.fixture
def become(api, session, db):
    """Brings the session into a state."""

    def become(state):
        if state == "expired":
            db.execute("UPDATE upload_sessions SET expires_at = NOW() WHERE id = %s", [session])
        elif state == "cancelled":
            api.ok("DELETE", f"/{session}")
        assert api.show(session)["status"] == state

    return become


def call(api, operation, session="", file="", **options):
    path = operation.path.replace(":sessionId", session).replace(":fileId", file)
    return api.call(operation.method, path, BODIES.get(operation.name), **options)


def answered(response):
    return response.json()["error"]["reason"] if response.is_error else response.status_code


def fingerprint(response):
    """All of a response but its request id."""
    request_id = response.headers["X-Request-Id"]
    headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"x-request-id"]
    return response.status_code, headers, response.content.replace(request_id.encode(), b"")


def test_every_route_has_its_rows():
    assert OWNER.keys() == {route.name for route in ROUTES}
    for rows in OWNER_OF.values():
        assert rows.keys() == {route.name for route in ROUTES if ":fileId" in route.path}


def test_two_routes_are_for_everybody_and_no_other():
    public = {operation.name for operation in routes.ROUTES if operation.public}
    assert public == {"checkHealth", "getOpenapi"}


@ALL
def test_nobody_is_let_in_without_a_good_token(api, operation, session, file, user):
    good = token_for(user)
    unsigned = good.rpartition(".")[0] + "."
    none = token_for(user).split(".")
    none[0] = "eyJhbGciOiJub25lIn0"  # {"alg":"none"}
    refused = {
        "TOKEN_MISSING": ["", "Basic YTpi", "Bearer", "Bearer ", good, f"Token {good}"],
        "TOKEN_INVALID": [f"Bearer {value}" for value in (
            "x", "a.b.c", unsigned, ".".join(none), good + "x", good[:-2], "~" * 40, "a" * 20_000,
            f"{good} {good}",
            token_for(""), token_for("a\nb"), token_for("x" * 256), token_for(user, nbf=time.time() + 1000),
        )],
        "TOKEN_EXPIRED": [f"Bearer {token_for(user, exp=int(time.time()) - 60)}"],
    }  # fmt: skip
    for reason, values in refused.items():
        for value in values:
            header = {"Authorization": value.encode("utf-8")}
            response = call(api, operation, session, file, headers=header)
            assert answered(response) == (200 if operation.public else reason), value
            assert operation.public or response.headers["WWW-Authenticate"].startswith("Bearer")
    assert len(api.show(session)["files"]) == 1


@IN_EVERY_STATE
@WITH_SESSION
def test_a_foreign_session_is_answered_like_an_absent_one_byte_for_byte(
    stranger, api, operation, session, file, completed, become, state
):
    become(state)
    before = api.show(session)
    pairs = [
        (new_id(), new_id()),
        ("no-uuid", file),
        (session, file),
        (session, completed),
        (session, new_id()),
        (session, "no-uuid"),
        ("no-uuid", "no-uuid"),
    ]
    answers = [fingerprint(call(stranger, operation, *pair)) for pair in pairs]
    assert all(answer == answers[0] for answer in answers)
    assert b'"SESSION_NOT_FOUND"' in answers[0][2]
    assert api.show(session) == before


@WITH_FILE
def test_a_file_of_another_session_is_answered_like_an_absent_one_byte_for_byte(
    api, operation, session, file
):
    other = api.session()
    foreign = fingerprint(call(api, operation, other, file))
    assert foreign == fingerprint(call(api, operation, other, new_id()))
    assert foreign == fingerprint(call(api, operation, other, "no-uuid"))
    assert b'"FILE_NOT_FOUND"' in foreign[2]
    assert [one["fileId"] for one in api.show(session)["files"]] == [file]


@IN_EVERY_STATE
@WITH_FILE
def test_what_is_no_id_is_answered_like_an_absent_file(api, operation, session, become, state):
    """The session is judged first."""
    become(state)
    absent = fingerprint(call(api, operation, session, new_id()))
    for text in ("no-uuid", f"{{{session}}}", session.replace("-", ""), "%00", "x" * 3000):
        assert fingerprint(call(api, operation, session, text)) == absent
    if operation.name in ("storePartEtags", "completeFile"):
        wanted = {"active": 404}.get(state, 400)
        assert absent[0] == wanted


@WITH_FILE
def test_another_users_file_is_in_ones_own_session_as_an_absent_one(
    api, stranger, operation, session, file, completed
):
    before, mine = api.show(session), stranger.session()
    absent = fingerprint(call(stranger, operation, mine, new_id()))
    for theirs in (file, completed):
        assert fingerprint(call(stranger, operation, mine, theirs)) == absent
    assert b'"FILE_NOT_FOUND"' in absent[2]
    assert api.show(session) == before


@READING
def test_head_is_answered_as_get_is_but_for_the_body(api, stranger, operation, session, file):
    nobody = Client(api.http)
    for caller, ids in (
        (api, (session, file)), (api, (session, new_id())), (stranger, (session, file)),
        (stranger, (new_id(), new_id())), (nobody, (session, file)),
    ):  # fmt: skip
        got = fingerprint(call(caller, operation, *ids))
        head = fingerprint(call(caller, replace(operation, method="HEAD"), *ids))
        assert head == (*got[:2], b"")
        assert got[2]


@ALL
def test_the_owner_of_an_active_session(api, operation, session, file):
    assert answered(call(api, operation, session, file)) == OWNER[operation.name][0]


@ALL
def test_the_owner_of_an_expired_session(api, operation, session, file, become):
    become("expired")
    assert answered(call(api, operation, session, file)) == OWNER[operation.name][1]


@ALL
def test_the_owner_of_a_cancelled_session(api, operation, session, file, become):
    become("cancelled")
    assert answered(call(api, operation, session, file)) == OWNER[operation.name][2]


@IN_EVERY_STATE
@WITH_FILE
def test_the_owner_of_a_completed_file(api, operation, session, completed, become, state):
    become(state)
    wanted = OWNER_OF["completed"][operation.name][SESSIONS.index(state)]
    assert answered(call(api, operation, session, completed)) == wanted


@IN_EVERY_STATE
@WITH_FILE
def test_the_owner_of_a_failed_file(api, operation, session, failed, become, state):
    become(state)
    wanted = OWNER_OF["failed"][operation.name][SESSIONS.index(state)]
    assert answered(call(api, operation, session, failed)) == wanted


def test_no_url_is_signed_for_a_completed_file(api, session, completed):
    assert api.parts(session, completed, "?presign=true")["presignedUrls"] == []


def test_another_sessions_file_id_is_refused_without_a_word_about_it(api, stranger, session, file):
    mine = stranger.session()
    refusal = stranger.refused("POST", f"/{mine}/files", pdf("new.pdf", 3, fileId=file))
    assert (refusal[0], refusal[1]["reason"], "details" in refusal[1]) == (409, "FILE_ID_CONFLICT", False)


@pytest.mark.parametrize(
    "header", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method", "_method"]
)
def test_no_header_changes_the_method(api, session, header):
    assert api.call("GET", f"/{session}", headers={header: "DELETE"}).status_code == 200
    assert api.show(session)["status"] == "active"


def test_no_query_changes_whose_session_it_is(api, stranger, session):
    mine = stranger.session()
    response = stranger.call("GET", f"/{mine}?sessionId={session}&user_id=x")
    assert response.json()["sessionId"] == mine


KEY = r"dev/moc-instructions/[A-Za-z0-9_=-]{1,255}/%s/(instruction|image)/%s-[0-9a-f]{8}\.[a-z0-9]{1,10}"


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(min_size=1, max_size=255), st.text(max_size=10) | st.none())
def test_no_user_and_no_extension_steers_a_key(user_id, ext):
    session, file = str(uuid.uuid4()), str(uuid.uuid4())
    user_id = user_id.encode("utf-8", "ignore").decode() or "x"
    key = object_key("dev", user_id, session, "image", file, ext, new_id())
    assert re.fullmatch(KEY % (session, file), key), key
    assert len(key.encode()) <= 1024


@pytest.mark.parametrize("sub", ["../../root", "a/../b", "auth0|1", "..", "%2e%2e", "?x=1#y", "ä ö"])
@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("../../x.pdf", {"ext": "../x"}), ("a/b", {"ext": "/"}), ("x.p/f", {"ext": "PDF"}),
        ("?.pdf", {"ext": "%00"}), ("a.pdf", {"fileKey": "../../../other/key.exe"}),
        ("a.pdf", {"fileKey": "s3://uploads/dev/?x=1#y"}), ("a.pdf", {"fileKey": "/"}),
    ],
)  # fmt: skip
def test_hostile_names_end_where_they_should(api, db, s3, sub, name, more):
    api.token = token_for(sub)
    session = api.session()
    file = api.register(session, pdf(name, 3, partCount=1, **more))
    put_all(file["presignedUrls"], b"abc", 3)
    done = api.complete(session, file["fileId"])
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket="uploads")["Contents"] if session in one["Key"]]
    assert len(keys) == 1
    assert re.fullmatch(KEY % (session, file["fileId"]), keys[0]), keys
    assert done["fileUrl"].endswith("/uploads/" + keys[0].replace("=", "%3D"))


class TestTheDeclaredSizeHolds:
    @pytest.fixture
    def file(self, api, session):
        return api.register(session, pdf(size=6 * MIB, partCount=2))

    def test_the_url_takes_nothing_longer_or_shorter(self, file):
        url = file["presignedUrls"][1]["url"]
        for size in (0, MIB - 1, MIB + 1, 5 * MIB):
            assert put(url, bytes(size)).status_code in (400, 403)
        chunked = httpx.put(url, content=iter([bytes(MIB), bytes(MIB)]))
        assert chunked.status_code in (400, 403, 411)

    def test_no_header_puts_other_bytes_there_than_those_that_were_counted(self, api, session, file, s3):
        """All of these have the length that was signed, so that only the header can be what is refused."""
        url = file["presignedUrls"][1]["url"]
        s3.put_object(Bucket="uploads", Key="another", Body=bytes(6 * MIB))
        signed = b"%x;chunk-signature=" % (MIB - 1000) + b"0" * 64 + b"\r\n" + bytes(MIB)
        decoded = {"Content-Encoding": "aws-chunked", "x-amz-decoded-content-length": str(6 * MIB)}
        for content, headers in (
            (bytes(MIB), {"x-amz-copy-source": "/uploads/another"}),
            (bytes(MIB), {"x-amz-copy-source": "uploads/another", "x-amz-copy-source-range": "bytes=0-9"}),
            (bytes(MIB), {"x-amz-decoded-content-length": str(6 * MIB)}),
            (signed[:MIB], decoded | {"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}),
            (signed[:MIB], decoded | {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}),
        ):
            assert put(url, content, headers).status_code == 403, headers
        assert api.parts(session, file["fileId"])["parts"] == []
        assert put(url, bytes(MIB)).status_code == 200

    def test_the_url_is_for_this_part_of_this_upload_and_nothing_else(self, file):
        url = file["presignedUrls"][1]["url"]
        for changed in (
            url.replace("partNumber=2", "partNumber=3"),
            re.sub(r"uploadId=[^&]+", "uploadId=other", url),
            url.replace(file["fileId"], new_id()),
            re.sub(r"X-Amz-Expires=\d+", "X-Amz-Expires=604800", url),
            re.sub(r"content-length%3B", "", url),
        ):
            assert changed != url
            assert put(changed, bytes(MIB)).status_code == 403
        for method in ("GET", "DELETE", "POST"):
            assert httpx.request(method, url).status_code in (403, 405)

    def test_completing_takes_the_declared_parts_only(self, api, session, file, s3):
        put_all(file["presignedUrls"], bytes(6 * MIB), 5 * MIB)
        key = key_of(s3, file)
        extra = s3.upload_part(Bucket="uploads", Key=key, UploadId=file["uploadId"], PartNumber=3, Body=b"x")
        done = api.complete(session, file["fileId"], {"parts": [{"partNumber": 3, "etag": extra["ETag"]}]})
        assert done == {
            "fileId": file["fileId"],
            "fileUrl": done["fileUrl"],
            "sizeBytes": 6 * MIB,
            "etag": ETAG,
        }
        assert s3.head_object(Bucket="uploads", Key=key)["ContentLength"] == 6 * MIB
        assert done["etag"].partition("-")[0] == MD5

    @pytest.mark.parametrize(("method", "end"), [("POST", "complete"), ("GET", "parts?presign=true")])
    def test_an_object_of_another_size_is_not_the_file(self, api, session, file, s3, db, method, end):
        etags = put_all(file["presignedUrls"], bytes(6 * MIB), 5 * MIB)
        assemble(s3, file, [{"partNumber": number, "etag": etag} for number, etag in sorted(etags.items())])
        # The row's size and not the object's, which thus is of this very upload: nothing else differs.
        db.execute(
            "UPDATE upload_session_files SET file_size_bytes = file_size_bytes - 1 WHERE id = %s",
            [file["fileId"]],
        )
        refusal = api.refused(method, f"/{session}/files/{file['fileId']}/{end}")
        assert (refusal[0], refusal[1]["reason"]) == (400, "UPLOAD_NOT_FOUND")
        assert api.show(session)["files"][0]["status"] == "failed"
