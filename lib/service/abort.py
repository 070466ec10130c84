"""Abort uploads: S3 first, then the row, so that a row never goes while its upload still costs money."""

from collections.abc import Sequence

from lib.domain.errors import RETRY_SOON, ApiError, Reason, Refused
from lib.domain.rows import FileRow
from lib.postgres.files import FileStore
from lib.runtime.parallel import Parallel
from lib.s3.bucket import Bucket
from lib.service.lookups import file_of, find_file
from lib.service.reconcile import completed_elsewhere

ATTEMPTS = 3  # each but the first because another call changed the file meanwhile


class Abort:
    """The use case of aborting uploads."""

    def __init__(self, store: FileStore, s3: Bucket, parallel: Parallel) -> None:
        self._store = store
        self._s3 = s3
        self._parallel = parallel

    def abort_file(self, user_id: str, session_id: str, file_id: str) -> None:
        """Abort a file's upload and remove the file; its key and its place are free then.

        Possible in expired and cancelled sessions too. Raises `ApiError`: `SESSION_NOT_FOUND`,
        `FILE_NOT_FOUND`, `FILE_COMPLETED`, `STORAGE_UNAVAILABLE` (nothing is changed: abort again).
        """
        self._s3.prepare()
        for _ in range(ATTEMPTS):
            file = file_of(find_file(self._store, user_id, session_id, file_id))
            if file.status == "completed":
                raise ApiError(Reason.FILE_COMPLETED)
            if not self.abort_uploads([file]):
                return
        raise ApiError(Reason.STORAGE_UNAVAILABLE, retry_after=RETRY_SOON)

    def abort_uploads(self, files: Sequence[FileRow]) -> set[str]:
        """Abort these files' uploads and remove the files.

        Returns the ids of those that are still there: completed, or given another upload, meanwhile.
        Raises `ApiError` `STORAGE_UNAVAILABLE` when S3 failed for any of them, after the others are done.
        """
        outcomes = self._parallel.outcomes(self._abort_upload, files)
        aborted = [file for file, outcome in zip(files, outcomes, strict=True) if outcome is True]
        left = {file.id for file in files} - {file.id for file in aborted}
        if aborted:
            left |= self._store.delete(aborted)
        for outcome in outcomes:
            if isinstance(outcome, Refused):
                raise outcome.error
        return left

    def _abort_upload(self, file: FileRow) -> bool:
        """Abort one upload; false if its object is there, so that it was completed."""
        if file.upload_id is None:
            return True
        self._s3.abort_upload(file.object_key, file.upload_id)
        # Asked whatever S3 said to the abort: some stores answer 204 when the upload is complete.
        return completed_elsewhere(self._store, self._s3, file) is None
