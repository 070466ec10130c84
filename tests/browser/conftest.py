"""A real browser on the upload page, over a real server and store; `make test-browser` runs these."""

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.page import Page
from tests.conftest import token_for
from tests.support.client import Client
from tests.support.parts_proxy import PartsProxy
from tests.support.servers import LocalServer

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
BROWSER_USER = "browser-user"

expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def store(env):
    """The store, behind a proxy that counts the parts that reach it."""
    with PartsProxy(env["S3_ENDPOINT_URL"]) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def serve(env, store, tmp_path_factory):
    """Starts a server of the page and the API, with settings of one's own, once for each set of settings."""
    servers = {}

    def start(**settings):
        key = tuple(sorted(settings.items()))
        if key not in servers:
            log = tmp_path_factory.mktemp("site") / "log"
            own = {"S3_ENDPOINT_URL": store.url, "RATE_LIMIT_BYPASS": "true"}
            servers[key] = LocalServer(env | own | settings, log).__enter__()
        return servers[key].url

    yield start
    for server in servers.values():
        server.__exit__()


@pytest.fixture(scope="session")
def site(serve):
    """The page as `make run` serves it: nobody has to sign in."""
    return serve(AUTH_BYPASS="true", DEV_USER_SUB=BROWSER_USER)


def chromium():
    """The path of the browser."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.fail(
            "There is no Chromium: install it (Debian: apt install chromium), or set CHROMIUM to its path."
        )
    return path


@pytest.fixture(scope="session")
def browser():
    """Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser, store):
    """A browser profile of this test's own: its tabs share their storage."""
    context = browser.new_context(viewport={"width": 900, "height": 900})
    yield context
    context.close()
    store.reset()


@pytest.fixture
def page(context, site):
    """The page, opened."""
    return Page(context.new_page(), site).open()


@pytest.fixture
def api(site):
    """The API as it is seen past the page, by the same user."""
    import httpx

    with httpx.Client(base_url=site, timeout=30) as http:
        yield Client(http)


@pytest.fixture
def token():
    return token_for(BROWSER_USER)


@pytest.fixture
def files(tmp_path):
    """Makes files of a size, whose bytes are no other file's."""

    def make(name, size):
        path = tmp_path / name
        path.write_bytes(os.urandom(size))
        return path

    return make


@pytest.fixture(scope="session")
def screenshots():
    """Where pictures go, to be looked at."""
    folder = Path(os.environ.get("SCREENSHOTS") or ".dev/screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
