"""Applies `db/migrations/*.sql`, each once and in the order of their names: `python -m db.migrate`."""

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg

from lib.postgres.conninfo import conninfo
from lib.runtime.config import SettingsError
from lib.runtime.pasted import other_database_variables

MIGRATIONS = Path(__file__).parent / "migrations"

# A name of its own: many tools call theirs `schema_migrations`.
CREATE_TABLE = """
CREATE TABLE upload_session_migrations (
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  applied_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  CONSTRAINT upload_session_migrations_pkey PRIMARY KEY (name)
)
"""

# Version 0.1 called the table so; older processes take the lock by that name, too.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('schema_migrations', 0))"
COLUMNS_OF_OLD_TABLE = """
SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
WHERE attrelid = to_regclass('schema_migrations') AND attnum > 0 AND NOT attisdropped
  AND attrelid IN (SELECT conrelid FROM pg_constraint WHERE conname = 'schema_migrations_pkey')
"""
IS_OURS = "SELECT EXISTS (SELECT 1 FROM schema_migrations WHERE name::text = '0001_upload_sessions.sql')"
RENAME_TABLE = """
ALTER TABLE schema_migrations RENAME CONSTRAINT schema_migrations_pkey TO upload_session_migrations_pkey;
ALTER TABLE schema_migrations RENAME TO upload_session_migrations
"""

# Of the transaction as a whole, whatever the role's own are: another process that migrates is waited for, and
# one that froze meanwhile gives the lock back.
SET_LIMITS = """
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = '60s';
SET LOCAL idle_in_transaction_session_timeout = '60s'
"""
# A migration that waits for a table makes everybody else wait behind it.
SET_LIMIT = "SET LOCAL lock_timeout = '10s'"


class MigrationError(Exception):
    """The database cannot be migrated; the text says why."""


def migrate(url: str, folder: Path = MIGRATIONS) -> list[str]:
    """Apply what is not applied yet, and return the names of it.

    All in one transaction under a lock that ends with it: two processes at once are safe, a failure leaves
    nothing behind, and a transaction-mode pooler may stand in between.
    Raises `MigrationError`, `SettingsError`.
    """
    applied_now = []
    with psycopg.connect(conninfo(url), prepare_threshold=None, connect_timeout=10) as connection:
        check_encoding(connection)
        connection.execute(SET_LIMITS)
        connection.execute(LOCK)
        connection.execute(SET_LIMIT)
        _rename_old_table(connection)
        if not _is_there(connection):
            connection.execute(CREATE_TABLE)
        rows = connection.execute("SELECT name, sha256 FROM upload_session_migrations").fetchall()
        for name, sha256, sql in pending(dict(rows), folder):
            _apply(connection, sql)
            connection.execute(
                "INSERT INTO upload_session_migrations (name, sha256) VALUES (%s, %s)", (name, sha256)
            )
            applied_now.append(name)
    return applied_now


def check_encoding(connection: psycopg.Connection[Any]) -> None:
    """Raise `MigrationError` for a database that is not UTF8: it cannot hold every name of a file."""
    [encoding] = connection.execute("SELECT current_setting('server_encoding')").fetchone() or ("",)
    if encoding != "UTF8":
        raise MigrationError(
            f"the database's encoding is {encoding}, and must be UTF8: "
            "CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
        )


def _rename_old_table(connection: psycopg.Connection[Any]) -> None:
    """Rename the table of version 0.1; another tool's table of that name stays as it is."""
    [columns] = connection.execute(COLUMNS_OF_OLD_TABLE).fetchone() or (None,)
    if columns != ["name", "sha256", "applied_at"]:
        return
    [ours] = connection.execute(IS_OURS).fetchone() or (False,)
    if ours and not _is_there(connection):
        connection.execute(RENAME_TABLE)


def _is_there(connection: psycopg.Connection[Any]) -> bool:
    """Whether the table is where the API would see it, which need not be where a new one would be made.

    A schema that is put before another one in the search_path later has no tables of ours.
    """
    [seen] = connection.execute("SELECT to_regclass('upload_session_migrations')").fetchone() or (None,)
    return seen is not None


def _apply(connection: psycopg.Connection[Any], sql: bytes) -> None:
    try:
        connection.execute(sql)
    except psycopg.errors.DuplicateTable as error:
        raise MigrationError(
            f"{error.diag.message_primary}. If it is another app's, give this one a schema of its own: "
            "CREATE SCHEMA uploads; ALTER ROLE … SET search_path = uploads"
        ) from None


def pending(applied: Mapping[str, str], folder: Path = MIGRATIONS) -> Iterator[tuple[str, str, bytes]]:
    """Name, hash and SQL of what is not among the applied, which come as names and hashes.

    Raises `MigrationError`.
    """
    for path in sorted(folder.glob("*.sql")):
        sql = path.read_bytes()
        sha256 = hashlib.sha256(sql).hexdigest()
        if path.name not in applied:
            yield path.name, sha256, sql
        elif applied[path.name] != sha256:
            raise MigrationError(f"{path.name} was changed after it was applied: add a new file instead.")


def main() -> int:
    """Migrate the database of `DATABASE_URL_DIRECT` (past a pooler), else of `DATABASE_URL`."""
    variable = "DATABASE_URL_DIRECT" if os.environ.get("DATABASE_URL_DIRECT") else "DATABASE_URL"
    url = os.environ.get(variable)
    if not url:
        advice = "Set DATABASE_URL, or DATABASE_URL_DIRECT if DATABASE_URL leads to a pooler"
        print(f"{advice}{other_database_variables(os.environ)}.", file=sys.stderr)
        return 1
    try:
        certificates = os.environ.get("DATABASE_SSL_ROOT_CERT")
        applied = migrate(conninfo(url, variable, certificates))
    except (MigrationError, SettingsError, psycopg.Error) as error:
        print(f"Not migrated: {error}", file=sys.stderr)
        return 1
    print(f"Applied {', '.join(applied)}." if applied else "Nothing to apply: the database is up to date.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
