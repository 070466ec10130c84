"""The client that asks S3: made once an instance, and its credentials."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from lib.domain.errors import ApiError
from lib.runtime import request_budget
from lib.runtime.config import Settings
from lib.s3.addresses import bucket_url_of, make_client
from lib.s3.presign import Credentials
from lib.s3.refusals import ask, is_expired, refused, unavailable
from lib.s3.role import Role

if TYPE_CHECKING:
    from botocore.session import Session
    from types_boto3_s3 import S3Client

T = TypeVar("T")

# After which connections are not trusted: the instance may have been frozen, and one that died in silence
# would be waited for.
IDLE_SECONDS = 30.0


class Client:
    """Makes botocore's client when it is needed, and keeps its connections fresh; safe under threads."""

    def __init__(self, settings: Settings, on_ready: Callable[[], None] = lambda: None) -> None:
        """`on_ready` is called when the client has been made."""
        self._settings = settings
        self._on_ready = on_ready
        self._role = Role(settings) if settings.aws_role_arn else None
        self._lock = threading.Lock()
        self._made: S3Client | None = None
        self._own_url: str | None = None
        self._last_used = time.time()  # by the wall clock, because a frozen instance's others may stand still

    def prepare(self) -> None:
        """Make the client in a thread, while the caller asks the database: it is most of a cold start."""
        if self._made is None:
            context = copy_context()  # what the request knows, credentials may need
            threading.Thread(target=context.run, args=[self._try_to_make], daemon=True).start()

    def _try_to_make(self) -> None:
        with suppress(Exception):  # the call that needs the client meets it too, and says so
            self.s3()

    def s3(self) -> "S3Client":
        """Botocore's client; raises what botocore does if it finds fault with a setting."""
        with self._lock:  # making a client is not thread-safe, using one is
            self._made = self._made or self._make()
            now = time.time()
            if now - self._last_used > IDLE_SECONDS:
                self._made.close()  # its idle connections; it makes new ones
            self._last_used = now
            return self._made

    def ask(self, call: Callable[["S3Client"], T]) -> T:
        """Make a call; once more with new credentials, if S3 says that those of the role have expired.

        Raises what `refusals.ask` does.
        """
        role, region = self._role, self._settings.s3_region
        used = role.credentials() if role else None
        try:
            return ask(lambda: call(self.s3()), region)
        except ApiError as error:
            if not (role and used and is_expired(error)):
                raise
            if not role.replace(used):
                raise unavailable(**error.logged) if role.problem else error from None
        return ask(lambda: call(self.s3()), region)

    def credentials(self) -> Credentials:
        """The credentials that sign, as they are now.

        Raises `ApiError`: `STORAGE_UNAVAILABLE`, `STORAGE_REFUSED` if there are none.
        """
        if self._role:
            return self._role.credentials()
        ask(self.s3)  # which makes the session, under its lock: two would make a client of each other's parts
        found = ask(self._session.get_credentials)
        if found is None:
            raise refused("NoCredentials")
        frozen = ask(found.get_frozen_credentials)
        expires_at = getattr(found, "_expiry_time", None)  # only credentials that botocore renews know it
        return Credentials(frozen.access_key or "", frozen.secret_key or "", frozen.token, expires_at)

    def bucket_url(self) -> str:
        """Where clients find the bucket: what URLs are presigned for. Raises what `ask` does."""
        return ask(self._public_bucket_url)

    def _public_bucket_url(self) -> str:
        s3, public = self.s3(), self._settings.s3_public_endpoint_url
        with self._lock:
            client = make_client(self._session, self._settings, public) if public else s3
            return bucket_url_of(client, self._settings.moc_bucket)

    def own_bucket_url(self) -> str:
        """Where this API finds the bucket, as botocore resolves it. Raises what `s3` does."""
        s3 = self.s3()
        with self._lock:
            self._own_url = self._own_url or bucket_url_of(s3, self._settings.moc_bucket)
            return self._own_url

    @cached_property
    def _session(self) -> "Session":
        # Imported here because it is most of a cold start, and not every function asks S3. And botocore
        # rather than boto3, whose resources and transfers are a tenth more for nothing.
        from botocore.session import Session

        if self._role:
            return self._role.botocore_session()
        session = Session()
        keys = self._settings.keys
        if keys:
            token = keys.session_token
            session.set_credentials(
                keys.access_key_id,
                keys.secret_access_key.get_secret_value(),
                token.get_secret_value() if token else None,
            )
        return session

    def _make(self) -> "S3Client":
        factory = self._session.get_component("response_parser_factory")
        factory.set_parser_defaults(timestamp_parser=_moment)
        factory.create_parser = _strict(factory.create_parser)
        client = make_client(self._session, self._settings, self._settings.s3_endpoint_url)
        client.meta.events.register("before-send.s3", self._before_each_attempt)
        self._on_ready()
        return client

    def _before_each_attempt(self, **_: Any) -> None:
        """Count a request to S3, and refuse it if its caller has waited for long enough."""
        self._last_used = time.time()
        budget = request_budget.current()
        if budget.seconds_left() <= 0:
            raise unavailable()
        budget.count_s3_call()


def _strict(create: Callable[[str], Any]) -> Callable[[str], Any]:
    """What makes parsers, with parsers that call an answer invalid which they cannot read.

    Botocore's own let Python's ValueError through, which would look like a fault of ours.
    """
    from botocore.parsers import ResponseParserError

    def create_parser(protocol: str) -> Any:
        parser = create(protocol)
        parse = parser.parse

        def strictly(*args: Any) -> Any:
            try:
                return parse(*args)
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                raise ResponseParserError(f"an answer that cannot be read: {type(error).__name__}") from error

        parser.parse = strictly
        return parser

    return create_parser


def _moment(value: Any) -> datetime:
    """A time in an answer; botocore's own way to read it is three quarters of what a list of parts costs."""
    from botocore.utils import parse_timestamp

    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return parse_timestamp(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
