"""Every statement has limits that PostgreSQL itself keeps: production's own ones, by the server's clock.

`--database=pgbouncer` runs this through a transaction-mode pooler.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
import pytest

from lib import wiring
from lib.domain.errors import ApiError
from lib.postgres import connection, database
from lib.postgres.database import Database, transaction
from lib.runtime import request_budget
from tests.conftest import SECRET
from tests.support.fuzzy import NO_DATABASE
from tests.support.locks import Holder
from tests.support.patience import at_most
from tests.support.proxy import Proxy
from tests.support.servers import wait_for
from tests.support.use_cases import World, reported

# Seconds, as docs/reliability.md has them.
LOCK = 5
STATEMENTS = 9
LONGEST_UNDER_A_LOCK = 15
CHECK = 2  # whether a connection lives that was idle for so long:
IDLE = 30
SOON = 0.5  # after the answer nothing of a request is left in the database

LOCK_FILE = "SELECT 1 FROM upload_session_files WHERE id = %s FOR UPDATE"
LOCK_SESSION = "SELECT 1 FROM upload_sessions WHERE id = %s FOR UPDATE"
LOCK_CREATION = "SELECT pg_advisory_xact_lock(hashtextextended('create session ' || %s, 0))"


@pytest.fixture
def direct_url(request, env):
    """Past the pooler, where there is one."""
    if request.config.getoption("--database") == "embedded":
        return env["DATABASE_URL"]
    return request.getfixturevalue("hosted_database").direct_url


class Hook:
    """What a test wants done as S3 is asked for an upload, between the two writes of a registration."""

    def __init__(self):
        self.before_upload = {}  # by session

    def wrap(self, made):
        if type(made).__name__ == "Bucket":
            create = made.create_upload
            made.create_upload = lambda key, *args, **more: (self._run(key), create(key, *args, **more))[1]
        return made

    def _run(self, key):
        for session, action in list(self.before_upload.items()):
            if session in key:
                action()


@pytest.fixture
def hook():
    return Hook()


@pytest.fixture
def api(in_process, env, hook):
    settings = {"AUTH_JWT_SECRET": SECRET, "RATE_LIMIT_BYPASS": "false", "DATABASE_POOL_SIZE": "20"}
    return in_process(wiring.build(env | settings, hook.wrap))


@dataclass
class Blocked:
    """A call that must wait for a lock, and what the call would have changed."""

    world: World
    lock: str
    locked: str
    call: tuple
    unchanged: tuple | None = None


def of_a_file(world, prepare, method, end, *, body=lambda world: None):
    prepare(world)
    unchanged = ("SELECT status, etag, (SELECT count(*) FROM upload_session_parts p WHERE p.file_id = f.id)"
                 " FROM upload_session_files f WHERE id = %s", world.file["fileId"])  # fmt: skip
    return Blocked(world, LOCK_FILE, world.file["fileId"], (method, world.path(end), body(world)), unchanged)


def recorded(world):
    world.upload()
    world.api.record(world.session, world.file["fileId"], reported(world)["parts"])


def gone(world):
    world.register()
    world.abort_behind_our_back()


def of_a_session(world, method, end, body, query):
    return Blocked(world, LOCK_SESSION, world.session, (method, f"/{world.session}{end}", body), query)


FILES_OF = "SELECT count(*), count(upload_id) FROM upload_session_files WHERE session_id = %s"
STATUS_OF = "SELECT status FROM upload_sessions WHERE id = %s"

KINDS = {
    "record": lambda world: of_a_file(world, World.upload, "POST", "/parts", body=reported),
    "learn": lambda world: of_a_file(world, World.upload, "GET", "/parts"),
    "complete": lambda world: of_a_file(world, recorded, "POST", "/complete"),
    "fail": lambda world: of_a_file(world, gone, "GET", "/parts?presign=true"),
    "delete": lambda world: of_a_file(world, World.register, "DELETE", ""),
    "reserve": lambda world: of_a_session(world, "POST", "/files", world.metadata, (FILES_OF, world.session)),
    "cancel": lambda world: of_a_session(world, "DELETE", "", None, (STATUS_OF, world.session)),
}


@dataclass
class Outcome:
    """What became of a call: its answer, its seconds, and what it left behind."""

    response: object
    seconds: float
    waiting: int


def outcome_of(blocked, holder):
    holder.lock(blocked.lock, [blocked.locked])
    started = holder.time()
    response = blocked.world.api.call(*blocked.call)
    seconds = holder.time() - started
    time.sleep(SOON)
    return Outcome(response, seconds, holder.waiting())


@pytest.mark.parametrize("kinds", [list(KINDS)[:4], list(KINDS)[4:]], ids=" ".join)
def test_a_lock_that_does_not_go_away_is_503_and_nothing_of_the_call_is_left(api, s3, db, direct_url, kinds):
    blocked = [KINDS[kind](World(api, s3, db)) for kind in kinds]
    before = [db.execute(one.unchanged[0], one.unchanged[1:]).fetchall() for one in blocked]
    with ExitStack() as stack, ThreadPoolExecutor(len(kinds)) as executor:
        holders = [stack.enter_context(Holder(direct_url)) for _ in blocked]
        outcomes = list(executor.map(outcome_of, blocked, holders))
        assert [row for row in holders[0].busy() if "FOR UPDATE" not in row[2]] == []
    for kind, outcome in zip(kinds, outcomes, strict=True):
        assert (outcome.response.status_code, outcome.response.json()["error"]) == NO_DATABASE, kind
        assert LOCK - 0.5 < outcome.seconds < LONGEST_UNDER_A_LOCK, (kind, outcome.seconds)
        assert outcome.waiting == 0, kind
    after = [db.execute(one.unchanged[0], one.unchanged[1:]).fetchall() for one in blocked]
    assert after == before  # no abandoned write has landed


def test_settling_waits_no_longer_than_reserving(api, s3, db, direct_url, hook):
    """Its lock comes between the two, while S3 is asked."""
    world = World(api, s3, db)
    with Holder(direct_url) as holder:
        hook.before_upload[world.session] = lambda: holder.lock(LOCK_SESSION, [world.session])
        started = holder.time()
        assert api.refused("POST", f"/{world.session}/files", world.metadata) == NO_DATABASE
        assert LOCK - 0.5 < holder.time() - started < LONGEST_UNDER_A_LOCK
        time.sleep(SOON)
        assert holder.waiting() == 0
    assert db.execute(FILES_OF, [world.session]).fetchone() == (2, 1)  # reserved: asking again adopts it
    hook.before_upload.clear()
    assert api.register(world.session, world.metadata)


def test_creating_waits_for_the_users_other_calls_no_longer_than_that(api, user, direct_url):
    with Holder(direct_url) as holder:
        holder.lock(LOCK_CREATION, [user])
        started = holder.time()
        assert api.refused("POST", "", {}) == NO_DATABASE
        assert LOCK - 0.5 < holder.time() - started < LONGEST_UNDER_A_LOCK
        time.sleep(SOON)
        assert holder.waiting() == 0


def test_reads_have_limits_too(api, s3, db, direct_url):
    """A migration holds a table: whatever is asked of it waits."""
    world = World(api, s3, db)
    world.upload()
    calls = [
        ("GET", f"/{world.session}", None),
        ("GET", world.path("/parts"), None),
        ("POST", world.path("/parts"), reported(world)),
        ("POST", world.path("/complete"), None),
        ("DELETE", world.path(), None),
        ("GET", "/api/health", None),
    ]
    with Holder(direct_url) as holder, ThreadPoolExecutor(len(calls)) as executor:
        holder.lock("LOCK TABLE upload_session_files IN ACCESS EXCLUSIVE MODE")
        started = holder.time()
        statuses = [response.status_code for response in executor.map(lambda call: api.call(*call), calls)]
        assert LOCK - 0.5 < holder.time() - started < LONGEST_UNDER_A_LOCK
        time.sleep(SOON)
        assert holder.waiting() == 0
    assert statuses == [503] * len(calls)
    assert api.complete(world.session, world.file["fileId"])


OLDER = 10**6  # than this is every version: PostgreSQL limits statements alone


@pytest.mark.parametrize("since", [connection.TRANSACTION_TIMEOUT, OLDER])
def test_the_statements_of_a_transaction_share_one_limit(env, direct_url, monkeypatch, since):
    """Each of these alone is within it."""
    monkeypatch.setattr(connection, "TRANSACTION_TIMEOUT", since)
    one = Database(env["DATABASE_URL"], max_size=1)
    attempts = []

    def work(used):
        attempts.append(1)
        with transaction(used) as pipeline:
            for _ in range(3):
                used.execute("SELECT pg_sleep(2)")
            pipeline.sync()
            for _ in range(3):
                used.execute("SELECT pg_sleep(2)")

    try:
        with Holder(direct_url) as holder:
            started = holder.time()
            with pytest.raises(ApiError, match="DATABASE_UNAVAILABLE") as refusal:
                one.run(work)
            assert STATEMENTS - 0.5 < holder.time() - started < database.PATIENCE_SECONDS
            ends_sessions = holder.version() >= since
            expected = psycopg.OperationalError if ends_sessions else psycopg.errors.QueryCanceled
            assert isinstance(refusal.value.__cause__, expected)
            assert attempts == [1]
            time.sleep(SOON)
            assert holder.busy() == []
        assert one.run(lambda c: c.execute("SELECT 1 AS one").fetchone()) == {"one": 1}
    finally:
        one.close()


def test_an_instance_that_freezes_between_two_statements_holds_no_lock(env, direct_url):
    """PostgreSQL would not count that time: nothing runs, and a transaction is idle only after a Sync."""
    one, seen = Database(env["DATABASE_URL"], max_size=1), []

    def work(used):
        with transaction(used) as pipeline:
            for synced in (False, True):
                for key in (1, 2):
                    used.execute("SELECT pg_advisory_xact_lock(%s)", [8 * synced + key])
                    time.sleep(0.1)  # frozen; what was sent has arrived
                    seen.append(holder.advisory_locks())
                pipeline.sync()

    with Holder(direct_url) as holder:
        one.run(work)
        assert seen == [0, 0, 2, 2]  # those of the first half, in which being idle has its limit
        assert holder.advisory_locks() == 0
    one.close()


def test_a_connection_that_was_never_used_is_asked_as_any_other_after_a_freeze(env, monkeypatch):
    url = urlsplit(env["DATABASE_URL"])
    with Proxy(url.hostname, url.port) as proxy:
        one = Database(env["DATABASE_URL"].replace(f":{url.port}", f":{proxy.port}"), max_size=1)
        try:
            one.run(lambda c: c.execute("SELECT 1"))
            one._pool.drain()  # makes a new one, for whoever comes next
            wait_for(lambda: check(one._pool.get_stats()["pool_available"] == 1))
            assert proxy.freeze() == 1
            now = time.time()
            monkeypatch.setattr(time, "time", lambda: now + IDLE + 1)
            with at_most(CHECK, "an idle connection is asked whether it lives; 10 s without that"):
                assert one.run(lambda c: c.execute("SELECT 1 AS one").fetchone()) == {"one": 1}
        finally:
            one.close()


def check(condition):
    assert condition


def test_who_gives_up_first_cancels_what_runs(env, direct_url, monkeypatch):
    """As behind a pooler whose queue took most of the time: PostgreSQL's limit began late."""
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(database, "MIN_WAIT_SECONDS", 1.0)
    monkeypatch.setattr(connection, "MARGIN_SECONDS", -60.0)
    one = Database(env["DATABASE_URL"], max_size=1)
    with Holder(direct_url) as holder:
        holder.lock("SELECT pg_advisory_xact_lock(7)")
        for statement in ("SELECT pg_advisory_xact_lock(7)", "SELECT pg_sleep(60)"):
            with pytest.raises(ApiError, match="DATABASE_UNAVAILABLE"):
                one.run(lambda c, statement=statement: c.execute(statement))
            time.sleep(SOON)
            assert [row for row in holder.busy() if "pg_sleep" in row[2] or row[1] == "Lock"] == []
    one.close()


def test_a_request_that_has_waited_for_long_enough_asks_no_more(env):
    one, asked = Database(env["DATABASE_URL"], max_size=1), []

    def request():
        request_budget.start().database_waits._seconds = database.PATIENCE_SECONDS
        with pytest.raises(ApiError, match="DATABASE_UNAVAILABLE"):
            one.run(asked.append)

    copy_context().run(request)
    assert asked == []
    one.close()


def test_those_who_wait_at_once_wait_once():
    watch = request_budget.Stopwatch()
    started = time.monotonic()
    both = threading.Barrier(2)

    def wait():
        with watch:
            both.wait()
            time.sleep(0.1)
            both.wait()

    threads = [threading.Thread(target=wait) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = time.monotonic() - started
    assert 0.1 <= watch.seconds() <= whole
