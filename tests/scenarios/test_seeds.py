"""The story's test data: rows that another program wrote, in the table as they would come."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import token_for
from tests.support.client import MIB, Client, put_part
from tests.support.fuzzy import TIME

ROOT = Path(__file__).parent.parent.parent
SESSION = "eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee"
FILE = "ffffffff-ffff-ffff-ffff-ffffffffffff"
METADATA = {"name": "resume-test.pdf", "size": 10 * MIB, "type": "application/pdf", "partCount": 2}


@pytest.fixture
def load(env):
    """Loads the seeds by their command."""

    def load():
        done = subprocess.run(
            [sys.executable, "-m", "db.seed"], cwd=ROOT, env=env, capture_output=True, text=True
        )
        assert (done.returncode, done.stdout) == (0, "Loaded story_01722.\n"), done.stderr

    load()
    return load


@pytest.fixture
def api(http):
    """The API as the story's user sees it."""
    return Client(http, token_for("dev-user-00000000-0000-0000-0000-000000000001"))


def as_seeded():
    return {
        "fileId": FILE,
        "status": "pending",
        "partCount": 2,
        "partSizeBytes": 5 * MIB,
        "parts": [{"partNumber": 1, "etag": "etag-part-1", "uploadedAt": TIME}],
        "missingPartNumbers": [2],
        "verified": False,
    }


def test_the_seeds_hold_the_storys_file_with_one_part_of_two(api, load):
    assert api.parts(SESSION, FILE) == as_seeded()


def test_loaded_again_the_rows_are_what_they_were(api, load, db, s3):
    refusal = api.refused("POST", f"/{SESSION}/files/{FILE}/complete")
    assert (refusal[0], refusal[1]["reason"]) == (400, "UPLOAD_NOT_FOUND")
    for entry in api.register(SESSION, METADATA)["presignedUrls"]:
        put_part(entry, bytes(entry["sizeBytes"]))
    completed = api.complete(SESSION, FILE)
    s3.delete_object(Bucket="uploads", Key=completed["fileUrl"].partition("/uploads/")[2])
    load()
    assert api.parts(SESSION, FILE) == as_seeded()
    assert [file["fileId"] for file in api.show(SESSION)["files"]] == [FILE]


def test_loaded_again_over_another_file_with_the_same_key(api, load):
    api.ok("DELETE", f"/{SESSION}/files/{FILE}")
    api.register(SESSION, METADATA)
    load()
    assert api.parts(SESSION, FILE) == as_seeded()


@pytest.mark.parametrize(
    ("written", "shown"),
    [("infinity", "9999-12-30T00:00:00Z"), ("294000-01-01", "9999-12-30T00:00:00Z"),
     ("-infinity", "0001-01-02T00:00:00Z"), ("0044-03-15 BC", "0001-01-02T00:00:00Z")],
)  # fmt: skip
def test_another_programs_session_may_end_at_any_time_or_never(api, load, db, written, shown):
    """Python knows the years 1 to 9999, and nothing like `infinity`: each call was a 500."""
    db.execute("UPDATE upload_sessions SET expires_at = %s WHERE id = %s", [written, SESSION])
    assert api.show(SESSION)["expiresAt"] == shown
    registered = api.call("POST", f"/{SESSION}/files", METADATA | {"name": "another.pdf"})
    load()
    assert registered.status_code == (201 if shown.startswith("9999") else 400), registered.text
