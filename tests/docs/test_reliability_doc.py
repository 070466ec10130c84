"""docs/reliability.md names tests that exist, and every crash point."""

from lib.postgres.connection import DEAD_SECONDS
from lib.postgres.connection import IDLE_SECONDS as IDLE_TRANSACTION_SECONDS
from lib.postgres.database import ATTEMPTS, IDLE_CHECK_SECONDS, PATIENCE_SECONDS, Database
from lib.runtime import request_budget
from lib.runtime.config import Settings
from lib.runtime.jwks import KeySet
from lib.s3.bucket import Bucket
from lib.s3.client import IDLE_SECONDS
from lib.s3.sts import ATTEMPT_SECONDS
from lib.s3.sts import ATTEMPTS as STS_ATTEMPTS
from tests.docs.test_docs import ROOT, names_of_tests_in
from tests.postgres.test_limits import CHECK, LOCK, LONGEST_UNDER_A_LOCK, STATEMENTS
from tests.reliability.test_dependencies import (
    LONGEST_REQUEST,
    LONGEST_WITHOUT_DATABASE,
    LONGEST_WITHOUT_STORE,
)
from tests.runtime.test_config import GOOD
from tests.support.use_cases import rows

TEXT = (ROOT / "docs/reliability.md").read_text()


def test_every_test_it_names_exists():
    assert len(names_of_tests_in(TEXT)) > 30


def test_its_table_has_every_crash_point():
    assert TEXT.endswith("\n".join(rows()) + "\n")


def limits_of(client):
    """What a client of botocore's waits for, and how often it asks."""
    config = client.meta.config
    return f"{config.connect_timeout} s; {config.read_timeout} s; {config.retries['total_max_attempts']}"


def test_it_has_the_numbers_of_the_code():
    database = Database(GOOD["DATABASE_URL"], max_size=1)
    database.close()
    assert database._pool.timeout == database._pool.kwargs["connect_timeout"]
    settings = Settings.from_env(GOOD)
    table = TEXT.partition("## Time")[2].partition("##")[0]
    numbers = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")][1:]
    assert [value.strip() for _, value in numbers] == [
        f"{database._pool.timeout:.0f} s each; {DEAD_SECONDS} s",
        f"{PATIENCE_SECONDS:.0f} s",
        f"{LOCK} s; {STATEMENTS} s; {IDLE_TRANSACTION_SECONDS:.0f} s",
        f"{CHECK} s",
        limits_of(Bucket(settings)._client.s3()),
        f"{request_budget.SECONDS:.0f} s",
        f"{ATTEMPT_SECONDS:.0f} s; {STS_ATTEMPTS}",
        f"{KeySet.SECONDS:.0f} s",
    ]
    assert f"idle for {IDLE_CHECK_SECONDS:.0f} s lives" in table
    assert f"to S3 that were idle for {IDLE_SECONDS:.0f} s are replaced" in table
    assert f"({['', 'one', 'two', 'three', 'four', 'five', 'six'][ATTEMPTS]} attempts in all)" in table


def test_it_has_the_numbers_of_the_tests():
    assert f"takes longer than {LONGEST_REQUEST} seconds" in TEXT
    assert f"a store that never answers, every route answers within {LONGEST_WITHOUT_STORE} s" in TEXT
    assert LONGEST_WITHOUT_DATABASE == LONGEST_UNDER_A_LOCK
    assert f"holds a lock and never releases it, within {LONGEST_UNDER_A_LOCK} s" in TEXT
