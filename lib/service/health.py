"""Whether the API can work: the database and the bucket can be reached."""

import threading
import time
from collections.abc import Callable

from lib.domain.errors import Refused
from lib.domain.models import Health
from lib.postgres.sessions import SessionStore
from lib.runtime import log
from lib.runtime.parallel import Parallel
from lib.s3.bucket import Bucket

KEPT_SECONDS = 5.0


class HealthCheck:
    """The use case of looking after oneself."""

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

    def check_health(self) -> Health:
        """Whether both answer, as of at most `KEPT_SECONDS` ago: anybody may ask, as often as they like."""
        with self._lock:  # who comes while they are being asked waits for the same result
            if self._known is None or not 0 <= self._clock() - self._known[0] < KEPT_SECONDS:
                asked_at = self._clock()
                self._known = asked_at, self._ask()
            return self._known[1]

    def _ask(self) -> Health:
        """Ask both at once."""
        outcomes = self._parallel.outcomes(lambda ask: ask(), (self._store.ping, self._s3.head_bucket))
        for outcome in outcomes:
            if isinstance(outcome, Refused):
                log.refused("health", outcome.error)
        failed = [isinstance(outcome, Refused) for outcome in outcomes]
        return Health(
            status="unavailable" if any(failed) else "ok",
            database="unavailable" if failed[0] else "ok",
            bucket="unavailable" if failed[1] else "ok",
        )
