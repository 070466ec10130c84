"""The local server sends each path where Vercel sends it (see tests/scenarios/vercel/test_routing.py)."""

import pytest

from dev.server import Server
from dev.vercel.built_server import serving
from tests.support.urls import METHODS, TABLE, TOP, ask, echoing_tree, expected


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    with serving(Server(echoing_tree(tmp_path_factory.mktemp("tree")))) as url:
        yield url


@pytest.mark.parametrize(("target", "name", "query"), TABLE, ids=[row[0] for row in TABLE])
def test_where_a_path_leads(base, target, name, query):
    assert ask(base, "GET", target) == expected("GET", target, name, query)


@pytest.mark.parametrize("method", METHODS)
def test_the_method_does_not_matter(base, method):
    assert ask(base, method, f"/{TOP}") == (f"{TOP}/index", method, f"/{TOP}", {})
