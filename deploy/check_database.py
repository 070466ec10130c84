"""The database: reachable, by TLS, in UTF8, migrated, closed to others."""

import re
import time
from collections.abc import Iterator

import psycopg

from db.migrate import MigrationError, check_encoding, pending
from deploy.check_access import check_access
from deploy.deployment import Deployment
from deploy.report import Finding, ok, warning, wrong
from lib.domain.errors import ApiError
from lib.postgres.conninfo import conninfo, ignored_parameters
from lib.postgres.database import PATIENCE_SECONDS, Connection, Database, transaction
from lib.postgres.sessions import SessionStore

MIGRATE = (
    "DATABASE_URL_DIRECT='postgresql://…' make migrate   # the direct URL, if DATABASE_URL is a pooler's"
)

# What libpq, PostgreSQL and hosts' poolers say, as patterns, and what helps.
FIXES = {
    "certificate verify failed": "Set DATABASE_SSL_ROOT_CERT to the certificates of the host's own authority "
    "(Amazon RDS, Supabase: docs/deploy.md, TLS).",
    "does not match host name": "Use the host name that the dashboard shows, not an address or an alias.",
    "root certificate file": "Set DATABASE_SSL_ROOT_CERT, and take sslrootcert out of the URL.",
    "does not support SSL": "The host must offer TLS: is this its public address?",
    "no encryption|SSL off|SSL required|connection is insecure": "Set sslmode=verify-full in it "
    "(docs/deploy.md, TLS): the host refuses connections without TLS.",
    "channel binding": "Take channel_binding out of it, and set sslmode=verify-full (docs/deploy.md, TLS).",
    "on socket": "Give it the database's address, as in postgresql://user:password@host/database: a "
    "function has no socket of a database.",
    "response to SSL negotiation|closed the connection|Connection refused": "Compare its host and port: "
    "what is there is no PostgreSQL, or does not let you in.",
    "starting up|shutting down|recovery mode|quota|disabled|suspended|active endpoints|compute"
    "|query_wait_timeout|check out|acquire": "The URL leads to the host. See its "
    "dashboard for what the database's state is, and how many of its connections are in use.",
    "startup parameter|server parameter|command-line argument|invalid value for parameter": "Take "
    "'options=…' out of it (and PGOPTIONS, PGTZ and PGGEQO out of the environment), or use the direct URL.",
    "standby mode|session is read-only": "The URL leads to a replica: take the primary's address.",
    "client certificate": "The host wants a certificate of the client, and a function has no file of one: "
    "let it take a password over TLS.",
    "no password supplied": "Write the password into it, as in postgresql://user:password@host/database.",
    "requirement|GSSAPI|SSL certificate|protocol version|wrong version|unexpected eof": "Take require_auth, "
    "gssencmode, sslcertmode, sslnegotiation and min_protocol_version out of it, and their PG… variables out "
    "of the environment: what answers is older, or a pooler.",
    "statement timeout": "ALTER ROLE … RESET statement_timeout: it leaves no time for an answer.",
    "password authentication failed": "Copy it again, with your own password where it says [YOUR-PASSWORD]; "
    "percent-encode characters such as @ / : # % in it.",
    "Tenant or user|tenant/user|tenant identifier": "Copy the pooler's host and user from Supabase's "
    "dashboard: the user is postgres.PROJECT_REF, and the host does not follow from the region.",
    "too many c|connection slots|max clients|more connections allowed": "Take the URL of a pooler "
    "in transaction mode, or set a smaller DATABASE_POOL_SIZE.",
    "resolve host|translate host name": "Take the public URL: names such as ….railway.internal or dpg-…-a "
    "are known in the host's own network only.",
    "Network is unreachable|assign requested address|No route to host": "Take the pooler's URL: the direct "
    "host may have IPv6 only, as Supabase's has, and functions have none.",
    "timeout expired|pg_hba.conf": "If the host lets in only addresses that it knows, let in Vercel's, which "
    "change. If it has IPv6 only, take its pooler's URL.",
    "does not exist": "Compare its user, and the database at its end, with the dashboard's.",
}


# What `check_access` has better words for
TOLD_BY_ACCESS = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)

HIDDEN = wrong(
    "migrations",
    "this user may not read upload_session_migrations",
    "Migrate with the user of DATABASE_URL, or see docs/deploy.md (A role of the API's own).",
)


def check_database(deployment: Deployment) -> Iterator[Finding]:
    """Connect as the API does, and look at what is there."""
    try:
        with _connected(deployment) as connection:
            yield _reached(connection, deployment.settings.database_url.get_secret_value())
            yield _check_tls(connection)
            yield _check_encoding(connection)
            migrations = _check_migrations(connection)
            yield migrations
            if migrations.status == "ok":
                yield from _check_answers(deployment)
            yield from check_access(connection)
    except psycopg.OperationalError as error:
        text = _first_line(error)
        yield wrong("database", f"DATABASE_URL does not connect: {text}", _fix(text))


def _connected(deployment: Deployment) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(_url(deployment), prepare_threshold=None, autocommit=True, connect_timeout=10)


def _url(deployment: Deployment) -> str:
    settings = deployment.settings
    return conninfo(
        settings.database_url.get_secret_value(), root_certificates=settings.database_ssl_root_cert
    )


def _fix(error: str) -> str:
    """What to do about an error of libpq's; it never advises to verify less."""
    said = re.sub('"[^"]*"', '""', error)  # without names: many a host's is ….compute-1.amazonaws.com
    for pattern, fix in FIXES.items():
        if re.search(pattern, said):
            return fix
    return "Copy it again from the host's dashboard, the pooled one, with all of its parameters."


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
        return _check_certificate(connection)
    if connection.info.host in ("localhost", "127.0.0.1", "::1") or connection.info.host.startswith("/"):
        return ok("database TLS", "none, and none is needed: the database is on this machine")
    return wrong(
        "database TLS",
        "password and data cross the network in the clear",
        "Add sslmode=verify-full to DATABASE_URL (docs/deploy.md, TLS).",
    )


def _check_certificate(connection: psycopg.Connection[tuple[object, ...]]) -> Finding:
    parameters = connection.info.get_parameters()
    if parameters.get("sslmode") == "verify-full":
        return ok("database TLS", "the connection is encrypted, and the server's certificate verified")
    if parameters.get("channel_binding") == "require":
        return ok("database TLS", "the connection is encrypted, and bound to the password")
    return warning(
        "database TLS",
        "the connection is encrypted, and nothing verifies whose server it is",
        "Set sslmode=verify-full in DATABASE_URL (docs/deploy.md, TLS).",
    )


def _check_encoding(connection: psycopg.Connection[tuple[object, ...]]) -> Finding:
    try:
        check_encoding(connection)
    except MigrationError as error:
        return wrong("encoding", str(error), "Create a new database, migrate it, and change DATABASE_URL.")
    return ok("encoding", "UTF8")


def _check_migrations(connection: psycopg.Connection[tuple[object, ...]]) -> Finding:
    try:
        rows = connection.execute("SELECT name, sha256 FROM upload_session_migrations").fetchall()
        missing = [name for name, _, _ in pending({str(name): str(sha256) for name, sha256 in rows})]
    except psycopg.errors.UndefinedTable:
        return _check_schema(connection)
    except psycopg.errors.InsufficientPrivilege:
        return HIDDEN
    except MigrationError as error:
        return wrong("migrations", str(error), "Restore the file as it was: git log -p db/migrations")
    if not rows and _row_security_hides(connection, "upload_session_migrations"):
        return HIDDEN
    if missing:
        return wrong("migrations", f"not applied: {', '.join(missing)}", MIGRATE)
    return ok("migrations", f"all {len(rows)} applied")


def _check_schema(connection: psycopg.Connection[tuple[object, ...]]) -> Finding:
    """Why there is no such table: it may be where this user does not look, or may not."""
    found = connection.execute(
        "SELECT relnamespace::regnamespace FROM pg_class WHERE relname = 'upload_session_migrations'"
    ).fetchone()
    if found is None:
        return wrong("migrations", "never migrated, or by a version before 0.2", MIGRATE)
    return wrong(
        "migrations",
        f"this user does not see the tables, which are in the schema {found[0]}",
        f"GRANT USAGE ON SCHEMA {found[0]} TO the user; if its search_path is another, "
        f"ALTER ROLE … SET search_path = {found[0]}.",
    )


def _check_answers(deployment: Deployment) -> Iterator[Finding]:
    """The API's own question, asked as the API asks it; nothing, if it is answered."""
    database = Database(_url(deployment), max_size=1)
    fix = None
    try:
        SessionStore(database, deployment.settings.stage).ping(PATIENCE_SECONDS)
        fix = "Is it a pooler in statement mode? Set its pool_mode to transaction, or session."
        database.run(_transaction_in_two_halves)
    except ApiError as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        if isinstance(cause, psycopg.errors.UndefinedColumn | psycopg.errors.UndefinedTable):
            yield wrong(
                "tables",
                f"one of another app comes before this API's: {_first_line(cause)}",
                "Put the schema of upload_session_migrations first: ALTER ROLE … SET search_path = …",
            )
        elif not isinstance(cause, TOLD_BY_ACCESS):
            yield wrong(
                "database", f"it does not answer the API: {_first_line(cause)}", fix or _fix(str(cause))
            )
    finally:
        database.close()


def _transaction_in_two_halves(connection: Connection) -> None:
    """As writing does it; a pooler in statement mode lets only whole transactions through."""
    with transaction(connection) as pipeline:
        connection.execute("SELECT 1")
        pipeline.sync()


def _row_security_hides(connection: psycopg.Connection[tuple[object, ...]], table: str) -> bool:
    return connection.execute("SELECT row_security_active(%s)", [table]).fetchone() == (True,)


def clock_difference(deployment: Deployment) -> float:
    """How many seconds the database's clock is ahead of this machine's; raises `psycopg.Error`."""
    with _connected(deployment) as connection:
        before = time.time()
        row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
        return float(str(row[0])) - (before + time.time()) / 2 if row else 0.0


def _first_line(error: Exception) -> str:
    """libpq's words name host and user, and never the password."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
