"""`make bench`: measure everything, on servers of its own, and write docs/benchmarks.md."""

import json
import os
import shutil
import sys
import time
from pathlib import Path

from benchmarks import cold_start, growth, one_call, peers, report, signing, throughput
from benchmarks.api import SETTINGS
from db.migrate import migrate
from dev.processes import StackError
from dev.stack import Stack
from tests.support.servers import LocalServer

FOLDER = Path(__file__).resolve().parent.parent / ".dev" / "bench"
LIMITED = {"RATE_LIMIT_BYPASS": "false", "MAX_SESSIONS_PER_DAY": "1000000"}


def measure(stack):
    """The results of each part, in the order of the page."""
    env = stack.env()
    with (
        LocalServer(env | SETTINGS, FOLDER / "server.log") as server,
        LocalServer(env | SETTINGS | LIMITED, FOLDER / "limited.log") as limited,
    ):
        parts = {
            "signing": lambda: signing.run(env),
            "thousand": lambda: peers.run(server.url, env, FOLDER / "peer"),
            "one_call": lambda: one_call.peers(server, env, FOLDER / "peers"),
            "routes": lambda: one_call.routes(server, env),
            "cold_start": lambda: _cold_start(server.url, env),
            "throughput": lambda: throughput.run(server.url),
            "growth": lambda: growth.run(server.url, limited.url, env["DATABASE_URL"]),
        }
        results = {}
        for name, part in parts.items():
            started = time.monotonic()
            print(f"{name} …", end=" ", flush=True)
            results[name] = part()
            print(f"{time.monotonic() - started:.0f} s", flush=True)
        return results


def _cold_start(url, env):
    try:
        return cold_start.run(url, env, FOLDER)
    except StackError as error:  # no Node.js, or no Python 3.12: the rest is worth having
        print(error, file=sys.stderr)
        return {"skipped": str(error)}


def main():
    """Measure, keep the results, and write the page; with `--report`, of the results that are kept."""
    kept = FOLDER / "results.json"
    if "--report" not in sys.argv:
        started, load = time.monotonic(), os.getloadavg()[0]
        FOLDER.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(FOLDER / "stack", ignore_errors=True)
        stack = Stack(FOLDER / "stack", fast=True)
        with stack:
            migrate(stack.database_url)
            results = measure(stack)
        stack.remove()
        results |= {"seconds": time.monotonic() - started, "load": load}
        kept.write_text(json.dumps(results, indent=1))
    results = json.loads(kept.read_text())
    report.write(results)
    print(f"docs/benchmarks.md is written; it took {results['seconds']:.0f} s.")


if __name__ == "__main__":
    main()
