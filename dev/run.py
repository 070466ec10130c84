"""`make run`: the whole product on this machine, with an embedded database and S3 store."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

import psycopg

from db.migrate import MigrationError, migrate
from dev.processes import StackError
from dev.stack import Stack

ROOT = Path(__file__).resolve().parent.parent
DEV = ROOT / ".dev"
WATCHED = ("api", "lib", "vercel.json", "requirements.txt")
POLL_SECONDS = 0.4


class Stopped(Exception):  # noqa: N818 - not an error: somebody wants us to end
    """A signal asked us to stop."""


class Server:
    """The API's process, on a listening socket of ours, so that a restart refuses nobody."""

    def __init__(self, port: int, env: Mapping[str, str]) -> None:
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = _listen(port)
        self._lifeline = os.pipe()  # its end tells the server that we are gone, however we went

    def start(self) -> None:
        """Start the process, or start it anew."""
        self.stop()
        descriptors = [self._socket.fileno(), self._lifeline[0]]
        command = [sys.executable, "-m", "dev.server", *map(str, descriptors)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=self._env, pass_fds=descriptors, start_new_session=True
        )

    def stop(self) -> None:
        """End the process."""
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll() if self._process else None


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        raise StackError(
            f"Port {port} is in use ({error.strerror}): choose another with PORT=… make run"
        ) from None
    listener.listen(256)
    return listener


def _environment(stack_env: Mapping[str, str], port: int) -> dict[str, str]:
    """What the API runs in: the caller's own variables, the stack's over them, and defaults below them."""
    defaults = {
        "AUTH_BYPASS": "true",
        "RATE_LIMIT_BYPASS": "true",
        "ALLOWED_ORIGINS": f"http://localhost:{port},http://127.0.0.1:{port}",
    }
    return {**defaults, **os.environ, **stack_env, "API_URL": f"http://localhost:{port}"}


def _write_env_file(env: Mapping[str, str], stack_env: Mapping[str, str]) -> None:
    names = [*stack_env, "API_URL", "AUTH_BYPASS", "RATE_LIMIT_BYPASS", "ALLOWED_ORIGINS"]
    path = DEV / "env"
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={shlex.quote(env[name])}\n" for name in names if name in env))


def _stamp() -> int:
    """Changes whenever a watched file does."""
    files = [
        file
        for name in WATCHED
        for file in ((ROOT / name).rglob("*.py") if "." not in name else [ROOT / name])
    ]
    return hash(tuple((str(file), file.stat().st_mtime_ns) for file in sorted(files) if file.exists()))


def _watch(server: Server, stack: Stack | None) -> None:
    """Restart the server on edits, until something other than it has crashed; raises `StackError`."""
    seen = _stamp()
    told = False
    while True:
        time.sleep(POLL_SECONDS)
        crashed = stack.crashed() if stack else None
        if crashed:
            raise StackError(f"{crashed}. Everything is stopped.")
        now = _stamp()
        if now != seen:
            seen, told = now, False
            print("Changed: starting the API anew.", flush=True)
            server.start()
        elif server.exit_code() is not None and not told:
            if server.exit_code() in (-signal.SIGKILL, -signal.SIGSEGV):
                raise StackError("The API was killed. Everything is stopped.")
            told = True
            print("The API does not start: mend it, and it comes back.", file=sys.stderr, flush=True)


def _serve(port: int, stack: Stack | None) -> None:
    stack_env = stack.env() if stack else {}
    env = _environment(stack_env, port)
    migrate(env["DATABASE_URL"])
    _write_env_file(env, stack_env)
    server = Server(port, env)
    try:
        server.start()
        print(f"The API is at {env['API_URL']}. Ctrl-C stops it. Paste one of these next:\n", flush=True)
        print(f"  curl -s -X POST {env['API_URL']}/api/mocs/uploads/sessions -d '{{}}'")
        print("  make upload   # in another terminal; a sample of 32 MB, or FILE=manual.pdf")
        print(f"  open {env['API_URL']}/        # the upload page", flush=True)
        _watch(server, stack)
    finally:
        server.stop()


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise Stopped


def main() -> int:
    """Run until Ctrl-C, SIGTERM or a crash; the exit status says which."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    port = int(os.environ.get("PORT") or 3000)
    origins = [f"http://localhost:{port}", f"http://127.0.0.1:{port}"]
    DEV.mkdir(exist_ok=True)
    try:
        if os.environ.get("DATABASE_URL") and os.environ.get("S3_ENDPOINT_URL"):
            print("DATABASE_URL and S3_ENDPOINT_URL are set: these are used, and nothing is embedded.")
            _serve(port, None)
        else:
            _listen(port).close()  # a port in use is said at once, before anything is started
            with Stack(DEV, origins=origins) as stack:
                _serve(port, stack)
    except Stopped:
        print("\nStopped.")
        return 0
    except (StackError, MigrationError, psycopg.Error) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
