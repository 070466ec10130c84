"""Finds the file that a call is about, or says that it is not there."""

from lib.domain.errors import ApiError, Reason
from lib.domain.rows import FileRow
from lib.postgres.files import FileRecord, FileStore


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
