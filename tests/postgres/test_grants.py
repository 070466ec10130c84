"""Who may read and change the tables: their owner, and who is given a grant and a policy."""

import re

import psycopg
import pytest

from db.migrate import migrate
from deploy.doctor import examine
from tests.support.client import pdf
from tests.support.databases import as_role, new_database, new_roles
from tests.support.servers import ROOT

TABLES = ["upload_sessions", "upload_session_files", "upload_session_parts", "upload_session_migrations"]
ROLES = {"uploads_owner": "LOGIN", "uploads_api": "LOGIN", "anon": "LOGIN", "authenticated": "LOGIN"}

# As Supabase does before anybody makes a table.
DEFAULT_GRANTS = """
GRANT USAGE ON SCHEMA public TO anon, authenticated;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated;
"""
GRANTS_AFTER = "GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC, anon, authenticated"


@pytest.fixture
def admin_url(stack):
    return stack.database_url


@pytest.fixture
def owner_url(admin_url):
    """A new database whose owner is no superuser, on a host that grants everything to everybody."""
    with new_roles(admin_url, **ROLES), new_database(admin_url, "hosted", "OWNER uploads_owner") as url:
        owner_url = as_role(url, "uploads_owner")
        with psycopg.connect(owner_url) as owner:
            owner.execute(DEFAULT_GRANTS)
        yield owner_url


def whole_story(api):
    session = api.session()
    file, parts = api.upload(session, pdf(), b"abc")
    api.record(session, file["fileId"], parts)
    assert api.complete(session, file["fileId"])["sizeBytes"] == 3
    api.register(session, pdf("more.pdf"))
    assert api.call("DELETE", f"/{session}").status_code == 204
    return session


STATEMENTS = {
    "SELECT": "SELECT 1 FROM {table}",
    "INSERT": "INSERT INTO {table} DEFAULT VALUES",
    "UPDATE": "UPDATE {table} SET {column} = {column}",
    "DELETE": "DELETE FROM {table}",
}
COLUMNS = {"upload_session_migrations": "name"}


def affected(url, table):
    """How many rows each kind of statement reaches; None where it is refused."""
    reached = {}
    with psycopg.connect(url, autocommit=True) as connection:
        for kind, statement in STATEMENTS.items():
            try:
                done = connection.execute(statement.format(table=table, column=COLUMNS.get(table, "id")))
                reached[kind] = done.rowcount
            except psycopg.errors.InsufficientPrivilege:
                reached[kind] = None
    return reached


REFUSED = dict.fromkeys(STATEMENTS)
NOTHING = {"SELECT": 0, "INSERT": None, "UPDATE": 0, "DELETE": 0}


@pytest.mark.parametrize("role", ["anon", "authenticated", "uploads_api"])
def test_public_roles_reach_nothing_whenever_they_were_granted_it(in_process, owner_url, role):
    migrate(owner_url)
    api = in_process(DATABASE_URL=owner_url)
    session = whole_story(api)
    for table in TABLES:
        assert affected(as_role(owner_url, role), table) == REFUSED, table
    with psycopg.connect(owner_url) as owner:
        owner.execute(GRANTS_AFTER)
    for table in TABLES:
        assert affected(as_role(owner_url, role), table) == NOTHING, table
    assert api.show(session)["status"] == "cancelled"
    whole_story(api)


def test_tables_of_before_are_closed_too(owner_url, tmp_path):
    """They were granted as they were made, by a version that revoked nothing."""
    migrations = sorted((ROOT / "db/migrations").glob("*.sql"))
    for path in migrations:
        if path.name < "0005":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    migrate(owner_url, tmp_path)
    with psycopg.connect(owner_url) as owner:
        owner.execute("GRANT SELECT (user_id) ON upload_sessions TO anon")
        owner.execute("INSERT INTO upload_sessions (user_id, expires_at) VALUES ('u', now())")
    with psycopg.connect(as_role(owner_url, "anon")) as anon:
        assert anon.execute("UPDATE upload_sessions SET user_id = 'me'").rowcount == 1
    migrate(owner_url)
    for table in TABLES:
        assert affected(as_role(owner_url, "anon"), table) == REFUSED, table
    with psycopg.connect(as_role(owner_url, "anon")) as anon:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            anon.execute("SELECT user_id FROM upload_sessions")
        anon.rollback()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            anon.execute("SELECT nextval('upload_session_files_registered_seq')")


def test_who_may_make_no_tables_is_told_that_nothing_is_to_be_done(admin_url, owner_url):
    migrate(owner_url)
    with psycopg.connect(owner_url) as owner:
        owner.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC, uploads_owner, pg_database_owner")
    assert migrate(owner_url) == []


def documented_grants():
    """What docs/deploy.md says to run for a role of the API's own."""
    section = (ROOT / "docs/deploy.md").read_text().partition("### A role of the API's own")[2]
    return re.search(r"```sql\n(.*?)```", section, re.DOTALL)[1]


def documented_for_the_doctor():
    section = (ROOT / "docs/deploy.md").read_text().partition("For the doctor, after the migration:")[2]
    return "; ".join(
        " ".join(one.split()) for one in re.findall(r"`([^`]+)`", section.partition("Without")[0])
    )


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_role_that_is_not_the_owner_works_by_the_documented_grant_and_policy(
    in_process, env, owner_url, tmp_path, moment
):
    if moment == "before":  # the tables are open still, and the running API uses them
        for path in (ROOT / "db/migrations").glob("*.sql"):
            if path.name != "0005_access.sql":
                (tmp_path / path.name).write_bytes(path.read_bytes())
        migrate(owner_url, tmp_path)
    else:
        migrate(owner_url)
    with psycopg.connect(owner_url) as owner:
        owner.execute(documented_grants())
    api_url = as_role(owner_url, "uploads_api")
    api = in_process(DATABASE_URL=api_url)
    session = whole_story(api)
    migrate(owner_url)
    assert api.show(session)["status"] == "cancelled"
    whole_story(api)
    with psycopg.connect(owner_url) as owner:
        owner.execute(documented_for_the_doctor())
    findings = database_findings(env, api_url)
    assert {name: one.status for name, one in findings.items() if one.status != "ok"} == {}
    assert affected(as_role(owner_url, "anon"), "upload_sessions") == REFUSED


@pytest.mark.parametrize("where", ["its schema is closed", "its schema is not in the search_path"])
def test_a_user_who_does_not_see_the_schema_is_told_apart_from_no_migration(env, owner_url, where):
    with psycopg.connect(owner_url) as owner:
        owner.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    migrate(owner_url)
    api_url = as_role(owner_url, "uploads_api")
    with psycopg.connect(owner_url, autocommit=True) as owner:
        if where != "its schema is closed":
            owner.execute(documented_grants())
            owner.execute(documented_for_the_doctor())
            assert {one.status for one in database_findings(env, api_url).values()} == {"ok"}
            owner.execute("ALTER DATABASE hosted SET search_path = elsewhere")
    [finding] = [one for one in examine(env | {"DATABASE_URL": api_url}) if one.check == "migrations"]
    assert (finding.status, "the schema public" in finding.text) == ("wrong", True)
    assert "GRANT USAGE ON SCHEMA public" in finding.fix


def database_findings(env, url):
    names = ("database", "database TLS", "encoding", "migrations", "database access", "database user")
    found = {one.check: one for one in examine(env | {"DATABASE_URL": url}) if one.check in names}
    assert found.keys() == set(names)
    return found


OPENED = {
    "a grant to a public role": "GRANT SELECT ON upload_sessions TO anon",
    "a grant to everybody": "GRANT INSERT ON upload_session_parts TO PUBLIC",
    "a grant of a column": "GRANT UPDATE (status) ON upload_session_files TO authenticated",
    "row level security off": "ALTER TABLE upload_session_parts DISABLE ROW LEVEL SECURITY",
    "a policy for everybody": "CREATE POLICY open ON upload_sessions USING (true)",
    "a policy for a public role": "CREATE POLICY open ON upload_session_files TO anon USING (true)",
}


PARTLY = {
    "a policy to read alone": "CREATE POLICY api ON upload_sessions FOR SELECT TO uploads_api USING (true)",
    "one to write alone": "CREATE POLICY api ON upload_sessions FOR INSERT TO uploads_api WITH CHECK (true)",
    "a restrictive one": "CREATE POLICY api ON upload_sessions AS RESTRICTIVE TO uploads_api USING (true)",
    "another role's": "CREATE POLICY api ON upload_sessions TO anon USING (true)",
}


@pytest.mark.parametrize("policy", PARTLY)
def test_the_doctor_sees_a_policy_that_is_not_enough(env, owner_url, policy):
    migrate(owner_url)
    with psycopg.connect(owner_url) as owner:
        owner.execute(documented_grants())
        owner.execute(documented_for_the_doctor())
        owner.execute("DROP POLICY api ON upload_sessions")
        owner.execute(PARTLY[policy])
    found = database_findings(env, as_role(owner_url, "uploads_api"))
    assert "upload_sessions" in found["database user"].text


def test_the_doctor_sees_another_apps_table_before_ours(env, owner_url):
    migrate(owner_url)
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("CREATE SCHEMA other")
        owner.execute("CREATE TABLE other.upload_sessions (id SERIAL)")
        owner.execute("ALTER DATABASE hosted SET search_path = other, public")
    [finding] = [one for one in examine(env | {"DATABASE_URL": owner_url}) if one.check == "tables"]
    assert (finding.status, "search_path" in finding.fix) == ("wrong", True)


@pytest.mark.parametrize("opened", OPENED)
def test_the_doctor_sees_who_was_let_in(env, owner_url, opened):
    migrate(owner_url)
    assert {one.status for one in database_findings(env, owner_url).values()} == {"ok"}
    with psycopg.connect(owner_url) as owner:
        owner.execute(OPENED[opened])
    wrong = {name for name, one in database_findings(env, owner_url).items() if one.status == "wrong"}
    assert wrong == {"database access"}


def test_the_doctor_sees_a_user_who_sees_nothing(env, owner_url):
    migrate(owner_url)
    with psycopg.connect(owner_url) as owner:
        owner.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO uploads_api")
    found = database_findings(env, as_role(owner_url, "uploads_api"))
    assert {name for name, one in found.items() if one.status == "wrong"} == {"migrations", "database user"}
    for name in ("migrations", "database user"):  # its policies are missing, not the migrations
        assert "docs/deploy.md" in found[name].fix
    assert "may not read" in found["migrations"].text
