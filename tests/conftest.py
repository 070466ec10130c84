"""A database and a store of the tests' own, started once."""

import functools
import gc
import os
import resource
import signal
import sys
import time
import uuid
from pathlib import Path

import botocore.session
import httpx
import jwt
import psycopg
import pytest

from db.migrate import migrate
from deploy.shell import forget_other_servers
from dev.seaweedfs import store_client
from dev.stack import Stack
from lib import wiring
from lib.runtime import log
from lib.runtime.config import Settings
from tests.support.client import Client
from tests.support.faults import Faults
from tests.support.pgbouncer import HostedDatabase

PEAKS = pytest.StashKey()
SECRET = "the-secret-of-the-tests-has-32-bytes-or-more"


def pytest_addoption(parser):
    servers = ["local", "vercel", "vercel-one", "vercel-dev"]
    parser.addoption("--server", choices=servers, default="local", help="what serves the scenarios")
    parser.addoption("--database", choices=["embedded", "pgbouncer"], default="embedded", help="the database")
    parser.addoption("--store", choices=["seaweedfs", "localstack"], default="seaweedfs", help="the S3 store")


def pytest_configure():
    """Stop the servers on the way out when told to end (a cancelled CI job), as at Ctrl-C.

    Ctrl-C is set, too: Python leaves it ignored when the caller did (`make test &` in a script).
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    forget_other_servers()  # of the developer's shell, as its settings of another deployment
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
    # Each application has a session of botocore's own, which would read the same descriptions of S3 again:
    # nine tenths of what building one costs, and 12 MB.
    botocore.session.create_loader = functools.cache(botocore.session.create_loader)


def pytest_collection_finish():
    """Take what was collected out of the garbage collector's sight.

    It puts a full collection off until a quarter of all that it sees is new: some hundred MB of dead clients.
    """
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session):
    """A worker tells how much memory it has used at most."""
    if hasattr(session.config, "workeroutput"):
        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        session.config.workeroutput["peak"] = peak


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    if output := getattr(node, "workeroutput", None):
        node.config.stash.setdefault(PEAKS, []).append(output["peak"])


def pytest_terminal_summary(terminalreporter, config):
    if peaks := config.stash.get(PEAKS, []):
        told = ", ".join(f"{peak / 1e6:.0f} MB" for peak in peaks)
        terminalreporter.write_line(f"Memory of each worker at most: {told}")


@pytest.fixture(autouse=True)
def nothing_was_logged_before():
    """What one test has caused is not left out of the next one's log."""
    log.repeats.forget()


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """The embedded database and store, migrated."""
    stack = Stack(tmp_path_factory.mktemp("stack"), fast=True)
    try:
        with stack:
            migrate(stack.database_url)
            yield stack
    finally:
        stack.remove()


@pytest.fixture(scope="session")
def hosted_database():
    """Debian's PostgreSQL behind PgBouncer, migrated past it."""
    with HostedDatabase() as database:
        migrate(database.direct_url)
        yield database


@pytest.fixture(scope="session")
def database_env(request):
    """What a database other than the embedded one puts over the stack's settings."""
    if request.config.getoption("--database") == "embedded":
        return {}
    return {"DATABASE_URL": request.getfixturevalue("hosted_database").url}


@pytest.fixture(scope="session")
def store_env(pytestconfig):
    """What a store other than the embedded one puts over the stack's settings."""
    if pytestconfig.getoption("store") == "seaweedfs":
        yield {}
        return
    from tests.support.localstack import LocalStack

    with LocalStack("s3") as localstack:
        localstack.create_bucket()
        yield localstack.env()


@pytest.fixture(scope="session")
def env(stack, database_env, store_env):
    """The environment of a deployment on the stack, with tokens signed by a secret."""
    return stack.env() | database_env | store_env | {"AUTH_JWT_SECRET": SECRET, "RATE_LIMIT_BYPASS": "true"}


@pytest.fixture
def db(env):
    """A connection that looks past the API; each statement commits."""
    with psycopg.connect(env["DATABASE_URL"], autocommit=True, prepare_threshold=None) as connection:
        yield connection


@pytest.fixture
def s3(env):
    """A client of the store that looks past the API."""
    return store_client(env)


def token_for(user, **claims):
    """A token that the servers under test accept."""
    return jwt.encode({"sub": user, "exp": int(time.time()) + 3600} | claims, SECRET, algorithm="HS256")


@pytest.fixture
def user():
    """A user of this test's own."""
    return f"user-{uuid.uuid4()}"


@pytest.fixture
def faults():
    """Breaks named calls of the application under test: give its `wrap` to `wiring.build`."""
    return Faults()


@pytest.fixture
def in_process(env, user):
    """Makes a client of an application in this very process, with other settings or swapped insides."""
    from dev.server import Server

    server = Server(Path(__file__).parent.parent)
    applications = []

    def make(application=None, **settings):
        if application is None:
            application = wiring.build(env | settings)
        applications.append(application)
        wiring.use(application)
        http = httpx.Client(transport=httpx.WSGITransport(app=server), base_url="http://testserver")
        return Client(http, token_for(user))

    yield make
    wiring.use(None)
    for application in applications:
        application.close()


@pytest.fixture
def session(api):
    """A new session, of the folder's or module's own `api`."""
    return api.session()
