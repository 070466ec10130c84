"""The SQL of sessions as a whole: create, read, cancel."""

from datetime import datetime

import psycopg
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from lib.domain.errors import ApiError, Reason
from lib.domain.rows import FileRow, SessionRow
from lib.postgres import json_numbers
from lib.postgres.database import Connection, Database, transaction
from lib.postgres.selects import SELECT_FILES, SELECT_SESSION, file_row, session_cursor

LOCK_CREATION = "SELECT pg_advisory_xact_lock(hashtextextended('create session ' || %(user_id)s, 0))"

SELECT_NEXT_ALLOWED = """
SELECT created_at + INTERVAL '24 hours' AS next_allowed_at
FROM upload_sessions
WHERE user_id = %(user_id)s AND created_at > NOW() - INTERVAL '24 hours' AND id <> %(session_id)s
ORDER BY created_at DESC
OFFSET %(limit)s - 1 LIMIT 1
"""

INSERT_SESSION = """
INSERT INTO upload_sessions (id, user_id, part_size_bytes, metadata, expires_at)
VALUES (%(session_id)s, %(user_id)s, %(part_size_bytes)s, %(metadata)s, %(expires_at)s)
ON CONFLICT (id) DO NOTHING
"""

# Not in SELECT_FILES, which every registration reads: counting takes longer with every part.
COUNT_PARTS = """
SELECT file_id::text, COUNT(*) AS recorded FROM upload_session_parts
WHERE session_id = %(session_id)s GROUP BY file_id
"""

CANCEL_SESSION = """
UPDATE upload_sessions SET status = 'cancelled', updated_at = NOW()
WHERE id = %(session_id)s AND user_id = %(user_id)s
RETURNING part_size_bytes
"""


class SessionStore:
    """Reads and writes sessions; every method may raise `ApiError` `DATABASE_UNAVAILABLE`."""

    def __init__(self, database: Database, stage: str) -> None:
        self._database = database
        self._stage = stage

    def ping(self, patience: float) -> None:
        """Ask whether the database answers within these seconds, has its tables and can be written to."""
        # The newest column of each: if a migration is missing, nothing works.
        ask = (
            "SELECT (SELECT declared_bytes FROM upload_sessions LIMIT 1), "
            "(SELECT complete_asked_by FROM upload_session_files LIMIT 1), "
            "current_setting('transaction_read_only') AS read_only"
        )

        def work(connection: Connection) -> None:
            asked = connection.execute(ask).fetchone()
            if asked and asked["read_only"] == "on":
                raise psycopg.errors.ReadOnlySqlTransaction("its transactions are read-only: a replica?")

        try:
            self._database.run(work, at_most=patience)
        except psycopg.Error as error:
            raise ApiError(Reason.DATABASE_UNAVAILABLE) from error

    def create(self, user_id: str, session: SessionRow, daily_limit: int | None) -> datetime | None:
        """Insert a session; if the user's limit in 24 hours is reached, say when the next is allowed."""
        values = {
            "session_id": session.id,
            "user_id": user_id,
            "part_size_bytes": session.part_size_bytes,
            "metadata": Jsonb(session.metadata, dumps=json_numbers.dumps),
            "expires_at": session.expires_at,
            "limit": daily_limit,
        }

        def work(connection: Connection) -> datetime | None:
            with transaction(connection) as pipeline:
                if daily_limit is not None:
                    # One creation a user at a time, or parallel calls would all find the same free place.
                    connection.execute(LOCK_CREATION, values)
                    asked = connection.execute(SELECT_NEXT_ALLOWED, values)
                    pipeline.sync()
                    full = asked.fetchone()
                    if full:
                        return full["next_allowed_at"]  # type: ignore[no-any-return]
                connection.execute(INSERT_SESSION, values)
            return None

        return self._database.run(work)

    def with_files(
        self, user_id: str, session_id: str
    ) -> tuple[SessionRow, list[FileRow], dict[str, int]] | None:
        """A session, its files in the order of registration, and how many parts are recorded by file id.

        None if the user has no such session.
        """
        ids = {"session_id": session_id, "user_id": user_id}

        def work(connection: Connection) -> tuple[SessionRow | None, list[DictRow], list[DictRow]]:
            with transaction(connection):
                session = session_cursor(connection).execute(SELECT_SESSION, ids)
                files = connection.execute(SELECT_FILES + "ORDER BY f.registered", ids)
                counts = connection.execute(COUNT_PARTS, ids)
            return session.fetchone(), files.fetchall(), counts.fetchall()

        session, rows, counts = self._database.run(work)
        if session is None:
            return None
        files = self._files(rows, user_id, session.part_size_bytes)
        return session, files, {row["file_id"]: row["recorded"] for row in counts}

    def cancel(self, user_id: str, session_id: str) -> list[FileRow] | None:
        """Mark a session cancelled and list its unfinished files; None if the user has no such session."""
        ids = {"session_id": session_id, "user_id": user_id}

        def work(connection: Connection) -> tuple[DictRow | None, list[DictRow]]:
            with transaction(connection):
                cancelled = connection.execute(CANCEL_SESSION, ids)
                files = connection.execute(SELECT_FILES + "AND f.status <> 'completed'", ids)
            return cancelled.fetchone(), files.fetchall()

        cancelled, rows = self._database.run(work)
        return self._files(rows, user_id, cancelled["part_size_bytes"]) if cancelled else None

    def _files(self, rows: list[DictRow], user_id: str, part_size: int) -> list[FileRow]:
        return [file_row(row, part_size=part_size, user_id=user_id, stage=self._stage) for row in rows]
