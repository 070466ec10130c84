"""Many S3 calls at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from lib.domain.errors import ApiError, Refused

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_CALLS_AT_ONCE = 16


class Parallel:
    """Runs calls side by side in threads that all requests of this instance share."""

    def __init__(self, max_calls_at_once: int = MAX_CALLS_AT_ONCE) -> None:
        self._executor = ThreadPoolExecutor(max_calls_at_once, thread_name_prefix="s3")

    def close(self) -> None:
        """End the threads."""
        self._executor.shutdown()

    def outcomes(self, call: Callable[[Item], Result], items: Iterable[Item]) -> list[Result | Refused]:
        """What became of each item, in their order: its result, or `Refused` with its `ApiError`."""

        waiting = list(items)
        if len(waiting) == 1:
            return [_outcome(call, waiting[0])]
        tasks = [self.start(call, item) for item in waiting]
        return [task.result() for task in tasks]

    def start(self, call: Callable[[Item], Result], item: Item) -> "Future[Result | Refused]":
        """Begin a call in a copy of this request's context: its id in log lines, its identity, its budget."""
        return self._executor.submit(copy_context().run, _outcome, call, item)


def _outcome(call: Callable[[Item], Result], item: Item) -> Result | Refused:
    try:
        return call(item)
    except ApiError as error:
        return Refused(error)
