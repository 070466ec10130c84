"""The SQL of one file's life after its registration: its parts, its completion, its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from psycopg.rows import DictRow, class_row

from lib.domain.part_layout import StoredPart
from lib.domain.rows import FileRow, PartRow, SessionRow
from lib.postgres.database import Connection, Database, transaction
from lib.postgres.selects import SELECT_FILES, SELECT_SESSION, file_row, may_be_assembling, session_cursor

SELECT_PARTS = """
SELECT p.part_number, p.etag, p.uploaded_at
FROM upload_session_parts p JOIN upload_sessions s ON s.id = p.session_id
WHERE p.file_id = %(file_id)s AND s.id = %(session_id)s AND s.user_id = %(user_id)s
ORDER BY p.part_number
"""

# FOR SHARE makes this wait for a completion that is being written, and then find no pending file.
RECORD_PARTS = """
WITH file AS (
  SELECT id, session_id FROM upload_session_files
  WHERE id = %(file_id)s AND upload_id = %(upload_id)s AND status = 'pending' FOR SHARE
)
INSERT INTO upload_session_parts (session_id, file_id, part_number, etag)
SELECT file.session_id, file.id, part.number, part.etag
FROM file, unnest(%(numbers)s::int[], %(etags)s::text[]) AS part (number, etag)
ON CONFLICT (file_id, part_number) DO UPDATE SET etag = excluded.etag, uploaded_at = excluded.uploaded_at
RETURNING part_number, etag, uploaded_at
"""

STORE_LISTED_PARTS = """
WITH file AS (
  SELECT id, session_id FROM upload_session_files
  WHERE id = %(file_id)s AND upload_id = %(upload_id)s AND status = %(status)s FOR SHARE
)
INSERT INTO upload_session_parts (session_id, file_id, part_number, etag, uploaded_at)
SELECT file.session_id, file.id, part.number, part.etag, part.uploaded_at
FROM file, unnest(%(numbers)s::int[], %(etags)s::text[], %(times)s::timestamptz[])
  AS part (number, etag, uploaded_at)
ON CONFLICT (file_id, part_number) DO UPDATE SET etag = excluded.etag, uploaded_at = excluded.uploaded_at
WHERE upload_session_parts.etag <> excluded.etag
"""

COMPLETE_FILE = """
UPDATE upload_session_files SET status = 'completed', etag = %(etag)s, updated_at = NOW()
WHERE id = %(file_id)s AND upload_id = %(upload_id)s
RETURNING id
"""

# A call whose connection is lost runs this again, and finds its own mark. It was the only one if it says who
# left it: over another call's mark it does not, since only that call may take it back.
MARK_ASKED = f"""
WITH before AS (
  SELECT id, CASE WHEN {may_be_assembling} AND complete_asked_by IS DISTINCT FROM %(call)s
    THEN complete_unanswered_at END AS asked_at
  FROM upload_session_files f
  WHERE id = %(file_id)s AND upload_id = %(upload_id)s AND status = 'pending' FOR NO KEY UPDATE
)
UPDATE upload_session_files f SET complete_unanswered_at = clock_timestamp(), updated_at = NOW(),
  complete_asked_by = CASE WHEN before.asked_at IS NULL THEN %(call)s END
FROM before WHERE f.id = before.id
RETURNING f.complete_unanswered_at AS asked_at, before.asked_at AS asked_before
"""  # noqa: S608 - of constants

# Only one's own mark goes: another call may have asked meanwhile, and one before may still have no answer.
MARK_ANSWERED = """
UPDATE upload_session_files SET complete_unanswered_at = %(asked_before)s, updated_at = NOW()
WHERE id = %(file_id)s AND upload_id = %(upload_id)s AND status = 'pending'
  AND complete_unanswered_at = %(asked_at)s
"""

# Judged here and not by what was read before: another call's answer may have been lost meanwhile.
FAIL_FILE = f"""
UPDATE upload_session_files f
SET status = CASE WHEN {may_be_assembling} THEN status ELSE 'failed' END, updated_at = NOW()
WHERE id = %(file_id)s AND upload_id = %(upload_id)s AND status = 'pending'
RETURNING status
"""  # noqa: S608 - of constants

# `attempt` tells reservations apart, which have no upload: the next of the same id may be another session's.
DELETE_FILES = """
DELETE FROM upload_session_files f
USING unnest(%(ids)s::uuid[], %(upload_ids)s::text[], %(attempts)s::uuid[]) AS gone (id, upload_id, attempt)
WHERE f.id = gone.id AND f.upload_id IS NOT DISTINCT FROM gone.upload_id
  AND f.attempt IS NOT DISTINCT FROM gone.attempt AND f.status <> 'completed'
"""

SELECT_IDS = "SELECT id::text FROM upload_session_files WHERE id = ANY(%(ids)s::uuid[])"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file with its session, and with its recorded parts, by their numbers, if they were wanted."""

    session: SessionRow
    file: FileRow | None
    parts: list[PartRow]


@dataclass(frozen=True, slots=True)
class Asked:
    """When S3 was asked to assemble a file, and when before that without an answer (database time)."""

    at: datetime
    before: datetime | None


class FileStore:
    """Reads and writes one file; every method may raise `ApiError` `DATABASE_UNAVAILABLE`."""

    def __init__(self, database: Database, stage: str) -> None:
        self._database = database
        self._stage = stage

    def find(self, user_id: str, session_id: str, file_id: str, *, with_parts: bool) -> FoundFile | None:
        """A file with its session, and with its parts if wanted; None: the user has no such session."""
        ids = {"session_id": session_id, "user_id": user_id, "file_id": file_id}

        def work(connection: Connection) -> tuple[SessionRow | None, DictRow | None, list[PartRow]]:
            with transaction(connection):
                session = session_cursor(connection).execute(SELECT_SESSION, ids)
                file = connection.execute(SELECT_FILES + "AND f.id = %(file_id)s", ids)
                parts = connection.cursor(row_factory=class_row(PartRow))
                if with_parts:
                    parts.execute(SELECT_PARTS, ids)
            return session.fetchone(), file.fetchone(), parts.fetchall() if with_parts else []

        session, file, parts = self._database.run(work)
        if session is None:
            return None
        if file is None:
            return FoundFile(session, None, parts)
        size = session.part_size_bytes
        return FoundFile(session, file_row(file, part_size=size, user_id=user_id, stage=self._stage), parts)

    def record_parts(self, file: FileRow, etags: Mapping[int, str]) -> list[PartRow]:
        """Record ETags by part number, over what was recorded; nothing when the file is not pending."""
        numbers = sorted(etags)
        values = _identity(file) | {"numbers": numbers, "etags": [etags[number] for number in numbers]}

        def work(connection: Connection) -> list[PartRow]:
            return connection.cursor(row_factory=class_row(PartRow)).execute(RECORD_PARTS, values).fetchall()

        return sorted(self._database.run(work), key=lambda part: part.part_number)

    def learn_parts(self, file: FileRow, parts: Sequence[StoredPart]) -> None:
        """Record what S3 lists, with S3's times, while the file is pending."""
        self._database.run(lambda connection: _store_listed(connection, file, parts, "pending"))

    def mark_completed(self, file: FileRow, etag: str, parts: Sequence[StoredPart]) -> bool:
        """Mark a file completed, with the parts it was assembled from if they are known.

        False: another call removed the file, or gave it another upload.
        """

        def work(connection: Connection) -> bool:
            with transaction(connection):
                marked = connection.execute(COMPLETE_FILE, _identity(file) | {"etag": etag})
                _store_listed(connection, file, parts, "completed")
            return marked.fetchone() is not None

        return self._database.run(work)

    def mark_asked(self, file: FileRow, parts: Sequence[StoredPart]) -> Asked | None:
        """Note that S3 is about to be asked to assemble the file, and what it lists besides what is recorded.

        From here on S3 may assemble the file, even if this call dies.
        None: it is no longer pending.
        """
        call = _identity(file) | {"call": uuid4()}

        def work(connection: Connection) -> DictRow | None:
            # Seen by every call at once, but not yet on the disk: nobody is told of it, and `mark_completed`,
            # which somebody is told of, commits durably, with all parts. Only a crash of PostgreSQL within a
            # second loses the mark. It is missed only if PostgreSQL is down, or we are, until this call has
            # given up, and S3 assembles for even longer: then a file is failed that comes to be assembled,
            # and its client, which was told of no success, uploads it again.
            with transaction(connection, durable=False):
                marked = connection.execute(MARK_ASKED, call)
                if parts:
                    _store_listed(connection, file, parts, "pending")
            return marked.fetchone()

        marked = self._database.run(work)
        return Asked(marked["asked_at"], marked["asked_before"]) if marked else None

    def mark_answered(self, file: FileRow, asked: Asked) -> None:
        """Take the note of `mark_asked` back: S3 has answered, and does not assemble the file."""
        values = _identity(file) | {"asked_at": asked.at, "asked_before": asked.before}
        self._database.run(lambda connection: connection.execute(MARK_ANSWERED, values))

    def mark_failed(self, file: FileRow) -> bool:
        """Mark a file failed, unless another call has completed it or given it another upload.

        False: it stays pending, because S3 may still be assembling it.
        """
        marked = self._database.run(lambda c: c.execute(FAIL_FILE, _identity(file)).fetchone())
        return marked is None or marked["status"] == "failed"

    def delete(self, files: Sequence[FileRow]) -> set[str]:
        """Remove unfinished files whose uploads are aborted, and return the ids of those still there.

        A file is still there when another call has completed it, or given it another upload, meanwhile.
        """
        values = {
            "ids": [file.id for file in files],
            "upload_ids": [file.upload_id for file in files],
            "attempts": [file.attempt for file in files],
        }

        def work(connection: Connection) -> list[DictRow]:
            with transaction(connection):
                connection.execute(DELETE_FILES, values)
                left = connection.execute(SELECT_IDS, values)
            return left.fetchall()

        return {row["id"] for row in self._database.run(work)}


def _identity(file: FileRow) -> dict[str, Any]:
    """Which file, and which of its uploads: a write that was decided for one upload must not hit the next."""
    return {"file_id": file.id, "upload_id": file.upload_id}


def _store_listed(connection: Connection, file: FileRow, parts: Sequence[StoredPart], status: str) -> None:
    values = {
        "status": status,
        "numbers": [part.part_number for part in parts],
        "etags": [part.etag for part in parts],
        "times": [part.last_modified for part in parts],
    }
    connection.execute(STORE_LISTED_PARTS, _identity(file) | values)
