"""Runs built functions as Vercel does: each one a process of its own, under Vercel's own runtime."""

import base64
import contextlib
import http.client
import itertools
import json
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.processes import Child, StackError
from dev.vercel import tools

FROM_US = ("PATH", "LANG", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "TMPDIR")
BACKLOG = 4  # the runtime's socket takes one more, and breaks the connections beyond that
START_SECONDS = 60
REQUEST_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function answered."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


class Instance:
    """One running instance of a function; a context manager. Raises `StackError` when it does not start.

    It talks to Vercel's runtime as the platform does: over a Unix socket the runtime says that it serves,
    and on which port, and later what the function logs. `wall_ms` is the time from the start of the process
    until then, `started` what the runtime itself says of it (`initDuration`, `userInitDuration`, …).
    """

    def __init__(self, folder: Path, env: Mapping[str, str], log: Path) -> None:
        self._folder, self._log = folder, log
        self._config = json.loads((folder / ".vc-config.json").read_text())
        self._own_env = env
        self._process = Child(folder.stem, log)
        self._ready = threading.Event()
        self._untaken: set[int] = set()
        self._may_come = threading.Semaphore(BACKLOG)
        self._numbers = itertools.count(1)
        self.started: dict[str, Any] = {}
        self.wall_ms = 0.0

    def __enter__(self) -> "Instance":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process and wait until it serves."""
        self._home = Path(tempfile.mkdtemp(prefix="fn"))  # short: a Unix socket's path has a limit
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._home / "ipc"))
        listener.listen(1)
        module = self._config["handler"].rpartition(".")[0]
        env = {name: os.environ[name] for name in FROM_US if name in os.environ}
        env |= {"HOME": str(self._home), "VERCEL": "1", "VERCEL_ENV": "development", "VERCEL_REGION": "dev1"}
        env |= {**self._own_env, **self._config.get("environment", {})}
        env["VERCEL_IPC_PATH"] = str(self._home / "ipc")
        command = [str(tools.python()), "-c", f"import {module}"]
        began = time.perf_counter()
        self._process.start(command, env, cwd=self._folder)
        threading.Thread(target=self._listen, args=[listener, began], daemon=True).start()
        deadline = time.monotonic() + START_SECONDS
        while not self._ready.wait(0.05):
            if self._process.exit_code() is not None or time.monotonic() > deadline:
                break
        if not self.started:
            self.stop()
            raise StackError(f"The function {self._folder.stem} does not start: see {self._log}")

    def stop(self) -> None:
        """End it."""
        self._process.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The process id, for those who freeze or measure it; raises `StackError` before the start."""
        if self._process.pid is None:
            raise StackError(f"The function {self._folder.stem} does not run")
        return self._process.pid

    def request(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Send a request as the platform does; raises `OSError` when no answer comes."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.started["httpPort"], timeout=REQUEST_SECONDS
        )
        number = next(self._numbers)
        # The platform adds these to every request; its runtime answers none without them.
        internal = {
            "x-vercel-internal-invocation-id": "local",
            "x-vercel-internal-request-id": str(number),
        }
        self._may_come.acquire()
        self._untaken.add(number)
        try:
            with contextlib.closing(connection):
                connection.request(method, target, body, {**headers, **internal})
                response = connection.getresponse()
                return Answer(response.status, response.reason, response.getheaders(), response.read())
        finally:
            self._taken(number)

    def _taken(self, number: int) -> None:
        """Let the next request come, once this one is being worked on."""
        with contextlib.suppress(KeyError):
            self._untaken.remove(number)
            self._may_come.release()

    def _listen(self, listener: socket.socket, began: float) -> None:
        """Take the runtime's messages: JSON documents, each ended by a zero byte."""
        with listener, self._log.open("a") as log:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as stream:
                rest = b""
                while data := stream.read1(1 << 16):
                    *messages, rest = (rest + data).split(b"\0")
                    for message in messages:
                        self._take(json.loads(message), began, log)
                    log.flush()

    def _take(self, message: dict[str, Any], began: float, log: Any) -> None:
        payload = message.get("payload", {})
        if message["type"] == "server-started":
            self.wall_ms = (time.perf_counter() - began) * 1000
            self.started = payload
            self._ready.set()
        elif message["type"] == "unrecoverable-error":
            log.write(payload["message"] + "\n")
            self._ready.set()
        elif message["type"] == "handler-started":
            self._taken(int(payload["context"]["requestId"]))
        elif message["type"] == "log":
            log.write(base64.b64decode(payload["message"]).decode(errors="replace").rstrip("\n") + "\n")


def functions(output: Path) -> dict[str, Path]:
    """The functions of a build by their names, such as `api/health`."""
    root = output / "functions"
    return {
        folder.relative_to(root).as_posix().removesuffix(".func"): folder
        for folder in sorted(root.rglob("*.func"))
    }
