"""Clients that other people's tools make of the document: compiled strictly, and each uploads a file."""

import json
import shutil
from pathlib import Path

import httpx
import pytest

from dev import redoc
from tests.conftest import token_for
from tests.support.generators import npm, pypi, run
from tests.support.servers import LocalServer

HERE = Path(__file__).parent
LINT = HERE / "lint"
# What each program says of the upload: both parts were missing, then the file was there in its size.
UPLOADED = {"missing": [1, 2], "sizeBytes": 5 * 1024 * 1024 + 3}

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]  # the first run installs the tools


@pytest.fixture
def served(env, tmp_path):
    """The API, and a folder with the document as it serves it."""
    with LocalServer(env, tmp_path / "log") as server:
        folder = tmp_path / "client"
        folder.mkdir()
        (folder / "openapi.json").write_bytes(httpx.get(f"{server.url}/api/openapi.json").content)
        yield server.url, folder


def said_last(output):
    return json.loads(output.strip().splitlines()[-1])


def test_openapi_typescript_and_openapi_fetch_upload_a_file(served, user):
    url, folder = served
    (folder / "package.json").write_text('{"type": "module"}')
    shutil.copy(HERE / "upload.ts", folder)
    npm("openapi-typescript", "openapi.json", "-o", "api.d.ts", cwd=folder)
    strict = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"]
    target = ["--target", "es2022", "--module", "nodenext", "--outDir", "out"]
    npm("tsc", *strict, *target, "upload.ts", cwd=folder)
    assert said_last(run(["node", "out/upload.js", url, token_for(user)], folder)) == UPLOADED


def test_openapi_python_client_uploads_a_file(served, user):
    url, folder = served
    shutil.copy(HERE / "upload.py", folder)
    command = ["generate", "--path", "openapi.json", "--output-path", "generated", "--meta", "none"]
    assert "WARNING" not in pypi("openapi-python-client", *command, cwd=folder)
    # Their template's own __exit__ is not strict: https://github.com/openapi-generators/openapi-python-client
    (folder / "mypy.ini").write_text("[mypy]\nstrict = True\n[mypy-generated.client]\nignore_errors = True\n")
    pypi("mypy", "upload.py", cwd=folder)
    assert said_last(pypi("python", "upload.py", url, token_for(user), cwd=folder)) == UPLOADED


def test_redocly_and_spectral_find_nothing(served):
    _, folder = served
    shutil.copy(LINT / "redocly.yaml", folder)
    shutil.copy(LINT / "spectral.yaml", folder)
    said = npm("redocly", "lint", "openapi.json", "--config", "redocly.yaml", cwd=folder)
    assert "warning" not in said.lower().replace("deprecation warning", ""), said
    npm(
        "spectral",
        "lint",
        "openapi.json",
        "--ruleset",
        "spectral.yaml",
        "--fail-severity",
        "hint",
        cwd=folder,
    )


def test_the_reader_of_the_document_is_made_of_the_pinned_package():
    assert {path.name: path.read_text() for path in redoc.FOLDER.iterdir()} == redoc.files()
