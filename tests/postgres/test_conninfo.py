"""The URL of a database: what is meant for other drivers goes, and a malformed one is named, not shown."""

import pytest

from lib import wiring
from lib.postgres.conninfo import conninfo, ignored_parameters
from lib.runtime.config import SettingsError
from tests.runtime.test_config import GOOD

HOST = "postgresql://u:p%40ss@ep-x-pooler.eu-central-1.aws.neon.tech"


@pytest.mark.parametrize(
    ("pasted", "taken", "ignored"),
    [
        (f"{HOST}/db?sslmode=require&channel_binding=require",
         f"{HOST}/db?sslmode=require&channel_binding=require", []),
        (f"{HOST}:6543/postgres?pgbouncer=true&connection_limit=1", f"{HOST}:6543/postgres",
         ["pgbouncer", "connection_limit"]),
        (f"{HOST}/db?schema=public&sslmode=require&supa=base-pooler.x", f"{HOST}/db?sslmode=require",
         ["schema", "supa"]),
        (f"{HOST}/db?options=project%3Dx&sslmode=verify-full",
         f"{HOST}/db?options=project%3Dx&sslmode=verify-full", []),
        (" postgres://u:p@h/d?\n", "postgres://u:p@h/d", []),
        ("postgresql+psycopg://u:p@h/d?sslmode=require", "postgresql://u:p@h/d?sslmode=require", []),
        ("postgresql://u:what?x=1@h/d?x=1", "postgresql://u:what?x=1@h/d", ["x"]),
        ("postgresql://u:p@[::1]:5432,h:5433/d?target_session_attrs=read-write&a",
         "postgresql://u:p@[::1]:5432,h:5433/d?target_session_attrs=read-write", ["a"]),
        ("host=h dbname=d user=u", "host=h dbname=d user=u", []),
    ],
)  # fmt: skip
def test_what_is_meant_for_other_drivers_goes(pasted, taken, ignored):
    assert conninfo(pasted) == taken
    assert ignored_parameters(pasted) == ignored


@pytest.mark.parametrize(
    "malformed",
    ["secret", "mysql://u:secret@h/d", "postgresql://u:secret@[::1/d", "postgresql://u:se%zzcret@h/d",
     '"postgresql://u:secret@h/d"', "postgresql://u:secret@h/d?sslmode=%"],
)  # fmt: skip
def test_a_malformed_url_is_named_and_not_shown(malformed):
    for variable in ("DATABASE_URL", "DATABASE_URL_DIRECT"):
        with pytest.raises(SettingsError) as caught:
            conninfo(malformed, variable)
        assert str(caught.value).startswith(f"{variable}: is no PostgreSQL URL")
        assert "secret" not in str(caught.value)
    with pytest.raises(SettingsError, match="DATABASE_URL: is no PostgreSQL URL"):
        wiring.build(GOOD | {"DATABASE_URL": malformed})
