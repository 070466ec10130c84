"""Migrations: in UTF8 only, in a table of their own name, whatever other tools and versions do."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from db.migrate import LOCK, MIGRATIONS, SET_LIMITS, MigrationError, migrate
from deploy.doctor import examine
from tests.support.client import pdf
from tests.support.databases import new_database
from tests.support.servers import ROOT, wait_for

NAMES = sorted(path.name for path in MIGRATIONS.glob("*.sql"))


@pytest.fixture
def url(stack):
    with new_database(stack.database_url, "fresh") as url:
        yield url


def tables(url):
    query = "SELECT array_agg(tablename::text ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'"
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchone()[0]


OURS = ["upload_session_files", "upload_session_migrations", "upload_session_parts", "upload_sessions"]


def applied(url):
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT name FROM upload_session_migrations ORDER BY name").fetchall()
    return [name for (name,) in rows]


@pytest.mark.parametrize(
    "options",
    ["ENCODING 'SQL_ASCII' LOCALE 'C'", "ENCODING 'LATIN1' LOCALE 'C'", "ENCODING 'WIN1252' LOCALE 'C'",
     "ENCODING 'EUC_JP' LOCALE 'C'", "ENCODING 'LATIN9' LOCALE 'C'"],
)  # fmt: skip
def test_a_database_that_is_not_utf8_is_refused(stack, env, options):
    encoding = options.split("'")[1]
    with new_database(stack.database_url, "other", options) as url:
        with pytest.raises(MigrationError, match=f"encoding is {encoding}, and must be UTF8"):
            migrate(url)
        assert tables(url) is None
        [finding] = [one for one in examine(env | {"DATABASE_URL": url}) if one.check == "encoding"]
    assert (finding.status, encoding in finding.text) == ("wrong", True)


@pytest.mark.parametrize("options", ["PGCLIENTENCODING=LATIN1", "PGCLIENTENCODING=SQL_ASCII", "URL", "ROLE"])
def test_connections_ask_for_utf8_whatever_the_default_is(in_process, stack, monkeypatch, url, options):
    name, _, value = options.partition("=")
    if value:
        monkeypatch.setenv(name, value)
    elif name == "ROLE":
        with psycopg.connect(stack.database_url, autocommit=True) as admin:
            admin.execute("ALTER DATABASE fresh SET client_encoding = 'LATIN1'")
    taken = url + ("?client_encoding=LATIN1" if name == "URL" else "")
    migrate(taken)
    api = in_process(DATABASE_URL=taken)
    session = api.session()
    file, _ = api.upload(session, pdf("説明書 🧱.pdf"), b"abc")
    assert api.complete(session, file["fileId"])["sizeBytes"] == 3
    assert [one["name"] for one in api.show(session)["files"]] == ["説明書 🧱.pdf"]


FOREIGN = {
    "Rails": "CREATE TABLE schema_migrations (version VARCHAR NOT NULL PRIMARY KEY)",
    "golang-migrate": "CREATE TABLE schema_migrations (version BIGINT NOT NULL PRIMARY KEY, dirty BOOLEAN)",
    "dbmate": "CREATE TABLE schema_migrations (version VARCHAR(128) PRIMARY KEY)",
    "Ecto": "CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY, inserted_at TIMESTAMP(0))",
    "one of our columns": "CREATE TABLE schema_migrations (name TEXT, sha256 TEXT, applied_at TIMESTAMPTZ)",
    "our columns with other types": "CREATE TABLE schema_migrations (name INT, sha256 INT, applied_at INT,"
    " CONSTRAINT schema_migrations_pkey PRIMARY KEY (name))",
    "a view of our columns": "CREATE VIEW schema_migrations AS"
    " SELECT '0001_upload_sessions.sql' AS name, '' AS sha256, now() AS applied_at",
    "a view": "CREATE VIEW schema_migrations AS SELECT 1 AS version",
}


@pytest.mark.parametrize("tool", FOREIGN)
def test_another_tools_table_stays_as_it_is(url, tool):
    with psycopg.connect(url) as connection:
        connection.execute(FOREIGN[tool])
    assert migrate(url) == NAMES
    assert migrate(url) == []
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT to_regclass('schema_migrations') IS NOT NULL").fetchone() == (True,)
    assert applied(url) == NAMES


def test_tables_stay_where_they_are_if_another_schema_comes_before_theirs(url):
    """A second set was made there, and all sessions were gone."""
    assert migrate(url) == NAMES
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("CREATE SCHEMA uploads")
        owner.execute("ALTER DATABASE fresh SET search_path = uploads, public")
    assert migrate(url) == []
    with psycopg.connect(url) as connection:
        assert connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'uploads'"
        ).fetchone() == (0,)


def test_another_apps_table_of_our_name_is_told(url):
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE upload_sessions (id SERIAL)")
    with pytest.raises(MigrationError, match=r'"upload_sessions" already exists.* a schema of its own'):
        migrate(url)
    assert tables(url) == ["upload_sessions"]
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("CREATE SCHEMA uploads")
        owner.execute("ALTER DATABASE fresh SET search_path = uploads")
    assert migrate(url) == NAMES


def test_another_migration_is_waited_for_whatever_the_roles_limit_is_and_not_for_ever(
    stack, url, monkeypatch
):
    with psycopg.connect(stack.database_url, autocommit=True) as admin:
        admin.execute("ALTER DATABASE fresh SET statement_timeout = '200ms'")
    with psycopg.connect(url) as frozen, ThreadPoolExecutor(1) as executor:
        frozen.execute("SET statement_timeout = 0")
        frozen.execute(LOCK)
        late = executor.submit(migrate, url)
        wait_for(lambda: one_waits(frozen))
        frozen.execute("SELECT pg_sleep(0.4)")
        assert not late.done()
        frozen.commit()
        assert late.result() == NAMES
        monkeypatch.setattr("db.migrate.SET_LIMITS", SET_LIMITS.replace("60s", "300ms"))
        frozen.execute(LOCK)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            migrate(url)


def one_waits(connection):
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    assert connection.execute(waiting).fetchone() == (1,)


def migrate_as_before(url, folder):
    """What version 0.1 did."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('schema_migrations', 0))")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT NOT NULL, sha256 TEXT NOT NULL,"
            " applied_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),"
            " CONSTRAINT schema_migrations_pkey PRIMARY KEY (name))"
        )
        done = dict(connection.execute("SELECT name, sha256 FROM schema_migrations").fetchall())
        for path in sorted(folder.glob("*.sql")):
            if path.name not in done:
                connection.execute(path.read_bytes())
                hashed = "encode(sha256(%s), 'hex')"
                connection.execute(
                    f"INSERT INTO schema_migrations (name, sha256) VALUES (%s, {hashed})",
                    (path.name, path.read_bytes()),
                )


@pytest.fixture
def first_two(tmp_path):
    """The migrations of version 0.1."""
    for name in NAMES[:2]:
        (tmp_path / name).write_bytes((MIGRATIONS / name).read_bytes())
    return tmp_path


def test_the_table_of_before_is_renamed(url, first_two):
    migrate_as_before(url, first_two)
    assert "schema_migrations" in tables(url)
    assert migrate(url) == NAMES[2:]
    assert (tables(url), applied(url)) == (OURS, NAMES)
    with psycopg.connect(url) as connection:  # its index, too: another tool may come now
        connection.execute(
            "CREATE TABLE schema_migrations (version TEXT CONSTRAINT schema_migrations_pkey PRIMARY KEY)"
        )
    assert migrate(url) == []


def test_several_processes_at_once_rename_and_migrate_once(url, first_two):
    migrate_as_before(url, first_two)
    command = [sys.executable, "-m", "db.migrate"]
    env = {"PATH": os.environ["PATH"], "DATABASE_URL": url}
    started = [
        subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(3)
    ]
    told = sorted(process.communicate(timeout=60)[0] for process in started)
    assert [line.split()[0] for line in told] == ["Applied", "Nothing", "Nothing"], told
    assert (tables(url), applied(url)) == (OURS, NAMES)


def test_beside_an_older_version_that_migrates_at_the_same_time(url, first_two):
    def of_before():
        try:
            migrate_as_before(url, first_two)
        except psycopg.errors.DuplicateTable:
            return "refused"
        return "done"

    with ThreadPoolExecutor(2) as executor:
        before, now = executor.submit(of_before), executor.submit(migrate, url)
        assert before.result() in ("done", "refused")
        assert now.result() in (NAMES, NAMES[2:])
    assert of_before() == "refused"  # it finds no table of its name, and changes nothing
    assert (tables(url), applied(url)) == (OURS, NAMES)
    assert migrate(url) == []
