"""The connection pool, and how a piece of work is run on it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from lib.errors import ApiError, Reason

T = TypeVar("T")
Connection = psycopg.Connection[DictRow]

IDLE_CHECK_SECONDS = 30.0


class Database:
    """A pool of connections to PostgreSQL, opened when they are needed.

    Work whose connection turns out to be dead (the instance was frozen, the database restarted) runs once
    more on another. So all work is written to be repeated: ids are the caller's, and statements say what is
    to be, not what is to change.
    """

    def __init__(self, conninfo: str, *, max_size: int) -> None:
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            conninfo,
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
            check=_check_when_idle,
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
            try:
                return self._run_once(work)
            except _ConnectionLostError:
                self._pool.check()  # others that were idle for as long may have died with it
                return self._run_once(work)
        except (psycopg.OperationalError, psycopg.InterfaceError, _ConnectionLostError) as error:
            raise ApiError(Reason.DATABASE_UNAVAILABLE, headers={"Retry-After": "5"}) from error

    def _run_once(self, work: Callable[[Connection], T]) -> T:
        with self._pool.connection() as connection:
            try:
                result = work(connection)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if connection.closed:
                    raise _ConnectionLostError(str(error)) from error
                raise
            # The wall clock, because a frozen instance's other clocks may stand still.
            connection.last_used = time.time()  # type: ignore[attr-defined]
            return result


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """A pipelined transaction: BEGIN travels with the first statement, COMMIT with the last.

    psycopg's own `transaction()` waits for the server after each of them: a round trip more at either end.
    """
    try:
        with connection.pipeline():
            connection.execute("BEGIN")
            yield
            connection.execute("COMMIT")
    except BaseException:
        if not connection.closed:
            connection.rollback()
        raise


class _ConnectionLostError(Exception):
    """The connection died under the work; whether the work was done cannot be known."""


def _check_when_idle(connection: psycopg.Connection[Any]) -> None:
    """Ask a connection that was idle for long whether it lives; one just used is not worth a round trip."""
    if time.time() - getattr(connection, "last_used", time.time()) > IDLE_CHECK_SECONDS:
        ConnectionPool.check_connection(connection)
