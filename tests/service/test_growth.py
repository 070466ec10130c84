"""Nothing grows faster than its input: what grows with the tables, and with what is there already."""

import sys
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from lib.domain.part_layout import Layout, StoredPart, split_by_size
from lib.postgres import files, registrations, selects, sessions
from tests.support.client import MIB, new_id, pdf
from tests.support.http_faults import FaultyProxy

USERS, SESSIONS, PARTS = 500, 100_000, 200_000

FILL = f"""
INSERT INTO upload_sessions (user_id, expires_at, created_at)
SELECT 'user ' || n % {USERS}, NOW() + INTERVAL '1 day', NOW() - n * INTERVAL '1 second'
FROM generate_series(1, {SESSIONS}) n;
INSERT INTO upload_session_files (session_id, file_key, file_size_bytes, upload_id)
SELECT id, 'manual.pdf', 1048576000, gen_random_uuid()::text FROM upload_sessions
WHERE user_id LIKE 'user %';
INSERT INTO upload_session_parts (session_id, file_id, part_number, etag)
SELECT file.session_id, file.id, number, md5(number::text)
FROM (
  SELECT f.* FROM upload_session_files f JOIN upload_sessions s ON s.id = f.session_id
  WHERE s.user_id LIKE 'user %' LIMIT {PARTS // 100}
) file, generate_series(1, 100) number;
ANALYZE upload_sessions, upload_session_files, upload_session_parts;
"""


@pytest.fixture(scope="module")
def full(env):
    """A connection that sees full tables, and one session and file of them; nothing of it is committed."""
    with psycopg.connect(env["DATABASE_URL"], prepare_threshold=None) as connection:
        connection.execute(FILL)
        yield connection
        connection.rollback()


@pytest.fixture
def values(full):
    """A value for every parameter of every statement."""
    row = full.execute(
        "SELECT f.session_id::text, f.id::text, f.upload_id "
        "FROM upload_session_files f JOIN upload_session_parts p ON p.file_id = f.id LIMIT 1"
    ).fetchone()
    session_id, file_id, upload_id = row
    moment = datetime.now(UTC)
    return {
        "session_id": session_id, "file_id": file_id, "upload_id": upload_id, "user_id": "user 7",
        "call": uuid4(),
        "file_ids": [file_id], "ids": [file_id], "upload_ids": [upload_id], "started": [file_id],
        "restarted": [file_id], "withdrawn": [file_id], "failed": [file_id], "limit": 100,
        "object_keys": ["o"], "starts": 1, "bytes": 1, "most": 10,
        "part_size_bytes": 5 * MIB, "metadata": Jsonb({}), "expires_at": moment, "status": "pending",
        "etag": "e", "numbers": [1], "etags": ["e"], "times": [moment],
        "file_keys": ["k"], "sizes": [1], "names": ["n"], "categories": ["image"], "mime_types": ["a/b"],
        "asked_at": moment, "asked_before": moment,
        "exts": ["png"], "part_sizes": [5 * MIB], "attempt": new_id(), "attempts": [new_id()],
    }  # fmt: skip


STATEMENTS = {
    f"{module.__name__}.{name}": text
    for module in (sessions, files, registrations, selects)
    for name, text in vars(module).items()
    if name.isupper() and isinstance(text, str)
}


def scans(node):
    """Every node of a plan that reads a table."""
    if "Relation Name" in node:
        yield node
    for child in node.get("Plans", ()):
        yield from scans(child)


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_reads_a_table_from_end_to_end(full, values, name):
    [[[explained]]] = full.execute("EXPLAIN (FORMAT JSON) " + STATEMENTS[name], values).fetchall()
    read = {node["Relation Name"]: node["Node Type"] for node in scans(explained["Plan"])}
    assert {table: how for table, how in read.items() if "Seq" in how} == {}


def test_the_rate_limit_reads_no_more_sessions_than_the_limit(full, values):
    full.execute("UPDATE upload_sessions SET user_id = 'user 7' WHERE user_id < 'user 2'")
    explain = "EXPLAIN (ANALYZE, FORMAT JSON) " + sessions.SELECT_NEXT_ALLOWED
    [[[explained]]] = full.execute(explain, values).fetchall()
    [scan] = scans(explained["Plan"])
    assert scan["Index Name"] == "idx_upload_sessions_user_id_created_at"
    assert scan["Actual Rows"] <= 100


def seconds(call, times=1):
    """The CPU time of the fastest of several runs: what else the machine did is not in it."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return min(taken)


def test_recording_a_part_reads_no_more_after_ten_thousand(in_process, db):
    api = in_process(MAX_INSTRUCTION_MB="100000")
    session = api.session()
    file = api.register(session, pdf(size=10_000 * 5 * MIB))["fileId"]

    def pages():
        """How many pages PostgreSQL reads to record one part."""
        api.record(session, file, [{"partNumber": 10_000, "etag": "the last"}])
        upload = db.execute("SELECT upload_id FROM upload_session_files WHERE id = %s", [file]).fetchone()
        values = {"file_id": file, "upload_id": upload[0], "numbers": [10_000], "etags": ["the last"]}
        explain = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + files.RECORD_PARTS
        [[[explained]]] = db.execute(explain, values).fetchall()
        return explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"]

    first = pages()
    for start in range(1, 10_000, 1000):
        api.record(session, file, [{"partNumber": n, "etag": "e"} for n in range(start, start + 1000)])
    assert pages() < first + 20  # deeper indexes; all the parts are a hundred pages


def test_parts_of_the_wrong_size_take_no_longer_than_good_ones():
    now = datetime.now(UTC)
    listed = {n: StoredPart(n, "e", 2, now - timedelta(seconds=n)) for n in range(1, 10_001)}
    good = seconds(lambda: split_by_size(listed, Layout(20_000, 2)), 5)
    wrong = seconds(lambda: split_by_size(listed, Layout(30_000, 3)), 5)
    assert split_by_size(listed, Layout(30_000, 3)) == ({}, list(range(1, 10_001)))
    assert wrong < 5 * good


PART = (
    "<Part><PartNumber>{}</PartNumber><LastModified>2026-01-25T12:00:00.000Z</LastModified>"
    "<ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>5242880</Size></Part>"
)


def list_of_parts(count):
    """An answer to ListParts (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html)."""
    parts = "".join(PART.format(number) for number in range(1, count + 1))
    return f"<ListPartsResult><IsTruncated>false</IsTruncated>{parts}</ListPartsResult>".encode()


def calls_of(work):
    """How many functions this thread calls for it: what a busy machine does not change."""
    count = 0

    def profile(frame, event, arg):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_ten_thousand_parts_cost_at_most_ten_times_a_thousand(in_process, env):
    calls = {}
    with FaultyProxy(env["S3_ENDPOINT_URL"]) as store:
        api = in_process(MAX_INSTRUCTION_MB="100000", S3_ENDPOINT_URL=store.url)
        for count in (10, 1000, 10_000):
            session = api.session()
            file = api.register(session, pdf(size=count * 5 * MIB))["fileId"]
            answer = list_of_parts(count)
            store.fault = lambda method, path, answer=answer: answer if "uploadId" in path else None
            assert (
                api.parts(session, file)["missingPartNumbers"] == []
            )  # they are news; from now on they are known
            calls[count] = calls_of(lambda session=session, file=file: api.parts(session, file))
    assert calls[1000] > 5 * calls[10]
    assert calls[10_000] < 10 * calls[1000]
