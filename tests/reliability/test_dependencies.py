"""The database and the store: down, slow, silent, cut off, talking nonsense; and back again."""

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from lib import budget, wiring
from lib.errors import ApiError
from lib.store import database
from lib.store.database import Database
from tests.support.client import MIB, new_id, pdf
from tests.support.fuzzy import error


def later(value):
    """Only in the long run of the tests."""
    return pytest.param(value, marks=pytest.mark.long)


NO_STORE = (503, error("SERVICE_UNAVAILABLE", "STORAGE_UNAVAILABLE"))
NO_DATABASE = (503, error("SERVICE_UNAVAILABLE", "DATABASE_UNAVAILABLE"))


@pytest.fixture
def api(in_process, store_proxy, database_proxy):
    """An API whose database and store are behind proxies."""
    return in_process(DATABASE_URL=database_proxy.url, S3_ENDPOINT_URL=store_proxy.url)


@pytest.fixture
def hurried(monkeypatch):
    """Patience of a second or so where the real one is many: the mechanism is the same."""
    monkeypatch.setattr(budget, "SECONDS", 1.0)
    monkeypatch.setattr(database.Connection, "patience", 0.7)
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
    started = time.monotonic()
    assert api.refused("DELETE", f"/{session}") == NO_STORE  # each file wants an abort and a look
    assert time.monotonic() - started < 2
    assert lines.records("request")[-1]["s3_calls"] == 3
    store_proxy.fault = lambda method, path: None
    assert api.call("DELETE", f"/{session}").status_code == 204


def test_a_silent_database_is_503_and_noticed_when_it_is_back(api, database_proxy, hurried):
    session = api.session()
    database_proxy.silent = True
    started = time.monotonic()
    assert api.refused("GET", f"/{session}") == NO_DATABASE
    assert time.monotonic() - started < 8
    database_proxy.silent = False
    assert api.show(session)["status"] == "active"


def test_connections_that_died_in_silence_are_noticed(api, database_proxy, monkeypatch):
    """An instance was frozen: its connections are half-open, and new ones work."""
    session = api.session()
    with ThreadPoolExecutor(8) as executor:  # fill the pool
        list(executor.map(lambda _: api.show(session), range(32)))
    old = database_proxy.freeze()
    assert old >= 2
    now = time.time()
    monkeypatch.setattr(database.time, "time", lambda: now + 3600)
    monkeypatch.setattr(database, "CHECK_SECONDS", 0.5)
    started = time.monotonic()
    assert [api.show(session)["status"] for _ in range(4)] == ["active"] * 4
    assert time.monotonic() - started < 4


def test_connections_that_are_cut_are_not_the_clients_business(api, database_proxy):
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
            started = time.monotonic()
            with pytest.raises(ApiError, match="DATABASE_UNAVAILABLE"):
                tight.run(lambda c: c.execute("SELECT 1"))
            assert 4 < time.monotonic() - started < 6.5
            busy.result()
        assert tight.run(lambda c: c.execute("SELECT 1 AS one").fetchone()) == {"one": 1}
    finally:
        tight.close()


def test_a_lock_that_another_holds_for_good_is_503(in_process, env, monkeypatch):
    monkeypatch.setattr(
        database,
        "SET_TIMEOUTS",
        database.SET_TIMEOUTS.replace("'lock_timeout', '5s'", "'lock_timeout', '200ms'"),
    )
    api = in_process()
    session = api.session()
    with psycopg.connect(env["DATABASE_URL"]) as other:
        other.execute("SELECT 1 FROM upload_sessions WHERE id = %s FOR UPDATE", [session])
        assert api.refused("POST", f"/{session}/files", pdf()) == NO_DATABASE
    assert api.register(session, pdf())


def test_a_transaction_whose_instance_is_frozen_does_not_hold_its_locks(env, monkeypatch):
    monkeypatch.setattr(database, "SET_TIMEOUTS", database.SET_TIMEOUTS.replace("'10s'", "'300ms'"))
    one = Database(env["DATABASE_URL"], max_size=2)
    attempts = []

    def work(connection):
        attempts.append(connection)
        with database.transaction(connection) as pipeline:
            connection.execute("SELECT pg_advisory_xact_lock(42)")
            pipeline.sync()
            if len(attempts) == 1:
                time.sleep(1)  # frozen
                with psycopg.connect(env["DATABASE_URL"]) as other:
                    row = other.execute("SELECT pg_try_advisory_xact_lock(42)").fetchone()
                    assert row == (True,)
            return connection.execute("SELECT 7 AS seven").fetchone()

    try:
        assert one.run(work) == {"seven": 7}
        assert len(attempts) == 2
    finally:
        one.close()


def test_a_primary_that_became_read_only_is_left(env):
    one = Database(env["DATABASE_URL"], max_size=2)
    seen = []

    def work(connection):
        seen.append(connection)
        connection.execute("BEGIN READ ONLY" if len(seen) == 1 else "BEGIN")
        connection.execute("DELETE FROM upload_sessions WHERE false")
        connection.execute("COMMIT")
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
    "url", ["postgres:/user:the-secret@host/db", "nonsense", "postgresql://u:the-secret%zz@h/d"]
)
def test_a_senseless_database_url_is_named_and_not_shown(in_process, lines, capfd, env, url):
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


LONGEST_REQUEST = 70  # seconds; a function on Vercel's smallest plan has 300


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

    def timed(call):
        started = time.monotonic()
        return api.call(*call), time.monotonic() - started

    store_proxy.fault = lambda method, path: "hang"
    with ThreadPoolExecutor(len(calls)) as executor:
        answers = executor.map(timed, calls)
        started = time.monotonic()
        assert api.show(session)["status"] == "active"  # asks no store
        assert time.monotonic() - started < 10
        for call, (response, seconds) in zip(calls, answers, strict=True):
            print(call[:2], response.status_code, f"{seconds:.0f} s")
            assert seconds < LONGEST_REQUEST
            assert response.status_code in (200, 201, 207, 503)
    store_proxy.fault = lambda method, path: None
    store_proxy.released.set()
    assert api.complete(session, file["fileId"])["sizeBytes"] == 3
    assert api.call("DELETE", f"/{other}").status_code == 204
