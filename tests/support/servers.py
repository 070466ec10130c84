"""The API as a process of its own, as `make run` serves it."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent.parent
# What a developer's own shell may have set must not reach the servers under test.
KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "SSL_CERT_FILE")

START_SECONDS = 90  # two on a free machine; more than thirty were seen on one with a load of twenty


def kept_environment():
    """Of the caller's environment, what a process under test gets."""
    return {name: os.environ[name] for name in KEPT if name in os.environ}


class MortalServers:
    """Servers that kill themselves at a named call, one at a time; a context manager."""

    def __init__(self, env, log):
        self.log = log
        self.env = kept_environment() | env

    def __enter__(self):
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.killed_server"],
                cwd=ROOT, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        return self

    def __exit__(self, *exc):
        self._process.communicate(timeout=20)

    def start(self, name, moment):
        """Start one that dies there, and answer its URL."""
        self._process.stdin.write(f"{name} {moment}\n")
        self._process.stdin.flush()
        return f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def wait(self):
        """Wait for its death, and answer the signal that it died of; what it has logged comes before."""
        for line in self._process.stdout:
            if line.strip().isdigit():
                return int(line)


class LocalServer:
    """`dev.server` on a free port, in this environment and nothing of the caller's; a context manager."""

    def __init__(self, env, log):
        self.log = log
        self.env = kept_environment() | env
        self.process = None

    def __enter__(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(256)
            port = listener.getsockname()[1]
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "dev.server", str(listener.fileno())],
                    cwd=ROOT, env=self.env, pass_fds=[listener.fileno()], stdout=log, stderr=log,
                )  # fmt: skip
        self.url = f"http://127.0.0.1:{port}"
        wait_for(lambda: httpx.get(f"{self.url}/api/health", timeout=10).raise_for_status(), START_SECONDS)
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait(10)


def wait_for(probe, seconds=30):
    """Call a probe until it raises nothing."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return probe()
        except Exception:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)
