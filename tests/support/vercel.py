"""The API as Vercel builds and runs it."""

import contextlib
import os
import shutil
import signal
import urllib.request

from dev.env_files import WRITTEN_DOWN, write_vercel_file
from dev.processes import Child, free_ports
from dev.vercel import dev, tools
from dev.vercel.build import ensure_built, ensure_one_function_built
from dev.vercel.built_server import BuiltServer

TREE = tools.HOME / "dev-tree"


def vercel_server(env, log):
    """The last build, or a new one if the sources have changed; a context manager."""
    return BuiltServer(ensure_built(), env, log)


def one_function_server(env, log):
    """The same with one function for all routes."""
    return BuiltServer(ensure_one_function_built(), env, log)


class VercelDev:
    """`make vercel-dev` in a checkout of its own, in this environment; a context manager."""

    def __init__(self, env, log):
        self._env, self.log = env, log
        self._process = Child("vercel dev", log)

    def __enter__(self):
        shutil.rmtree(TREE, ignore_errors=True)
        tools.copy_tree(TREE)
        env = {"VERCEL_ENV": "development"} | self._env  # as make run
        write_vercel_file(env, TREE / ".env", (*WRITTEN_DOWN, "AUTH_JWT_SECRET"))
        [port] = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._process.start(dev.command(port), tools.cli_env(), cwd=TREE)
        try:
            self._process.wait_until(
                lambda: urllib.request.urlopen(f"{self.url}/robots.txt", timeout=5).close()
            )
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *exc):
        self._stop()

    def _stop(self):
        """End it and the functions that it started."""
        self._process.stop()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        shutil.rmtree(TREE, ignore_errors=True)
