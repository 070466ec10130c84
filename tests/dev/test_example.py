"""examples/upload.py as a person runs it: killed in the middle, and started again."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.conftest import token_for
from tests.support.client import MIB
from tests.support.parts_proxy import PartsProxy
from tests.support.servers import LocalServer, wait_for

SCRIPT = Path(__file__).parent.parent.parent / "examples" / "upload.py"
SIZE = 120 * MIB - 1
PART_COUNT = 24


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "manual.pdf"
    with path.open("wb") as out:
        for _ in range(PART_COUNT):
            out.write(os.urandom(1024) + bytes(5 * MIB - 1024))
        out.truncate(SIZE)
    return path


@pytest.fixture
def store(env):
    """The store behind a proxy that can hold parts."""
    with PartsProxy(env["S3_ENDPOINT_URL"]) as proxy:
        yield proxy


@pytest.fixture
def run(env, store, tmp_path, user):
    """Starts the script; answers its process."""
    settings = {"MAX_INSTRUCTION_MB": "200", "S3_ENDPOINT_URL": store.url}
    with LocalServer(env | settings, tmp_path / "log") as server:
        script_env = {
            **os.environ,
            "API_URL": server.url,
            "API_TOKEN": token_for(user),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        }

        def start(*arguments):
            command = [sys.executable, str(SCRIPT), *map(str, arguments)]
            return subprocess.Popen(
                command, env=script_env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )

        yield start


def upload_of(db, user):
    row = db.execute(
        "SELECT f.object_key, f.upload_id FROM upload_session_files f"
        " JOIN upload_sessions s ON s.id = f.session_id WHERE s.user_id = %s",
        [user],
    ).fetchone()
    return row or (None, None)


def test_killed_and_started_again_it_sends_only_what_is_missing(
    run, store, file, env, db: psycopg.Connection, s3, user
):
    store.hold(3)
    first = run(file)

    def three_are_there():
        assert first.poll() is None, first.stdout.read()
        assert len(store.stored()) == 3

    wait_for(three_are_there, 90)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    there = len(store.stored())
    store.reset()  # what was under way never arrives

    second = run(file)
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 0, output
    assert re.search(rf"Resuming: {PART_COUNT - there} of {PART_COUNT} parts are missing\.", output)
    assert f"Complete: {SIZE:,} bytes" in output
    key, _ = upload_of(db, user)
    body = s3.get_object(Bucket=env["MOC_BUCKET"], Key=key)["Body"].read()
    assert body == file.read_bytes()


def test_what_the_api_refuses_is_said_in_its_words(run, tmp_path):
    file = tmp_path / "film.mp4"
    file.write_bytes(b"x")
    process = run(file)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert output.startswith("MIME_TYPE_NOT_ALLOWED: This type is not allowed")


def test_no_file(run):
    process = run("no-such-file.pdf")
    output, _ = process.communicate(timeout=30)
    assert (process.returncode, output.count("\n")) == (2, 1)


def test_an_address_of_something_else_is_a_sentence(env, file, tmp_path):
    """Another project's API_URL, or a page that asks visitors of a preview to log in."""
    own = {**os.environ, "API_URL": f"{env['S3_ENDPOINT_URL']}/", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, str(SCRIPT), str(file)]
    done = subprocess.run(command, env=own, capture_output=True, text=True)
    assert done.returncode == 1
    place = re.escape(env["S3_ENDPOINT_URL"])
    assert re.fullmatch(rf"HTTP \d+: {place} is not the API, .* Is API_URL right\?\n", done.stderr)
