"""The stack behind proxies that fail on demand."""

import io
import json
from urllib.parse import urlsplit

import pytest

from lib import log
from tests.support.http_faults import StoreProxy
from tests.support.proxy import Proxy


@pytest.fixture
def database_proxy(env):
    url = urlsplit(env["DATABASE_URL"])
    with Proxy(url.hostname, url.port) as proxy:
        proxy.url = env["DATABASE_URL"].replace(f":{url.port}/", f":{proxy.port}/")
        yield proxy


@pytest.fixture
def store_proxy(env):
    with StoreProxy(env["S3_ENDPOINT_URL"]) as proxy:
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
