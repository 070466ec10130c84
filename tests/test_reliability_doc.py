"""docs/reliability.md names tests that exist, and every crash point."""

import re
from pathlib import Path

from tests.support.use_cases import rows

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs/reliability.md").read_text()


def test_every_test_it_names_exists():
    named = set(re.findall(r"`(test_\w+)", TEXT))
    there = {name for path in (ROOT / "tests").rglob("test_*.py")
             for name in re.findall(r"def (test_\w+)", path.read_text())}  # fmt: skip
    assert len(named) > 30
    assert named <= there, named - there


def test_its_table_has_every_crash_point():
    assert TEXT.endswith("\n".join(rows()) + "\n")


def test_it_has_the_numbers_of_the_code():
    from lib import budget
    from lib.store import database

    assert f"| {budget.SECONDS:.0f} s |" in TEXT
    assert f"as the client waits | {database.MAX_WAIT_SECONDS:.0f} s |" in TEXT
    assert f"all idle ones are replaced | {database.CHECK_SECONDS:.0f} s |" in TEXT
