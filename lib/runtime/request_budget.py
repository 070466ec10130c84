"""What one request may take and has used: its time, its round trips to the database, its calls to S3."""

import threading
import time
from contextvars import ContextVar
from dataclasses import dataclass, field

SECONDS = 30.0  # after which a request starts no further call to S3


class Stopwatch:
    """How long anybody waited; two who wait at once wait once. A context manager for one wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = 0
        self._since = 0.0
        self._seconds = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if self._waiting == 0:
                self._since = time.monotonic()
            self._waiting += 1

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._waiting -= 1
            if self._waiting == 0:
                self._seconds += time.monotonic() - self._since

    def seconds(self) -> float:
        """All waits until now, those that are not over included."""
        with self._lock:
            return self._seconds + (time.monotonic() - self._since if self._waiting else 0.0)


@dataclass(slots=True)
class Budget:
    """One request's budget, shared by the threads that work for it."""

    deadline: float = field(default_factory=lambda: time.monotonic() + SECONDS)
    sql_round_trips: int = 0
    s3_calls: int = 0  # each attempt is one
    database_waits: Stopwatch = field(default_factory=Stopwatch)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count_sql_round_trip(self) -> None:
        """One more wait for the database."""
        with self._lock:
            self.sql_round_trips += 1

    def count_s3_call(self) -> None:
        """One more request to S3."""
        with self._lock:
            self.s3_calls += 1

    def seconds_left(self) -> float:
        """How long it may still take; negative when it took longer."""
        return self.deadline - time.monotonic()


_current: ContextVar[Budget | None] = ContextVar("current_budget", default=None)


def start() -> Budget:
    """Begin the budget of a request, in this thread and in those that get a copy of its context."""
    budget = Budget()
    _current.set(budget)
    return budget


def current() -> Budget:
    """The budget of the request that is being answered; outside of one, a new budget."""
    return _current.get() or Budget()
