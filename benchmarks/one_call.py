"""What one call costs, in wall time and in CPU time of the server's own process."""

import json
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

import psycopg

from benchmarks.api import Api, body, file_path, metadata
from benchmarks.measure import Http, milliseconds, spread
from benchmarks.node_peers import BetterUpload, Companion
from benchmarks.peers import Peer
from dev.processes import StackError
from dev.seaweedfs import store_client
from tests.support.client import SESSIONS

COUNTS = {1: 30, 10: 30, 100: 20, 1000: 12}  # URLs: rounds
WARM = 5
# Calls of each peer before the first measurement: each of the 48 threads of a server that makes a client of
# S3 a thread has made its own then.
FIRST_CALLS = 60
ROUTE_RUNS = 100
BARE = "bare: one call by boto3, two commits"


def cpu_ms(pid="self"):
    """CPU time of a process in milliseconds, all its threads; in nanoseconds, where ticks are 10 ms."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6


def in_turns(calls, runs):
    """Wall and CPU milliseconds of each call, as medians; `calls` are (process id, call) by name."""
    taken = {name: ([], []) for name in calls}
    for round_ in range(runs + WARM):
        for name, (pid, call) in calls.items():
            before = cpu_ms(pid)
            wall, _ = milliseconds(call)
            cpu = cpu_ms(pid) - before
            if round_ >= WARM:
                taken[name][0].append(wall)
                taken[name][1].append(cpu)
    return {name: {"wall": spread(wall), "cpu": spread(cpu)} for name, (wall, cpu) in taken.items()}


def bare(env, database):
    """What cannot be avoided: the upload started by boto3 and two small transactions, each committed."""
    client = store_client(env)

    def call():
        client.create_multipart_upload(
            Bucket=env["MOC_BUCKET"], Key="bench/bare", ContentType="application/pdf"
        )
        for _ in range(2):
            with database.transaction():
                database.execute("UPDATE upload_sessions SET updated_at = NOW() WHERE id = %s", [session])

    [session] = database.execute("SELECT id FROM upload_sessions LIMIT 1").fetchone()
    return call


def _registering(api):
    """A call that registers a file of so many parts; twenty in one session, as a user would."""
    made = {"session": None, "number": 0}

    def call(count):
        if made["number"] % 20 == 0:
            made["session"] = api.session()
        made["number"] += 1
        file = metadata(f"{made['number']}.pdf", count)
        path = f"{SESSIONS}/{made['session']}/files"
        content = Http(api.url)("POST", path, body(**file, partCount=count))
        assert len(json.loads(content)["presignedUrls"]) == count

    return call


def peers(server, env, folder):
    """All of them in turns, by the number of URLs; those from npm where npm is.

    Each call has a connection of its own: Node's servers close one that is idle for five seconds.
    """
    results = {}
    with ExitStack() as stack, psycopg.connect(env["DATABASE_URL"], autocommit=True) as database:
        register = _registering(Api(server.url))
        register(1)
        calls = {"this API": (server.process.pid, register)}
        once = bare(env, database)
        calls[BARE] = ("self", lambda count: once())
        peer = stack.enter_context(Peer(folder / "django", env))
        calls["django-s3-file-field 1.1.0"] = (peer.pid, _urls(peer))
        if shutil.which("npm"):
            for name, kind in {"Companion 6.2.2": Companion, "better-upload 3.0.19": BetterUpload}.items():
                try:
                    peer = stack.enter_context(kind(folder / "npm", env))
                except StackError as error:  # no registry within reach: the rest is worth having
                    print(error, file=sys.stderr)
                    continue
                calls[name] = (peer.process.pid, _urls(peer))
        for _, call in calls.values():
            for _ in range(FIRST_CALLS):
                call(1)
        for count, runs in COUNTS.items():
            bound = {name: (pid, lambda c=c, n=count: c(n)) for name, (pid, c) in calls.items()}
            results[count] = in_turns(bound, runs)
    return results


def _urls(peer):
    return lambda count: peer.urls(Http(peer.url), count)


def routes(server, env):
    """CPU and wall time of every route, with the bare cost of a registration beside them."""
    api, files = Api(server.url), iter(range(10**6))
    uploaded = api.uploaded(2 * (ROUTE_RUNS + WARM) + 1)
    complete, delete = iter(uploaded), iter(reversed(uploaded))
    session, (shown, file) = api.session(), uploaded[ROUTE_RUNS + WARM]
    register = _registering(api)

    def batch():
        named = [metadata(f"{next(files)}.pdf", 10) | {"partCount": 10} for _ in range(10)]
        api.http("POST", f"{SESSIONS}/{api.session()}/files/batch", body(files=named))

    record = body(parts=[{"partNumber": 1, "etag": "e" * 32}])
    calls = {
        "create a session": lambda: api.http("POST", SESSIONS, b"{}"),
        "show a session": lambda: api.http("GET", f"{SESSIONS}/{session}"),
        "register (10 URLs)": lambda: register(10),
        "create a session and register 10 files (100 URLs)": batch,
        "record a part": lambda: api.http("POST", file_path(shown, file, "/parts"), record),
        "query parts": lambda: api.http("GET", file_path(shown, file, "/parts")),
        "complete": lambda: api.http("POST", file_path(*next(complete), "/complete"), b"{}"),
        "abort a file": lambda: api.http("DELETE", file_path(*next(delete))),
        "create and cancel a session": lambda: api.http("DELETE", f"{SESSIONS}/{api.session()}"),
        "health": lambda: api.http("GET", "/api/health"),
        "openapi.json": lambda: api.http("GET", "/api/openapi.json"),
    }
    with psycopg.connect(env["DATABASE_URL"], autocommit=True) as database:
        bound = {name: (server.process.pid, call) for name, call in calls.items()}
        return in_turns(bound | {BARE: ("self", bare(env, database))}, ROUTE_RUNS)
