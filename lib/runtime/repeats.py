"""What a log has already been told: an error that comes a thousand times a second is told once a minute."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

PERIOD = 60.0  # seconds between two of the same
MAX_KINDS = 200  # that are remembered; beyond that, the one told longest ago is forgotten


class Repeats:
    """Counts what is left out; safe under threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._told: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()  # when, and how many since

    def left_out(self, kind: Hashable) -> int | None:
        """How many of a kind were left out since the last one that was told; None: this one is, too."""
        now = self._clock()
        with self._lock:
            told_at, count = self._told.get(kind, (None, 0))
            if told_at is not None and now - told_at < PERIOD:
                self._told[kind] = told_at, count + 1
                return None
            self._told[kind] = now, 0
            self._told.move_to_end(kind)
            if len(self._told) > MAX_KINDS:
                self._told.popitem(last=False)
            return count

    def forget(self) -> None:
        """Forget everything; for tests."""
        with self._lock:
            self._told.clear()


def kind_of(error: BaseException | None) -> Hashable:
    """What makes two errors the same kind: their types and where they were raised, never their text.

    A text may hold what a client sent, and would make each error a kind of its own.
    """
    kinds: list[Hashable] = []
    while error is not None and len(kinds) < 5:
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = place and (place.tb_frame.f_code.co_filename, place.tb_lineno)
        kinds.append((type(error).__qualname__, where))
        error = error.__cause__ or error.__context__
    return tuple(kinds)
