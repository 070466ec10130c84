"""The SQL of registering files: reserve under the session's lock, settle when S3 has answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Cursor
from psycopg.rows import DictRow, class_row

from lib.domain.registration_plan import RegistrationPlan, Reservation
from lib.domain.rows import FileRow
from lib.domain.upload_limits import SessionVolume
from lib.postgres.database import Connection, Database, transaction
from lib.postgres.selects import SELECT_FILES, SELECT_SESSION, file_row, session_cursor

SELECT_FOREIGN = """
SELECT id::text FROM upload_session_files
WHERE id = ANY(%(file_ids)s::uuid[]) AND session_id <> %(session_id)s
"""

# One registration a user at a time: parallel ones in other sessions would all find the same bytes left.
LOCK_VOLUME = "SELECT pg_advisory_xact_lock(hashtextextended('upload volume ' || %(user_id)s, 0))"

SELECT_VOLUMES = """
SELECT id::text, created_at, declared_bytes FROM upload_sessions
WHERE user_id = %(user_id)s AND created_at > NOW() - INTERVAL '24 hours'
  AND (declared_bytes > 0 OR id = %(session_id)s)
ORDER BY created_at
"""

COUNT_STARTS = """
UPDATE upload_sessions
SET started_uploads = started_uploads + %(starts)s, declared_bytes = declared_bytes + %(bytes)s
WHERE id = %(session_id)s
"""

# Of reservations that were adopted; their bytes were counted by the calls that made them.
CLAIM_STARTS = """
WITH before AS (SELECT id, started_uploads FROM upload_sessions WHERE id = %(session_id)s FOR NO KEY UPDATE)
UPDATE upload_sessions s
SET started_uploads = before.started_uploads
  + LEAST(%(starts)s, GREATEST(%(most)s - before.started_uploads, 0))
FROM before WHERE s.id = before.id
RETURNING s.started_uploads - before.started_uploads AS granted
"""

# In the order of the request, which is that of `registered`.
INSERT_FILES = """
INSERT INTO upload_session_files (id, session_id, file_key, file_size_bytes, name, category, mime_type, ext,
  part_size_bytes, object_key, attempt)
SELECT id, %(session_id)s::uuid, file_key, size, name, category, mime_type, ext, part_size, object_key,
  %(attempt)s::uuid
FROM unnest(%(ids)s::uuid[], %(file_keys)s::text[], %(sizes)s::bigint[], %(names)s::text[],
  %(categories)s::text[], %(mime_types)s::text[], %(exts)s::text[], %(part_sizes)s::bigint[],
  %(object_keys)s::text[]) WITH ORDINALITY
  AS new (id, file_key, size, name, category, mime_type, ext, part_size, object_key, place)
ORDER BY place
ON CONFLICT DO NOTHING
RETURNING id::text
"""
NEW_FILES = {
    "ids": "id", "file_keys": "file_key", "sizes": "size", "names": "name", "categories": "category",
    "mime_types": "mime_type", "exts": "ext", "part_sizes": "part_size", "object_keys": "object_key",
}  # fmt: skip

# Parts go only if the file is still failed: a slow completion may have come to its end meanwhile.
RESTART_FILES = """
WITH restarted AS (
  UPDATE upload_session_files f
  SET status = 'pending', upload_id = NULL, complete_unanswered_at = NULL, attempt = %(attempt)s,
    object_key = again.object_key, updated_at = NOW()
  FROM unnest(%(restarted)s::uuid[], %(object_keys)s::text[]) AS again (id, object_key)
  WHERE f.id = again.id AND f.status = 'failed'
  RETURNING f.id
)
DELETE FROM upload_session_parts WHERE file_id IN (SELECT id FROM restarted)
"""

# `attempt` is compared in each: what was decided for one registration must not hit the next of the same id.
# The session's lock keeps a cancellation from reading its files between this check and this write.
START_FILES = """
WITH session AS (
  SELECT id FROM upload_sessions WHERE id = %(session_id)s AND status = 'active' FOR NO KEY UPDATE
)
UPDATE upload_session_files f
SET upload_id = (%(upload_ids)s::text[])[array_position(%(ids)s::uuid[], f.id)], updated_at = NOW()
WHERE f.id = ANY(%(started)s::uuid[]) AND f.session_id = (SELECT id FROM session)
  AND f.attempt IS NOT DISTINCT FROM (%(attempts)s::uuid[])[array_position(%(ids)s::uuid[], f.id)]
  AND f.upload_id IS NULL AND f.status = 'pending'
"""

WITHDRAW_FILES = """
DELETE FROM upload_session_files f
USING unnest(%(ids)s::uuid[], %(attempts)s::uuid[]) AS ours (id, attempt)
WHERE f.id = ours.id AND f.attempt IS NOT DISTINCT FROM ours.attempt AND f.id = ANY(%(withdrawn)s::uuid[])
  AND f.session_id = %(session_id)s AND f.upload_id IS NULL AND f.status = 'pending'
"""

FAIL_FILES = """
UPDATE upload_session_files f SET status = 'failed', updated_at = NOW()
FROM unnest(%(ids)s::uuid[], %(attempts)s::uuid[]) AS ours (id, attempt)
WHERE f.id = ours.id AND f.attempt IS NOT DISTINCT FROM ours.attempt AND f.id = ANY(%(failed)s::uuid[])
  AND f.session_id = %(session_id)s AND f.upload_id IS NULL AND f.status = 'pending'
"""

SELECT_STATES = """
SELECT s.status AS session_status, f.id::text, f.status, f.upload_id,
  f.attempt IS NOT DISTINCT FROM ours.attempt AS is_ours
FROM upload_sessions s
CROSS JOIN unnest(%(ids)s::uuid[], %(attempts)s::uuid[]) AS ours (id, attempt)
LEFT JOIN upload_session_files f ON f.id = ours.id AND f.session_id = s.id
WHERE s.id = %(session_id)s
"""


@dataclass(frozen=True, slots=True)
class FileState:
    """What has become of a file meanwhile."""

    status: str
    upload_id: str | None  # None if it is not ours
    is_ours: bool  # else it was given up, and registered again by another call


@dataclass(frozen=True, slots=True)
class States:
    """What has become of a session and of some of its files; one that is not in here is gone."""

    session_status: str | None
    files: Mapping[str, FileState]


class RegistrationStore:
    """The two writes of a registration; every method may raise `ApiError` `DATABASE_UNAVAILABLE`."""

    def __init__(self, database: Database, stage: str) -> None:
        self._database = database
        self._stage = stage

    def reserve(self, session_id: str, plan: RegistrationPlan) -> Reservation | None:
        """Judge the plan's files under the session's lock, and write the rows of those that it accepts.

        Returns what was decided; None if the user has no such session. Raises `ApiError` as the plan does.
        """
        ids = {"session_id": session_id, "user_id": plan.user_id, "file_ids": plan.sent_ids}

        def work(connection: Connection) -> Reservation | None:
            # Nobody is told of a reservation before `settle` has committed, durably, and with it what came
            # before. After a crash between the two it may be gone, as if the API had died a little earlier.
            with transaction(connection, durable=False) as pipeline:
                if plan.limits_volume:
                    connection.execute(LOCK_VOLUME, ids)
                # FOR UPDATE would make the inserts of parts wait, through their foreign keys.
                session_rows = session_cursor(connection).execute(SELECT_SESSION + "FOR NO KEY UPDATE", ids)
                # A statement of its own, so that its snapshot is taken when the lock is there.
                file_rows = connection.execute(SELECT_FILES + "ORDER BY f.registered", ids)
                foreign_rows = connection.execute(SELECT_FOREIGN, ids) if plan.sent_ids else None
                volume_rows = _volumes(connection, ids) if plan.limits_volume else None
                pipeline.sync()
                session = session_rows.fetchone()
                if session is None:
                    return None
                files = [
                    file_row(row, part_size=session.part_size_bytes, user_id=plan.user_id, stage=self._stage)
                    for row in file_rows.fetchall()
                ]
                foreign_ids = {row["id"] for row in foreign_rows.fetchall()} if foreign_rows else set()
                volumes = volume_rows.fetchall() if volume_rows else []
                reservation = plan.reserve(session, files, foreign_ids, volumes)
                inserted = _write(connection, reservation)
            # Outside, where the answers have come with that of COMMIT: inside, each would be waited for.
            return reservation.after_writing({row["id"] for row in inserted.fetchall()} if inserted else ())

        return self._database.run(work)

    def claim_starts(self, session_id: str, starts: int, most: int) -> int:
        """Count uploads that are to be started for adopted reservations; answers how many of them may be.

        `most` is how many the session may start in all its life.
        """
        values = {"session_id": session_id, "starts": starts, "most": most}
        claimed = self._database.run(lambda c: c.execute(CLAIM_STARTS, values).fetchone())
        return int(claimed["granted"]) if claimed else 0

    def settle(
        self,
        session_id: str,
        files: Sequence[FileRow],
        *,
        started: Mapping[str, str],
        withdrawn: Sequence[str],
        failed: Sequence[str],
    ) -> States:
        """Write what S3 answered to a registration, and say what these files have become.

        `started` are upload ids by file id; each is set only if no other call was faster. `withdrawn` are
        reservations that go, `failed` are files that are failed once more. A file that was given up and
        registered again meanwhile is not touched, and has no upload here.
        """
        upload_ids = [started.get(file.id) for file in files]
        ends = {"started": list(started), "withdrawn": list(withdrawn), "failed": list(failed)}
        values = _values_of(session_id, files) | ends | {"upload_ids": upload_ids}

        def work(connection: Connection) -> States | None:
            kept, rows = None, None
            with transaction(connection):
                if started:
                    kept = connection.execute(START_FILES, values)
                if withdrawn:
                    connection.execute(WITHDRAW_FILES, values)
                if failed:
                    connection.execute(FAIL_FILES, values)
                if withdrawn or failed:
                    rows = connection.execute(SELECT_STATES, values)
            if rows:
                return _states(rows.fetchall())
            # As a rule each has its upload now, and what it has become need not be asked for.
            return _all_started(started) if kept and kept.rowcount == len(files) else None

        return self._database.run(work) or self.states(session_id, files)

    def states(self, session_id: str, files: Sequence[FileRow]) -> States:
        """Say what the session and these files have become."""
        values = _values_of(session_id, files)
        return _states(self._database.run(lambda c: c.execute(SELECT_STATES, values).fetchall()))


def _volumes(connection: Connection, ids: Mapping[str, Any]) -> Cursor[SessionVolume]:
    return connection.cursor(row_factory=class_row(SessionVolume)).execute(SELECT_VOLUMES, ids)


def _values_of(session_id: str, files: Sequence[FileRow]) -> dict[str, Any]:
    return {
        "session_id": session_id,
        "ids": [file.id for file in files],
        "attempts": [file.attempt for file in files],
    }


def _write(connection: Connection, reservation: Reservation) -> Cursor[DictRow] | None:
    """Write a reservation; a row whose id another session took in this very moment is not in the cursor."""
    inserted, new = None, reservation.new_files
    if new:
        columns = {name: [getattr(file, field) for file in new] for name, field in NEW_FILES.items()}
        shared = {"session_id": reservation.session.id, "attempt": reservation.attempt}
        inserted = connection.execute(INSERT_FILES, columns | shared)
    restarted = reservation.restarted_files
    starting = [*reservation.new_files, *restarted]
    if starting:
        size = sum(file.size for file in starting)
        counts = {"session_id": reservation.session.id, "starts": len(starting), "bytes": size}
        connection.execute(COUNT_STARTS, counts)
    if restarted:
        values = {
            "attempt": reservation.attempt,
            "restarted": [file.id for file in restarted],
            "object_keys": [file.object_key for file in restarted],
        }
        connection.execute(RESTART_FILES, values)
    return inserted


def _all_started(upload_ids: Mapping[str, str]) -> States:
    """The states of files that each got its upload, in a session that is active."""
    files = {
        file_id: FileState("pending", upload_id, is_ours=True) for file_id, upload_id in upload_ids.items()
    }
    return States("active", files)


def _states(rows: list[DictRow]) -> States:
    files = {
        row["id"]: FileState(row["status"], row["upload_id"] if row["is_ours"] else None, row["is_ours"])
        for row in rows
        if row["id"]
    }
    return States(rows[0]["session_status"] if rows else None, files)
