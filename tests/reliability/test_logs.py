"""What the log says of each request, and what it never says."""

import re

import pytest

from lib import wiring
from lib.runtime import log
from tests.support.client import MIB, new_id, pdf, put_all
from tests.support.faults import Faults, unavailable
from tests.support.fuzzy import UUID
from tests.support.hidden import PATTERN, secrets_of
from tests.support.proxy import Proxy


@pytest.fixture
def api(in_process, database_proxy):
    database_proxy.delay = 0.02  # long enough for the proxy to tell round trips apart
    return in_process(DATABASE_URL=database_proxy.url)


def last(lines):
    return lines.records("request")[-1]


def test_a_line_for_each_request_with_its_ids_and_its_costs(api, lines, user, database_proxy):
    """The counts are those of the wire."""
    session = api.session()
    assert last(lines)["session_id"] == session
    file_id = new_id()

    def logged(call):
        turns = database_proxy.turns
        call()
        line = last(lines)
        assert line["sql_round_trips"] == database_proxy.turns - turns
        assert line["duration_ms"] >= 20 * line["sql_round_trips"]
        assert (line["user_id"], line["session_id"], line["request_id"]) == (user, session, UUID)
        return line

    registered = logged(lambda: api.register(session, pdf(fileId=file_id, size=6 * MIB, partCount=2)))
    assert (registered["file_id"], registered["sql_round_trips"], registered["s3_calls"]) == (file_id, 3, 1)
    batch = logged(lambda: api.batch(session, [pdf(f"{n}.pdf") for n in range(3)]))
    assert (batch["sql_round_trips"], batch["s3_calls"]) == (3, 3)
    assert batch["file_ids"] == [one["fileId"] for one in api.show(session)["files"]][1:]
    entries = api.parts(session, file_id, "?presign=true")["presignedUrls"]
    put_all(entries, bytes(6 * MIB), 5 * MIB)
    completed = logged(lambda: api.complete(session, file_id))
    assert (completed["file_id"], completed["sql_round_trips"], completed["s3_calls"]) == (file_id, 3, 2)
    assert logged(lambda: api.show(session))["status"] == 200
    assert logged(lambda: api.call("DELETE", f"/{session}"))["s3_calls"] == 6
    assert "file_id" not in logged(lambda: api.call("GET", f"/{session}/files/no-uuid/parts"))


def test_what_libraries_warn_of_is_a_line_like_the_others(in_process, lines, capfd):
    api = in_process(DATABASE_URL="postgresql://postgres@127.0.0.1:9/postgres?connect_timeout=1")
    assert api.call("POST", "", {}).status_code == 503
    warnings = [line for line in lines.records() if line["level"] == "WARNING"]
    assert any(line["message"].startswith("error connecting in") for line in warnings)
    assert capfd.readouterr().err == ""


def test_the_reason_of_a_refusal(api, lines):
    api.call("GET", f"/{new_id()}")
    assert (last(lines)["status"], last(lines)["reason"]) == (404, "SESSION_NOT_FOUND")
    api.token = None
    api.call("GET", f"/{new_id()}")
    assert (last(lines)["status"], last(lines)["reason"]) == (401, "TOKEN_MISSING")


def test_each_failed_file_of_a_batch_is_a_line(in_process, env, lines, user):
    faults = Faults()
    api = in_process(wiring.build(env, faults.wrap))
    session = api.session()
    faults.fail("Bucket.create_upload", error=unavailable)
    response = api.call("POST", f"/{session}/files/batch", {"files": [
        {"name": "x"}, pdf("a.pdf"), pdf("b.exe", type="application/x-msdownload"),
    ]})  # fmt: skip
    assert response.json()["failed"] == 3
    found = lines.records("file of a batch")
    assert [(line["index"], line["level"], line["reason"]) for line in found] == [
        (0, "INFO", "VALIDATION_ERROR"),
        (1, "ERROR", "STORAGE_UNAVAILABLE"),
        (2, "INFO", "MIME_TYPE_NOT_ALLOWED"),
    ]
    for line in found:
        assert (line["user_id"], line["session_id"]) == (user, session)
        assert line["request_id"] == response.headers["X-Request-Id"]


def test_what_threads_log_bears_their_requests_id(in_process, env, lines, faults):
    def talking(create_upload, *args):
        log.warning("in a thread")
        return create_upload(*args)

    faults.instead("Bucket.create_upload", talking)
    api = in_process(wiring.build(env, faults.wrap))
    session = api.session()
    response = api.call("POST", f"/{session}/files/batch", {"files": [pdf(f"{n}.pdf") for n in range(4)]})
    ids = {line["request_id"] for line in lines.records("in a thread")}
    assert ids == {response.headers["X-Request-Id"]}


def test_an_object_without_a_file_is_worth_a_warning(in_process, env, lines, db, faults):
    """Another call removed the file while S3 assembled it: the object is never deleted, but it is told."""

    def slow(complete_upload, *args):
        etag = complete_upload(*args)
        db.execute("DELETE FROM upload_session_files WHERE id = %s", [file["fileId"]])
        return etag

    faults.instead("Bucket.complete_upload", slow)
    api = in_process(wiring.build(env, faults.wrap))
    session = api.session()
    file, _ = api.upload(session, pdf(), b"abc")
    path = f"/{session}/files/{file['fileId']}/complete"
    assert api.refused("POST", path)[1]["reason"] == "FILE_NOT_FOUND"
    [line] = lines.records("object without a file")
    assert (line["session_id"], line["file_id"]) == (session, file["fileId"])


@pytest.mark.parametrize("level", [pytest.param("DEBUG", marks=pytest.mark.long), "INFO"])
def test_no_secret_token_or_presigned_url_is_in_any_line(
    in_process, env, lines, capfd, caplog, level, store_proxy
):
    """A whole scenario with failures of all kinds, at every level, whatever logger it comes from."""
    caplog.set_level(level)
    faults = Faults()
    settings = env | {"LOG_LEVEL": level, "S3_ENDPOINT_URL": store_proxy.url, "AWS_SESSION_TOKEN": ""}
    api = in_process(wiring.build(settings, faults.wrap))
    signatures = whole_scenario(api, faults, store_proxy)
    with Proxy("127.0.0.1", 9) as nowhere:
        broken = env["DATABASE_URL"].rpartition("@")[0] + f"@127.0.0.1:{nowhere.port}/postgres"
        in_process(wiring.build(settings | {"DATABASE_URL": broken})).call("POST", "", {})
    told = lines.getvalue() + "".join(capfd.readouterr())
    if level == "INFO":  # what libraries say at DEBUG is nobody's log
        ours = [record for record in caplog.records if not record.name.startswith("http")]  # the client's
        told += "\n".join(f"{record.getMessage()} {record.exc_text}" for record in ours)
    assert len(lines.records("request")) > 15
    assert len(signatures) > 3
    for secret in [*secrets_of(env), api.token, *api.token.split("."), *signatures]:
        assert secret not in told
    assert not PATTERN.search(told)


def whole_scenario(api, faults, store_proxy):
    """Everything a client can do, and much that can go wrong; answers the signatures of all URLs."""
    session = api.session(metadata={"a": "b"})
    file, parts = api.upload(session, pdf(partCount=2), bytes(6 * MIB))
    api.record(session, file["fileId"], parts)
    resumed = api.parts(session, file["fileId"], "?presign=true")
    other = api.batch(session, [pdf("a.pdf", partCount=3), {"name": 1}, pdf("a.pdf")])["results"][0]
    path = f"/{session}/files/{other['fileId']}"
    for fault in (503, "cut", b"<x/>", b"nonsense"):
        store_proxy.fault = lambda method, path, fault=fault: fault
        api.call("POST", f"{path}/complete")
        api.call("POST", f"/{session}/files", pdf(new_id(), partCount=3))
        store_proxy.fault = lambda method, path: None
    again = api.parts(session, other["fileId"], "?presign=true")
    for name in ("FileStore.find", "RegistrationStore.settle", "Bucket.list_parts"):
        faults.fail(name, error=RuntimeError)
        assert api.call("POST", f"{path}/complete").status_code in (400, 500)
        api.call("POST", f"/{session}/files", pdf(new_id(), partCount=3))
    for header in (
        f"Bearer {api.token}x",
        f"Bearer {api.token[:-3]}",
        f"bearer  {api.token}",
        f"Basic {api.token}",
    ):
        api.call("GET", f"/{session}", headers={"Authorization": header})
    api.call("GET", f"/{session}?token={api.token}")
    api.complete(session, file["fileId"])
    api.call("DELETE", path)
    api.call("DELETE", f"/{session}")
    entries = [*file["presignedUrls"], *resumed.get("presignedUrls", ()), *other["presignedUrls"],
               *again["presignedUrls"]]  # fmt: skip
    return {re.search(r"X-Amz-Signature=(\w+)", entry["url"]).group(1) for entry in entries}
