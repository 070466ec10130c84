"""Writes `docs/proof.md`, the story's evidence: `python -m tests.evidence.proof`.

A second run writes the same page, as long as it is true: CI compares.
"""

import time
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import httpx
import psycopg
from psycopg.rows import dict_row

from db.seed import seed
from tests.conftest import SECRET, token_for
from tests.evidence import proof_text as text
from tests.evidence.http_files import ending_session
from tests.support.client import MIB
from tests.support.evidence import Page
from tests.support.local_api import local_api
from tests.support.servers import ROOT

PAGE = ROOT / "docs" / "proof.md"
USER = "dev-user-00000000-0000-0000-0000-000000000001"
PDF = "application/pdf"

PARTS_ROWS = """
SELECT session_id, file_id, part_number, etag, uploaded_at
FROM upload_session_parts WHERE file_id = %s ORDER BY part_number
"""
FILE_ROWS = """
SELECT file_key, file_size_bytes, status, upload_id
FROM upload_session_files WHERE session_id = %s ORDER BY registered
"""
COLUMNS = """
SELECT column_name, data_type, character_maximum_length AS length, is_nullable, column_default
FROM information_schema.columns WHERE table_name = 'upload_session_parts' ORDER BY ordinal_position
"""
CONSTRAINTS = """
SELECT conname AS constraint, pg_get_constraintdef(oid) AS definition
FROM pg_constraint WHERE conrelid = 'upload_session_parts'::regclass AND contype IN ('p', 'f', 'u', 'c')
ORDER BY conname
"""
INDEXES = (
    "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'upload_session_parts' ORDER BY indexname"
)


def pdf(name, size, **more):
    return {"name": name, "size": size, "type": PDF, **more}


def presigned_urls(page, env):
    page.say(text.PRESIGNED)
    session = page.call("POST", "", {"metadata": {"title": "Castle"}})["sessionId"]
    page.say("**PU-HP-001**: register a file with `partCount` 5, receive 5 presigned URLs.")
    answer = page.call("POST", f"/{session}/files", pdf("castle.pdf", 25_000_000, partCount=5))
    anatomy(page, answer["presignedUrls"][0])
    page.say("Without `partCount` the answer is as it was before this story:")
    page.call("POST", f"/{session}/files", pdf("tower.pdf", 1000))
    page.say(text.EXPIRED)
    ending = ending_session(env)
    page.shown.learn({"sessionId": ending})
    answer = page.call("POST", f"/{ending}/files", pdf("too-late.pdf", 8, partCount=1))
    [entry] = answer["presignedUrls"]
    end = datetime.fromisoformat(entry["expiresAt"])
    time.sleep(max(0, (end - datetime.now(UTC)).total_seconds() + 1.2))
    page.say("After `expiresAt`:")
    page.put(entry, b"too late")


def anatomy(page, entry):
    page.say(text.ANATOMY)
    parts = urlsplit(entry["url"])
    rows = [("`PUT` to", f"`{parts.scheme}://{parts.netloc}{parts.path}`")]
    rows += [(f"`{name}`", f"`{value}`") for name, value in parse_qsl(parts.query)]
    table = "\n".join(
        f"| {name} | {page.shown(_hidden(name, value))} | {text.MEANINGS[name]} |" for name, value in rows
    )
    page.say("| Part of the URL | Value | What it says |\n|---|---|---|\n" + table)
    lifetime = dict(parse_qsl(parts.query))["X-Amz-Expires"]
    page.say(
        text.HEADERS.format(
            expires=lifetime,
            minutes=int(lifetime) // 60,
            headers=", ".join(f"`{name}: {value}`" for name, value in entry["headers"].items()),
        )
    )


def _hidden(name, value):
    if name in ("`X-Amz-Credential`", "`X-Amz-Signature`"):
        return "`{redacted}`"
    return "`{now}`" if name == "`X-Amz-Date`" else value


def batches(page):
    page.say(text.BATCH)
    session = page.call("POST", "", {"maxFiles": 5})["sessionId"]
    page.say("**BR-HP-001**: three files, all succeed.")
    csv = {"name": "parts.csv", "size": 500, "type": "text/csv"}
    image = {"name": "cover.png", "size": 1000, "type": "image/png"}
    files = [pdf("walls.pdf", 12 * MIB), image | {"partCount": 1}, csv]
    page.call("POST", f"/{session}/files/batch", {"files": files})
    page.say(text.PARTIAL)
    files = [pdf("gate.pdf", 1000), pdf("walls.pdf", 999), pdf("moat.pdf", 1000), pdf("keep.pdf", 1000)]
    page.call("POST", f"/{session}/files/batch", {"files": [*files, {"name": "no size"}]})
    page.say("What succeeded stays, in the order of registration; what failed has left nothing:")
    page.rows(FILE_ROWS, session)
    page.say("**BR-ERR-001**: a batch larger than `MAX_BATCH_SIZE` is refused as a whole.")
    page.call("POST", f"/{session}/files/batch", {"files": [pdf(f"{n}.pdf", 1000) for n in range(1, 12)]})


def resume(page):
    page.say(text.RESUME)
    session = page.call("POST", "", {})["sessionId"]
    size = 5 * MIB + 11
    file = page.call("POST", f"/{session}/files", pdf("resume-test.pdf", size, partCount=2))
    path = f"/{session}/files/{file['fileId']}"
    page.say(
        "The first part goes to S3, and its ETag is recorded. The second is never sent: the client dies."
    )
    etag = page.put(file["presignedUrls"][0], b"1" * (5 * MIB))
    page.call("POST", f"{path}/parts", {"parts": [{"partNumber": 1, "etag": etag}]})
    page.rows(PARTS_ROWS, file["fileId"])
    page.say(
        "**UR-ERR-001**: complete while a part is missing: nothing is assembled, and the file stays pending."
    )
    page.call("POST", f"{path}/complete")
    page.say("**UR-HP-001**: after the restart, query the parts; one call also signs what is missing.")
    found = page.call("GET", f"{path}/parts?presign=true")
    page.say("Upload what is missing. Nobody records it this time: `complete` asks S3.")
    page.put(found["presignedUrls"][0], b"2" * 11)
    page.say("**UR-HP-002**: complete after all parts are uploaded.")
    page.call("POST", f"{path}/complete", {"parts": [{"partNumber": 1, "etag": etag}]})
    page.rows(PARTS_ROWS, file["fileId"])
    page.say("A part that is recorded again has its ETag updated: the last write wins.")
    file = page.call("POST", f"/{session}/files", pdf("twice.pdf", 1000))
    for etag in ("first", "second"):
        part = {"partNumber": 1, "etag": etag}
        page.call("POST", f"/{session}/files/{file['fileId']}/parts", {"parts": [part]})
    page.rows(PARTS_ROWS, file["fileId"])
    page.say("The session shows both files, and whether the service works is a call without a token:")
    page.call("GET", f"/{session}")
    page.call("GET", "/api/health")


def database(page, env):
    page.say(text.DATABASE)
    for sql in (COLUMNS, CONSTRAINTS, INDEXES):
        page.rows(sql)
    page.say(text.SEED)
    seed(env["DATABASE_URL"])
    session, file = "eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee", "ffffffff-ffff-ffff-ffff-ffffffffffff"
    page.shown.keep(session, file)
    page.rows(PARTS_ROWS, file)
    page.call("GET", f"/{session}/files/{file}/parts")


def main():
    with (
        local_api(AUTH_BYPASS="", AUTH_JWT_SECRET=SECRET) as env,
        httpx.Client(base_url=env["API_URL"], headers={"Authorization": f"Bearer {token_for(USER)}"}) as http,
        psycopg.connect(env["DATABASE_URL"], autocommit=True, row_factory=dict_row) as db,
    ):
        page = Page(env, http, db)
        page.say(text.HEAD)
        presigned_urls(page, env)
        batches(page)
        resume(page)
        database(page, env)
    page.write(PAGE)
    print(f"Wrote {PAGE.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
