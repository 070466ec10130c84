"""Whether the API can work: the database and the bucket can be reached."""

from lib.domain.errors import Refused
from lib.domain.models import Health
from lib.postgres.sessions import SessionStore
from lib.runtime import log
from lib.runtime.parallel import Parallel
from lib.s3.bucket import Bucket


class HealthCheck:
    """The use case of looking after oneself."""

    def __init__(self, store: SessionStore, s3: Bucket, parallel: Parallel) -> None:
        self._store = store
        self._s3 = s3
        self._parallel = parallel

    def check_health(self) -> Health:
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
