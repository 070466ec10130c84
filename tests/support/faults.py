"""Breaks a named call of a store or the bucket: before it runs, or after, so that its answer is lost."""

import sys
from pathlib import Path

from lib.domain.errors import ApiError, Reason


class Crash(BaseException):
    """The process dies here; nothing catches it."""


def unavailable():
    return ApiError(Reason.STORAGE_UNAVAILABLE)


class Faults:
    """Hands out wrappers, and says when they fail."""

    def __init__(self):
        self.planned = {}
        self.replaced = {}
        self.calls = []
        self.sites = set()  # file, line and method of each call

    def wrap(self, made):
        return _Wrapper(made, self)

    def fail(self, name, *, after=False, error=Crash, times=1):
        """Let the next calls of `Class.method` fail."""
        self.planned[name] = [after, error, times]

    def instead(self, name, replacement):
        """Let `replacement` answer `Class.method`: it is given the real method, then the call's arguments."""
        self.replaced[name] = replacement

    def hit(self, name, after):
        planned = self.planned.get(name)
        if planned and planned[0] == after and planned[2] > 0:
            planned[2] -= 1
            raise planned[1]()


class _Wrapper:
    def __init__(self, made, faults):
        self._made = made
        self._faults = faults

    def __getattr__(self, name):
        attribute = getattr(self._made, name)
        if not callable(attribute):
            return attribute
        full_name = f"{type(self._made).__name__}.{name}"

        def call(*args, **kwargs):
            caller = sys._getframe(1)
            self._faults.calls.append(full_name)
            self._faults.sites.add((Path(caller.f_code.co_filename).name, caller.f_lineno, name))
            self._faults.hit(full_name, after=False)
            replacement = self._faults.replaced.get(full_name)
            try:
                return replacement(attribute, *args, **kwargs) if replacement else attribute(*args, **kwargs)
            finally:  # whatever the answer was, it is lost
                self._faults.hit(full_name, after=True)

        return call
