"""Builds the application from its environment; the one place where tests swap something."""

import functools
import gc
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lib.domain.policy import Policy, setting_names
from lib.http.tokens import Authenticator
from lib.postgres.conninfo import conninfo
from lib.postgres.database import Database
from lib.postgres.files import FileStore
from lib.postgres.registrations import RegistrationStore
from lib.postgres.sessions import SessionStore
from lib.runtime import log
from lib.runtime.config import Settings
from lib.runtime.parallel import Parallel
from lib.s3.bucket import Bucket
from lib.service.abort import Abort
from lib.service.completion import Completion
from lib.service.health import HealthCheck
from lib.service.part_urls import PartUrls
from lib.service.parts import Parts
from lib.service.registration import Registration
from lib.service.sessions import Sessions
from lib.service.upload_starts import UploadStarts


@dataclass(frozen=True, slots=True)
class Application:
    """The use cases, ready to be called from any thread."""

    settings: Settings
    policy: Policy
    authenticator: Authenticator
    sessions: Sessions
    registration: Registration
    parts: Parts
    completion: Completion
    abort: Abort
    health: HealthCheck
    closes: tuple[Callable[[], None], ...]

    def close(self) -> None:
        """Give back connections and threads; only tests have an end at which to do so."""
        for close in self.closes:
            close()


def build(
    env: Mapping[str, str],
    wrap: Callable[[Any], Any] = lambda made: made,
    on_ready: Callable[[], None] = lambda: None,
) -> Application:
    """Build an application; nothing is connected to before it is needed. Raises `SettingsError`.

    `wrap` is given the bucket and each store, and answers what is used in its place: tests break them so.
    `on_ready` is called when the S3 client has been made, the last and largest thing that stays.
    """
    settings = Settings.from_env(env, setting_names())
    log.logger.setLevel(settings.log_level)
    url = conninfo(
        settings.database_url.get_secret_value(), root_certificates=settings.database_ssl_root_cert
    )
    database = Database(url, max_size=settings.database_pool_size)
    session_store = wrap(SessionStore(database, settings.stage))
    registration_store = wrap(RegistrationStore(database, settings.stage))
    file_store = wrap(FileStore(database, settings.stage))
    s3 = wrap(Bucket(settings, on_ready))
    policy = Policy(settings.max_category_mb)
    parallel = Parallel()
    checks = Parallel(2)  # threads that no upload can be holding
    urls = PartUrls(s3, timedelta(minutes=settings.presigned_url_ttl_minutes), settings.max_presigned_urls)
    abort = Abort(file_store, s3, parallel)
    starts = UploadStarts(registration_store, s3, parallel)
    return Application(
        settings=settings,
        policy=policy,
        authenticator=Authenticator(settings),
        sessions=Sessions(session_store, s3, abort, policy, settings),
        registration=Registration(registration_store, s3, starts, urls, policy, settings),
        parts=Parts(file_store, s3, urls),
        completion=Completion(file_store, s3),
        abort=abort,
        health=HealthCheck(session_store, s3, checks),
        closes=(database.close, parallel.close, checks.close),
    )


@functools.cache
def freeze_what_stays() -> None:
    """Hide what an instance has made from the garbage collector, once a process.

    The collector would go through it again and again while a long list of parts is read, and make 10,000
    parts cost 16 times as much as 1,000. Once, because no cycle that was made before is ever collected then.
    """
    gc.freeze()


_lock = threading.Lock()
_application: Application | None = None


def get_application() -> Application:
    """This instance's application, built at the first request. Raises `SettingsError`."""
    global _application
    with _lock:
        if _application is None:
            _application = build(os.environ, on_ready=freeze_what_stays)
        return _application


def use(replacement: Application | None) -> None:
    """Let every endpoint use this application; None: build one from the environment again."""
    global _application
    with _lock:
        _application = replacement
