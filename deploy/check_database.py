"""The database: reachable, by TLS, migrated."""

import time
from collections.abc import Iterator

import psycopg

from db.migrate import MigrationError, pending
from deploy.deployment import Deployment
from deploy.report import Finding, ok, wrong
from lib.postgres.conninfo import conninfo, ignored_parameters

MIGRATE = (
    "DATABASE_URL_DIRECT='postgresql://…' make migrate   # the direct URL, where DATABASE_URL is a pooler's"
)


def check_database(deployment: Deployment) -> Iterator[Finding]:
    """Connect as the API does, and look at what is there."""
    url = deployment.settings.database_url.get_secret_value()
    try:
        with psycopg.connect(
            conninfo(url), prepare_threshold=None, autocommit=True, connect_timeout=10
        ) as connection:
            yield _reached(connection, url)
            yield _check_tls(connection)
            yield _check_migrations(connection)
    except psycopg.OperationalError as error:
        yield wrong(
            "database",
            f"DATABASE_URL does not connect: {_first_line(error)}",
            "Copy it anew from the host's dashboard, the pooled one; 'sslmode=require' belongs to it.\n"
            "'unsupported startup parameter': take 'options=…' out of it, or use the direct URL.",
        )


def _reached(connection: psycopg.Connection[tuple[object, ...]], url: str) -> Finding:
    started = time.perf_counter()
    connection.execute("SELECT 1")
    milliseconds = (time.perf_counter() - started) * 1000
    version = connection.info.parameter_status("server_version") or ""
    ignored = ignored_parameters(url)
    told = f"; ignored in the URL: {', '.join(ignored)}" if ignored else ""
    return ok("database", f"PostgreSQL {version.split()[0]}, {milliseconds:.0f} ms a round trip{told}")


def _check_tls(connection: psycopg.Connection[tuple[object, ...]]) -> Finding:
    if connection.pgconn.ssl_in_use:
        return ok("database TLS", "the connection is encrypted")
    if connection.info.host in ("localhost", "127.0.0.1", "::1") or connection.info.host.startswith("/"):
        return ok("database TLS", "none, and none is needed: the database is on this machine")
    return wrong(
        "database TLS",
        "password and data cross the network in the clear",
        "Add ?sslmode=require to DATABASE_URL.",
    )


def _check_migrations(connection: psycopg.Connection[tuple[object, ...]]) -> Finding:
    try:
        rows = connection.execute("SELECT name, sha256 FROM schema_migrations").fetchall()
        missing = [name for name, _, _ in pending({str(name): str(sha256) for name, sha256 in rows})]
    except psycopg.errors.UndefinedTable:
        return wrong("migrations", "the database was never migrated", MIGRATE)
    except psycopg.errors.InsufficientPrivilege:
        return wrong(
            "migrations", "this user may not read the tables", "Migrate with the user of DATABASE_URL."
        )
    except MigrationError as error:
        return wrong("migrations", str(error), "Restore the file as it was: git log -p db/migrations")
    if missing:
        return wrong("migrations", f"not applied: {', '.join(missing)}", MIGRATE)
    return ok("migrations", f"all {len(rows)} applied")


def clock_difference(deployment: Deployment) -> float:
    """How many seconds the database's clock is ahead of this machine's; raises `psycopg.Error`."""
    url = conninfo(deployment.settings.database_url.get_secret_value())
    with psycopg.connect(url, prepare_threshold=None, autocommit=True, connect_timeout=10) as connection:
        before = time.time()
        row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
        return float(row[0]) - (before + time.time()) / 2 if row else 0.0


def _first_line(error: Exception) -> str:
    """libpq's words name host and user, and never the password."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
