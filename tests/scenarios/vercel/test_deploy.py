"""What `vercel deploy` uploads: what the build reads, and nothing else of what lies in a checkout."""

import subprocess

import pytest

from dev.vercel import tools
from dev.vercel.build import INPUTS, ONE_FUNCTION
from tests.support.vercel_api import VercelApi, link

# What a developer's checkout holds beside the code.
PRIVATE = (
    ".env", ".env.local", ".env.production.local", "lib/.env", "public/.env", ".dev/state.json", ".dev/env",
    ".dev/postgres/data/PG_VERSION", "_vendor/botocore/client.py", "_vendor/x/__pycache__/y.cpython-312.pyc",
    "lib/__pycache__/wiring.cpython-312.pyc", "api/local.sqlite3", "lib/domain/key.pem", "deploy/key.pem",
    "uv.lock", "node_modules/x/index.js", ".venv/bin/python", ".idea/workspace.xml", "dump.sql",
    "public/.DS_Store", "public/page.js~", "public/page.js.orig", "public/#page.js#", "public/Thumbs.db",
    "public/key.pem", "public/dump.sql", "public/notes.ipynb", "public/credentials.json", "public/id_rsa",
    "lib/id_ed25519",
)  # fmt: skip


@pytest.fixture
def checkout(tmp_path):
    """The tree, as it is after some work in it."""
    tools.copy_tree(tmp_path)
    for name in PRIVATE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("private")
    link(tmp_path)
    return tmp_path


def deployment(checkout, *options):
    """What `vercel deploy` sends first."""
    with VercelApi() as api:
        command = [tools.cli(), "deploy", "--yes", "--token", "fake", "--api", api.url, *options]
        done = subprocess.run(
            [*command, *tools.cli_options()], cwd=checkout, env=tools.cli_env(), capture_output=True,
            text=True, timeout=120,
        )  # fmt: skip
        assert "recorded" in done.stderr, done.stderr
        [document] = api.deployments
        return document


def uploaded(checkout, *options):
    """The names of the files that `vercel deploy` announces."""
    return {file["file"] for file in deployment(checkout, *options)["files"]}


def inputs(checkout):
    """What the build reads: dev/vercel/build.py makes a build of these files and no others."""
    found = set()
    for name in INPUTS:
        path = checkout / name
        found |= set(path.rglob("*")) if path.is_dir() else {path}
    return {path.relative_to(checkout).as_posix() for path in found if path.is_file()} - set(PRIVATE)


@pytest.mark.parametrize("options", [[], ["--prod"], ["--target=preview"]], ids=" ".join)
def test_what_the_build_reads_is_uploaded_and_nothing_else(checkout, options):
    assert uploaded(checkout, *options) == inputs(checkout)


def test_without_the_list_everything_would_be(checkout):
    (checkout / ".vercelignore").unlink()
    assert uploaded(checkout) >= {".env", ".dev/postgres/data/PG_VERSION", "lib/domain/key.pem", "dump.sql"}


def test_one_function_is_deployed_with_its_own_config(checkout):
    document = deployment(checkout, "--local-config", ONE_FUNCTION)
    assert document["builds"][0]["src"] == "lib/one_function.py"
    assert "functions" not in document
    assert {file["file"] for file in document["files"]} == inputs(checkout)
