"""Many clients over the few server connections of a pooler in transaction mode."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import psycopg
import pytest

from deploy.doctor import examine
from tests.conftest import token_for
from tests.support.client import MIB, Client, new_id, pdf, random_bytes
from tests.support.pgbouncer import PASSWORD, SERVER_CONNECTIONS
from tests.support.servers import ROOT, LocalServer, wait_for

CLIENTS = 40


@pytest.fixture(scope="module")
def servers(env, tmp_path_factory):
    """Three instances of the API, each with a connection pool of its own."""
    logs = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        yield [stack.enter_context(LocalServer(env, logs / f"{number}.log")) for number in range(3)]


@pytest.fixture
def clients(servers):
    """Forty, evenly spread over the servers."""
    with ExitStack() as stack:
        urls = [servers[number % len(servers)].url for number in range(CLIENTS)]
        yield [stack.enter_context(httpx.Client(base_url=url, timeout=60)) for url in urls]


def pool_of(console):
    """PgBouncer's counts of the API's clients and server connections, by their states."""
    cursor = console.execute("SHOW POOLS")
    names = [column.name for column in cursor.description]
    pools = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    [pool] = [pool for pool in pools if pool["database"] == "postgres"]
    return {name: int(count) for name, count in pool.items() if name.startswith(("cl_", "sv_"))}


class Watch:
    """Looks at PgBouncer's pools for as long as it is open; keeps the most that it saw of each column."""

    def __init__(self, database):
        self._database = database
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.most = {}

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._done.set()
        self._thread.join()

    def _look(self):
        with self._database.admin() as console:
            while not self._done.wait(0.01):
                pool = pool_of(console)
                clients = pool["cl_active"] + pool["cl_waiting"]
                servers = sum(count for name, count in pool.items() if name.startswith("sv_"))
                self._keep(clients=clients, servers=servers)

    def _keep(self, **seen):
        self.most = {name: max(count, self.most.get(name, 0)) for name, count in seen.items()}


def whole_story(http):
    """One client: a session, a file of two parts, a batch, a resume, a completion."""
    api = Client(http, token_for(f"user-{new_id()}"))
    session = api.session()
    content = random_bytes(5 * MIB + 1)
    registered, parts = api.upload(session, pdf(), content)
    results = api.batch(session, [pdf(f"{number}.pdf") for number in range(5)])
    api.record(session, registered["fileId"], parts[:1])
    listed = api.parts(session, registered["fileId"])
    completed = api.complete(session, registered["fileId"])
    files = api.show(session)["files"]
    return results["succeeded"], len(listed["parts"]), completed["sizeBytes"], len(files)


def test_forty_clients_at_once_share_five_server_connections(clients, hosted_database):
    with Watch(hosted_database) as watch, ThreadPoolExecutor(CLIENTS) as executor:
        stories = list(executor.map(whole_story, clients))
    assert stories == [(5, 2, 5 * MIB + 1, 6)] * CLIENTS
    assert watch.most["servers"] <= SERVER_CONNECTIONS
    assert watch.most["clients"] > SERVER_CONNECTIONS  # else nobody ever shared one


def test_forty_calls_for_the_last_places_through_the_pooler(clients, user):
    apis = [Client(http, token_for(user)) for http in clients]
    session = apis[0].session(maxFiles=3)
    with ThreadPoolExecutor(CLIENTS) as executor:
        calls = [
            executor.submit(api.call, "POST", f"/{session}/files", pdf(f"{number}.pdf"))
            for number, api in enumerate(apis)
        ]
        statuses = sorted(call.result().status_code for call in calls)
    assert statuses == [201] * 3 + [400] * (CLIENTS - 3)


def nobody_holds_one(console):
    pool = pool_of(console)
    assert (pool["sv_active"], pool["cl_waiting"]) == (0, 0), pool


def test_nothing_of_a_session_stays_on_a_server_connection(servers, hosted_database):
    """Prepared statements, settings and locks would reach the next user of the connection."""
    with httpx.Client(base_url=servers[0].url, timeout=60) as http:
        whole_story(http)
    with hosted_database.admin() as console:
        wait_for(lambda: nobody_holds_one(console), 10)
    left = """
        SELECT (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_locks
                WHERE locktype = 'advisory'), (SELECT count(*) FROM pg_settings
                WHERE source = 'session' AND name <> 'application_name')  -- the pooler's own doing
    """
    with ExitStack() as stack:
        seen = []
        for _ in range(SERVER_CONNECTIONS):  # an open transaction keeps its server connection
            connection = stack.enter_context(psycopg.connect(hosted_database.url, prepare_threshold=None))
            seen.append(connection.execute(left).fetchone())
        plain = stack.enter_context(psycopg.connect(hosted_database.direct_url, prepare_threshold=None))
        untouched = plain.execute(left).fetchone()
    assert seen == [untouched] * SERVER_CONNECTIONS


def test_a_flush_after_the_answer_keeps_a_server_connection(hosted_database):
    """The cause of a server connection that nobody got any more: psycopg sends Flush after Sync.

    If the answer is faster, PgBouncer links the client to a server connection for the Flush, which has no
    answer, until the client speaks again. `test_no_flush_is_sent` holds that the API sends none.
    """
    with psycopg.connect(hosted_database.url, autocommit=True) as idle, hosted_database.admin() as console:
        idle.execute("SELECT 1")
        wait_for(lambda: nobody_holds_one(console), 10)
        with idle.pipeline():
            pass
        idle.pgconn.enter_pipeline_mode()
        idle.pgconn.send_flush_request()
        idle.pgconn.flush()
        idle.pgconn.exit_pipeline_mode()
        wait_for(lambda: held(console, 1), 10)
        time.sleep(1)
        held(console, 1)
        idle.execute("SELECT 1")
        wait_for(lambda: nobody_holds_one(console), 10)


def held(console, count):
    pool = pool_of(console)
    assert pool["sv_active"] == count, pool


def test_the_pooler_is_as_strict_as_those_of_hosts(hosted_database):
    with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter: options"):
        psycopg.connect(hosted_database.url + "&options=-cstatement_timeout%3D5s")
    with pytest.raises(psycopg.OperationalError, match="SSL required"):
        psycopg.connect(hosted_database.url.replace("require", "disable"))


def test_the_doctor_sees_a_pooler_in_statement_mode(hosted_database, env):
    """It lets each statement alone through, and ends every transaction that waits for an answer."""
    with hosted_database.admin() as console:
        console.execute("SET pool_mode = 'statement'")
        try:
            found = [
                one for one in examine(env | {"DATABASE_URL": hosted_database.url}) if one.status == "wrong"
            ]
        finally:
            console.execute("SET pool_mode = 'transaction'")
    assert ["pool_mode" in one.fix for one in found if one.check == "database"] == [True]


def test_migrations_go_past_the_pooler(hosted_database):
    command = [sys.executable, "-m", "db.migrate"]
    env = {"PATH": os.environ["PATH"], "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    direct = hosted_database.direct_url + "&schema=public"
    done = subprocess.run(
        command, cwd=ROOT, env=env | {"DATABASE_URL_DIRECT": direct}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        0, "Nothing to apply: the database is up to date.\n", "",
    )  # fmt: skip
    malformed = f"postgresql://app:{PASSWORD}@[half/postgres"
    done = subprocess.run(
        command, cwd=ROOT, env=env | {"DATABASE_URL_DIRECT": malformed}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Not migrated: DATABASE_URL_DIRECT: is no PostgreSQL URL")
    assert PASSWORD not in done.stderr
