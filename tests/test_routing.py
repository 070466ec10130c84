"""The local server sends each path where Vercel sends it (see tests/scenarios/vercel/test_routing.py)."""

import threading

import pytest
import waitress.server

from dev.server import Server
from tests.support.urls import METHODS, TABLE, TOP, ask, echoing_tree, expected


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    server = waitress.server.create_server(
        Server(echoing_tree(tmp_path_factory.mktemp("tree"))), host="127.0.0.1", port=0
    )
    threading.Thread(target=server.run, daemon=True).start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.close()


@pytest.mark.parametrize(("target", "name", "query"), TABLE, ids=[row[0] for row in TABLE])
def test_where_a_path_leads(base, target, name, query):
    assert ask(base, "GET", target) == expected("GET", target, name, query)


@pytest.mark.parametrize("method", METHODS)
def test_the_method_does_not_matter(base, method):
    assert ask(base, method, f"/{TOP}") == (f"{TOP}/index", method, f"/{TOP}", {})
