"""What becomes slower as there is more of it, and by how much."""

import json

import psycopg

from benchmarks.api import Api, body, file_path, metadata, put_parts
from benchmarks.measure import milliseconds, spread
from lib.postgres import sessions
from tests.support.client import SESSIONS

MILLION = """
INSERT INTO upload_sessions (user_id, expires_at, created_at)
SELECT 'user ' || n % 10000, NOW() + INTERVAL '1 day', NOW() - n * INTERVAL '50 milliseconds'
FROM generate_series(1, 1000000) n
"""
# Its user is the one that the API takes every caller for. They are of other days: of the last 24 hours the
# rate limit reads as many as it lets a user create.
CROWD = """
UPDATE upload_sessions SET user_id = %s, created_at = created_at - INTERVAL '2 days'
WHERE user_id LIKE 'user 1%%'
"""


def timed(runs, call):
    """The spread of several calls; each is told its number."""
    return spread([milliseconds(lambda n=n: call(n))[0] for n in range(runs)])


def urls(api):
    """Register a file of so many parts, and get a URL for each."""
    results = {}
    for count in (1, 10, 100, 1000, 5000):  # more do not fit in one answer
        session = api.session()
        results[count] = timed(
            7,
            lambda n, count=count, session=session: api.register(
                session, metadata(f"{n}.pdf", count), partCount=count
            ),
        )
    return results


def tiny_parts(api, database, count):
    """A file of so many parts of one byte, all uploaded: no client gets such a one, the table can hold it."""
    session = api.session()
    file = api.register(session, metadata("tiny.pdf", size=count))["fileId"]
    with psycopg.connect(database, autocommit=True) as db:
        db.execute("UPDATE upload_session_files SET part_size_bytes = 1 WHERE id = %s", [file])
    start = 1
    while start:
        answer = api.json("GET", f"/{session}/files/{file}/parts?presign=true&fromPart={start}")
        put_parts(answer["presignedUrls"])
        start = answer.get("nextPartNumber")
    return session, file


def big_parts(api, count):
    """A file of so many parts of 5 MiB, all uploaded."""
    session = api.session()
    file = api.register(session, metadata("big.pdf", count), partCount=count)
    put_parts(file["presignedUrls"])
    return session, file["fileId"]


def parts(api, database):
    """Query (with news, and without), record one part more, complete: by the number of parts uploaded."""
    results = {"first query": {}, "query": {}, "record one more": {}, "complete": {}}
    for count in (10, 100, 1000, 10_000):
        session, file = tiny_parts(api, database, count)
        query = "GET", file_path(session, file, "/parts")
        results["first query"][count] = timed(1, lambda _, query=query: api.http(*query))
        answer = json.loads(api.http(*query))
        assert len(answer["parts"]) == count, f"{len(answer['parts'])} parts of {count}"
        results["query"][count] = timed(7, lambda _, query=query: api.http(*query))
        one = body(parts=[{"partNumber": 1, "etag": answer["parts"][0]["etag"]}])
        path = file_path(session, file, "/parts")
        results["record one more"][count] = timed(
            15, lambda _, one=one, path=path: api.http("POST", path, one)
        )
    for count, runs in (
        (2, 3),
        (20, 3),
        (200, 1),
    ):  # a store assembles no parts below 5 MiB, so these are real
        files = [big_parts(api, count) for _ in range(runs)]
        results["complete"][count] = timed(
            runs, lambda n, files=files: api.http("POST", file_path(*files[n], "/complete"), b"{}")
        )
    return results


def requests(api):
    """The requests that ask for sessions."""
    session = api.session()
    return {
        "create": timed(20, lambda _: api.http("POST", SESSIONS, b"{}")),
        "show": timed(20, lambda _: api.http("GET", f"{SESSIONS}/{session}")),
        "register": timed(20, lambda n: api.register(session, metadata(f"{n}.pdf"))),
    }


def million(limited, database):
    """The same requests, the rate limit on, with some sessions in the table and with a million."""
    results = {"before": requests(limited)}
    with psycopg.connect(database, autocommit=True) as db:
        [user] = db.execute("SELECT user_id FROM upload_sessions ORDER BY created_at DESC").fetchone()
        db.execute(MILLION)
        db.execute(CROWD, [user])
        db.execute("VACUUM ANALYZE upload_sessions")
        values = {"user_id": user, "session_id": "3f0b6c1e-8a53-4c4f-9d0e-2f4f6a1b7c5d", "limit": 1_000_000}
        explain = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) " + sessions.SELECT_NEXT_ALLOWED
        results["plan"] = [row[0] for row in db.execute(explain, values | {"limit": 100}).fetchall()]
        [results["sessions"]] = db.execute("SELECT COUNT(*) FROM upload_sessions").fetchone()
        [results["of the user"]] = db.execute(
            "SELECT COUNT(*) FROM upload_sessions WHERE user_id = %s", [user]
        ).fetchone()
    results["after"] = requests(limited)
    return results


def run(url, limited_url, database):
    """All of it; `limited_url` is a server that limits how many sessions a user may create."""
    api = Api(url)
    return {
        "urls": urls(api),
        "parts": parts(api, database),
        "million": million(Api(limited_url), database),
    }
