"""The rows of the three tables, as the use cases see them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lib.domain.errors import ApiError, Reason
from lib.domain.models import FileStatus, SessionStatus
from lib.domain.part_layout import Layout


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A row of `upload_sessions` that belongs to the caller."""

    id: str
    status: str
    part_size_bytes: int
    metadata: dict[str, Any]
    expires_at: datetime
    started_uploads: int = 0  # at S3, in all its life

    def status_at(self, now: datetime) -> SessionStatus:
        """What a client is told: a session past its end is expired, whatever its status says."""
        if self.expires_at <= now:
            return "expired"
        return "active" if self.status == "active" else "cancelled"

    def max_files(self, default: int) -> int:
        """How many files it takes; a row that another program wrote may hold no such number."""
        limit = self.metadata.get("maxFiles")
        return limit if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0 else default


@dataclass(frozen=True, slots=True)
class FileRow:
    """A row of `upload_session_files`, null columns filled in from its session and key."""

    id: str
    session_id: str
    file_key: str
    name: str
    category: str
    mime_type: str
    ext: str | None
    size: int  # bytes
    part_size: int  # bytes
    object_key: str
    status: FileStatus
    upload_id: str | None
    attempt: str | None  # the registration that its upload was started for; also metadata of the object
    etag: str | None
    may_be_assembling: bool = False  # S3's answer to a complete was lost, at most 15 minutes ago

    @property
    def layout(self) -> Layout:
        """How the file is cut into parts."""
        return Layout(self.size, self.part_size)


@dataclass(frozen=True, slots=True)
class PartRow:
    """A row of `upload_session_parts`."""

    part_number: int
    etag: str
    uploaded_at: datetime


def open_for_writing(session: SessionRow, now: datetime) -> None:
    """Raise `ApiError` `SESSION_EXPIRED` or `SESSION_NOT_ACTIVE` if a session takes nothing any more."""
    status = session.status_at(now)
    if status == "expired":
        raise ApiError(Reason.SESSION_EXPIRED)
    if status != "active":
        raise ApiError(Reason.SESSION_NOT_ACTIVE)
