"""The database and the store: down, slow, silent, cut off, talking nonsense; and back again."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from urllib.parse import urlsplit

import psycopg
import pytest

from lib import wiring
from lib.domain.errors import ApiError
from lib.postgres import connection, database
from lib.postgres.database import Database
from lib.runtime import request_budget
from lib.s3.client import IDLE_SECONDS
from tests.support.client import MIB, new_id, pdf
from tests.support.fuzzy import NO_DATABASE, NO_STORE
from tests.support.patience import at_most
from tests.support.pool import use_the_whole_pool
from tests.support.proxy import Proxy
from tests.support.silence import deaf_port


def later(value):
    """Only in the long run of the tests."""
    return pytest.param(value, marks=pytest.mark.long)


@pytest.fixture
def api(in_process, store_proxy, database_proxy):
    """An API whose database and store are behind proxies."""
    return in_process(DATABASE_URL=database_proxy.url, S3_ENDPOINT_URL=store_proxy.url)


@pytest.fixture
def hurried(monkeypatch):
    """Patience of a second or so where the real one is many: the mechanism is the same."""
    monkeypatch.setattr(request_budget, "SECONDS", 1.0)
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.7)
    monkeypatch.setattr(database, "MIN_WAIT_SECONDS", 0.5)


@pytest.mark.parametrize(
    "fault", [503, later(500), "cut", b"", later(b"<html>hello</html>"), b"not xml at all", later(b"{}")]
)
def test_whatever_the_store_answers_registering_is_503_and_works_again_after(api, store_proxy, fault):
    session = api.session()
    store_proxy.fault = lambda method, path: fault
    response = api.call("POST", f"/{session}/files", pdf())
    assert (response.status_code, response.json()["error"]) == NO_STORE
    assert int(response.headers["Retry-After"]) >= 1
    assert api.show(session)["files"] == []
    store_proxy.fault = lambda method, path: None
    assert api.register(session, pdf())


@pytest.mark.parametrize(
    "fault", [later(503), later("cut"), "lost", b"", later(b"<html>hello</html>"), later(b"not xml at all")]
)
def test_whatever_the_store_answers_to_complete_nothing_is_lost(api, store_proxy, fault):
    session = api.session()
    file, parts = api.upload(session, pdf(), bytes(6 * MIB))
    answers = iter(["lost"])
    store_proxy.fault = lambda method, path: (
        None if method != "POST" else next(answers, None) if fault == "lost" else fault
    )
    path = f"/{session}/files/{file['fileId']}/complete"
    response = api.call("POST", path, {"parts": parts})
    # With "lost" the store did it, does not know the upload when asked again, and has the object.
    assert response.status_code == (200 if fault == "lost" else 503), response.text
    store_proxy.fault = lambda method, path: None
    assert api.complete(session, file["fileId"], {"parts": parts})["sizeBytes"] == 6 * MIB


def test_a_store_that_is_busy_once_is_asked_again(api, store_proxy):
    session = api.session()
    answers = iter([503])
    store_proxy.fault = lambda method, path: next(answers, None)
    assert api.register(session, pdf())


@pytest.mark.parametrize("times", [1, 2])
def test_a_registration_whose_answer_from_the_store_is_lost_is_made_all_the_same(
    api, store_proxy, s3, db, times
):
    session = api.session()
    answers = iter(["lost"] * times)
    store_proxy.fault = lambda method, path: next(answers, None)
    response = api.call("POST", f"/{session}/files", pdf())
    assert response.status_code == 201, response.text
    [file] = api.show(session)["files"]
    [key] = db.execute(
        "SELECT object_key FROM upload_session_files WHERE id = %s", [file["fileId"]]
    ).fetchone()
    listed = s3.list_multipart_uploads(Bucket="uploads", Prefix=key)
    assert not listed["IsTruncated"]
    uploads = [upload["UploadId"] for upload in listed["Uploads"]]
    assert response.json()["uploadId"] in uploads
    assert len(uploads) <= 1 + times  # orphans of the attempts whose answer was lost, and no more


def test_a_slow_store_is_not_asked_for_longer_than_a_request_may_take(api, store_proxy, hurried, lines):
    session = api.session()
    api.batch(session, [pdf(f"{n}.pdf") for n in range(3)])
    store_proxy.fault = lambda method, path: 1.1  # each answer comes, and too late for another question
    assert api.refused("DELETE", f"/{session}") == NO_STORE  # each file wants an abort and a look
    assert lines.records("request")[-1]["s3_calls"] == 3
    store_proxy.fault = lambda method, path: None
    assert api.call("DELETE", f"/{session}").status_code == 204


@pytest.mark.timeout(30)  # it would hang
def test_a_store_that_takes_no_connections_is_503(in_process, hurried):
    with deaf_port() as port:
        api = in_process(S3_ENDPOINT_URL=f"http://127.0.0.1:{port}")
        session = api.session()
        with at_most(3 + 5, "one attempt to connect, because the request's time is up"):
            assert api.refused("POST", f"/{session}/files", pdf()) == NO_STORE


def test_a_client_does_not_notice_connections_to_the_store_that_died_while_idle(in_process, env, lines):
    store = urlsplit(env["S3_ENDPOINT_URL"])
    with Proxy(store.hostname, store.port) as proxy:
        api = in_process(S3_ENDPOINT_URL=f"http://127.0.0.1:{proxy.port}")
        session = api.session()
        assert api.batch(session, [pdf(f"{n}.pdf") for n in range(10)])["succeeded"] == 10
        for n in range(3):
            assert proxy.open > 0  # kept, for the next request
            proxy.cut()
            assert api.register(session, pdf(f"more-{n}.pdf"))
            assert lines.records("request")[-1]["s3_calls"] == 1  # and no second attempt
        proxy.cut()
        assert api.call("DELETE", f"/{session}").status_code == 204
        assert lines.records("request")[-1]["s3_calls"] == 2 * 13


def test_connections_to_the_store_that_died_in_silence_are_not_waited_for(
    in_process, env, lines, monkeypatch
):
    """As after a freeze: nothing came to tell that they are dead."""
    store = urlsplit(env["S3_ENDPOINT_URL"])
    with Proxy(store.hostname, store.port) as proxy:
        api = in_process(S3_ENDPOINT_URL=f"http://127.0.0.1:{proxy.port}")
        session = api.session()
        api.register(session, pdf("before.pdf"))
        assert proxy.freeze() > 0
        monkeypatch.setattr(
            "lib.s3.client.time", SimpleNamespace(time=lambda: time.time() + IDLE_SECONDS + 1)
        )
        with at_most(5, "a dead connection would be waited for for 20 s"):
            assert api.register(session, pdf("after.pdf"))
        assert lines.records("request")[-1]["s3_calls"] == 1


def test_a_silent_database_is_503_and_noticed_when_it_is_back(api, database_proxy, hurried):
    session = api.session()
    database_proxy.silent = True
    with at_most(5, "the request's time is up after a second"):
        assert api.refused("GET", f"/{session}") == NO_DATABASE
    database_proxy.silent = False
    assert api.show(session)["status"] == "active"


def test_connections_that_died_in_silence_are_noticed(api, env, database_proxy, monkeypatch):
    """An instance was frozen: its connections are half-open, and new ones work."""
    session = api.session()
    use_the_whole_pool(api, env["DATABASE_URL"])
    assert database_proxy.freeze() == 10
    now = time.time()
    monkeypatch.setattr(database.time, "time", lambda: now + 3600)
    monkeypatch.setattr(database, "CHECK_SECONDS", 0.5)
    with at_most(2, "one dead connection is waited for, half a second, and not all ten"):
        assert [api.show(session)["status"] for _ in range(4)] == ["active"] * 4


def test_a_client_does_not_notice_connections_that_are_cut(api, database_proxy):
    session = api.session()
    for _ in range(3):
        database_proxy.cut()
        assert api.show(session)["status"] == "active"
        database_proxy.cut()
        assert api.register(session, pdf(new_id()))


@pytest.mark.long
def test_a_pool_that_is_used_up_is_503_and_no_longer_wait(env):
    tight = Database(env["DATABASE_URL"], max_size=1)
    try:
        with ThreadPoolExecutor(1) as executor:
            busy = executor.submit(tight.run, lambda c: c.execute("SELECT pg_sleep(7)"))
            time.sleep(0.5)
            with pytest.raises(ApiError, match="DATABASE_UNAVAILABLE"):  # before the other is done
                tight.run(lambda c: c.execute("SELECT 1"))
            busy.result()
        assert tight.run(lambda c: c.execute("SELECT 1 AS one").fetchone()) == {"one": 1}
    finally:
        tight.close()


def test_a_transaction_whose_instance_is_frozen_does_not_hold_its_locks(env, monkeypatch):
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.3)
    one = Database(env["DATABASE_URL"], max_size=2)
    attempts = []

    def work(used):
        attempts.append(used)
        with database.transaction(used) as pipeline:
            used.execute("SELECT pg_advisory_xact_lock(42)")
            pipeline.sync()
            if len(attempts) == 1:
                time.sleep(1)  # frozen
                with psycopg.connect(env["DATABASE_URL"]) as other:
                    row = other.execute("SELECT pg_try_advisory_xact_lock(42)").fetchone()
                    assert row == (True,)
            return used.execute("SELECT 7 AS seven").fetchone()

    try:
        assert one.run(work) == {"seven": 7}
        assert len(attempts) == 2
    finally:
        one.close()


def test_a_primary_that_became_read_only_is_left(env):
    one = Database(env["DATABASE_URL"], max_size=2)
    seen = []

    def work(used):
        seen.append(used)
        with database.transaction(used):
            if len(seen) == 1:
                used.execute("SET TRANSACTION READ ONLY")
            used.execute("DELETE FROM upload_sessions WHERE false")
        return len(seen)

    try:
        assert one.run(work) == 2
        assert seen[0].closed
    finally:
        one.close()


def test_a_deadlock_is_run_again(env):
    one = Database(env["DATABASE_URL"], max_size=2)
    attempts = []

    def work(connection):
        attempts.append(1)
        if len(attempts) == 1:
            raise psycopg.errors.DeadlockDetected
        return "done"

    try:
        assert one.run(work) == "done"
    finally:
        one.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgres:/user:the-secret@host/db",
        "nonsense",
        "postgresql://u:the-secret%zz@h/d",
        "postgresql://u:x@the-secret@h/d",
        "postgresql://u:12/the-secret@h/d",
    ],
)
def test_an_invalid_database_url_is_named_and_not_shown(in_process, lines, capfd, env, url):
    api = in_process()
    wiring.use(None)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (env | {"DATABASE_URL": url}).items():
            patch.setenv(name, value)
        status, refusal = api.refused("POST", "", {})
    assert (status, refusal["reason"]) == (500, "INTERNAL_ERROR")
    [line] = lines.records("settings")
    assert line["problem"].startswith("DATABASE_URL: ")
    assert "the-secret" not in lines.getvalue() + "".join(capfd.readouterr())


@pytest.mark.long
def test_the_database_is_down_for_a_while_and_back_without_a_restart_of_ours(api, stack):
    session = api.session()
    stack.postgres.stop()
    try:
        for _ in range(2):
            response = api.call("GET", f"/{session}")
            assert (response.status_code, response.json()["error"]) == NO_DATABASE
            assert response.headers["Retry-After"] == "5"
    finally:
        stack.start_postgres()
    assert api.show(session)["status"] == "active"


# Seconds, as docs/reliability.md has them. A function on Vercel's smallest plan has 300.
LONGEST_REQUEST = 70
LONGEST_WITHOUT_STORE = 50
LONGEST_WITHOUT_DATABASE = 15


def timed(api, call):
    started = time.monotonic()
    return api.call(*call), time.monotonic() - started


def every_route(session, file_id, other, etag):
    """A call of each, of which none changes what another is about."""
    path = f"/{session}/files/{file_id}"
    return [
        ("POST", "", {}),
        ("GET", f"/{session}", None),
        ("POST", f"/{session}/files", pdf("one.pdf")),
        ("POST", f"/{session}/files/batch", {"files": [pdf(f"{n}.pdf") for n in range(8)]}),
        ("POST", f"{path}/parts", {"parts": [{"partNumber": 1, "etag": etag}]}),
        ("GET", f"{path}/parts?presign=true", None),
        ("POST", f"{path}/complete", None),
        ("DELETE", path, None),
        ("DELETE", f"/{other}", None),
        ("GET", "/api/health", None),
    ]


@pytest.mark.long
@pytest.mark.timeout(200)
def test_no_request_outlives_its_function_while_the_database_never_answers(api, env, database_proxy):
    """All use cases at once, in one instance, with the real patience, on connections that worked before."""
    session, other = api.session(), api.session()
    file, [part] = api.upload(session, pdf(partCount=1), b"abc")
    calls = every_route(session, file["fileId"], other, part["etag"])
    use_the_whole_pool(api, env["DATABASE_URL"])
    with ThreadPoolExecutor(len(calls)) as executor:
        database_proxy.silent = True
        try:
            answers = list(executor.map(partial(timed, api), calls))
        finally:
            database_proxy.silent = False
    for call, (response, seconds) in zip(calls, answers, strict=True):
        print(call[:2], response.status_code, f"{seconds:.0f} s")
        assert response.status_code == 503
        assert seconds < LONGEST_WITHOUT_DATABASE < LONGEST_REQUEST
    assert api.complete(session, file["fileId"])["sizeBytes"] == 3


@pytest.mark.long
def test_a_database_that_is_slow_makes_requests_slow_and_no_more(api, env, database_proxy):
    """All use cases at once, each on a connection of its own that was there before."""
    session, other = api.session(), api.session()
    file, [part] = api.upload(session, pdf(partCount=1), b"abc")
    calls = every_route(session, file["fileId"], other, part["etag"])
    calls.remove(("DELETE", f"/{session}/files/{file['fileId']}", None))  # or else it may not be completed
    use_the_whole_pool(api, env["DATABASE_URL"])  # to connect is four round trips, and has 5 s
    database_proxy.delay = 1.5
    with ThreadPoolExecutor(len(calls)) as executor:
        answers = list(executor.map(partial(timed, api), calls))
    database_proxy.delay = 0
    for call, (response, seconds) in zip(calls, answers, strict=True):
        print(call[:2], response.status_code, f"{seconds:.0f} s")
        assert response.is_success
        assert 1.5 <= seconds < 20
    assert api.show(session)["files"][0]["status"] == "completed"


@pytest.mark.long
@pytest.mark.timeout(200)
def test_no_request_outlives_its_function_while_the_store_never_answers(api, store_proxy):
    """All use cases at once, in one instance, with the real patience; others are answered meanwhile."""
    session = api.session()
    file, _ = api.upload(session, pdf(partCount=1), b"abc")
    other = api.session()
    api.batch(other, [pdf(f"{n}.pdf") for n in range(10)])
    path = f"/{session}/files/{file['fileId']}"
    calls = [
        ("POST", f"/{session}/files", pdf("one.pdf")),
        ("POST", f"/{session}/files/batch", {"files": [pdf(f"{n}.pdf") for n in range(8)]}),
        ("GET", f"{path}/parts", None),
        ("POST", f"{path}/complete", None),
        ("DELETE", path, None),
        ("DELETE", f"/{other}", None),
        ("GET", "/api/health", None),
    ]

    store_proxy.fault = lambda method, path: "hang"
    with ThreadPoolExecutor(len(calls)) as executor:
        answers = executor.map(partial(timed, api), calls)
        with at_most(5, "it asks no store"):
            assert api.show(session)["status"] == "active"
        for call, (response, seconds) in zip(calls, answers, strict=True):
            print(call[:2], response.status_code, f"{seconds:.0f} s")
            assert seconds < LONGEST_WITHOUT_STORE < LONGEST_REQUEST
            assert response.status_code in (200, 201, 207, 503)
    store_proxy.fault = lambda method, path: None
    store_proxy.released.set()
    assert api.complete(session, file["fileId"])["sizeBytes"] == 3
    assert api.call("DELETE", f"/{other}").status_code == 204
