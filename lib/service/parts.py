"""Which parts of a file are there: record, query, resume."""

from collections.abc import Callable, Sequence
from datetime import datetime

from lib.domain.errors import ApiError, Reason
from lib.domain.models import Part, PartsQuery, RecordedParts, RecordParts, UploadedParts
from lib.domain.part_layout import StoredPart, split_by_size
from lib.domain.rows import FileRow, PartRow, open_for_writing
from lib.postgres.files import FileStore
from lib.runtime.clock import utc_now
from lib.s3.bucket import Bucket
from lib.s3.refusals import UploadGoneError
from lib.service.lookups import file_of, find_file
from lib.service.part_urls import PartUrls
from lib.service.reconcile import completed_or_failed, list_current_parts

MAX_LISTED = 20  # part numbers in an error: as many as a person reads


class Parts:
    """The use cases of recording and querying a file's parts."""

    def __init__(
        self, store: FileStore, s3: Bucket, urls: PartUrls, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._store = store
        self._s3 = s3
        self._urls = urls
        self._now = now

    def store_part_etags(
        self, user_id: str, session_id: str, file_id: str, request: RecordParts
    ) -> RecordedParts:
        """Record parts that the client has just uploaded; the last write wins, also within one call.

        Raises `ApiError`: `SESSION_NOT_FOUND`, `SESSION_EXPIRED`, `SESSION_NOT_ACTIVE`, `FILE_NOT_FOUND`,
        `FILE_COMPLETED`, `UPLOAD_NOT_FOUND`, `PART_NUMBER_INVALID`.
        """
        found = find_file(self._store, user_id, session_id, file_id)
        open_for_writing(found.session, self._now())
        file = file_of(found)
        _check_takes_parts(file)
        etags = {part.part_number: part.etag for part in request.parts}
        outside = sorted(number for number in etags if not 1 <= number <= file.layout.part_count)
        if outside:
            details = {"partNumbers": outside[:MAX_LISTED], "partCount": file.layout.part_count}
            raise ApiError(Reason.PART_NUMBER_INVALID, details=details)
        recorded = self._store.record_parts(file, etags)
        if not recorded:  # it has changed since it was read
            _check_takes_parts(file_of(find_file(self._store, user_id, session_id, file_id)))
            raise ApiError(Reason.UPLOAD_NOT_FOUND)
        return RecordedParts(parts=[_recorded(part) for part in recorded])

    def get_uploaded_parts(
        self, user_id: str, session_id: str, file_id: str, query: PartsQuery
    ) -> UploadedParts:
        """Say which parts are there and which are missing, and sign URLs for the missing ones if asked.

        Raises `ApiError`: `SESSION_NOT_FOUND`, `FILE_NOT_FOUND`; with `presign` also `SESSION_EXPIRED`,
        `SESSION_NOT_ACTIVE`, `UPLOAD_NOT_FOUND`, `STORAGE_UNAVAILABLE` (no credentials to sign
        with). And `STORAGE_REFUSED`: the table stands in only for a store that does not answer.
        """
        self._s3.prepare()
        found = find_file(self._store, user_id, session_id, file_id, with_parts=True)
        if query.presign:
            open_for_writing(found.session, self._now())
        file = file_of(found)
        parts, verified = [_recorded(part) for part in found.parts], file.status == "completed"
        try:
            if not verified:
                parts, verified = self._listed(file, found.parts)
        except UploadGoneError:
            if query.presign:
                file, verified = completed_or_failed(self._store, self._s3, file), True
        except ApiError as error:
            if error.reason is not Reason.STORAGE_UNAVAILABLE:
                raise
            # S3 cannot be asked: what is recorded is the best answer there is.
        answer = _uploaded_parts(file, parts, verified)
        if not query.presign:
            return answer
        wanted = [number for number in answer.missing_part_numbers if number >= query.from_part]
        space = self._urls.space(taken=len(answer.model_dump_json(by_alias=True).encode()))
        urls, next_part_number = self._urls.presign(file, wanted, found.session.expires_at, space)
        return answer.model_copy(update={"presigned_urls": urls, "next_part_number": next_part_number})

    def _listed(self, file: FileRow, recorded: Sequence[PartRow]) -> tuple[list[Part], bool]:
        """The parts that S3 has in the size they should have; what is news to the table is recorded there.

        Raises `UploadGoneError`, and `ApiError` `STORAGE_UNAVAILABLE`.
        """
        known = {part.part_number: part for part in recorded}
        etags = {part.part_number: part.etag for part in recorded}
        listed = list_current_parts(self._s3, file, etags)
        good, _ = split_by_size(listed, file.layout)
        news = [part for number, part in good.items() if etags.get(number) != part.etag]
        if news:
            self._store.learn_parts(file, news)
        return [_verified(part, known.get(part.part_number)) for part in good.values()], True


def _check_takes_parts(file: FileRow) -> None:
    if file.status == "completed":
        raise ApiError(Reason.FILE_COMPLETED)
    if file.status == "failed" or file.upload_id is None:
        raise ApiError(Reason.UPLOAD_NOT_FOUND)


def _uploaded_parts(file: FileRow, parts: list[Part], verified: bool) -> UploadedParts:
    count = file.layout.part_count
    there = {part.part_number for part in parts}
    missing = [number for number in range(1, count + 1) if number not in there]
    return UploadedParts(
        file_id=file.id,
        status=file.status,
        part_count=count,
        part_size_bytes=file.part_size,
        parts=[part for part in parts if part.part_number <= count],
        missing_part_numbers=[] if file.status == "completed" else missing,
        verified=verified,
    )


def _recorded(part: PartRow) -> Part:
    return Part(part_number=part.part_number, etag=part.etag, uploaded_at=part.uploaded_at)


def _verified(part: StoredPart, known: PartRow | None) -> Part:
    same = known is not None and known.etag == part.etag
    return Part(
        part_number=part.part_number,
        etag=part.etag,
        uploaded_at=known.uploaded_at if known and same else part.last_modified,
        size_bytes=part.size,
    )
