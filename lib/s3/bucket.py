"""All calls to S3: the few that multipart uploads need."""

import gc
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote

from lib.domain.errors import ApiError, Reason
from lib.domain.part_layout import StoredPart
from lib.runtime import request_budget
from lib.runtime.config import Settings
from lib.s3.presign import Credentials
from lib.s3.role import Role

if TYPE_CHECKING:
    from botocore.session import Session
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import HeadObjectOutputTypeDef

T = TypeVar("T")

# After which connections are not trusted: the instance may have been frozen, and one that died in silence
# would be waited for.
IDLE_SECONDS = 30.0

ATTEMPT = "attempt"  # the name of the object's user metadata (x-amz-meta-…), which stores keep in lower case


class UploadGoneError(Exception):
    """S3 has no such multipart upload (NoSuchUpload): never started, aborted, or completed."""


class PartsChangedError(Exception):
    """A part is not what it was when the parts were listed (InvalidPart and its kin)."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as HeadObject shows it."""

    etag: str
    size: int  # bytes
    attempt: str | None  # the registration that its upload was started for


class Bucket:
    """The bucket. Every method may raise `ApiError` `STORAGE_UNAVAILABLE`; safe under threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._role = Role(settings) if settings.aws_role_arn else None
        self._lock = threading.Lock()
        self._made: S3Client | None = None
        self._last_used = time.time()  # by the wall clock, because a frozen instance's others may stand still
        self._url: str | None = None

    def prepare(self) -> None:
        """Make the client in a thread, while the caller asks the database: it is most of a cold start."""
        if self._made is None:
            context = copy_context()  # what the request knows, credentials may need
            threading.Thread(target=context.run, args=[self._try_to_make], daemon=True).start()

    def _try_to_make(self) -> None:
        with suppress(Exception):  # the call that needs the client meets it too, and says so
            self._client  # noqa: B018

    def create_upload(self, key: str, content_type: str, attempt: str | None = None) -> str:
        """Start a multipart upload and return its upload id; the object will bear the attempt."""
        metadata = {ATTEMPT: attempt} if attempt else {}
        return _ask(
            lambda: self._client.create_multipart_upload(
                Bucket=self._bucket, Key=key, ContentType=content_type, Metadata=metadata
            )["UploadId"]
        )

    def list_parts(self, key: str, upload_id: str) -> list[StoredPart]:
        """List all parts of an upload, page after page; some stores list every upload of one part number.

        Raises `UploadGoneError`.
        """
        pages = self._client.get_paginator("list_parts")

        def read() -> list[StoredPart]:
            return [
                StoredPart(part["PartNumber"], part["ETag"].strip('"'), part["Size"], part["LastModified"])
                for page in pages.paginate(Bucket=self._bucket, Key=key, UploadId=upload_id)
                for part in page.get("Parts", ())
            ]

        return _ask(read)

    def complete_upload(self, key: str, upload_id: str, parts: Iterable[StoredPart]) -> str:
        """Assemble the object from these parts, given in the order of their numbers, and return its ETag.

        An error that S3 sends inside of a 200 is an error (botocore looks for it).
        Raises `UploadGoneError` and `PartsChangedError`.
        """
        listed = [{"PartNumber": part.part_number, "ETag": f'"{part.etag}"'} for part in parts]
        etag = _ask(
            lambda: self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={"Parts": listed},  # type: ignore[typeddict-item]
            )["ETag"]
        )
        return etag.strip('"')

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Abort an upload and free its parts; one that is gone already is as good as aborted."""
        with suppress(UploadGoneError):
            _ask(
                lambda: self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
            )

    def head_object(self, key: str) -> StoredObject | None:
        """The object, or None where there is none (needs `s3:ListBucket`: else S3 answers 403, not 404)."""
        try:
            return _ask(lambda: _stored(self._client.head_object(Bucket=self._bucket, Key=key)))
        except _NotFoundError:
            return None

    def head_bucket(self) -> None:
        """Ask whether the bucket is there and ours."""
        try:
            _ask(lambda: self._client.head_bucket(Bucket=self._bucket))
        except _NotFoundError as error:
            raise _unavailable() from error

    def credentials(self) -> Credentials:
        """The credentials that sign, as they are now."""
        if self._role:
            return self._role.credentials()
        found = _ask(self._session.get_credentials)
        if found is None:
            raise _unavailable()
        frozen = _ask(found.get_frozen_credentials)
        expires_at = getattr(found, "_expiry_time", None)  # only credentials that botocore renews know it
        return Credentials(frozen.access_key or "", frozen.secret_key or "", frozen.token, expires_at)

    @property
    def region(self) -> str:
        """The bucket's region, which is part of every signature."""
        return self._settings.s3_region

    @property
    def bucket_url(self) -> str:
        """Where the bucket lives: as a host of its own or as a path, as botocore decides."""
        if self._url is None:
            signed = self._client.generate_presigned_url("get_object", {"Bucket": self._bucket, "Key": "k"})
            self._url = signed.partition("/k?")[0]
        return self._url

    def object_url(self, key: str) -> str:
        """Where the object is to be found by those who may read it."""
        base = self._settings.public_base_url
        if base is None and self._settings.s3_endpoint_url is None:
            base = f"https://{self._bucket}.s3.{self.region}.amazonaws.com"
        return f"{(base or self.bucket_url).rstrip('/')}/{quote(key, safe='/-_.~')}"

    @property
    def _bucket(self) -> str:
        return self._settings.moc_bucket

    @cached_property
    def _session(self) -> "Session":
        # Imported here because it is most of a cold start, and not every function asks S3. And botocore
        # rather than boto3, whose resources and transfers are a tenth more for nothing.
        from botocore.session import Session

        if self._role:
            return self._role.botocore_session()
        session = Session()
        secret, token = self._settings.aws_secret_access_key, self._settings.aws_session_token
        if self._settings.aws_access_key_id and secret:
            session.set_credentials(
                self._settings.aws_access_key_id,
                secret.get_secret_value(),
                token.get_secret_value() if token else None,
            )
        return session

    @property
    def _client(self) -> "S3Client":
        with self._lock:  # making a client is not thread-safe, using one is
            self._made = self._made or self._make_client()
            now = time.time()
            if now - self._last_used > IDLE_SECONDS:
                self._made.close()  # its idle connections; it makes new ones
            self._last_used = now
            return self._made

    def _make_client(self) -> "S3Client":
        client = _make_client(self._session, self._settings)
        client.meta.events.register("before-send.s3", self._before_each_attempt)
        return client

    def _before_each_attempt(self, **_: Any) -> None:
        """Count a request to S3, and refuse it where its caller has waited for long enough."""
        self._last_used = time.time()
        budget = request_budget.current()
        if budget.seconds_left() <= 0:
            raise _unavailable()
        budget.count_s3_call()


def _make_client(session: "Session", settings: Settings) -> "S3Client":
    from botocore.config import Config

    factory = session.get_component("response_parser_factory")
    factory.set_parser_defaults(timestamp_parser=_moment)
    client = session.create_client(
        "s3",
        region_name=settings.s3_region,
        endpoint_url=settings.s3_endpoint_url,
        config=Config(
            signature_version="s3v4",
            s3={
                # "auto" would presign for the global endpoint, which outside us-east-1 redirects or refuses;
                # buckets with a dot in their name are addressed by path all the same.
                "addressing_style": "path" if settings.s3_endpoint_url else "virtual",
                "us_east_1_regional_endpoint": "regional",
            },
            connect_timeout=3,
            read_timeout=20,
            retries={"mode": "standard", "total_max_attempts": 3},
            max_pool_connections=50,
            # Else botocore asks for CRC32 on every upload, and clients had to send one with every part.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    # All that is made by now lives as long as the instance. The garbage collector would go through it again
    # and again while a long list of parts is read, and make 10,000 parts cost 16 times as much as 1,000.
    gc.freeze()
    return cast("S3Client", client)


def _stored(answer: "HeadObjectOutputTypeDef") -> StoredObject:
    metadata = {name.lower(): value for name, value in answer.get("Metadata", {}).items()}
    return StoredObject(answer["ETag"].strip('"'), answer["ContentLength"], metadata.get(ATTEMPT))


def _moment(value: Any) -> datetime:
    """A time in an answer; botocore's own way to read it is three quarters of what a list of parts costs."""
    from botocore.utils import parse_timestamp

    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return parse_timestamp(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class _NotFoundError(Exception):
    """HTTP 404 on a HEAD, which has no body to say what is not found."""


def _ask(call: Callable[[], T]) -> T:
    """Make a call, and translate what goes wrong; S3's own words stay in the error's cause, for the log."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        return call()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code == "NoSuchUpload":
            raise UploadGoneError from error
        if code in ("InvalidPart", "InvalidPartOrder", "EntityTooSmall"):
            raise PartsChangedError from error
        if code == "404":
            raise _NotFoundError from error
        raise _unavailable() from error
    except (BotoCoreError, ResponseParserError, KeyError) as error:
        # The last two: something between us and S3 answered 200 with words of its own.
        raise _unavailable() from error


def _unavailable() -> ApiError:
    return ApiError(Reason.STORAGE_UNAVAILABLE)
