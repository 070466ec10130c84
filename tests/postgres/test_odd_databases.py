"""A database, or a role, whose settings are other than PostgreSQL's own."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from db.migrate import migrate
from tests.postgres.test_grants import whole_story
from tests.support.client import pdf
from tests.support.databases import new_database

SETTINGS = [
    "DateStyle = 'SQL, DMY'",
    "DateStyle = 'Postgres, MDY'",
    "DateStyle = 'German'",
    "TimeZone = 'Asia/Kathmandu'",
    "TimeZone = '<+0330>-3:30'",
    "IntervalStyle = 'iso_8601'",
    "bytea_output = 'escape'",
    "standard_conforming_strings = off",
    "extra_float_digits = -15",
    "client_encoding = 'LATIN1'",
    "default_transaction_isolation = 'serializable'",
    "default_transaction_deferrable = on",
    "statement_timeout = '2s'",
    "lock_timeout = '20ms'",
    "idle_in_transaction_session_timeout = '50ms'",
    "plan_cache_mode = force_generic_plan",
    "search_path = uploads, public",
]


@contextmanager
def odd_database(stack, setting):
    """Migrated, with this setting; answers its URL."""
    with new_database(stack.database_url, "odd") as url:
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute(f"ALTER DATABASE odd SET {setting}")
            owner.execute("CREATE SCHEMA uploads")
        migrate(url)
        yield url


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_story_works_whatever_the_database_is_set_to(in_process, stack, setting):
    with odd_database(stack, setting) as url:
        api = in_process(DATABASE_URL=url, RATE_LIMIT_BYPASS="false", MAX_UPLOAD_GB_PER_DAY="1")
        shown = api.show(whole_story(api))
        assert shown["expiresAt"].endswith("Z")


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_limits_hold_at_once_whatever_the_default_isolation_is(in_process, stack, level):
    """A snapshot from before the lock would not show what was waited for."""
    with (
        odd_database(stack, f"default_transaction_isolation = '{level}'") as url,
        ThreadPoolExecutor(8) as pool,
    ):
        api = in_process(DATABASE_URL=url, RATE_LIMIT_BYPASS="false", MAX_SESSIONS_PER_DAY="3")
        created = list(pool.map(lambda _: api.call("POST", "", {}), range(8)))
        assert sorted(one.status_code for one in created) == [201] * 3 + [429] * 5
        session = next(one.json()["sessionId"] for one in created if one.status_code == 201)
        files = [pdf(f"{number}.pdf") for number in range(8)]
        registered = pool.map(lambda file: api.call("POST", f"/{session}/files", file), files)
        assert sorted(one.status_code for one in registered) == [201] * 8
