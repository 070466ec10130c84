"""Limits on time that a busy machine does not break."""

import contextlib
import time

import pytest

ROOM = 3  # how often over a limit may be passed before it is no longer the machine's load


@contextlib.contextmanager
def at_most(seconds, why):
    """The block may take three times these seconds, which are what `why` promises.

    It tells a hang from an answer. How fast something is, `make bench` says.
    """
    started = time.monotonic()
    yield
    taken = time.monotonic() - started
    if taken > ROOM * seconds:
        pytest.fail(f"{taken:.0f} s, but at most {seconds} s are promised: {why}")
