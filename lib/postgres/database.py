"""The connection pool, and how a piece of work is run on it."""

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from lib.domain.errors import ApiError, Reason
from lib.postgres.connection import Connection, transaction
from lib.runtime import request_budget

__all__ = ["Connection", "Database", "transaction"]

T = TypeVar("T")

WORKERS = 3  # threads of the pool, which connect

# Four connections can die in a row: one that was idle, and one that each worker was making when the
# database went down.
ATTEMPTS = 1 + WORKERS + 1

PATIENCE_SECONDS = 10.0  # that a request has for the database, in all its waits together
POOL_SECONDS = 5.0  # to get a connection of the pool, and to make one
IDLE_CHECK_SECONDS = 30.0
CHECK_SECONDS = 2.0  # that an idle connection has to show that it lives
MIN_WAIT_SECONDS = 2.0  # also of a request whose time is up: what S3 has done should be written down

# The database's own failures, down or about to be, as opposed to what it thinks of a statement.
FAILURES = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)
REPEATABLE = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)


class Database:
    """A pool of connections to PostgreSQL, opened when they are needed.

    Work whose connection turns out to be dead (the instance was frozen, the database restarted), or that
    deadlocked, runs again. So all work is written to be repeated: ids are the caller's, and statements say
    what is to be, not what is to change. Work that ran into a limit of time does not run again.
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
                "connect_timeout": int(POOL_SECONDS),
                "keepalives_idle": 30,
                "tcp_user_timeout": 10_000,
            },
            min_size=0,
            max_size=max_size,
            timeout=POOL_SECONDS,
            reconnect_timeout=2,
            max_idle=120,
            num_workers=WORKERS,
            check=self._check_when_idle,
            open=True,
        )

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def run(self, work: Callable[[Connection], T], at_most: float = PATIENCE_SECONDS) -> T:
        """Run a piece of work on a connection, within what is left of the request's patience.

        `at_most` is in seconds. Raises `ApiError` `DATABASE_UNAVAILABLE`.
        """
        budget = request_budget.current()
        left = PATIENCE_SECONDS - budget.database_waits.seconds()
        if left <= 0:  # it has waited for the database long enough
            raise ApiError(Reason.DATABASE_UNAVAILABLE)
        seconds = max(MIN_WAIT_SECONDS, min(left, budget.seconds_left(), at_most))
        try:
            with budget.database_waits:
                return self._run_until(time.monotonic() + seconds, work)
        except (*FAILURES, _ConnectionLostError) as error:
            raise ApiError(Reason.DATABASE_UNAVAILABLE) from error

    def _run_until(self, deadline: float, work: Callable[[Connection], T]) -> T:
        for _ in range(ATTEMPTS - 1):
            try:
                return self._run_once(deadline, work)
            except (_ConnectionLostError, *REPEATABLE) as error:
                if time.monotonic() >= deadline:
                    raise
                if isinstance(error, _ConnectionLostError):
                    self._pool.drain()  # others may have died, too, and asking each could take long
        return self._run_once(deadline, work)

    def _run_once(self, deadline: float, work: Callable[[Connection], T]) -> T:
        patience = min(POOL_SECONDS, deadline - time.monotonic())
        with self._pool.connection(timeout=patience) as connection:
            connection.deadline = connection.limit_ends = deadline
            try:
                result = work(connection)
            except psycopg.errors.ReadOnlySqlTransaction as error:
                connection.close()  # no longer the primary: other connections lead to the new one
                raise _ConnectionLostError(str(error)) from error
            except psycopg.Error as error:
                if connection.closed and not connection.time_is_up:
                    raise _ConnectionLostError(str(error)) from error
                raise
            connection.last_used = time.time()
            return result

    def _check_when_idle(self, connection: Connection) -> None:
        """Ask a connection that was idle for long whether it lives; one just used is not worth a round trip.

        If it is dead, all idle connections are replaced: asking each of them would take too long.
        """
        if time.time() - connection.last_used > IDLE_CHECK_SECONDS:
            connection.deadline = time.monotonic() + CHECK_SECONDS
            try:
                psycopg.Cursor(connection).execute("")
            except FAILURES:
                self._pool.drain()
                raise


class _ConnectionLostError(Exception):
    """The connection died under the work; whether the work was done cannot be known."""
