"""The scenarios run over HTTP, against a server that is a process of its own."""

import httpx
import pytest

from tests.conftest import token_for
from tests.support.client import Client, new_id
from tests.support.servers import LocalServer
from tests.support.vercel import VercelDev, one_function_server, vercel_server


@pytest.fixture(scope="session")
def server(env, request, tmp_path_factory):
    """The API, served as `make run` serves it, or as Vercel does."""
    make = {"local": LocalServer, "vercel": vercel_server, "vercel-one": one_function_server,
            "vercel-dev": VercelDev}[request.config.getoption("--server")]  # fmt: skip
    origins = {"ALLOWED_ORIGINS": "https://app.example.com"}
    with make(env | origins, tmp_path_factory.mktemp("server") / "log") as server:
        yield server


@pytest.fixture(scope="session")
def http(server):
    with httpx.Client(base_url=server.url, timeout=120, limits=httpx.Limits(max_connections=64)) as client:
        yield client


@pytest.fixture
def api(http, user):
    """The API as this test's own user sees it."""
    return Client(http, token_for(user))


@pytest.fixture
def stranger(http):
    """The API as somebody else sees it."""
    return Client(http, token_for(f"stranger-{new_id()}"))
