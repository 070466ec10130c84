"""Many S3 calls at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from lib.domain.errors import ApiError, Refused

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_CALLS_AT_ONCE = 16


class Parallel:
    """Runs calls side by side in threads that all requests of this instance share."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(MAX_CALLS_AT_ONCE, thread_name_prefix="s3")

    def close(self) -> None:
        """End the threads."""
        self._executor.shutdown()

    def outcomes(self, call: Callable[[Item], Result], items: Iterable[Item]) -> list[Result | Refused]:
        """What became of each item, in their order: its result, or `Refused` with its `ApiError`."""

        def outcome(item: Item) -> Result | Refused:
            try:
                return call(item)
            except ApiError as error:
                return Refused(error)

        waiting = list(items)
        if len(waiting) == 1:
            return [outcome(waiting[0])]
        # Each in a copy of this request's context, for its id in log lines, its identity and its budget.
        tasks = [self._executor.submit(copy_context().run, outcome, item) for item in waiting]
        return [task.result() for task in tasks]
