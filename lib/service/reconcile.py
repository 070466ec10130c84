"""What S3 says of one file, and what the table is told when the two differ."""

from collections.abc import Mapping
from dataclasses import replace

from lib.domain.errors import ApiError, Reason
from lib.domain.part_layout import StoredPart, newest
from lib.domain.rows import FileRow
from lib.postgres.files import FileStore
from lib.s3.bucket import Bucket
from lib.s3.refusals import UploadGoneError


def list_current_parts(s3: Bucket, file: FileRow, preferred: Mapping[int, str]) -> dict[int, StoredPart]:
    """The newest upload of each part, by number and in order; at a tie the one with the preferred ETag.

    Raises `UploadGoneError`, and `ApiError` `STORAGE_UNAVAILABLE`.
    """
    if file.upload_id is None or file.status == "failed":
        raise UploadGoneError
    listed = s3.list_parts(file.object_key, file.upload_id)
    if not listed and file.may_be_assembling:  # as some stores show it while they assemble: SeaweedFS does
        raise UploadGoneError
    return newest(listed, file.layout, preferred)


def completed_elsewhere(store: FileStore, s3: Bucket, file: FileRow) -> FileRow | None:
    """The file as a completed one, if its upload's object is there in the right size.

    Another call was faster, or one died before it could say so; then the table is told. None if it is not
    there, or the file has got another upload meanwhile. Raises `ApiError` `STORAGE_UNAVAILABLE`.
    """
    found = s3.head_object(file.object_key)
    if found is None or found.size != file.size:
        return None
    if found.attempt not in (None, file.attempt):
        # Of an upload that was given up while S3 assembled it. Only a key from before 0.2.0 can have served
        # two registrations: this can go when no unfinished file has such a key (docs/reliability.md).
        return None
    if not store.mark_completed(file, found.etag, ()):
        return None
    return replace(file, status="completed", etag=found.etag)


def completed_or_failed(store: FileStore, s3: Bucket, file: FileRow) -> FileRow:
    """A file whose upload S3 does not have: the completed file, or it is marked as failed.

    Raises `ApiError`: `UPLOAD_NOT_FOUND` when it is failed, `STORAGE_UNAVAILABLE`, also while S3 may still be
    assembling it.
    """
    completed = completed_elsewhere(store, s3, file)
    if completed is None:
        raise ApiError(Reason.UPLOAD_NOT_FOUND) if store.mark_failed(file) else still_assembling()
    return completed


def still_assembling() -> ApiError:
    """S3 was asked to assemble the file a short while ago, and nobody knows what became of it."""
    message = "The object store may still be assembling the file: try again. Nothing is lost."
    return ApiError(Reason.STORAGE_UNAVAILABLE, message)
