"""What goes over the wire at the end of a transaction."""

import tempfile
from contextlib import suppress

import psycopg
import pytest

from lib.postgres.database import Database, transaction


def one_statement(used):
    return used.execute("SELECT 1 AS one").fetchone()


def several(used):
    with transaction(used) as pipeline:
        first = used.execute("SELECT 1 AS one")
        pipeline.sync()
        assert first.fetchone() == {"one": 1}
        for _ in range(3):
            used.execute("SELECT pg_sleep(0.01)")


def nothing(used):
    with transaction(used):
        pass


def an_early_end(used):
    with transaction(used) as pipeline:
        used.execute("SELECT 1")
        pipeline.sync()
        return


def a_failure(used):
    with suppress(psycopg.errors.DivisionByZero), transaction(used):
        used.execute("SELECT 1/0")
        used.execute("SELECT 2")


def a_failure_before_an_answer(used):
    with suppress(psycopg.errors.DivisionByZero), transaction(used) as pipeline:
        used.execute("SELECT 1/0")
        pipeline.sync()


def a_failure_of_ours(used):
    with suppress(ZeroDivisionError), transaction(used) as pipeline:
        used.execute("SELECT 1")
        pipeline.sync()
        _ = 1 / 0


@pytest.mark.parametrize(
    "work",
    [one_statement, several, nothing, an_early_end, a_failure, a_failure_before_an_answer, a_failure_of_ours],
)
def test_no_flush_is_sent(env, work):
    """A pooler that has passed the answer on gives a late Flush a server connection of its own."""
    one = Database(env["DATABASE_URL"], max_size=1)
    with tempfile.TemporaryFile("w+") as trace:

        def traced(used):
            used.pgconn.trace(trace.fileno())
            try:
                work(used)
            finally:
                used.pgconn.untrace()

        one.run(traced)
        one.close()
        trace.seek(0)
        sent = [line.split("\t")[3:4] for line in trace.read().splitlines() if "\tF\t" in line]
    assert ["Sync"] in sent
    assert ["Flush"] not in sent


def test_a_result_that_is_wanted_before_the_sync_is_asked_for(env):
    def work(used):
        with transaction(used):
            return [used.execute("SELECT %s::int AS n", [n]).fetchone() for n in (1, 2)]

    one = Database(env["DATABASE_URL"], max_size=1)
    try:
        assert one.run(work) == [{"n": 1}, {"n": 2}]
    finally:
        one.close()
