"""Register files: judge, reserve, start the uploads at S3, settle. One file is a batch of one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lib.domain.errors import RETRY_SOON, ApiError, Reason, Refused
from lib.domain.models import (
    BatchResult,
    BatchResults,
    ErrorObject,
    FileMetadata,
    RegisterBatch,
    RegisteredFile,
)
from lib.domain.policy import Policy
from lib.domain.registration_plan import Accepted, RegistrationPlan, Reservation, Rules, Verdict
from lib.domain.rows import SessionRow
from lib.domain.validation import validated_item
from lib.postgres.registrations import RegistrationStore
from lib.runtime import log
from lib.runtime.clock import utc_now
from lib.runtime.config import Settings
from lib.s3.bucket import Bucket
from lib.service.part_urls import ITEM_BYTES, PartUrls, Space
from lib.service.upload_starts import Overtaken, Upload, Uploads, UploadStarts


@dataclass(frozen=True, slots=True)
class Registered:
    """A file that is registered, and whether this call started its upload."""

    file: RegisteredFile
    started: bool


Outcome = Registered | Refused


class Registration:
    """The use cases of registering files."""

    def __init__(
        self,
        store: RegistrationStore,
        s3: Bucket,
        starts: UploadStarts,
        urls: PartUrls,
        policy: Policy,
        settings: Settings,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._s3 = s3
        self._starts = starts
        self._urls = urls
        self._rules = Rules(
            settings.stage, policy, settings.max_files_per_session, settings.max_upload_bytes_per_day
        )
        self._settings = settings
        self._now = now

    def register_file(self, user_id: str, session_id: str, file: FileMetadata) -> Registered:
        """Register one file.

        Raises `ApiError`: `SESSION_NOT_FOUND`, `SESSION_EXPIRED`, `SESSION_NOT_ACTIVE`, and what is wrong
        with the file: `FILE_ID_CONFLICT`, `DUPLICATE_FILE_KEY`, `MIME_TYPE_NOT_ALLOWED`, `FILE_TOO_LARGE`,
        `PART_COUNT_INVALID`, `CATEGORY_LIMIT_EXCEEDED`, `FILE_COUNT_EXCEEDED`, `REGISTRATION_LIMIT`,
        `UPLOAD_VOLUME_LIMIT`, `STORAGE_UNAVAILABLE`.
        """
        [outcome] = self._register(user_id, session_id, [file])
        if isinstance(outcome, Refused):
            raise outcome.error
        return outcome

    def batch_register_files(self, user_id: str, session_id: str, batch: RegisterBatch) -> BatchResults:
        """Register many files, each judged alone: what succeeded stays, whatever became of the others.

        Raises `ApiError`: `BATCH_TOO_LARGE`, `SESSION_NOT_FOUND`, `SESSION_EXPIRED`, `SESSION_NOT_ACTIVE`.
        """
        most = self._settings.max_batch_size
        if len(batch.files) > most:
            message = f"At most {most} files in one batch: split it."
            raise ApiError(Reason.BATCH_TOO_LARGE, message, details={"maxBatchSize": most})
        outcomes = self._register(user_id, session_id, [_parsed(file) for file in batch.files])
        _log_refused(user_id, session_id, outcomes)
        results = [_result(outcome) for outcome in outcomes]
        failed = sum(isinstance(outcome, Refused) for outcome in outcomes)
        return BatchResults(results=results, succeeded=len(results) - failed, failed=failed)

    def _register(
        self, user_id: str, session_id: str, items: Sequence[FileMetadata | Refused]
    ) -> list[Outcome]:
        """What became of each file, in the order of the request."""
        self._s3.prepare()
        reservation = self._reserve(user_id, session_id, items)
        uploads = self._starts.uploads_of(reservation)
        verdicts = self._judged_again(user_id, session_id, items, reservation.verdicts, uploads)
        space = self._urls.space(taken=len(items) * ITEM_BYTES)
        return [self._outcome(verdict, uploads, reservation.session, space) for verdict in verdicts]

    def _reserve(self, user_id: str, session_id: str, items: Sequence[FileMetadata | Refused]) -> Reservation:
        """Judge the files under the session's lock, and write the rows of those that are new."""
        plan = RegistrationPlan(self._rules, user_id, items, self._now)
        reservation = self._store.reserve(session_id, plan)
        if reservation is None:
            raise ApiError(Reason.SESSION_NOT_FOUND)
        return reservation

    def _judged_again(
        self,
        user_id: str,
        session_id: str,
        items: Sequence[FileMetadata | Refused],
        verdicts: Sequence[Verdict],
        uploads: Uploads,
    ) -> list[Verdict]:
        """The verdicts, with another on each file that was overtaken; `uploads` gets theirs. Once only."""
        judged = list(verdicts)
        overtaken = [index for index, verdict in enumerate(judged) if _is_overtaken(verdict, uploads)]
        if not overtaken:
            return judged
        try:
            reservation = self._reserve(user_id, session_id, [items[index] for index in overtaken])
        except ApiError as error:
            if error.reason not in (Reason.SESSION_EXPIRED, Reason.SESSION_NOT_ACTIVE):
                raise
            # The session has ended meanwhile; what the others have, they keep.
            again: Sequence[Verdict] = [Refused(error)] * len(overtaken)
        else:
            again = reservation.verdicts
            uploads |= self._starts.uploads_of(reservation)
        for index, verdict in zip(overtaken, again, strict=True):
            judged[index] = verdict
        return judged

    def _outcome(self, verdict: Verdict, uploads: Uploads, session: SessionRow, space: Space) -> Outcome:
        if isinstance(verdict, Refused):
            return verdict
        upload = uploads[verdict.file.id]
        if isinstance(upload, Overtaken):  # once more, that is
            return Refused(ApiError(Reason.STORAGE_UNAVAILABLE, retry_after=RETRY_SOON))
        if isinstance(upload, Refused):
            return upload
        try:
            return Registered(self._registered_file(verdict, upload, session, space), upload.started)
        except ApiError as error:
            if error.reason is not Reason.SESSION_EXPIRED:
                raise
            return Refused(error)

    def _registered_file(
        self, accepted: Accepted, upload: Upload, session: SessionRow, space: Space
    ) -> RegisteredFile:
        file = replace(accepted.file, upload_id=upload.id)
        if accepted.item.part_count is None:
            return RegisteredFile(file_id=file.id, upload_id=upload.id)
        count = file.layout.part_count
        numbers = range(0) if upload.completed else range(1, count + 1)
        urls, next_part_number = self._urls.presign(file, numbers, session.expires_at, space)
        return RegisteredFile(
            file_id=file.id,
            upload_id=upload.id,
            part_count=count,
            part_size_bytes=file.part_size,
            presigned_urls=urls,
            next_part_number=next_part_number,
        )


def _is_overtaken(verdict: Verdict, uploads: Uploads) -> bool:
    return isinstance(verdict, Accepted) and isinstance(uploads[verdict.file.id], Overtaken)


def _parsed(value: Any) -> FileMetadata | Refused:
    try:
        return validated_item(FileMetadata, value)
    except ApiError as error:
        return Refused(error)


def _log_refused(user_id: str, session_id: str, outcomes: Sequence[Outcome]) -> None:
    """One line for each file of a batch that was refused; what is not the client's doing is an error."""
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, Refused):
            fields = {"user_id": user_id, "session_id": session_id, "index": index}
            log.refused("file of a batch", outcome.error, **fields)


def _result(outcome: Outcome) -> BatchResult:
    match outcome:
        case Registered(file):
            return BatchResult(**dict(file))
        case Refused(error):
            shown = ErrorObject.model_validate(error.as_object())
            return BatchResult(file_id=None, upload_id=None, error=shown)
