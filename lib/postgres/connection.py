"""A connection on which every statement has a limit, and the transaction that all statements run in."""

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any, LiteralString, Self, TypeVar

import psycopg
from psycopg.abc import Params, QueryNoTemplate
from psycopg.pq.abc import PGconn
from psycopg.rows import DictRow, Row, RowFactory, tuple_row
from psycopg.waiting import WAIT_R

from lib.runtime import request_budget

T = TypeVar("T")

MARGIN_SECONDS = 1.0  # by which PostgreSQL gives up before we do: its answer needs time to arrive
LOCK_SECONDS = 5.0  # to wait for one lock
IDLE_SECONDS = 5.0  # of an open transaction: its instance was frozen, maybe while it held a lock
CANCEL_SECONDS = 1.0  # for a cancel request to be taken

# For the transaction only (`true`): a transaction-mode pooler lets nothing else through.
SET_LIMITS = """
SELECT set_config('lock_timeout', %(lock)s, true),
  set_config('idle_in_transaction_session_timeout', %(idle)s, true)
"""

# Before each statement: what is left of the transaction's limit, by the server's clock, so that all of its
# statements together stay within it. (PostgreSQL has `transaction_timeout` from version 17.)
LIMIT_NEXT = """
SELECT set_config('statement_timeout', greatest(1, least(%(limit)s::int, %(limit)s::int -
  (1000 * extract(epoch FROM clock_timestamp() - transaction_timestamp()))::int))::text, true)
"""


class Connection(psycopg.Connection[DictRow]):
    """A connection that waits until its `deadline` and no longer, and counts its waits."""

    def __init__(self, pgconn: PGconn, row_factory: RowFactory[Any] = tuple_row) -> None:
        super().__init__(pgconn, row_factory)
        self.cursor_factory = Cursor
        self.last_used = time.time()  # by the wall clock: a frozen instance's other clocks may stand still
        self.deadline = 0.0  # by the monotonic clock; whoever uses the connection sets it
        self.gave_up = False
        self.limit: str | None = None  # milliseconds of the transaction that is open

    def wait(self, gen: Generator[Any, Any, T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait as psycopg does, but until the deadline at most; then cancel what runs, and close."""
        if timeout is None:
            timeout = max(0.0, self.deadline - time.monotonic())
        try:
            return super().wait(_counted(gen, request_budget.current()), interval, timeout)
        except psycopg.OperationalError:
            if time.monotonic() >= self.deadline:
                self._give_up()
            raise

    @contextmanager
    def pipeline(self) -> Iterator[psycopg.Pipeline]:
        """A pipeline that ends with Sync alone: see `_Pipeline`."""
        with super().pipeline() as pipeline:
            pipeline.__class__ = _Pipeline
            yield pipeline

    def _give_up(self) -> None:
        """An answer that comes later would be taken for the next one's, and what still waits would run."""
        self.gave_up = True
        if self.limit is not None:
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=CANCEL_SECONDS)
        self.close()


class _Pipeline(psycopg.Pipeline):
    """psycopg's own sends Flush after the last Sync.

    If PgBouncer has the answer by then, and has taken the server connection back, it links the client to one
    for the Flush, which has no answer: nobody else gets that one until this client speaks again.
    """

    def _exit_gen(self) -> Generator[Any, Any, None]:
        try:
            self._enqueue_sync()
            yield from self._communicate_gen()
        finally:
            yield from self._fetch_gen(flush=False)


class Cursor(psycopg.Cursor[Row]):
    """A cursor whose statements have limits: a statement alone is a transaction."""

    connection: Connection

    def execute(  # type: ignore[override]  # no templates: nobody here uses them
        self,
        query: QueryNoTemplate,
        params: Params | None = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
    ) -> Self:
        """Execute a statement that PostgreSQL ends when the transaction's time is up."""
        connection = self.connection
        if connection.limit is None:
            with transaction(connection):
                return self.execute(query, params, prepare=prepare, binary=binary)
        _send(connection, LIMIT_NEXT)
        return super().execute(query, params, prepare=prepare, binary=binary)


@contextmanager
def transaction(connection: Connection) -> Iterator[psycopg.Pipeline]:
    """A pipelined transaction: BEGIN travels with the first statement, COMMIT with the last.

    psycopg's own `transaction()` waits for the server after each of them: a round trip more at either end.
    Who needs an answer in between calls `sync` of what this yields: PostgreSQL counts the time that a
    transaction is idle only from there.
    """
    left = connection.deadline - time.monotonic()
    connection.limit = str(max(1, int(1000 * (left - min(MARGIN_SECONDS, left / 2)))))
    try:
        with connection.pipeline() as pipeline:
            _send(connection, "BEGIN")
            _send(connection, SET_LIMITS)
            yield pipeline
            _send(connection, LIMIT_NEXT)
            _send(connection, "COMMIT")
    except BaseException:
        if not connection.closed:
            connection.rollback()
        raise
    finally:
        connection.limit = None


def _send(connection: Connection, query: LiteralString) -> None:
    """Send one of our own statements, which wait for nothing."""
    values = {"limit": connection.limit, "lock": f"{LOCK_SECONDS}s", "idle": f"{IDLE_SECONDS}s"}
    psycopg.Cursor(connection).execute(query, values)


def _counted(gen: Generator[Any, Any, T], budget: request_budget.Budget) -> Generator[Any, Any, T]:
    """The same exchange, counted when it comes to a wait for an answer (in a pipeline, most do not)."""
    try:
        state, counts = next(gen), True
        while True:
            if counts and state == WAIT_R:
                budget.count_sql_round_trip()
                counts = False
            ready = yield state
            state = gen.send(ready)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
