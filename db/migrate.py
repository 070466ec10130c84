"""Applies `db/migrations/*.sql`, each once and in the order of their names: `python -m db.migrate`."""

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg

from lib.postgres.conninfo import conninfo
from lib.runtime.config import SettingsError

MIGRATIONS = Path(__file__).parent / "migrations"

CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  applied_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  CONSTRAINT schema_migrations_pkey PRIMARY KEY (name)
)
"""


class MigrationError(Exception):
    """A migration that was applied is no longer what it was."""


def migrate(url: str, folder: Path = MIGRATIONS) -> list[str]:
    """Apply what is not applied yet, and return the names of it.

    All in one transaction under a lock that ends with it: two processes at once are safe, a failure leaves
    nothing behind, and a transaction-mode pooler may stand in between.
    Raises `MigrationError`, `SettingsError`.
    """
    applied_now = []
    with psycopg.connect(conninfo(url), prepare_threshold=None, connect_timeout=10) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('schema_migrations', 0))")
        connection.execute(CREATE_TABLE)
        rows = connection.execute("SELECT name, sha256 FROM schema_migrations").fetchall()
        applied: dict[str, str] = dict(rows)
        for name, sha256, sql in pending(applied, folder):
            connection.execute(sql)
            connection.execute("INSERT INTO schema_migrations (name, sha256) VALUES (%s, %s)", (name, sha256))
            applied_now.append(name)
    return applied_now


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
        print(
            "Set DATABASE_URL, or DATABASE_URL_DIRECT where DATABASE_URL leads to a pooler.", file=sys.stderr
        )
        return 1
    try:
        applied = migrate(conninfo(url, variable))
    except (MigrationError, SettingsError, psycopg.Error) as error:
        print(f"Not migrated: {error}", file=sys.stderr)
        return 1
    print(f"Applied {', '.join(applied)}." if applied else "Nothing to apply: the database is up to date.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
