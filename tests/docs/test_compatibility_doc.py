"""docs/compatibility.md names tests that exist, and says of everything else that nobody tried it."""

import re

import pytest

from lib.runtime.config import Settings
from tests.docs.test_docs import ROOT, names_of_tests_in, table_below
from tests.s3.test_bucket_on_moto import ENV

STORES = [
    (row[0], dict(re.findall(r"`([A-Z0-9_]+)=([^`…]+)`", row[1])))
    for row in table_below("Stores", "docs/compatibility.md")
]
TEXT = (ROOT / "docs/compatibility.md").read_text()


def test_every_test_it_names_exists():
    assert names_of_tests_in(TEXT)


def test_every_row_says_how_it_was_checked():
    rows = [line for line in TEXT.splitlines() if line.startswith("| ")]
    for row in rows:
        checked = row.strip("| ").split(" | ")[-1]
        heading = checked == "How it was checked"
        assert heading or "test_" in checked or "not tried" in checked or checked == "every test", row


@pytest.mark.parametrize(("store", "settings"), STORES, ids=[name for name, _ in STORES])
def test_the_settings_that_it_shows_are_taken(store, settings):
    taken = Settings.from_env(ENV | settings)
    assert settings.keys() <= {name.upper() for name in Settings.model_fields}
    assert taken.s3_endpoint_url == settings.get("S3_ENDPOINT_URL")
