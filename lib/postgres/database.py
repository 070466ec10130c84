"""The connection pool, and how a piece of work is run on it."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
import psycopg.conninfo
from psycopg.rows import DictRow, dict_row
from psycopg.waiting import WAIT_R
from psycopg_pool import ConnectionPool

from lib.domain.errors import ApiError, Reason
from lib.runtime import request_budget

T = TypeVar("T")

WORKERS = 3  # threads of the pool, which connect

# Four connections can die in a row: one that was idle, and one that each worker was making when the
# database went down.
ATTEMPTS = 1 + WORKERS + 1

IDLE_CHECK_SECONDS = 30.0
CHECK_SECONDS = 2.0  # that an idle connection has to show that it lives

MAX_WAIT_SECONDS = 10.0  # for one answer of the database
MIN_WAIT_SECONDS = 2.0  # also of a request whose time is up: what S3 has done should be written down

# What PostgreSQL itself does not wait for longer, for the transaction only: a transaction-mode pooler lets
# nothing else through. The last ends a transaction whose instance was frozen while it held a lock.
SET_TIMEOUTS = """
SELECT set_config('lock_timeout', '5s', true), set_config('statement_timeout', '10s', true),
  set_config('idle_in_transaction_session_timeout', '10s', true)
"""

# The database's own failures, down or about to be, as opposed to what it thinks of a statement.
FAILURES = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)
REPEATABLE = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)


class Connection(psycopg.Connection[DictRow]):
    """A connection that does not wait forever for a peer that has gone silent, and counts its waits."""

    last_used = 0.0  # by the wall clock, because a frozen instance's other clocks may stand still
    patience = MAX_WAIT_SECONDS

    def wait(self, gen: Generator[Any, Any, T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait as psycopg does, but no longer than a request can; the connection is closed then."""
        budget = request_budget.current()
        limit = min(self.patience, max(MIN_WAIT_SECONDS, budget.seconds_left()))
        started = time.monotonic()
        try:
            return super().wait(_counted(gen, budget), interval, timeout or limit)
        except psycopg.OperationalError:
            if time.monotonic() - started >= limit:
                self.close()  # an answer that comes later would be taken for the next one's
            raise


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


class Database:
    """A pool of connections to PostgreSQL, opened when they are needed.

    Work whose connection turns out to be dead (the instance was frozen, the database restarted), or that
    deadlocked, runs again. So all work is written to be repeated: ids are the caller's, and statements say
    what is to be, not what is to change.
    """

    def __init__(self, conninfo: str, *, max_size: int) -> None:
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            conninfo,
            connection_class=Connection,
            # No `options` and no prepared statements: a transaction-mode pooler passes neither on.
            kwargs={
                "autocommit": True,
                "prepare_threshold": None,
                "row_factory": dict_row,
                "connect_timeout": 5,
                "keepalives_idle": 30,
                "tcp_user_timeout": 10_000,
            },
            min_size=0,
            max_size=max_size,
            timeout=5,
            reconnect_timeout=2,
            max_idle=120,
            num_workers=WORKERS,
            check=self._check_when_idle,
            open=True,
        )

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def run(self, work: Callable[[Connection], T]) -> T:
        """Run a piece of work on a connection in autocommit mode.

        Raises `ApiError` `DATABASE_UNAVAILABLE`.
        """
        try:
            for _ in range(ATTEMPTS - 1):
                try:
                    return self._run_once(work)
                except (_ConnectionLostError, *REPEATABLE) as error:
                    if request_budget.current().seconds_left() <= 0:
                        raise
                    if isinstance(error, _ConnectionLostError):
                        self._pool.drain()  # others may have died with it, and asking each could take long
            return self._run_once(work)
        except (*FAILURES, _ConnectionLostError) as error:
            raise ApiError(Reason.DATABASE_UNAVAILABLE) from error

    def _run_once(self, work: Callable[[Connection], T]) -> T:
        with self._pool.connection() as connection:
            try:
                result = work(connection)
            except psycopg.errors.ReadOnlySqlTransaction as error:
                connection.close()  # a primary that is one no more: others lead to the new one
                raise _ConnectionLostError(str(error)) from error
            except psycopg.Error as error:
                if connection.closed:
                    raise _ConnectionLostError(str(error)) from error
                raise
            connection.last_used = time.time()
            return result

    def _check_when_idle(self, connection: Connection) -> None:
        """Ask a connection that was idle for long whether it lives; one just used is not worth a round trip.

        Where one has died, all that were idle with it go: to ask each of them would take too long.
        """
        if connection.last_used and time.time() - connection.last_used > IDLE_CHECK_SECONDS:
            connection.patience = CHECK_SECONDS
            try:
                ConnectionPool.check_connection(connection)
            except FAILURES:
                self._pool.drain()
                raise
            connection.patience = MAX_WAIT_SECONDS


@contextmanager
def transaction(connection: Connection) -> Iterator[psycopg.Pipeline]:
    """A pipelined transaction: BEGIN travels with the first statement, COMMIT with the last.

    psycopg's own `transaction()` waits for the server after each of them: a round trip more at either end.
    Who needs an answer in between calls `sync` of what this yields: PostgreSQL counts the time that a
    transaction is idle only from there.
    """
    try:
        with connection.pipeline() as pipeline:
            connection.execute("BEGIN")
            connection.execute(SET_TIMEOUTS)
            yield pipeline
            connection.execute("COMMIT")
    except BaseException:
        if not connection.closed:
            connection.rollback()
        raise


class _ConnectionLostError(Exception):
    """The connection died under the work; whether the work was done cannot be known."""
