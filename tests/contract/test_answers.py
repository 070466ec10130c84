"""The OpenAPI document says what is sent: optional means absent and never null; each reason has its place."""

import psycopg
import pytest

from lib.http.openapi import document
from lib.http.routes import ROUTES
from tests.conftest import token_for
from tests.support.client import MIB, Client, new_id, pdf, put_part
from tests.support.contract import SCHEMAS, Contract, optional_fields

# What no answer holds: schemas of requests.
REQUESTS = {"CreateSession", "FileMetadata", "RegisterBatch", "RecordParts", "ReportedPart", "CompleteFile"}
# Reasons that need S3, PostgreSQL or an issuer to be down, a bug, or a body that Vercel itself refuses.
ELSEWHERE = {"STORAGE_REFUSED", "STORAGE_UNAVAILABLE", "DATABASE_UNAVAILABLE", "AUTH_UNAVAILABLE",
             "INTERNAL_ERROR", "TOKEN_EXPIRED", "SESSION_RATE_LIMIT", "UPLOAD_VOLUME_LIMIT",
             "BODY_TOO_LARGE", "METHOD_NOT_ALLOWED"}  # fmt: skip


@pytest.fixture
def contract():
    return Contract()


@pytest.fixture
def api(in_process, user, contract):
    http = in_process(MAX_PRESIGNED_URLS="2").http
    return Client(http, token_for(user), contract)


def test_every_optional_field_comes_and_is_left_out_as_declared(api, contract, env):
    """Each optional field was seen there and absent, each nullable one null and not; nothing undeclared."""
    lives(api, env)
    refusals(api, env)
    declared = {
        place: kinds
        for name in SCHEMAS.keys() - REQUESTS
        for place, kinds in optional_fields(name, SCHEMAS[name])
    }
    assert len(declared) > 10
    assert {place: kinds - contract.seen[place] for place, kinds in declared.items()} == {
        place: set() for place in declared
    }
    nulls = {place for place, seen in contract.seen.items() if "null" in seen}
    assert nulls == {"BatchResult.fileId", "BatchResult.uploadId"}


def test_every_reason_comes_with_the_details_that_are_declared(api, contract, env):
    lives(api, env)
    refusals(api, env)
    declared = {reason.name for route in ROUTES for reason in (*route.reasons, *route.item_refusals)}
    assert declared - contract.reasons == ELSEWHERE


def test_what_is_optional_is_not_null_and_has_no_default():
    """A default makes generators demand the field; in a request it would have to be sent to compile."""
    for name, schema in SCHEMAS.items():
        for field, inner in schema.get("properties", {}).items():
            assert "default" not in inner, f"{name}.{field}"
            if field not in schema.get("required", ()):
                assert {"type": "null"} not in inner.get("anyOf", ()), f"{name}.{field}"


def test_a_null_in_a_request_is_read_as_if_the_field_were_absent(api):
    """As docs/protocol.md says: programs that send every field of a request class send nulls."""
    whole = {"CreateSession": {}, "FileMetadata": pdf(), "CompleteFile": {}}
    optional = {
        name: SCHEMAS[name]["properties"].keys() - SCHEMAS[name].get("required", ()) for name in REQUESTS
    }
    assert {name for name, fields in optional.items() if fields} == whole.keys()
    nulls = {name: body | dict.fromkeys(optional[name]) for name, body in whole.items()}
    session = api.session(**nulls["CreateSession"])
    file = api.register(session, nulls["FileMetadata"])
    assert api.batch(session, [nulls["FileMetadata"] | {"name": "b.pdf"}])["failed"] == 0
    path = f"/{session}/files/{file['fileId']}/complete"
    assert api.refused("POST", path, nulls["CompleteFile"])[1]["reason"] == "PARTS_MISSING"


def test_reasons_are_enumerated_for_each_operation_and_status():
    operations = {
        operation["operationId"]: operation
        for methods in document()["paths"].values()
        for operation in methods.values()
    }
    for route in ROUTES:
        responses = operations[route.name]["responses"]
        for status in {reason.status for reason in route.reasons} - route.answers.keys():
            schema = responses[str(status)]["content"]["application/json"]["schema"]["properties"]["error"]
            assert set(enumerated(schema)) == {r.name for r in route.reasons if r.status == status}


def enumerated(schema):
    for one in schema.get("oneOf", [schema]):
        yield from SCHEMAS[one["$ref"].rpartition("/")[2]]["properties"]["reason"]["enum"]


def lives(api, env):
    """Sessions and files in each of their states, shown in each way."""
    session = api.session(maxFiles=7, metadata={"title": None})
    small, _ = api.upload(session, pdf("small.pdf"), b"abc")
    api.record(session, small["fileId"], [{"partNumber": 1, "etag": "other"}])
    api.parts(session, small["fileId"])
    large = api.register(session, pdf("large.pdf", 30 * MIB, partCount=3))
    api.register(session, pdf("plain.pdf"))
    for query in ("", "?presign=true", "?presign=true&fromPart=3"):
        api.parts(session, large["fileId"], query)
    files = [pdf("a.pdf", partCount=3), pdf("b.pdf"), pdf("a.pdf"), {}, pdf("c.pdf", partCount=1)]
    assert api.batch(session, files)["failed"] == 2
    api.complete(session, small["fileId"])
    api.show(session)
    recorded_by_hand(api, env, session)
    assert api.call("DELETE", f"/{session}").status_code == 204
    api.ok("GET", "/api/health")


def recorded_by_hand(api, env, session):
    """A part that S3 cannot be asked about: its upload is gone, and only its record is left."""
    file = api.register(session, pdf("gone.pdf", 3, partCount=1))
    put_part(file["presignedUrls"][0], b"abc")
    with psycopg.connect(env["DATABASE_URL"], autocommit=True) as db:
        db.execute("UPDATE upload_session_files SET upload_id = 'gone' WHERE id = %s", [file["fileId"]])
    api.record(session, file["fileId"], [{"partNumber": 1, "etag": "e"}])
    assert not api.parts(session, file["fileId"])["verified"]


def refusals(api, env):
    """One request for each reason that a client can bring about by itself."""
    session = api.session(maxFiles=3)
    files = f"/{session}/files"
    file = api.register(session, pdf("a.pdf", 3, partCount=1, fileId=new_id()))
    path = f"{files}/{file['fileId']}"
    thumbnail = {"name": "t.png", "size": 3, "type": "image/png", "category": "thumbnail"}
    asked = [
        ("POST", files, b"{"), ("POST", files, b""),
        ("POST", f"{files}/batch", {"files": [{}] * 11}), ("POST", "", {"files": [thumbnail]}),
        ("POST", files, thumbnail), ("POST", files, thumbnail | {"name": "u.png"}),
        ("POST", files, pdf("b.pdf", partCount=1)), ("POST", files, pdf("c.pdf")),
        ("POST", files, pdf("d.pdf", partCount=5)), ("POST", files, pdf("a.pdf", 4)),
        ("POST", files, pdf("a.pdf", 4, fileId=file["fileId"])), ("POST", files, pdf("e.pdf", 10**12)),
        ("POST", files, {"name": "f.exe", "size": 1, "type": "application/x-msdownload"}),
        ("POST", files, {"name": "f.png", "size": 1, "type": "image/png", "category": "instruction"}),
        ("POST", files, {}), ("POST", files, pdf("g.pdf", 0)), ("GET", f"/{new_id()}", None),
        ("POST", f"{path}/parts", {"parts": [{"partNumber": 2, "etag": "e"}]}),
        ("POST", f"{path}/complete", None), ("DELETE", f"{files}/{new_id()}", None),
        ("GET", f"{path}/parts?fromPart=0", None),
    ]  # fmt: skip
    for method, where, body in asked:
        options = {"content": body} if isinstance(body, bytes) else {"body": body}
        api.call(method, where, **options)
    for header in ("", "Bearer x"):
        api.call("GET", f"/{session}", headers={"Authorization": header})
    put_part(file["presignedUrls"][0], b"abc")
    api.call("POST", f"{path}/complete", {"parts": [{"partNumber": 1, "etag": "wrong"}]})
    ends(api, env, session, path, file)


def ends(api, env, session, path, file):
    """What is refused at the end of a file, and of a session."""
    with psycopg.connect(env["DATABASE_URL"], autocommit=True) as db:
        change = "UPDATE upload_session_files SET file_size_bytes = %s, upload_id = %s WHERE id = %s"
        db.execute(change, [4, file["uploadId"], file["fileId"]])
        api.call("POST", f"{path}/complete")
        db.execute(change, [3, file["uploadId"], file["fileId"]])
        api.complete(session, file["fileId"])
        api.call("DELETE", path)
        other = api.session()
        gone = api.register(other, pdf("gone.pdf", 3))
        db.execute(change, [3, "gone", gone["fileId"]])
        api.call("POST", f"/{other}/files/{gone['fileId']}/complete")
        db.execute("UPDATE upload_sessions SET started_uploads = 1000 WHERE id = %s", [other])
        api.call("POST", f"/{other}/files", pdf("more.pdf", 3))
        api.call("DELETE", f"/{session}")
        api.call("POST", f"/{session}/files", pdf())
        db.execute("UPDATE upload_sessions SET expires_at = NOW() WHERE id = %s", [session])
        api.call("POST", f"/{session}/files", pdf())
