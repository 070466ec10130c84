"""An embedded PostgreSQL and an embedded S3 store (SeaweedFS), from packages, without root or Docker."""

import json
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deploy.shell import forget_other_servers
from dev.env_files import write_whole
from dev.postgres import Postgres, database_url, shelter_of
from dev.processes import StackError, are_free, end_orphans, free_ports, take_lock
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
        self._state: dict[str, Any] = {}
        self.postgres = Postgres(self.folder, fast=fast)
        self.store = Store(self.folder, origins=origins or ["*"], options=weed_options)

    def __enter__(self) -> "Stack":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start both, and wait until they work; from then on, this process knows of no other servers."""
        forget_other_servers()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = take_lock(self.folder)
        try:
            self._state = self._load_state()
            self._end_orphans()
            self._choose_ports()
            self._save_state()
            self.store.launch(self._state)  # takes longer, so it starts first and is waited for last
            self._save_state()
            self.start_postgres()
            self.store.wait_for_bucket(self.env())
        except BaseException:
            self.stop()
            raise

    def _end_orphans(self) -> None:
        marker = self._state["marker"]
        pids = [*self._state.get("pids", []), *self.postgres.stale_pids(marker)]
        names = end_orphans(pids, (str(self.folder), marker))
        if names:
            print(
                f"Stopped what an earlier run had left behind: {', '.join(sorted(set(names)))}.", flush=True
            )

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
            "S3_ACCESS_KEY_ID": "",  # and these would win
            "S3_SECRET_ACCESS_KEY": "",
            "S3_SESSION_TOKEN": "",
            "DATABASE_SSL_ROOT_CERT": "",
            "S3_REGION": "us-east-1",
            "MOC_BUCKET": BUCKET,
        }

    @property
    def database_url(self) -> str:
        """Where PostgreSQL is."""
        return database_url(self._state)

    def crashed(self) -> str | None:
        """What has exited by itself, and where its log is."""
        for child in (self.postgres, self.store):
            if child.exit_code() is not None:
                return child.why_it_ended()
        return None

    def start_postgres(self) -> None:
        """Start PostgreSQL, on the port that it has had, and wait until it works."""
        self.postgres.launch(self._state)
        self._save_state()
        self.postgres.wait_for_connections(self._state)

    def restart_postgres(self) -> None:
        """Stop and start PostgreSQL: every connection breaks."""
        self.postgres.stop()
        self.start_postgres()

    def remove(self) -> None:
        """Delete the data, of a stack that is stopped."""
        shutil.rmtree(shelter_of(self._load_state()["marker"]), ignore_errors=True)
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
        write_whole(self.folder / "state.json", json.dumps(self._state))

    def _choose_ports(self) -> None:
        """The ports of the last run if they are free, so that what was pasted then still works."""
        ports = [self._state.get("pg_port"), *self._state.get("weed_ports", [])]
        if None in ports or not are_free(ports):
            self._state["pg_port"], *self._state["weed_ports"] = free_ports(1 + len(PORTS))
