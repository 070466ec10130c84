"""Who may read and change the tables: the API's user, and nobody whom the host lets in by default."""

from collections.abc import Iterator
from typing import Any

import psycopg

from deploy.report import Finding, ok, wrong

MIGRATE_ANEW = "make migrate   # as the tables' owner"

# Each role's own and inherited privileges, on a table or on one of its columns.
SELECT_OPEN = """
SELECT DISTINCT coalesce(role.rolname, 'PUBLIC') || ' on ' || ours.relname
FROM pg_class ours
LEFT JOIN pg_roles role ON role.rolname IN ('anon', 'authenticated')
WHERE ours.oid = ANY(%(tables)s::regclass[]) AND (
  role.rolname IS NOT NULL AND (
    has_table_privilege(role.oid, ours.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
    OR has_any_column_privilege(role.oid, ours.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))
  OR role.rolname IS NULL AND EXISTS (SELECT 1 FROM aclexplode(ours.relacl) WHERE grantee = 0)
)
ORDER BY 1
"""

SELECT_UNPROTECTED = """
SELECT relname FROM pg_class WHERE oid = ANY(%(tables)s::regclass[]) AND NOT relrowsecurity
UNION
SELECT polrelid::regclass || ' (policy ' || polname || ')' FROM pg_policy
WHERE polrelid = ANY(%(tables)s::regclass[]) AND EXISTS (
  SELECT 1 FROM unnest(polroles) role
  WHERE role = 0 OR role IN (SELECT oid FROM pg_roles WHERE rolname IN ('anon', 'authenticated')))
ORDER BY 1
"""

# What the API needs, and whether row level security lets it do each of the four with a row.
SELECT_WITHOUT = """
SELECT ours.relname FROM pg_class ours
WHERE ours.oid = ANY(%(tables)s::regclass[]) AND ours.relname <> 'upload_session_migrations' AND (
  NOT (has_table_privilege(ours.oid, 'SELECT') AND has_table_privilege(ours.oid, 'INSERT')
    AND has_table_privilege(ours.oid, 'UPDATE') AND has_table_privilege(ours.oid, 'DELETE'))
  OR row_security_active(ours.oid) AND EXISTS (
    SELECT 1 FROM unnest('{r,a,w,d}'::"char"[]) command WHERE NOT EXISTS (
      SELECT 1 FROM pg_policy policy, unnest(policy.polroles) role
      WHERE policy.polrelid = ours.oid AND (role = 0 OR pg_has_role(role, 'usage'))
        AND policy.polpermissive AND policy.polcmd IN ('*', command)))
)
ORDER BY 1
"""

TABLES = """
SELECT array_agg(name::text) FROM unnest(ARRAY[to_regclass('upload_sessions'),
  to_regclass('upload_session_files'), to_regclass('upload_session_parts'),
  to_regclass('upload_session_migrations')]) name WHERE name IS NOT NULL
"""


def check_access(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Read the catalog; nothing, if there are no tables yet."""
    [tables] = connection.execute(TABLES).fetchone() or (None,)
    if tables is None:
        return

    def names(query: str) -> str:
        rows = connection.execute(query.encode(), {"tables": tables}).fetchall()
        return ", ".join(name for (name,) in rows)

    yield _check_public(names(SELECT_OPEN), names(SELECT_UNPROTECTED))
    [read_only] = connection.execute("SHOW transaction_read_only").fetchone() or ("off",)
    without = names(SELECT_WITHOUT)
    if read_only == "on":
        yield wrong(
            "database user",
            "its transactions are read-only: a replica, or default_transaction_read_only",
            "Take the primary's address, and ALTER ROLE … RESET default_transaction_read_only.",
        )
    elif without:
        yield wrong(
            "database user",
            f"sees no rows of, or may not write to: {without}",
            "Give it the grant and the policies of docs/deploy.md (A role of the API's own).",
        )
    else:
        yield ok("database user", "reads and writes all tables")


def _check_public(granted: str, unprotected: str) -> Finding:
    if granted:
        return wrong(
            "database access",
            f"anybody who has the host's public key has privileges: {granted}",
            "REVOKE ALL ON upload_sessions, upload_session_files, upload_session_parts,\n"
            "  upload_session_migrations FROM PUBLIC, anon, authenticated;   -- those that exist",
        )
    if unprotected:
        return wrong("database access", f"without row level security: {unprotected}", MIGRATE_ANEW)
    return ok("database access", "no public role has a grant, and row level security is on")
