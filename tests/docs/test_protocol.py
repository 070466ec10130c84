"""docs/protocol.md says what the code does: its tables of transitions and errors are held against it."""

import re
from pathlib import Path
from typing import get_args

import pytest

from lib import wiring
from lib.domain.errors import Reason
from lib.domain.models import FileStatus, SessionStatus
from tests.support.client import new_id, pdf
from tests.support.faults import Crash, unavailable
from tests.support.open_uploads import abort

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "protocol.md").read_text()
NOTHING = ("nothing", "gone")

# Notes every change of a file's state, whatever statement makes it.
WATCH = """
CREATE TABLE seen_transitions (before TEXT, after TEXT);
CREATE FUNCTION state_of(status TEXT, upload_id TEXT) RETURNS TEXT LANGUAGE SQL AS $$
  SELECT CASE WHEN status <> 'pending' THEN status WHEN upload_id IS NULL THEN 'reserved' ELSE 'open' END
$$;
CREATE FUNCTION note_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO seen_transitions SELECT
    CASE WHEN TG_OP <> 'INSERT' THEN state_of(OLD.status, OLD.upload_id) END,
    CASE WHEN TG_OP <> 'DELETE' THEN state_of(NEW.status, NEW.upload_id) END;
  RETURN NULL;
END $$;
CREATE TRIGGER watch AFTER INSERT OR UPDATE OR DELETE ON upload_session_files
  FOR EACH ROW EXECUTE FUNCTION note_transition();
"""
UNWATCH = """
DROP TRIGGER watch ON upload_session_files;
DROP FUNCTION note_transition, state_of;
DROP TABLE seen_transitions;
"""


def table(heading, columns):
    """The rows of the first table below a heading."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    assert all(len(row) == columns for row in rows)
    return rows[1:]


def words(cell):
    return cell.replace("`", "").removeprefix("pending ")


def test_every_reason_is_there_with_its_status_and_in_the_order_of_the_code():
    documented = [(reason.strip("`"), int(status)) for reason, status, _ in table("Errors", 3)]
    assert documented == [(reason.name, reason.status) for reason in Reason]


def test_the_details_that_the_page_names_are_sent():
    code = "".join(path.read_text() for path in (ROOT / "lib").rglob("*.py"))
    named = {name for _, _, advice in table("Errors", 3) for name in re.findall(r"details\.(\w+)", advice)}
    assert named
    assert [name for name in named if f'"{name}"' not in code] == []


@pytest.mark.parametrize(("heading", "statuses"), [("Sessions", SessionStatus), ("Files", FileStatus)])
def test_the_statuses_are_those_of_the_code(heading, statuses):
    cells = [cell for row in table(heading, 3) for cell in row[:2]]
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == set(get_args(statuses))


@pytest.fixture
def api(in_process, env, faults):
    return in_process(wiring.build(env, faults.wrap))


@pytest.fixture
def seen(db):
    """What the files' states have changed from and to."""
    db.execute(WATCH)
    yield lambda: set(db.execute("SELECT before, after FROM seen_transitions").fetchall())
    db.execute(UNWATCH)


def test_files_change_their_states_as_the_table_says_and_in_no_other_way(api, faults, s3, seen):
    session = api.session()
    for live in (complete, give_up, fail_and_give_up, fail_twice, find_the_object, never_start, die):
        live(api, session, faults, s3)
    documented = {
        tuple(None if words(cell) in NOTHING else words(cell) for cell in row[:2])
        for row in table("Files", 3)
    }
    stays = {(before, after) for before, after in seen() if before == after}  # other columns changed
    assert seen() - stays == documented


def complete(api, session, faults, s3):
    file, _ = api.upload(session, pdf(new_id()), b"abc")
    api.complete(session, file["fileId"])
    api.complete(session, file["fileId"])


def give_up(api, session, faults, s3):
    file, _ = api.upload(session, pdf(new_id()), b"abc")
    api.ok("DELETE", f"/{session}/files/{file['fileId']}")


def failed(api, session, s3):
    """A file whose upload was aborted behind our back."""
    file, _ = api.upload(session, pdf(new_id()), b"abc")
    key = abort(s3, file)
    refused = api.refused("POST", f"/{session}/files/{file['fileId']}/complete")
    assert refused[1]["reason"] == "UPLOAD_NOT_FOUND"
    [shown] = [one for one in api.show(session)["files"] if one["fileId"] == file["fileId"]]
    assert shown["status"] == "failed"
    return pdf(shown["name"], size=3, fileId=file["fileId"]), key


def fail_and_give_up(api, session, faults, s3):
    file, _ = failed(api, session, s3)
    api.ok("DELETE", f"/{session}/files/{file['fileId']}")


def fail_twice(api, session, faults, s3):
    file, _ = failed(api, session, s3)
    faults.fail("Bucket.create_upload", error=unavailable)
    assert api.refused("POST", f"/{session}/files", file)[0] == 503
    api.register(session, file)


def find_the_object(api, session, faults, s3):
    file, key = failed(api, session, s3)
    s3.put_object(Bucket="uploads", Key=key, Body=b"abc")
    api.complete(session, file["fileId"])


def never_start(api, session, faults, s3):
    faults.fail("Bucket.create_upload", error=unavailable)
    assert api.refused("POST", f"/{session}/files", pdf(new_id()))[0] == 503


def die(api, session, faults, s3):
    faults.fail("Bucket.create_upload")
    with pytest.raises(Crash):
        api.register(session, pdf("reserved.pdf"))
    [file] = [one for one in api.show(session)["files"] if one["name"] == "reserved.pdf"]
    api.ok("DELETE", f"/{session}/files/{file['fileId']}")
