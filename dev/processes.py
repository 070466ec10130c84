"""Child processes that must not outlive their supervisor."""

import contextlib
import fcntl
import json
import os
import pwd
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import psutil

ELSEWHERE = "Run your own PostgreSQL and S3 (LocalStack will do), and set DATABASE_URL and S3_ENDPOINT_URL."


LAUNCH = (Path(__file__).parent / "launch.py").read_text()

LAST_WORDS, LAST_LINES = 4_000, 10  # of the log of a child that ended by itself: bytes, lines

# Below the ports that Linux (32768) and macOS (49152) give to outgoing connections: one of those may be taken
# between our look and the server's start.
PORTS = range(20_000, 32_000)

# The kernel ties a child to the thread that started it, so one thread starts them all and lives as long as we
# do. No signal interrupts it either: a child that is started and not known would never be stopped.
_starter = ThreadPoolExecutor(1, thread_name_prefix="starts-children")
_lifeline: list[int] = []  # a pipe whose writing end closes when this process ends


class StackError(Exception):
    """The local stack cannot do its work; the text says what to do about it."""


@dataclass(frozen=True, slots=True)
class User:
    """An unprivileged user to run a process as; as anyone but root, processes simply run as who one is."""

    uid: int
    gid: int

    @classmethod
    def unprivileged(cls) -> "User | None":
        """Somebody who is not root, if we are; raises `StackError`."""
        if os.geteuid() != 0:
            return None
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                return cls(entry.pw_uid, entry.pw_gid)
        raise StackError("PostgreSQL does not run as root, and there is no user 'nobody' to run it as.")

    def can_enter(self, folder: Path) -> bool:
        """Whether the user gets into a folder at all (a checkout may lie below a home that is closed)."""
        probe = ["test", "-x", str(folder), "-a", "-r", str(folder)]
        return subprocess.run(probe, **self.popen_options(), cwd="/").returncode == 0

    def popen_options(self) -> dict[str, Any]:
        """What makes `subprocess` run as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


class Child:
    """A server started in the background, with its output in a log file."""

    def __init__(self, name: str, log: Path, stop_signal: signal.Signals = signal.SIGTERM) -> None:
        self.name = name
        self.log = log
        self._stop_signal = stop_signal
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The process id, once it was started."""
        return self._process.pid if self._process else None

    def start(
        self,
        command: list[str],
        env: Mapping[str, str],
        *,
        cwd: str | Path | None = None,
        user: User | None = None,
        uses_pipe: bool = sys.platform != "linux",
    ) -> None:
        """Start it in a session of its own, so that a Ctrl-C reaches it through us and in our order.

        It ends with this process, however this process ends: `dev/launch.py`.
        """
        started = _starter.submit(self._start, command, env, cwd, user, uses_pipe)
        try:
            started.result()
        except BaseException:
            wait([started])  # interrupted: who stops the children must know this one
            raise

    def _start(
        self,
        command: list[str],
        env: Mapping[str, str],
        cwd: str | Path | None,
        user: User | None,
        uses_pipe: bool,
    ) -> None:
        if uses_pipe and not _lifeline:
            _lifeline.extend(os.pipe())
        lifeline = _lifeline[:1] if uses_pipe else []
        options = {
            "parent": os.getpid(),
            "signal": self._stop_signal,
            "user": user.uid if user else None,
            "group": user.gid if user else None,
            "lifeline": lifeline[0] if lifeline else None,
        }
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", LAUNCH, json.dumps(options), *command],
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=lifeline,
                start_new_session=True,
            )

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll() if self._process else None

    def wait_until(self, ready: Callable[[], object], seconds: float = 60) -> None:
        """Wait until a probe no longer raises; raises `StackError` when that takes too long, or it exits."""
        deadline = time.monotonic() + seconds
        while True:
            if self.exit_code() is not None:
                raise StackError(self.why_it_ended())
            try:
                ready()
                return
            except Exception as error:
                if time.monotonic() > deadline:
                    raise StackError(f"{self.name} is not ready after {seconds:.0f} s: {error}") from error
            time.sleep(0.05)

    def why_it_ended(self) -> str:
        """Its exit status, where its log is, and what it said last; a log may be gone when this is read."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            said = log.read()[-LAST_WORDS:].decode(errors="replace").splitlines()
        last = "".join(f"\n  {line}" for line in said[-LAST_LINES:])
        return f"{self.name} exited with status {self.exit_code()}: see {self.log}{last}"

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def stop(self, seconds: float = 10) -> None:
        """Ask it to end, and make it end when it does not."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(self._stop_signal)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def end_orphans(pids: list[int], markers: tuple[str, ...]) -> list[str]:
    """End what a killed supervisor left behind, if it still is what it was; return the processes' names."""
    orphans, names = [], []
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if any(marker in argument for argument in process.cmdline() for marker in markers):
                names.append(process.name())
                process.send_signal(signal.SIGINT)
                orphans.append(process)
    _, alive = psutil.wait_procs(orphans, timeout=10)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    return names


def take_lock(folder: Path) -> IO[str]:
    """Hold a folder for this process until the file is closed; raises `StackError` if another one has it."""
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        message = f"Another process uses {folder}: stop it first, or run from another checkout."
        raise StackError(message) from None
    return lock


@contextlib.contextmanager
def waiting_for(lock: Path) -> Iterator[None]:
    """Hold a lock file for the block: two processes that install the same do it one after the other."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def free_ports(count: int) -> list[int]:
    """TCP ports of 127.0.0.1 that nobody listens on, and no other process gets here; raises `StackError`."""
    found = list(islice(filter(_claimed, random.sample(PORTS, len(PORTS))), count))
    if len(found) < count:
        raise StackError(f"No free port from {PORTS.start} to {PORTS.stop - 1}: stop what listens there.")
    return found


def _claimed(port: int) -> bool:
    """Whether the port is free; if so, it is ours until this process ends.

    The UDP port of the same number, which no server of ours uses, tells other processes so: until the server
    listens, nothing else would.
    """
    claim = socket.socket(type=socket.SOCK_DGRAM)
    try:
        claim.bind(("127.0.0.1", port))
    except OSError:
        claim.close()
        return False
    claim.detach()  # without its object, it stays open until this process ends
    return are_free([port])


def are_free(ports: list[int]) -> bool:
    """Whether nobody listens on any of these."""
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
