"""All calls to S3: the few that multipart uploads need."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lib.domain.media_type import stored_as
from lib.domain.part_layout import StoredPart
from lib.runtime.config import Settings
from lib.s3.client import Client
from lib.s3.presign import Credentials
from lib.s3.refusals import NonsenseError, NotFoundError, UploadGoneError, elsewhere, refused
from lib.s3.upload_start import headers_of, signed_request, start_upload

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import HeadObjectOutputTypeDef, ListPartsOutputTypeDef, PartTypeDef

ATTEMPT = "attempt"  # the name of the object's user metadata (x-amz-meta-…), which stores keep in lower case


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as HeadObject shows it."""

    etag: str
    size: int  # bytes
    attempt: str | None  # the registration that its upload was started for


class Bucket:
    """The bucket; safe under threads.

    Every method may raise `ApiError`: `STORAGE_UNAVAILABLE`, and `STORAGE_REFUSED`, where asking again will
    not help.
    """

    def __init__(self, settings: Settings, on_ready: Callable[[], None] = lambda: None) -> None:
        """`on_ready` is called when the client has been made: most of what an instance ever makes."""
        self._settings = settings
        self._client = Client(settings, on_ready)
        self._url: str | None = None

    def prepare(self) -> None:
        """Make the client in a thread, while the caller asks the database: it is most of a cold start."""
        self._client.prepare()

    def create_upload(self, key: str, mime_type: str, attempt: str | None = None) -> str:
        """Start a multipart upload and return its upload id; the object will bear the attempt.

        It is stored in the way that is safe for its type (`stored_as`), whatever the type's text holds.
        """
        stored = stored_as(mime_type)
        wanted = {
            "ContentType": stored.content_type,
            "ContentDisposition": stored.disposition,
            "ServerSideEncryption": self._settings.s3_sse,
            "SSEKMSKeyId": self._settings.s3_sse_kms_key_id,
        }
        given = {name: value for name, value in wanted.items() if value}
        metadata = {ATTEMPT: attempt} if attempt else {}
        return str(self._client.ask(lambda s3: self._started(s3, key, metadata, given)))

    def _started(self, s3: "S3Client", key: str, metadata: dict[str, str], given: dict[str, str]) -> str:
        """The id of a new upload; botocore asks where the short way does not get one."""
        url, headers = signed_request(
            credentials=self.credentials(),
            region=self.region,
            bucket_url=self._client.own_bucket_url(),
            key=key,
            headers=headers_of(metadata, given),
            signed_at=datetime.now(UTC),
        )
        upload_id = start_upload(s3, url, headers)
        if upload_id is None:
            answer = s3.create_multipart_upload(Bucket=self._bucket, Key=key, Metadata=metadata, **given)  # type: ignore[arg-type]
            upload_id = _field(answer, "UploadId")
        return upload_id

    def list_parts(self, key: str, upload_id: str) -> list[StoredPart]:
        """List all parts of an upload, page after page; some stores list every upload of one part number.

        Raises `UploadGoneError`.
        """

        def read(s3: "S3Client") -> list[StoredPart]:
            pages = s3.get_paginator("list_parts")
            return [
                _listed(part)
                for page in pages.paginate(Bucket=self._bucket, Key=key, UploadId=upload_id)
                for part in _parts_of(page)
            ]

        return self._client.ask(read)

    def complete_upload(self, key: str, upload_id: str, parts: Iterable[StoredPart]) -> str:
        """Assemble the object from these parts, given in the order of their numbers, and return its ETag.

        An error that S3 sends inside of a 200 is an error (botocore looks for it).
        Raises `UploadGoneError` and `PartsChangedError`.
        """
        listed = [{"PartNumber": part.part_number, "ETag": f'"{part.etag}"'} for part in parts]
        return self._client.ask(
            lambda s3: _etag(
                s3.complete_multipart_upload(
                    Bucket=self._bucket,
                    Key=key,
                    UploadId=upload_id,
                    MultipartUpload={"Parts": listed},  # type: ignore[typeddict-item]
                )
            )
        )

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Abort an upload and free its parts; one that is gone already is as good as aborted."""
        with suppress(UploadGoneError):
            self._client.ask(
                lambda s3: s3.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
            )

    def head_object(self, key: str) -> StoredObject | None:
        """The object, or None where there is none (needs `s3:ListBucket`: else S3 answers 403, not 404)."""
        try:
            return self._client.ask(lambda s3: _stored(s3.head_object(Bucket=self._bucket, Key=key)))
        except NotFoundError:
            return None

    def head_bucket(self) -> None:
        """Ask whether the bucket is there, ours, and in the region that signatures name."""
        answer = self._client.ask(lambda s3: s3.head_bucket(Bucket=self._bucket))
        found = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region", self.region)
        if found != self.region and self._settings.s3_endpoint_url is None:
            raise refused("PermanentRedirect", s3_operation="HeadBucket", **elsewhere(found, self.region))

    def credentials(self) -> Credentials:
        """The credentials that sign, as they are now."""
        return self._client.credentials()

    @property
    def region(self) -> str:
        """The bucket's region, which is part of every signature."""
        return self._settings.s3_region

    @property
    def bucket_url(self) -> str:
        """Where clients find the bucket: as a host of its own or as a path, as botocore resolves it."""
        if self._url is None:
            self._url = self._client.bucket_url()
        return self._url

    def object_url(self, key: str) -> str:
        """Where the object is to be found by those who may read it."""
        base = self._settings.public_base_url or self.bucket_url
        return f"{base.rstrip('/')}/{quote(key, safe='/-_.~')}"

    @property
    def _bucket(self) -> str:
        return self._settings.moc_bucket


def _stored(answer: "HeadObjectOutputTypeDef") -> StoredObject:
    metadata = {name.lower(): value for name, value in answer.get("Metadata", {}).items()}
    return StoredObject(_etag(answer), _field(answer, "ContentLength"), metadata.get(ATTEMPT))


def _parts_of(page: "ListPartsOutputTypeDef") -> "Sequence[PartTypeDef]":
    """An answer that is no list at all must not pass for an empty one: all parts would be sent again."""
    if not page.keys() & {"IsTruncated", "UploadId"}:
        raise NonsenseError("an answer that is no list of parts")
    return page.get("Parts", ())


def _listed(part: "PartTypeDef") -> StoredPart:
    return StoredPart(
        _field(part, "PartNumber"), _etag(part), _field(part, "Size"), _field(part, "LastModified")
    )


def _etag(answer: Mapping[str, Any]) -> str:
    return str(_field(answer, "ETag")).strip('"')


def _field(answer: Mapping[str, Any], name: str) -> Any:
    """What every answer of S3's has. A KeyError would be a fault of ours, which is no 503."""
    if name not in answer:
        raise NonsenseError(f"an answer without {name}")
    return answer[name]
