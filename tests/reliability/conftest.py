"""The stack behind proxies that fail on demand."""

import io
import json
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from dev.server import Server
from lib import wiring
from lib.runtime import log
from tests.conftest import token_for
from tests.support.client import Client
from tests.support.http_faults import FaultyProxy
from tests.support.proxy import Proxy


@pytest.fixture(scope="session")
def sound(env):
    """One application that many tests share: to build one takes longer than most of them."""
    application = wiring.build(env)
    yield application
    application.close()


@pytest.fixture(scope="session")
def in_this_process():
    """HTTP to whichever application is in use."""
    server = Server(Path(__file__).parent.parent.parent)
    return httpx.Client(transport=httpx.WSGITransport(app=server), base_url="http://testserver")


@pytest.fixture
def shared_api(sound, in_this_process, user):
    """A client of the shared application."""
    wiring.use(sound)
    yield Client(in_this_process, token_for(user))
    wiring.use(None)


@pytest.fixture
def database_proxy(env):
    url = urlsplit(env["DATABASE_URL"])
    with Proxy(url.hostname, url.port) as proxy:
        proxy.url = env["DATABASE_URL"].replace(f":{url.port}/", f":{proxy.port}/")
        yield proxy


@pytest.fixture
def store_proxy(env):
    with FaultyProxy(env["S3_ENDPOINT_URL"]) as proxy:
        yield proxy


class Lines(io.StringIO):
    """What was logged, as text and line by line."""

    def records(self, message=None):
        lines = [json.loads(line) for line in self.getvalue().splitlines()]
        return [line for line in lines if message in (None, line["message"])]


@pytest.fixture
def lines(monkeypatch):
    """The log of the application in this process."""
    lines = Lines()
    monkeypatch.setattr(log.logger.registered_handler, "stream", lines)
    return lines
