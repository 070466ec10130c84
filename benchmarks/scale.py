"""What a million uploads of ten parts cost, and where one database stops scaling.

`python -m benchmarks.scale` writes the measured part of docs/scale.md. Unit prices are parameters, since they
differ by region.
"""

import argparse
import shutil
import threading
from contextlib import ExitStack

import psycopg

from benchmarks.api import SETTINGS, Api, body, file_path, metadata, put_parts
from benchmarks.measure import load
from benchmarks.one_call import cpu_ms
from benchmarks.report import table
from db.migrate import migrate
from dev.stack import Stack
from tests.support.client import SESSIONS
from tests.support.servers import ROOT, LocalServer

FOLDER = ROOT / ".dev" / "scale"
PAGE = ROOT / "docs" / "scale.md"
START, END = "<!-- measured -->", "<!-- end -->"
MILLION = 1_000_000
UPLOADS, IN_SESSION, PARTS = 40, 20, 10  # two gigabytes of parts
S3_REQUESTS = {"start": 1, "parts": PARTS, "list": 1, "complete": 1}
SERVERS, CLIENTS, SECONDS = (1, 2, 4, 8), 32, 4
TABLES = ("upload_sessions", "upload_session_files", "upload_session_parts")

# The rows of many uploads as the API writes them, so that their size does not depend on the first pages.
ROWS = """
WITH files AS (
  INSERT INTO upload_session_files (session_id, file_key, file_size_bytes, name, category, mime_type, ext,
    part_size_bytes, object_key, upload_id, attempt, etag, status)
  SELECT %(session)s, 'manual-' || n || '.pdf', 52428800, 'manual-' || n || '.pdf', 'instruction',
    'application/pdf', 'pdf', 5242880, rpad('dev/moc-instructions/user/', 140, md5(n::text)),
    rpad('', 128, md5(n::text)), gen_random_uuid(), md5(n::text) || '-10', 'completed'
  FROM generate_series(1, %(count)s) n RETURNING id
)
INSERT INTO upload_session_parts (session_id, file_id, part_number, etag)
SELECT %(session)s, files.id, part, md5(files.id::text || part) FROM files, generate_series(1, %(parts)s) part
"""
SIZES = "SELECT sum(pg_table_size(t::regclass)), sum(pg_indexes_size(t::regclass)) FROM unnest(%s::text[]) t"
# Not pg_stat_database.active_time: of statements that were sent together it has the time of the last alone.
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def rows_and_bytes(database, session):
    """Bytes of an upload's rows, and of their entries in indexes."""
    before = database.execute(SIZES, [list(TABLES)]).fetchone()
    database.execute(ROWS, {"session": session, "count": 10_000, "parts": PARTS})
    after = database.execute(SIZES, [list(TABLES)]).fetchone()
    return [float(now - then) / 10_000 for now, then in zip(after, before, strict=True)]


def one_upload(server, database):
    """CPU milliseconds of the server, and of PostgreSQL's sessions, of one upload."""
    api = Api(server.url)
    _upload(api, 1)  # connects
    before = cpu_ms(server.process.pid), _backends(database)
    _upload(api, UPLOADS)
    after = cpu_ms(server.process.pid), _backends(database)
    of_sessions = sum(after[1].values()) - sum(before[1].get(pid, 0) for pid in after[1])
    return (after[0] - before[0]) / UPLOADS, of_sessions / UPLOADS


def _upload(api, count):
    for number in range(count):
        if number % IN_SESSION == 0:
            session = api.session()
        file = api.register(session, metadata(f"{number}.pdf", PARTS), partCount=PARTS)
        put_parts(file["presignedUrls"])  # past the server
        api.http("POST", file_path(session, file["fileId"], "/complete"), b"{}")


def _backends(database):
    """CPU milliseconds of each session of the pool, by its process."""
    return {pid: cpu_ms(pid) for (pid,) in database.execute(BACKENDS).fetchall()}


def throughput(env, count):
    """Registrations a second of so many server processes on one database, with CPU seconds of each part."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(LocalServer(env, FOLDER / f"server-{number}.log")) for number in range(count)
        ]
        calls = [_registrations(Api(server.url), 400 // count + 50) for server in servers]
        results = []

        def run(server, some):
            results.append(load(server.url, some, CLIENTS // count, SECONDS))

        before = sum(cpu_ms(server.process.pid) for server in servers)
        threads = [threading.Thread(target=run, args=pair) for pair in zip(servers, calls, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        done = sum(result["n"] for result in results)
        cpu = sum(cpu_ms(server.process.pid) for server in servers) - before
    return {"per_second": sum(result["per_second"] for result in results), "cpu": cpu / done,
            "p50": max(result["p50"] for result in results)}  # fmt: skip


def _registrations(api, count):
    sessions = api.sessions(count // IN_SESSION + 1)
    return [
        ("POST", f"{SESSIONS}/{session}/files", body(**metadata(f"{number}.pdf", PARTS), partCount=PARTS))
        for session in sessions
        for number in range(IN_SESSION)
    ]


def measured(prices):
    """The tables of the page."""
    shutil.rmtree(FOLDER / "stack", ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    stack = Stack(FOLDER / "stack", fast=True)
    with stack, psycopg.connect(_migrated(stack), autocommit=True) as database:
        env = stack.env() | SETTINGS
        with LocalServer(env, FOLDER / "server.log") as server:
            cpu, sessions = one_upload(server, database)
            table_bytes, index_bytes = rows_and_bytes(database, Api(server.url).session())
        load_rows = {count: throughput(env, count) for count in SERVERS}
    stack.remove()
    return f"{_costs(prices, cpu, sessions, table_bytes, index_bytes)}\n\n{_scaling(load_rows)}"


def _migrated(stack):
    migrate(stack.database_url)
    return stack.database_url


def _costs(prices, cpu, sessions, table_bytes, index_bytes):
    requests, hours = sum(S3_REQUESTS.values()), cpu * MILLION / 3.6e6
    rows = [
        ["function CPU", f"{cpu:.1f} ms", f"{hours:.1f} h", f"{hours * prices.cpu_hour:.2f}"],
        ["function calls", "2", f"{2 * MILLION:,}", f"{2 * prices.million_calls:.2f}"],
        ["PostgreSQL's CPU", f"{sessions:.1f} ms", f"{sessions * MILLION / 3.6e6:.1f} h", "by your plan"],
        ["rows", str(1 + PARTS), f"{(1 + PARTS) * MILLION:,}", ""],
        ["tables", f"{table_bytes:,.0f} B", f"{table_bytes * MILLION / 1e9:.1f} GB", ""],
        ["indexes", f"{index_bytes:,.0f} B", f"{index_bytes * MILLION / 1e9:.1f} GB", ""],
        ["S3 requests", str(requests), f"{requests * MILLION:,}",
         f"{requests * MILLION / 1000 * prices.thousand_requests:.2f}"],
    ]  # fmt: skip
    return table(["", "one upload", "a million", "at these prices, USD"], rows)


def _scaling(results):
    first = results[SERVERS[0]]["per_second"]
    rows = [
        [
            count,
            f"{one['per_second']:.0f}",
            f"{one['per_second'] / first:.2f} ×",
            f"{one['p50']:.0f}",
            f"{one['cpu']:.1f}",
        ]
        for count, one in results.items()
    ]
    return table(["Server processes", "registrations a second", "of one", "p50, ms", "CPU a call, ms"], rows)


def main():
    """Measure, and write the tables into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu-hour", type=float, default=0.128, help="USD an hour of active CPU")
    parser.add_argument("--million-calls", type=float, default=0.60, help="USD a million function calls")
    parser.add_argument(
        "--thousand-requests", type=float, default=0.005, help="USD for 1,000 PUT, POST, LIST"
    )
    text = measured(parser.parse_args())
    page = PAGE.read_text()
    before, after = page.split(START)[0], page.split(END)[1]
    PAGE.write_text(f"{before}{START}\n{text}\n{END}{after}")
    print(text)


if __name__ == "__main__":
    main()
