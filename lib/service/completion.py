"""Complete a file: S3 says which parts there are, and assembles them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from lib.domain.errors import RETRY_SOON, ApiError, Reason
from lib.domain.models import CompletedFile, CompleteFile
from lib.domain.part_layout import StoredPart, split_by_size
from lib.domain.rows import FileRow, open_for_writing
from lib.postgres.files import Asked, FileStore, FoundFile
from lib.runtime import log
from lib.runtime.clock import utc_now
from lib.s3.bucket import Bucket
from lib.s3.refusals import PartsChangedError, UploadGoneError, is_no_answer
from lib.service.lookups import file_of, find_file
from lib.service.reconcile import (
    completed_elsewhere,
    completed_or_failed,
    list_current_parts,
    still_assembling,
)

# Between two looks at a list that lacks what somebody says was uploaded (some stores are eventually
# consistent).
PAUSES = (0.1, 0.3, 0.9)  # seconds

ATTEMPTS = 3  # each but the first because parts were uploaded again while they were assembled


class Completion:
    """The use case of assembling a file."""

    def __init__(
        self,
        store: FileStore,
        s3: Bucket,
        now: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._s3 = s3
        self._now = now
        self._sleep = sleep

    def complete_file(
        self, user_id: str, session_id: str, file_id: str, request: CompleteFile
    ) -> CompletedFile:
        """Assemble the file from the parts that S3 has; a completed file answers the same once more.

        Raises `ApiError`: `SESSION_NOT_FOUND`, `SESSION_EXPIRED`, `SESSION_NOT_ACTIVE`, `FILE_NOT_FOUND`,
        `UPLOAD_NOT_FOUND`, `PARTS_MISSING`, `PART_SIZE_MISMATCH`, `ETAG_MISMATCH`, `STORAGE_UNAVAILABLE`.
        """
        self._s3.prepare()
        found = find_file(self._store, user_id, session_id, file_id, with_parts=True)
        file = found.file
        if file is None or file.status != "completed":
            file = self._assembled_in_time(found) or self._assembled(
                file_of(found),
                sent={part.part_number: part.etag for part in request.parts or ()},
                recorded={part.part_number: part.etag for part in found.parts},
            )
        return CompletedFile(
            file_id=file.id,
            file_url=self._s3.object_url(file.object_key),
            size_bytes=file.size,
            etag=file.etag or "",
        )

    def _assembled_in_time(self, found: FoundFile) -> FileRow | None:
        """None while the session is open.

        After its end: the file, if a call had assembled it before that and died before it could answer.
        Otherwise raises `ApiError`: `SESSION_EXPIRED`, `SESSION_NOT_ACTIVE`, and `STORAGE_UNAVAILABLE` while
        nobody can know.
        """
        try:
            open_for_writing(found.session, self._now())
        except ApiError:
            file = found.file
            if file is None or file.upload_id is None:
                raise
            completed = completed_elsewhere(self._store, self._s3, file)
            if completed is None and file.may_be_assembling:
                raise still_assembling() from None
            if completed is None:
                raise
            return completed
        return None

    def _assembled(self, file: FileRow, sent: Mapping[int, str], recorded: Mapping[int, str]) -> FileRow:
        """The file, completed by this call or another."""
        changed = ""
        for _ in range(ATTEMPTS):
            try:
                listed = self._listed(file, sent, recorded)
                problem = _problem(file, listed, sent)
                if problem is not None:
                    # A store may show an empty list while another call completes: look before refusing.
                    completed = completed_elsewhere(self._store, self._s3, file)
                    if completed is None:
                        is_missing = problem.reason is Reason.PARTS_MISSING
                        raise still_assembling() if is_missing and file.may_be_assembling else problem
                    return completed
                return self._assemble(file, list(_ours(file, listed).values()), recorded)
            except UploadGoneError:
                return completed_or_failed(self._store, self._s3, file)
            except PartsChangedError as error:
                changed = str(error)
        told = {"s3_operation": "CompleteMultipartUpload", "s3_code": changed}
        raise ApiError(Reason.STORAGE_UNAVAILABLE, retry_after=RETRY_SOON, logged=told)

    def _assemble(self, file: FileRow, parts: list[StoredPart], recorded: Mapping[int, str]) -> FileRow:
        news = [part for part in parts if recorded.get(part.part_number) != part.etag]
        # Now, and not when it is done: should we die in between, S3 shows neither the parts nor the upload.
        asked = self._store.mark_asked(file, news)
        etag = self._complete_upload(file, parts, asked)
        if not self._store.mark_completed(file, etag, parts):
            # Aborted while it was assembled. Not deleted: before 0.2.0 the file's next upload had its key.
            log.warning("object without a file", session_id=file.session_id, file_id=file.id)
            raise ApiError(Reason.FILE_NOT_FOUND)
        return replace(file, status="completed", etag=etag)

    def _complete_upload(self, file: FileRow, parts: list[StoredPart], asked: Asked | None) -> str:
        """Assemble the object, and return its ETag; the file stays marked while the answer is not known."""
        try:
            return self._s3.complete_upload(file.object_key, file.upload_id or "", parts)
        except (ApiError, UploadGoneError, PartsChangedError) as error:
            if asked and not is_no_answer(error):
                self._store.mark_answered(file, asked)
            raise

    def _listed(
        self, file: FileRow, sent: Mapping[int, str], recorded: Mapping[int, str]
    ) -> dict[int, StoredPart]:
        """S3's list, asked for again while it lacks a part that was recorded or sent."""
        preferred = {**recorded, **sent}
        listed = list_current_parts(self._s3, file, preferred)
        for pause in PAUSES:
            if not _lacks(file, listed, sent, recorded):
                break
            self._sleep(pause)
            listed = list_current_parts(self._s3, file, preferred)
        return listed


def _ours(file: FileRow, parts: Mapping[int, Any]) -> dict[int, Any]:
    """The parts of the file's layout; extra ones are left out."""
    return {number: part for number, part in parts.items() if 1 <= number <= file.layout.part_count}


def _lacks(
    file: FileRow, listed: Mapping[int, StoredPart], sent: Mapping[int, str], recorded: Mapping[int, str]
) -> bool:
    """Whether S3's list lacks something that should be there."""
    missing = any(number not in listed for number in _ours(file, {**recorded, **sent}))
    return missing or any(listed[number].etag != etag for number, etag in _ours(file, sent).items())


def _problem(file: FileRow, listed: Mapping[int, StoredPart], sent: Mapping[int, str]) -> ApiError | None:
    """Why the file cannot be assembled from these parts, if it cannot."""
    good, wrong_size = split_by_size(listed, file.layout)
    missing = [number for number in range(1, file.layout.part_count + 1) if number not in listed]
    mismatched = [n for n, etag in _ours(file, sent).items() if n in good and good[n].etag != etag]
    found = {
        Reason.PARTS_MISSING: ("MISSING", missing),
        Reason.PART_SIZE_MISMATCH: ("WRONG_SIZE", wrong_size),
        Reason.ETAG_MISMATCH: ("ETAG_MISMATCH", mismatched),
    }
    reason = next((reason for reason, (_, numbers) in found.items() if numbers), None)
    if reason is None:
        return None
    problems = {number: problem for problem, numbers in found.values() for number in numbers}
    details = {
        "expectedPartCount": file.layout.part_count,
        "missingPartNumbers": missing,
        "parts": [{"partNumber": number, "problem": problems[number]} for number in sorted(problems)],
    }
    return ApiError(reason, details=details)
