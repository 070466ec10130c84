"""What the stores' queries have in common: the rows of a session and of its files."""

import psycopg
from psycopg.rows import DictRow, class_row

from lib.domain import policy
from lib.domain.rows import FileRow, SessionRow
from lib.postgres.database import Connection

# Another program may have written `infinity`, or a year that Python does not know.
SELECT_SESSION = """
SELECT id::text, status, part_size_bytes, metadata, started_uploads,
  GREATEST(LEAST(expires_at, '9999-12-30Z'), '0001-01-02Z') AS expires_at
FROM upload_sessions
WHERE id = %(session_id)s AND user_id = %(user_id)s
"""

# Neither the upload nor the object may be there while S3 assembles; see `FileStore.mark_asked`.
may_be_assembling = "COALESCE(f.complete_unanswered_at > NOW() - INTERVAL '15 minutes', FALSE)"

# Without the session, whose row each transaction reads, too: it says whose the files are. To join it took as
# long again.
SELECT_FILES = f"""
SELECT f.id::text, f.session_id::text, f.file_key, COALESCE(f.name, f.file_key) AS name, f.category,
  f.mime_type, f.ext, f.file_size_bytes AS size, f.part_size_bytes AS part_size, f.object_key, f.status,
  f.upload_id, f.attempt::text, f.etag, {may_be_assembling} AS may_be_assembling
FROM upload_session_files f WHERE f.session_id = %(session_id)s
"""  # noqa: S608 - of constants


def session_cursor(connection: Connection) -> psycopg.Cursor[SessionRow]:
    """A cursor whose rows are sessions."""
    return connection.cursor(row_factory=class_row(SessionRow))


def file_row(row: DictRow, *, part_size: int, user_id: str, stage: str) -> FileRow:
    """A file as the use cases see it, with its session's part size (bytes) if it has none of its own.

    Other nulls, in rows that another program wrote, are filled in from its key.
    """
    values = {name: row[name] for name in FileRow.__slots__}
    values["part_size"] = row["part_size"] or part_size
    if not (row["category"] and row["mime_type"]):
        category, mime_type = policy.described_by(row["file_key"])
        values |= {"category": row["category"] or category, "mime_type": row["mime_type"] or mime_type}
    if not row["ext"]:
        values["ext"] = policy.extension_of(row["name"])
    if not row["object_key"]:
        key_ext = row["ext"] or policy.extension_of(row["file_key"])  # as it always was: rows keep their keys
        ids, category = (user_id, row["session_id"]), values["category"]
        values["object_key"] = policy.object_key(stage, *ids, category, row["id"], key_ext, None)
    return FileRow(**values)
