"""examples/upload.py as a person runs it: killed in the middle, and started again."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.conftest import token_for
from tests.support.client import MIB
from tests.support.servers import LocalServer

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
def run(env, tmp_path, user):
    """Starts the script; answers its process."""
    with LocalServer(env | {"MAX_INSTRUCTION_MB": "200"}, tmp_path / "log") as server:
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


def parts_there(db, s3, env, user):
    key, upload_id = upload_of(db, user)
    if upload_id is None:
        return []
    return s3.list_parts(Bucket=env["MOC_BUCKET"], Key=key, UploadId=upload_id).get("Parts", [])


def test_killed_and_started_again_it_sends_only_what_is_missing(
    run, file, env, db: psycopg.Connection, s3, user
):
    first = run(file)
    deadline = time.monotonic() + 30
    while len(parts_there(db, s3, env, user)) < 3:
        assert first.poll() is None, first.stdout.read()
        assert time.monotonic() < deadline
    first.send_signal(signal.SIGKILL)
    first.communicate()
    time.sleep(0.5)  # what was under way is refused by then
    there = len(parts_there(db, s3, env, user))
    assert 3 <= there < PART_COUNT

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
