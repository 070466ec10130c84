"""The files of `public/`, as the local server serves them."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from dev.server import Server

ROOT = Path(__file__).parent.parent.parent
MODULES = sorted((ROOT / "public").rglob("*.js"))


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/upload-client.js", "text/javascript; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/api.html", "text/html; charset=utf-8"),
        ("/redoc/redoc.standalone.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ],
)
def test_a_file_has_the_type_that_browsers_insist_on(path, kind):
    http = httpx.Client(transport=httpx.WSGITransport(app=Server(ROOT)), base_url="http://testserver")
    response = http.get(path)
    assert (response.status_code, response.headers["Content-Type"]) == (200, kind)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_the_client_module_can_be_imported_from_any_origin_and_the_pages_own_files_cannot(module):
    http = httpx.Client(transport=httpx.WSGITransport(app=Server(ROOT)), base_url="http://testserver")
    path = module.relative_to(ROOT / "public").as_posix()
    allowed = http.get(f"/{path}").headers.get("Access-Control-Allow-Origin")
    is_for_others = path.startswith(("upload-client", "uppy-"))
    assert allowed == ("*" if is_for_others else None)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node to parse JavaScript")
@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_a_module_is_valid_javascript(module):
    command = ["node", "--input-type=module", "--check", "-"]
    done = subprocess.run(command, input=module.read_text(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# Of the file that `make redoc` writes; tests/clients compares it with npm's package.
REDOC = "7dabcbcc4e639eb9cca463213c31551594d885d3eb9d3cae2bd5cb2f8fc990f9"


def test_the_reader_of_the_document_is_the_pinned_one_and_smaller_than_a_megabyte():
    script = (ROOT / "public" / "redoc" / "redoc.standalone.js").read_bytes()
    assert hashlib.sha256(script).hexdigest() == REDOC
    assert len(script) + (ROOT / "public" / "api.html").stat().st_size < 1_000_000
