"""docs/compatibility.md names tests that exist, and says of everything else that nobody tried it."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docs/compatibility.md").read_text()


def test_every_test_it_names_exists():
    named = set(re.findall(r"`(test_\w+)", TEXT))
    there = {name for path in (ROOT / "tests").rglob("test_*.py")
             for name in re.findall(r"def (test_\w+)", path.read_text())}  # fmt: skip
    assert named
    assert named <= there, named - there


def test_every_row_says_how_it_was_checked():
    rows = [line for line in TEXT.splitlines() if line.startswith("| ")]
    for row in rows:
        checked = row.strip("| ").split(" | ")[-1]
        heading = checked == "How it was checked"
        assert heading or "test_" in checked or "not tried" in checked or checked == "every test", row
