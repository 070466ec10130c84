"""Whether the API can work: the database and the bucket can be reached."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait

from lib.domain.errors import ApiError, Reason, Refused
from lib.domain.models import Health
from lib.postgres.sessions import SessionStore
from lib.runtime import log
from lib.runtime.parallel import Parallel
from lib.s3.bucket import Bucket

KEPT_SECONDS = 5.0
PATIENCE_SECONDS = 6.0  # after which what has not answered is unavailable
DATABASE_SECONDS = 4.5  # after which its question is taken back, so that nothing of it is left at the answer


class HealthCheck:
    """Asks the database and the bucket, and remembers the answer for a while."""

    def __init__(
        self,
        store: SessionStore,
        s3: Bucket,
        parallel: Parallel,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._s3 = s3
        self._parallel = parallel
        self._clock = clock  # the wall's: others may stand still while an instance is frozen
        self._lock = threading.Lock()
        self._known: tuple[float, Health] | None = None
        self._asked: dict[Reason, Future[Refused | None]] = {}  # by what it means if there is no answer

    def check_health(self) -> Health:
        """Whether both answer, as of at most `KEPT_SECONDS` ago: anybody may ask, as often as they like.

        Nobody waits for much longer than `PATIENCE_SECONDS`: all who come meanwhile wait for one result.
        """
        with self._lock:
            if self._known is None or not 0 <= self._clock() - self._known[0] < KEPT_SECONDS:
                health = self._ask()
                self._known = self._clock(), health  # as of now: it may have taken longer than it is kept
            return self._known[1]

    def _ask(self) -> Health:
        """Ask both at once."""
        self._begin(Reason.DATABASE_UNAVAILABLE, lambda: self._store.ping(DATABASE_SECONDS))
        self._begin(Reason.STORAGE_UNAVAILABLE, self._s3.head_bucket)
        wait(self._asked.values(), timeout=PATIENCE_SECONDS)
        failed = {reason: self._has_failed(reason, task) for reason, task in self._asked.items()}
        return Health(
            status="unavailable" if any(failed.values()) else "ok",
            database="unavailable" if failed[Reason.DATABASE_UNAVAILABLE] else "ok",
            bucket="unavailable" if failed[Reason.STORAGE_UNAVAILABLE] else "ok",
        )

    def _begin(self, reason: Reason, ask: Callable[[], None]) -> None:
        """Ask one of them, unless it still owes an answer: silence holds one thread each, and no more."""
        task = self._asked.get(reason)
        if task is None or task.done():
            self._asked[reason] = self._parallel.start(lambda _: ask(), None)

    def _has_failed(self, reason: Reason, task: "Future[Refused | None]") -> bool:
        outcome = task.result() if task.done() else Refused(ApiError(reason, logged={"problem": "Timeout"}))
        if isinstance(outcome, Refused):
            log.refused("health", outcome.error)
        return isinstance(outcome, Refused)
