"""What `make run` does: starts the database, the store and the API, and watches them (see dev/run.py)."""

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import psycopg

from db.migrate import MigrationError, migrate
from dev.env_files import write_shell_file, write_vercel_file
from dev.lan import Place, Relay, port_of
from dev.processes import StackError, take_lock
from dev.stack import Stack
from lib.postgres.conninfo import conninfo
from lib.runtime.config import SettingsError

ROOT = Path(__file__).resolve().parent.parent
DEV = ROOT / ".dev"
WATCHED = ("api", "lib", "db", "vercel.json", "requirements.txt")
WATCHED_KINDS = (".py", ".sql", ".json", ".txt")
POLL_SECONDS = 0.4
MIGRATING = (MigrationError, SettingsError, psycopg.Error)  # what goes wrong


class Server:
    """The API's process, on a listening socket of ours, so that a restart refuses nobody."""

    def __init__(self, place: Place, env: Mapping[str, str]) -> None:
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = _listen(place)
        self._lifeline = os.pipe()  # its end tells the server that we are gone, however we went

    def start(self) -> None:
        """Start the process, or restart it."""
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


def _listen(place: Place) -> socket.socket:
    try:
        if any(_answers(name, place.port) for name in place.names):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        return socket.create_server((place.host, place.port), backlog=256)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else error.strerror
        raise StackError(
            f"Port {place.port} cannot be used ({why}): choose another with PORT=… make run"
        ) from None


def _answers(host: str, port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection((host, port), 1).close()
        return True
    except OSError:
        return False


def _environment(stack_env: Mapping[str, str], place: Place) -> dict[str, str]:
    """What the API runs in: the caller's own variables, the stack's over them, and defaults below them."""
    defaults = {
        "AUTH_BYPASS": "true",
        "RATE_LIMIT_BYPASS": "true",
        "VERCEL_ENV": "development",  # as `vercel dev`: a VERCEL_TOKEN of the caller's is no deployment
    }
    own = {"API_URL": place.url, "ALLOWED_ORIGINS": ",".join(_origins(place))}
    return {**defaults, **os.environ, **stack_env, **own}


def _origins(place: Place) -> list[str]:
    return place.origins(os.environ.get("ALLOWED_ORIGINS"))


def _stamp() -> int:
    """Changes whenever a watched file does."""
    try:
        files = [
            file
            for name in WATCHED
            for file in ((ROOT / name).rglob("*") if "." not in name else [ROOT / name])
            if file.suffix in WATCHED_KINDS
        ]
        return hash(tuple((str(file), file.stat().st_mtime_ns) for file in sorted(files)))
    except FileNotFoundError:  # an editor, or git, is replacing a file in this very moment
        return 0


def _watch(server: Server, stack: Stack | None, parent: int | None, migrated: Callable[[], object]) -> None:
    """Migrate and restart the server on edits, until something other has ended; raises `StackError`."""
    seen = _stamp()
    told = False
    while True:
        time.sleep(POLL_SECONDS)
        if parent and os.getppid() != parent:
            raise StackError("make was killed. Everything is stopped.")
        crashed = stack.crashed() if stack else None
        if crashed:
            raise StackError(f"{crashed}. Everything is stopped.")
        now = _stamp()
        if now != seen:
            seen, told = now, False
            print("Changed: restarting the API.", flush=True)
            try:
                migrated()
            except MIGRATING as error:
                print(f"Not migrated: {error}", file=sys.stderr, flush=True)
            server.start()
        elif (code := server.exit_code()) is not None and not told:
            if code < 0:
                raise StackError(
                    f"The API was killed by {signal.Signals(-code).name}. Everything is stopped."
                )
            told = True
            print("The API does not start: fix it, and it comes back.", file=sys.stderr, flush=True)


def _serve(place: Place, stack: Stack | None, stack_env: Mapping[str, str], parent: int | None) -> None:
    env = _environment(stack_env, place)
    url = conninfo(env["DATABASE_URL"], root_certificates=env.get("DATABASE_SSL_ROOT_CERT"))
    migrate(url)
    write_shell_file(env, DEV / "env")
    if not write_vercel_file(env, ROOT / ".env"):
        print(
            "`vercel dev` reads your own .env: `make run` leaves it alone, and has its settings in .dev/env."
        )
    server = Server(place, env)
    try:
        server.start()
        print(
            f"The API is at {env['API_URL']}. Ctrl-C stops it. Paste one of these into another terminal:\n",
            flush=True,
        )
        if place.is_open:
            print(f"  HOST={place.host}: everybody in this network is let in, without a token.\n")
        print(f"  curl -s -X POST {env['API_URL']}/api/mocs/uploads/sessions -d '{{}}'")
        print("  make upload")  # no comments: zsh would take them for arguments
        print(f"  open {env['API_URL']}/", flush=True)
        _watch(server, stack, parent, partial(migrate, url))
    finally:
        server.stop()


def _uses_own_servers() -> bool:
    """Whether the caller names a database and a store; one alone is not used, which is said."""
    names = ("DATABASE_URL", "S3_ENDPOINT_URL")
    given = [name for name in names if os.environ.get(name)]
    if len(given) == 1:
        print(f"{given[0]} is not used: servers of your own need both {' and '.join(names)}.")
    return len(given) == len(names)


def _run(parent: int | None) -> None:
    place = Place.from_env(os.environ, port_of(os.environ, 3000))
    DEV.mkdir(exist_ok=True)
    if _uses_own_servers():
        print("DATABASE_URL and S3_ENDPOINT_URL are set: these are used, and nothing is embedded.")
        with take_lock(DEV):  # else the .dev/env of a running stack would be written over
            _serve(place, None, {}, parent)
        return
    _listen(place).close()  # a port in use is said at once, before anything is started
    with Stack(DEV, origins=_origins(place)) as stack, contextlib.ExitStack() as more:
        env = stack.env()
        if place.is_open:
            relay = more.enter_context(Relay(place.host, int(env["S3_ENDPOINT_URL"].rpartition(":")[2])))
            env["S3_ENDPOINT_URL"] = f"http://{place.public_host}:{relay.port}"
        _serve(place, stack, env, parent)


def main(parent: int | None = None) -> int:
    """Run until a failure, which is said in a sentence, and return 1; raises `KeyboardInterrupt`.

    `parent` is the id of the process that we end with: make, which cannot pass a SIGKILL on.
    """
    try:
        _run(parent)
    except PermissionError as error:
        why = f"is not ours ({error.strerror})"
        print(f"{error.filename} {why}: if another user made it, remove it as that user.", file=sys.stderr)
    except OSError as error:  # a full disk, for one
        print(f"{error.filename or DEV}: {error.strerror or error}", file=sys.stderr)
    except (StackError, *MIGRATING) as error:
        print(error, file=sys.stderr)
    return 1
