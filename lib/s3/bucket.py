"""All calls to S3: the few that multipart uploads need."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from lib.domain.media_type import stored_as
from lib.domain.part_layout import StoredPart, bare_etag
from lib.runtime.clock import utc_now
from lib.runtime.config import Settings
from lib.s3 import answers, fast_path
from lib.s3.client import Client
from lib.s3.fast_path import Answer, Request
from lib.s3.presign import Credentials, encoded_path
from lib.s3.refusals import NotFoundError, UnreadableAnswerError, UploadGoneError, elsewhere, refused

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ListPartsOutputTypeDef, ObjectTypeDef, PartTypeDef

Result = TypeVar("Result")

ATTEMPT = "attempt"  # the name of the object's user metadata (x-amz-meta-…), which stores keep in lower case


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as HeadObject shows it."""

    etag: str
    size: int  # bytes
    attempt: str | None  # the registration that its upload was started for


class Bucket:
    """The bucket; safe under threads.

    Every method may raise `ApiError`: `STORAGE_UNAVAILABLE`, and `STORAGE_REFUSED`, if asking again will
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
        headers = fast_path.headers_of(metadata, given)
        request = Request("CreateMultipartUpload", "POST", key, {"uploads": ""}, headers)

        def by_botocore(s3: "S3Client") -> str:
            names = {"Bucket": self._bucket, "Key": key}
            return str(_field(s3.create_multipart_upload(**names, Metadata=metadata, **given), "UploadId"))  # type: ignore[arg-type]

        return self._ask(lambda s3: self._answer(s3, request, answers.upload_id_of), by_botocore)

    def list_parts(self, key: str, upload_id: str) -> list[StoredPart]:
        """List all parts of an upload, page after page; some stores list every upload of one part number.

        Raises `UploadGoneError`.
        """

        def page(s3: "S3Client", marker: str | None) -> answers.Page | None:
            query = {"uploadId": upload_id} | ({"part-number-marker": marker} if marker else {})
            return self._answer(s3, Request("ListParts", "GET", key, query), answers.page_of)

        def by_botocore(s3: "S3Client") -> list[StoredPart]:
            def page(marker: str | None) -> answers.Page:
                after: Any = {"PartNumberMarker": int(marker)} if marker else {}
                told = s3.list_parts(Bucket=self._bucket, Key=key, UploadId=upload_id, **after)
                parts, is_last = [_listed(part) for part in _parts_of(told)], not told.get("IsTruncated")
                return answers.page(parts, is_last=is_last, marker=told.get("NextPartNumberMarker", 0))

            found = answers.all_parts(page)
            if found is None:
                raise UnreadableAnswerError("a list of parts without an end")
            return found

        return self._ask(lambda s3: answers.all_parts(partial(page, s3)), by_botocore)

    def complete_upload(self, key: str, upload_id: str, parts: Iterable[StoredPart]) -> str:
        """Assemble the object from these parts, given in the order of their numbers, and return its ETag.

        An error that S3 sends inside of a 200 is an error (botocore looks for it).
        Raises `UploadGoneError` and `PartsChangedError`.
        """
        listed = list(parts)
        body = answers.assembly_of(listed)
        request = Request("CompleteMultipartUpload", "POST", key, {"uploadId": upload_id}, body=body)

        def by_botocore(s3: "S3Client") -> str:
            named: Any = [{"PartNumber": part.part_number, "ETag": f'"{part.etag}"'} for part in listed]
            return _etag(
                s3.complete_multipart_upload(
                    Bucket=self._bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": named}
                )
            )

        return self._ask(lambda s3: self._answer(s3, request, answers.assembled_etag_of), by_botocore)

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Abort an upload and free its parts; one that is gone already counts as aborted."""
        request = Request("AbortMultipartUpload", "DELETE", key, {"uploadId": upload_id})

        def by_botocore(s3: "S3Client") -> bool:
            s3.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
            return True

        with suppress(UploadGoneError):
            self._ask(lambda s3: self._answer(s3, request, lambda _: True), by_botocore)

    def head_object(self, key: str) -> StoredObject | None:
        """The object, or None if there is none (needs `s3:ListBucket`: else S3 answers 403, not 404)."""
        request = Request("HeadObject", "HEAD", key)

        def by_fast_path(s3: "S3Client") -> StoredObject | None:
            answer = self._send(s3, request)
            found = None if answer is None else fast_path.parsed(s3, request, answer)
            return _stored(found) if found and "ContentLength" in found else None

        def by_botocore(s3: "S3Client") -> StoredObject:
            told: Mapping[str, Any] = s3.head_object(Bucket=self._bucket, Key=key)
            if "ContentLength" not in told:
                # As HTTP allows, and Cloudflare does: https://github.com/jsdelivr/jsdelivr/issues/18661
                listed = s3.list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1)
                told = {**told, "ContentLength": _size_of(key, listed.get("Contents", ()))}
            return _stored(told)

        try:
            return self._ask(by_fast_path, by_botocore)
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
        return f"{base.rstrip('/')}{encoded_path(key)}"

    def _ask(
        self, by_fast_path: Callable[["S3Client"], Result | None], by_botocore: Callable[["S3Client"], Result]
    ) -> Result:
        """What S3 answers on the fast path, or else by botocore."""

        def call(s3: "S3Client") -> Result:
            try:
                found = by_fast_path(s3)
            except fast_path.RefusedError:
                return by_botocore(s3)
            return fast_path.once_more(lambda: by_botocore(s3)) if found is None else found

        return self._client.ask(call)

    def _answer(
        self, s3: "S3Client", request: Request, read: Callable[[bytes], Result | None]
    ) -> Result | None:
        answer = self._send(s3, request)
        return None if answer is None else read(answer.content)

    def _send(self, s3: "S3Client", request: Request) -> Answer | None:
        url, headers = fast_path.signed(
            request,
            credentials=self.credentials(),
            region=self.region,
            bucket_url=self._client.own_bucket_url(),
            signed_at=utc_now(),
        )
        return fast_path.send(s3, request, url, headers)

    @property
    def _bucket(self) -> str:
        return self._settings.moc_bucket


def _stored(answer: Mapping[str, Any]) -> StoredObject:
    metadata = {name.lower(): value for name, value in answer.get("Metadata", {}).items()}
    return StoredObject(_etag(answer), _field(answer, "ContentLength"), metadata.get(ATTEMPT))


def _size_of(key: str, listed: "Sequence[ObjectTypeDef]") -> int:
    """The size of an object in a list of those whose keys begin with this one; it comes first."""
    for one in listed:
        if one.get("Key") == key and "Size" in one:
            return one["Size"]
    raise UnreadableAnswerError("an object without a length")


def _parts_of(page: "ListPartsOutputTypeDef") -> "Sequence[PartTypeDef]":
    """An answer that is no list at all must not pass for an empty one: all parts would be sent again."""
    if not page.keys() & {"IsTruncated", "UploadId"}:
        raise UnreadableAnswerError("an answer that is no list of parts")
    return page.get("Parts", ())


def _listed(part: "PartTypeDef") -> StoredPart:
    return StoredPart(_field(part, "PartNumber"), _etag(part), part.get("Size"), _field(part, "LastModified"))


def _etag(answer: Mapping[str, Any]) -> str:
    etag = bare_etag(str(_field(answer, "ETag")))
    if not etag:
        raise UnreadableAnswerError("an answer with an empty ETag")
    return etag


def _field(answer: Mapping[str, Any], name: str) -> Any:
    """What every answer of S3's has. A KeyError would be a fault of ours, which is no 503."""
    if name not in answer:
        raise UnreadableAnswerError(f"an answer without {name}")
    return answer[name]
