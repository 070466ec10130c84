"""docs/after-the-upload.md: its snippets on the local stack."""

import re

import httpx
import psycopg

from tests.docs.test_docs import ROOT
from tests.support.client import pdf

TEXT = (ROOT / "docs" / "after-the-upload.md").read_text()
REMOVE = (ROOT / "db" / "maintenance" / "remove_old_sessions.sql").read_text()


def snippets():
    names = {}
    for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(code, names)
    return names


def completed(api):
    session = api.session()
    file, _ = api.upload(session, pdf(), b"abc")
    api.complete(session, file["fileId"])
    return session, file["fileId"]


def test_a_private_object_is_read_with_a_url_of_ones_own(in_process, env, db):
    _, file = completed(in_process())
    find = "SELECT object_key FROM upload_session_files WHERE id = %s"
    [key] = db.execute(find, [file]).fetchone()
    assert httpx.get(f"{env['S3_ENDPOINT_URL']}/{env['MOC_BUCKET']}/{key}").status_code == 403
    assert httpx.get(snippets()["download_url"](env, key)).content == b"abc"


def test_another_service_finds_the_completed_file(in_process, db):
    api = in_process()
    session, file = completed(api)
    [shown] = api.show(session)["files"]
    assert (shown["status"], shown["fileId"]) == ("completed", file)
    query = re.search(r"`(SELECT id, object_key .*?)`", TEXT).group(1).replace("$1", "%s")
    assert file in [str(row[0]) for row in db.execute(query, ["2020-01-01"]).fetchall()]


def test_a_completed_file_is_deleted_and_then_unknown(in_process, env, db, s3):
    api = in_process()
    session, file = completed(api)
    delete = snippets()["delete_completed"]
    [key] = db.execute("SELECT object_key FROM upload_session_files WHERE id = %s", [file]).fetchone()
    s3.delete_object(Bucket=env["MOC_BUCKET"], Key=key)
    assert api.complete(session, file)["fileId"] == file  # the row still says completed
    for _ in range(2):
        delete(db, s3, env["MOC_BUCKET"], file)
    path = f"/{session}/files/{file}/complete"
    assert api.refused("POST", path)[1]["reason"] == "FILE_NOT_FOUND"


def end_long_ago(db, session):
    times = "expires_at = NOW() - INTERVAL '8 days', created_at = NOW() - INTERVAL '9 days'"
    db.execute(f"UPDATE upload_sessions SET {times} WHERE id = %s", [session])


def test_old_sessions_are_removed_and_no_others(in_process, env, db):
    api = in_process()
    done, _ = completed(api)
    old, running, in_use = api.session(), api.session(), api.session()
    for session in (old, running, in_use):
        api.upload(session, pdf(), b"abc")
    for session in (done, old, in_use):
        end_long_ago(db, session)
    with psycopg.connect(env["DATABASE_URL"]) as user:
        user.execute("SELECT 1 FROM upload_sessions WHERE id = %s FOR NO KEY UPDATE", [in_use])
        removed = {str(row[0]) for row in db.execute(REMOVE).fetchall()}
    assert old in removed
    assert removed.isdisjoint({done, running, in_use})
    parts = "SELECT COUNT(*) FROM upload_session_files WHERE session_id = %s"
    assert db.execute(parts, [old]).fetchone() == (0,)
    [file] = api.show(running)["files"]
    assert api.complete(running, file["fileId"])["sizeBytes"] == 3
