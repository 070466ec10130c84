"""What more than one use case asks before it does anything."""

from datetime import datetime

from lib.errors import ApiError, Reason
from lib.parts import count_bounds, layout_for
from lib.rows import FileRow, SessionRow
from lib.store.files import FileRecord, FileStore


def check_part_count(size: int, session_part_size: int, part_count: int | None) -> int:
    """The part size of a file in bytes; raises `ApiError` `PART_COUNT_INVALID` where S3 could not take it."""
    possible = part_count is None or part_count >= 1
    layout = layout_for(size, session_part_size, part_count) if possible else None
    if layout is None:
        fewest, most = count_bounds(size, session_part_size)
        details = {"minPartCount": fewest, "maxPartCount": most}
        raise ApiError(Reason.PART_COUNT_INVALID, details=details)
    return layout.part_size


def open_for_writing(session: SessionRow, now: datetime) -> None:
    """Raise `ApiError` `SESSION_EXPIRED` or `SESSION_NOT_ACTIVE` where a session takes nothing any more."""
    status = session.status_at(now)
    if status == "expired":
        raise ApiError(Reason.SESSION_EXPIRED)
    if status != "active":
        raise ApiError(Reason.SESSION_NOT_ACTIVE)


def record_of(
    store: FileStore, user_id: str, session_id: str, file_id: str, *, with_parts: bool = False
) -> FileRecord:
    """A file with its session, and its parts if they are wanted; raises `ApiError` `SESSION_NOT_FOUND`."""
    record = store.record(user_id, session_id, file_id, with_parts=with_parts)
    if record is None:
        raise ApiError(Reason.SESSION_NOT_FOUND)
    return record


def file_of(record: FileRecord) -> FileRow:
    """The record's file; raises `ApiError` `FILE_NOT_FOUND`."""
    if record.file is None:
        raise ApiError(Reason.FILE_NOT_FOUND)
    return record.file
