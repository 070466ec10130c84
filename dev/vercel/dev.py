"""`make vercel-dev`: the real `vercel dev`, in a copy of the tree, on the embedded database and S3 store."""

import contextlib
import os
import shutil
import signal
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

import psycopg

from db.migrate import MigrationError, migrate
from dev.processes import Child, StackError, free_ports
from dev.stack import Stack
from dev.vercel import tools

DEV = tools.ROOT / ".dev"
TREE = tools.HOME / "dev-tree"


class VercelDev:
    """`vercel dev` on a port of 127.0.0.1, in this environment; a context manager. Raises `StackError`.

    A function is built at its first request, which takes some 20 seconds.
    """

    def __init__(self, env: Mapping[str, str], log: Path, port: int | None = None) -> None:
        self._port = port or free_ports(1)[0]
        self._env = env
        self._process = Child("vercel dev", log)
        self.log = log
        self.url = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> "VercelDev":
        shutil.rmtree(TREE, ignore_errors=True)
        tools.copy_tree(TREE)
        _write_settings(self._env)
        ports = zip(("queue", "runtime-cache", "schedules"), free_ports(3), strict=True)
        command = [
            tools.cli(), "dev", "--local", "--yes", "--listen", f"127.0.0.1:{self._port}",
            *(f"--{name}-port={port}" for name, port in ports), *tools.cli_options(),
        ]  # fmt: skip
        self._process.start(command, tools.cli_env(), cwd=TREE)
        try:
            self._process.wait_until(self._serves)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it and the functions that it started."""
        pid = self._process.pid
        self._process.stop()
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        shutil.rmtree(TREE, ignore_errors=True)

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.exit_code()

    def _serves(self) -> None:
        urllib.request.urlopen(f"{self.url}/robots.txt", timeout=5).close()  # noqa: S310 - our own


def _write_settings(env: Mapping[str, str]) -> None:
    """Write the environment where the CLI reads it; it refuses AWS's own names, which go the way of files."""
    keys = TREE / ".vercel" / "aws"
    keys.touch(mode=0o600)
    keys.write_text(
        "[default]\n" + "".join(f"{name.lower()}={env[name]}\n" for name in env if name.startswith("AWS_"))
    )
    own = {name: value for name, value in env.items() if not name.startswith("AWS_")}
    own["AWS_SHARED_CREDENTIALS_FILE"] = str(keys)
    settings = TREE / ".env"
    settings.touch(mode=0o600)
    settings.write_text("".join(f"{name}={value}\n" for name, value in own.items()))


def _serve(port: int, stack: Stack) -> None:
    """Serve until the process ends; raises `StackError` when it does."""
    migrate(stack.database_url)
    env = stack.env() | {"AUTH_BYPASS": "true", "RATE_LIMIT_BYPASS": "true"}
    with VercelDev(env, DEV / "vercel-dev.log", port) as server:
        print(f"`vercel dev` is at {server.url}, its log in {server.log}. Ctrl-C stops it.")
        print("The first request to each function takes some 20 s. Edits need a restart.", flush=True)
        while server.exit_code() is None:
            time.sleep(0.5)
        raise StackError(f"vercel dev has exited: see {server.log}")


def _stop(_signal: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # a second one must not disturb the clearing up
    raise KeyboardInterrupt


def main() -> int:
    """Run until Ctrl-C, SIGTERM or a crash; the exit status says which."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    port = int(os.environ.get("PORT") or 3000)
    try:
        with Stack(DEV, origins=[f"http://localhost:{port}", f"http://127.0.0.1:{port}"]) as stack:
            _serve(port, stack)
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0
    except (StackError, MigrationError, psycopg.Error) as error:
        print(error, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
