"""No test compares the wall clock with a limit that a busy machine breaks."""

import ast

import pytest

from tests.house.test_architecture import ROOT

CLOCKS = {"time.monotonic", "time.perf_counter", "time.time"}
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))


def clock_in(node):
    """Whether an expression reads this machine's clock."""
    calls = [ast.unparse(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)]
    return any(call in CLOCKS for call in calls)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_no_assertion_reads_the_clock(path):
    """Count instead, use a clock that the test holds, or `with at_most(…)` (tests/support/patience.py)."""
    asserts = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Assert)]
    assert [node.lineno for node in asserts if clock_in(node.test)] == []
