"""Vercel's build sends each path where the table says, and so where the local server does."""

import pytest

from dev.vercel.build import ensure_built
from dev.vercel.built_server import BuiltServer
from tests.support.urls import METHODS, TABLE, TOP, ask, echoing_build, expected


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    build = echoing_build(ensure_built(), tmp_path_factory.mktemp("build"))
    with BuiltServer(build, {}, build / "log") as server:
        yield server.url


@pytest.mark.parametrize(("target", "name", "query"), TABLE, ids=[row[0] for row in TABLE])
def test_where_a_path_leads(base, target, name, query):
    assert ask(base, "GET", target) == expected("GET", target, name, query)


@pytest.mark.parametrize("method", METHODS)
def test_the_method_does_not_matter(base, method):
    assert ask(base, method, f"/{TOP}") == (f"{TOP}/index", method, f"/{TOP}", {})
