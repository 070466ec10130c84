"""Calls that run at the same time."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial


def at_once(calls):
    """The results of these calls, each made in a thread of its own, in their order."""
    with ThreadPoolExecutor(len(calls)) as executor:
        return [task.result() for task in [executor.submit(call) for call in calls]]


def times_at_once(count, call):
    """The results of `call(0)` to `call(count - 1)`, all made at once."""
    return at_once([partial(call, number) for number in range(count)])
