"""What a crash of PostgreSQL may take: a reservation that nobody was told of, nothing that was acknowledged.

On a stack of its own: the other tests' one gives up durability altogether.
"""

import psycopg
import pytest

from db.migrate import migrate
from dev.stack import Stack
from lib import wiring
from tests.conftest import SECRET
from tests.support.client import pdf

UNFLUSHED = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), pg_current_wal_flush_lsn())::bigint"
FILES = (
    "SELECT f.file_key, f.upload_id FROM upload_session_files f WHERE f.session_id = %s ORDER BY f.registered"
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """PostgreSQL as a deployment has it, but for ten seconds only a commit writes the log to the disk."""
    stack = Stack(tmp_path_factory.mktemp("durable"), fast=False)
    try:
        with stack:
            with psycopg.connect(stack.database_url, autocommit=True) as db:
                db.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
                db.execute("ALTER SYSTEM SET autovacuum = off")
            crash(stack)
            migrate(stack.database_url)
            yield stack
    finally:
        stack.remove()


@pytest.fixture(scope="module")
def env(stack):
    return stack.env() | {"AUTH_JWT_SECRET": SECRET, "RATE_LIMIT_BYPASS": "true"}


@pytest.fixture
def api(in_process, env, faults):
    return in_process(wiring.build(env, faults.wrap))


def crash(stack, *, restart=True):
    """As `kill -9` of PostgreSQL."""
    stack.postgres.kill()
    if restart:
        stack.start_postgres()


def asked(stack, statement, *values):
    with psycopg.connect(stack.database_url, autocommit=True) as db:
        return db.execute(statement, values).fetchall()


def test_what_was_acknowledged_is_there_after_a_crash(api, stack, faults):
    session, unflushed, uploads = api.session(), [], []

    def between(real, *args):
        [(size,)] = asked(stack, UNFLUSHED)
        unflushed.append(size)
        return real(*args)

    faults.instead("Bucket.create_upload", between)
    for number in range(3):
        uploads.append((f"{number}.pdf", api.register(session, pdf(f"{number}.pdf"))["uploadId"]))
        crash(stack)
        assert asked(stack, FILES, session) == uploads
    results = api.batch(session, [pdf(f"{number}.pdf") for number in range(3, 6)])["results"]
    crash(stack)
    assert asked(stack, FILES, session) == uploads + [
        (f"{number}.pdf", result["uploadId"]) for number, result in enumerate(results, 3)
    ]
    assert min(unflushed) > 0  # the reservations did not wait for the disk


@pytest.mark.parametrize("restart", [True, False], ids=["back at once", "down"])
def test_a_crash_between_the_two_transactions_loses_nothing_that_was_acknowledged(
    api, stack, faults, restart
):
    session = api.session()
    kept = api.register(session, pdf("kept.pdf"))

    def between(real, *args):
        crash(stack, restart=restart)
        return real(*args)

    faults.instead("Bucket.create_upload", between)
    response = api.call("POST", f"/{session}/files", pdf("new.pdf"))
    reason = response.json().get("error", {}).get("reason")
    assert (response.status_code, reason) in [(503, "DATABASE_UNAVAILABLE"), (404, "FILE_NOT_FOUND")]
    if not restart:
        stack.start_postgres()
    # Gone, or without an upload: never half there.
    before = [("kept.pdf", kept["uploadId"])]
    assert asked(stack, FILES, session) in (before, [*before, ("new.pdf", None)])

    faults.replaced.clear()
    again = api.register(session, pdf("new.pdf"))
    crash(stack)
    assert asked(stack, FILES, session) == [*before, ("new.pdf", again["uploadId"])]


STATUS = "SELECT status, etag FROM upload_session_files WHERE id = %s"


@pytest.mark.parametrize("restart", [True, False], ids=["back at once", "down"])
def test_a_crash_while_s3_assembles_loses_no_file(api, stack, faults, restart):
    session, unflushed = api.session(), []
    file, _ = api.upload(session, pdf(), b"abc")

    def meanwhile(real, *args):
        unflushed.extend(asked(stack, UNFLUSHED)[0])
        etag = real(*args)
        crash(stack, restart=restart)
        return etag

    faults.instead("Bucket.complete_upload", meanwhile)
    response = api.call("POST", f"/{session}/files/{file['fileId']}/complete")
    assert response.status_code == (200 if restart else 503)
    assert unflushed[0] > 0  # the mark did not wait for the disk
    if not restart:
        stack.start_postgres()
        response = api.call("POST", f"/{session}/files/{file['fileId']}/complete")
    etag = response.json()["etag"]
    crash(stack)
    assert asked(stack, STATUS, file["fileId"]) == [("completed", etag)]
