"""The whole product, thrown away afterwards: for those who are no pytest and have no fixtures."""

import tempfile
from contextlib import contextmanager
from pathlib import Path

from db.migrate import migrate
from dev.stack import Stack
from tests.support.servers import LocalServer


@contextmanager
def local_api(**settings):
    """A stack of its own with the API on it, as `make run` serves it; its environment, with `API_URL`."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder) / "stack", fast=True)
        with stack:
            migrate(stack.database_url)
            env = stack.env() | {"AUTH_BYPASS": "true", "RATE_LIMIT_BYPASS": "true"} | settings
            with LocalServer(env, Path(folder) / "log") as server:
                yield env | {"API_URL": server.url}
        stack.remove()
