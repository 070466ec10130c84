"""One function for all routes sends each path of the contract to the file that Vercel sends it to."""

import json
import re

import pytest

from lib import one_function
from tests.support.urls import ID, ROOT, TOP, function_names

FILE = f"/{TOP}/{ID}/files/{ID}"
PATHS = {
    "/api/health": "/api/health",
    "/api/openapi.json": "/api/openapi.json",
    f"/{TOP}": f"/{TOP}",
    f"/{TOP}/": f"/{TOP}",
    f"/{TOP}/{ID}": f"/{TOP}/:sessionId",
    f"/{TOP}/{ID}/files": f"/{TOP}/:sessionId/files",
    f"/{TOP}/{ID}/files/batch": f"/{TOP}/:sessionId/files/batch",
    f"/{TOP}/{ID}/files/batch/": f"/{TOP}/:sessionId/files/batch",
    FILE: f"/{TOP}/:sessionId/files/:fileId",
    f"{FILE}/": f"/{TOP}/:sessionId/files/:fileId",
    f"{FILE}/parts": f"/{TOP}/:sessionId/files/:fileId/parts",
    f"{FILE}/complete": f"/{TOP}/:sessionId/files/:fileId/complete",
    "/api/openapi_json": None,
    f"/{TOP}//files": None,
    f"{FILE}/nothing": None,
    "/api": None,
    "/": None,
}


@pytest.mark.parametrize(("path", "route"), PATHS.items())
def test_where_a_path_leads(path, route, monkeypatch):
    taken = []
    spies = [(pattern, _Spy(endpoint.path, taken)) for pattern, endpoint in one_function.ROUTES]
    monkeypatch.setattr(one_function, "ROUTES", spies)
    statuses = []
    one_function.app({"PATH_INFO": path}, lambda status, _: statuses.append(status))
    assert (taken, statuses) == ([route], []) if route else ([], ["404 Not Found"])


class _Spy:
    def __init__(self, path, taken):
        self.path, self._taken = path, taken

    def __call__(self, environ, start_response):
        self._taken.append(self.path)
        return []


def test_every_file_below_api_is_served():
    assert len(one_function.ROUTES) == len(function_names())
    assert {endpoint.path for _, endpoint in one_function.ROUTES} == set(PATHS.values()) - {None}


def test_its_bundle_takes_what_the_others_take():
    one = json.loads((ROOT / "vercel.one-function.json").read_text())["builds"][0]["config"]
    [many] = json.loads((ROOT / "vercel.json").read_text())["functions"].values()
    assert one == many


def test_its_files_have_the_headers_that_the_others_have():
    one = json.loads((ROOT / "vercel.one-function.json").read_text())["routes"]
    for entry in json.loads((ROOT / "vercel.json").read_text())["headers"]:
        path = entry["source"].replace(":file", "part.js")
        headers = {header["key"]: header["value"] for header in entry["headers"]}
        assert [
            route["headers"] for route in one if "headers" in route and re.fullmatch(route["src"], path)
        ] == [headers]
