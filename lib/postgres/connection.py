"""A connection on which every statement has a limit, and the transaction that all statements run in."""

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self, TypeVar

import psycopg
from psycopg._conninfo_attempts import conninfo_attempts
from psycopg.abc import Params, QueryNoTemplate
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.generators import send
from psycopg.pq.abc import PGconn
from psycopg.rows import DictRow, Row, RowFactory, tuple_row
from psycopg.waiting import WAIT_R

from lib.runtime import request_budget

T = TypeVar("T")

MARGIN_SECONDS = 1.0  # by which PostgreSQL gives up before we do: its answer needs time to arrive
LOCK_SECONDS = 5.0  # to wait for one lock
IDLE_SECONDS = 5.0  # of an open transaction: its instance was frozen, maybe while it held a lock
DEAD_SECONDS = 2  # in which an address must take a connection, if there are others (libpq's least)
CANCEL_SECONDS = 1.0  # for a cancel request to be taken

# A database may have another level as its default, whose snapshot is older than the locks waited for here.
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"

# For the transaction only (`true`): a transaction-mode pooler lets nothing else through. All are numbers of
# ours, so they are written into the text, and sent without a cursor, which would cost ten times as much.
SET_LIMITS = """
SELECT set_config('lock_timeout', '{lock}s', true),
  set_config('idle_in_transaction_session_timeout', '{idle}s', true)
"""

# From version 17 on PostgreSQL itself limits a transaction as a whole; it ends the session with it.
TRANSACTION_TIMEOUT = 170000
SET_WHOLE_LIMIT = ", set_config('transaction_timeout', '{limit}', true)"

# Before each statement of older ones: what is left of the transaction's limit, by the server's clock, so that
# all of its statements together stay within it.
LIMIT_NEXT = """
SELECT set_config('statement_timeout', greatest(1, least({limit}, {limit} -
  (1000 * extract(epoch FROM clock_timestamp() - transaction_timestamp()))::int))::text, true)
"""

# What a transaction acknowledges to nobody need not be on the disk yet when it commits.
COMMIT_LATER = ", set_config('synchronous_commit', 'off', true)"


class Connection(psycopg.Connection[DictRow]):
    """A connection that waits until its `deadline` and no longer, and counts its waits."""

    def __init__(self, pgconn: PGconn, row_factory: RowFactory[Any] = tuple_row) -> None:
        super().__init__(pgconn, row_factory)
        self.cursor_factory = Cursor
        self.last_used = time.time()  # by the wall clock: a frozen instance's other clocks may stand still
        self.deadline = 0.0  # by the monotonic clock; the connection's user sets it
        self.gave_up = False
        self.limit: int | None = None  # milliseconds of the transaction that is open
        self.limit_ends = 0.0  # by the monotonic clock; PostgreSQL's own began a little later

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """Connect to the first address of all hosts that works; what is dead leaves time for the next."""
        # psycopg's own, and private: no public way gives each address a limit of its own.
        *others, last = conninfo_attempts(conninfo_to_dict(conninfo))
        for address in others:
            with suppress(psycopg.OperationalError):
                return super().connect(
                    make_conninfo("", **address), **options | {"connect_timeout": DEAD_SECONDS}
                )
        return super().connect(make_conninfo("", **last), **options)

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

    @property
    def time_is_up(self) -> bool:
        """Whether it was closed, by us or by PostgreSQL, for the time that its transaction took."""
        return self.gave_up or time.monotonic() >= self.limit_ends

    @property
    def limits_transactions(self) -> bool:
        """Whether PostgreSQL limits a transaction as a whole, and not only each of its statements."""
        return self.pgconn.server_version >= TRANSACTION_TIMEOUT

    @contextmanager
    def pipeline(self) -> Iterator[psycopg.Pipeline]:
        """A pipeline that goes out as a whole, and ends with Sync alone: see `_Pipeline`."""
        with super().pipeline() as pipeline:
            pipeline.__class__ = _Pipeline
            yield pipeline

    def _give_up(self) -> None:
        """Close it: a late answer would be taken for the next one's, and what still waits would run."""
        self.gave_up = True
        if self.limit is not None:
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=CANCEL_SECONDS)
        self.close()


class _Pipeline(psycopg.Pipeline):
    """A pipeline that sends nothing before its Sync, and then all at once.

    psycopg's own sends each statement as it comes. Between two of them PostgreSQL's clocks stand still: it
    counts a statement that runs, and a transaction that is idle after a Sync. An instance that froze there
    would keep its locks for as long as its connection lived (before version 17, which limits transactions).

    Nor does it send Flush after the last Sync. If PgBouncer has the answer by then, and has taken the server
    connection back, it links the client to one for the Flush, which has no answer: nobody else gets that one
    until this client speaks again.
    """

    def _communicate_gen(self) -> Generator[Any, Any, None]:
        """What psycopg calls after each statement: see `_sync_gen`."""
        yield from ()

    def _send_gen(self) -> Generator[Any, Any, None]:
        while self.command_queue:
            self.command_queue.popleft()()  # into libpq's buffer, which sends by itself from 8 KiB on
        yield from send(self.pgconn)

    def _sync_gen(self) -> Generator[Any, Any, None]:
        self._enqueue_sync()
        yield from self._send_gen()
        yield from self._fetch_gen(flush=False)

    def _fetch_gen(self, *, flush: bool) -> Generator[Any, Any, None]:
        if flush:  # a result is wanted before the Sync
            yield from self._send_gen()
        yield from super()._fetch_gen(flush=flush)

    def _exit_gen(self) -> Generator[Any, Any, None]:
        yield from self._sync_gen()


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
        _limit_next(connection)
        # Binary, unless asked for otherwise: as text, a time is written as the database's DateStyle has it.
        return super().execute(query, params, prepare=prepare, binary=binary is not False)


@contextmanager
def transaction(connection: Connection, *, durable: bool = True) -> Iterator[psycopg.Pipeline]:
    """A pipelined transaction: BEGIN travels with the first statement, COMMIT with the last.

    psycopg's own `transaction()` waits for the server after each of them: a round trip more at either end.
    Who needs an answer in between calls `sync` of what this yields: PostgreSQL counts the time that a
    transaction is idle only from there. One that is not `durable` may be gone after a crash of PostgreSQL,
    but never half of it; the next durable one that commits makes it durable, too.
    """
    now = time.monotonic()
    left = connection.deadline - now
    connection.limit = max(1, int(1000 * (left - min(MARGIN_SECONDS, left / 2))))
    connection.limit_ends = now + connection.limit / 1000
    limits = SET_LIMITS + (SET_WHOLE_LIMIT if connection.limits_transactions else "")
    try:
        with connection.pipeline() as pipeline:
            _send(connection, BEGIN)
            _send(connection, limits if durable else limits + COMMIT_LATER)
            yield pipeline
            _limit_next(connection)
            _send(connection, "COMMIT")
    except BaseException:
        if not connection.closed:
            connection.rollback()
        raise
    finally:
        connection.limit = None


def _limit_next(connection: Connection) -> None:
    if not connection.limits_transactions:
        _send(connection, LIMIT_NEXT)


def _send(connection: Connection, query: str) -> None:
    """Send one of our own statements, which wait for nothing, with what comes next (as psycopg does)."""
    text = query.format(limit=connection.limit, lock=LOCK_SECONDS, idle=IDLE_SECONDS)
    next(connection._exec_command(text.encode()), None)


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
