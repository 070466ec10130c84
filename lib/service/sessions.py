"""Create, show and cancel sessions."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from lib.domain.errors import ApiError, Reason
from lib.domain.models import CreateSession, FileMetadata, FileSummary, Session, SessionDetail
from lib.domain.part_layout import check_part_count
from lib.domain.policy import Policy
from lib.domain.rows import FileRow, SessionRow
from lib.domain.upload_limits import limited_until
from lib.postgres.sessions import SessionStore
from lib.runtime.clock import utc_now
from lib.runtime.config import Settings
from lib.s3.bucket import Bucket
from lib.service.abort import Abort


class Sessions:
    """The use cases of a session as a whole."""

    def __init__(
        self,
        store: SessionStore,
        s3: Bucket,
        abort: Abort,
        policy: Policy,
        settings: Settings,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._s3 = s3
        self._abort = abort
        self._policy = policy
        self._settings = settings
        self._now = now

    def create_session(self, user_id: str, request: CreateSession) -> Session:
        """Open a session; files that it declares are checked, and neither registered nor counted.

        Raises `ApiError`: `MIME_TYPE_NOT_ALLOWED`, `FILE_TOO_LARGE`, `PART_COUNT_INVALID`,
        `CATEGORY_LIMIT_EXCEEDED`, `INSTRUCTION_REQUIRED`, `FILE_COUNT_EXCEEDED`, `VALIDATION_ERROR` and
        `SESSION_RATE_LIMIT`.
        """
        max_files = self._max_files(request.max_files)
        if request.files is not None:
            self._check_declared(request.files, max_files)
        session = SessionRow(
            id=str(uuid.uuid4()),
            status="active",
            part_size_bytes=self._settings.part_size_bytes,
            metadata=(request.metadata or {}) | {"maxFiles": max_files},
            expires_at=self._now() + timedelta(minutes=self._settings.session_ttl_minutes),
        )
        limit = None if self._settings.rate_limit_bypass else self._settings.max_sessions_per_day
        next_allowed_at = self._store.create(user_id, session, limit)
        if next_allowed_at is not None:
            raise limited_until(Reason.SESSION_RATE_LIMIT, next_allowed_at, self._now())
        return Session(
            session_id=session.id,
            part_size_bytes=session.part_size_bytes,
            expires_at=session.expires_at,
            max_files=max_files,
        )

    def get_session(self, user_id: str, session_id: str) -> SessionDetail:
        """Show a session and its files; raises `ApiError` `SESSION_NOT_FOUND`."""
        found = self._store.with_files(user_id, session_id)
        if found is None:
            raise ApiError(Reason.SESSION_NOT_FOUND)
        session, files, recorded = found
        return SessionDetail(
            session_id=session.id,
            status=session.status_at(self._now()),
            part_size_bytes=session.part_size_bytes,
            max_files=session.max_files(self._settings.max_files_per_session),
            expires_at=session.expires_at,
            metadata=session.metadata,
            files=[self._summary(file, recorded.get(file.id, 0)) for file in files],
        )

    def cancel_session(self, user_id: str, session_id: str) -> None:
        """Abort every unfinished upload of a session and close it; completed files stay.

        Safe to repeat. Raises `ApiError`: `SESSION_NOT_FOUND`, `STORAGE_UNAVAILABLE` (uploads are left).
        """
        self._s3.prepare()
        unfinished = self._store.cancel(user_id, session_id)
        if unfinished is None:
            raise ApiError(Reason.SESSION_NOT_FOUND)
        self._abort.abort_uploads(unfinished)

    def _max_files(self, asked: int | None) -> int:
        most = self._settings.max_files_per_session
        if asked is not None and asked > most:
            problem = {"field": "maxFiles", "problem": f"Input should be less than or equal to {most}"}
            raise ApiError(Reason.VALIDATION_ERROR, details={"fields": [problem]})
        return asked or most

    def _check_declared(self, files: list[FileMetadata], max_files: int) -> None:
        if len(files) > max_files:
            raise ApiError(Reason.FILE_COUNT_EXCEEDED, details={"maxFiles": max_files})
        categories: list[str] = []
        for index, file in enumerate(files):
            field = f"files.{index}.category"
            categories.append(
                self._policy.category_for(file.media_type, file.category, file.size, field=field)
            )
            check_part_count(file.size, self._settings.part_size_bytes, file.part_count)
        for index, category in enumerate(categories):
            self._policy.check_category_limit(category, categories[:index])
        self._policy.check_required(categories)

    def _summary(self, file: FileRow, recorded_part_count: int) -> FileSummary:
        return FileSummary(
            file_id=file.id,
            file_key=file.file_key,
            name=file.name,
            category=file.category,
            size_bytes=file.size,
            status=file.status,
            part_count=file.layout.part_count,
            recorded_part_count=recorded_part_count,
            file_url=self._s3.object_url(file.object_key) if file.status == "completed" else None,
        )
