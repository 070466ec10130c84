"""Firefox and WebKit on the upload page, over a real server and store; `make test-browsers` runs these."""

import pytest

from tests.browser.conftest import api, files, serve, site, store
from tests.browsers.firefox import Firefox
from tests.browsers.page import UploadPage
from tests.browsers.webkit import WebKit

__all__ = ["api", "files", "serve", "site", "store"]


@pytest.fixture(scope="session", params=[Firefox, WebKit], ids=["firefox", "webkit"])
def browser(request, tmp_path_factory):
    """One of them, started."""
    with request.param(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def tab(browser, store):
    """A tab with storage of its own."""
    with browser.tab() as tab:
        yield tab
    store.reset()


@pytest.fixture
def page(tab, site):
    """The page, opened."""
    return UploadPage(tab, site).open()
