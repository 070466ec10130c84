"""Finds the file that a call is about, or says that it is not there."""

from lib.domain.errors import ApiError, Reason
from lib.domain.rows import FileRow
from lib.postgres.files import FileStore, FoundFile


def find_file(
    store: FileStore, user_id: str, session_id: str, file_id: str, *, with_parts: bool = False
) -> FoundFile:
    """A file with its session, and its parts if they are wanted; raises `ApiError` `SESSION_NOT_FOUND`."""
    found = store.find(user_id, session_id, file_id, with_parts=with_parts)
    if found is None:
        raise ApiError(Reason.SESSION_NOT_FOUND)
    return found


def file_of(found: FoundFile) -> FileRow:
    """The file that was found; raises `ApiError` `FILE_NOT_FOUND`."""
    if found.file is None:
        raise ApiError(Reason.FILE_NOT_FOUND)
    return found.file
