"""Many clients through four instances while all else fails now and then; in the end, all is right."""

import hashlib
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from tests.conftest import token_for
from tests.support.client import MIB, SESSIONS, new_id, pdf
from tests.support.http_faults import sometimes
from tests.support.servers import LocalServer

INSTANCES = 4
GIVE_UP = 60  # seconds that a client goes on after the load has ended


class Fleet:
    """Four instances, of which one is killed and replaced now and then."""

    def __init__(self, env, folder):
        self._env, self._folder = env, folder
        self._count = 0
        self.servers = [self._start() for _ in range(INSTANCES)]

    def _start(self):
        self._count += 1
        server = LocalServer(self._env, self._folder / f"server-{self._count}.log")
        return server.__enter__()

    def kill_one(self):
        index = random.randrange(INSTANCES)
        old = self.servers[index]
        self.servers[index] = self._start()
        old.process.kill()
        old.process.wait()

    def stop(self):
        for server in self.servers:
            server.__exit__()

    def memory(self):
        return [psutil.Process(server.process.pid).memory_info().rss for server in self.servers]


class Uploader:
    """A client that never gives up: it asks again after 5xx and broken connections, as any client should."""

    def __init__(self, fleet, number):
        self._fleet = fleet
        self._http = httpx.Client(timeout=40)
        self._headers = {"Authorization": f"Bearer {token_for(f'load-{number}-{new_id()}')}"}
        self._dice = random.Random(number)
        self.done = {}  # file id -> SHA-256, of every acknowledged file
        self.cancelled = []  # sessions
        self.retries = 0
        self.deadline = None

    def run(self, until):
        self.deadline = until + GIVE_UP
        while time.monotonic() < until:
            self._one_session()
        self._http.close()
        return self

    def _one_session(self):
        session = self._ask("POST", "", {})["sessionId"]
        files = [pdf(f"{n}.pdf", self._size(), fileId=new_id()) for n in range(self._dice.randint(1, 4))]
        for file in files:
            file["partCount"] = -(-file["size"] // (5 * MIB))
        registered = self._ask("POST", f"/{session}/files/batch", {"files": files})
        for file in files[: 1 if self._dice.random() < 0.2 else 4]:
            self._upload(session, file, registered)
        if self._dice.random() < 0.2:
            self._ask("DELETE", f"/{session}")
            self.cancelled.append(session)

    def _size(self):
        return self._dice.choice([1, 100, 70_000, MIB, 6 * MIB])

    def _upload(self, session, file, registered):
        path = f"/{session}/files/{file['fileId']}"
        content = os.urandom(16) * (file["size"] // 16 + 1)
        content = content[: file["size"]]
        while any("error" in one for one in registered["results"]):  # S3 failed for some: once more
            registered = self._ask("POST", f"/{session}/files/batch", {"files": [file]})
        while True:
            for entry in self._ask("GET", f"{path}/parts?presign=true")["presignedUrls"]:
                start = (entry["partNumber"] - 1) * 5 * MIB
                self._put(entry, content[start : start + entry["sizeBytes"]])
            done = self._ask("POST", f"{path}/complete", allowed=("PARTS_MISSING",))
            if "error" not in done:
                break
        assert done["sizeBytes"] == file["size"]
        self.done[file["fileId"]] = hashlib.sha256(content).hexdigest()

    def _put(self, entry, content):
        """A part, which may be lost: the next query says so."""
        try:
            self._http.put(entry["url"], content=content, headers=entry["headers"])
        except httpx.TransportError:
            self.retries += 1

    def _ask(self, method, path, body=None, allowed=()):
        while time.monotonic() < self.deadline:
            url = self._dice.choice(self._fleet.servers).url + SESSIONS + path
            try:
                response = self._http.request(method, url, json=body, headers=self._headers)
            except httpx.TransportError:  # the instance was killed
                self.retries += 1
                continue
            if response.is_success:
                return response.json() if response.content else None
            document = response.json()
            if response.status_code == 503 or document["error"]["reason"] in allowed:
                if document["error"]["reason"] in allowed:
                    return document
                assert "Retry-After" in response.headers
                self.retries += 1
                time.sleep(0.2)
                continue
            raise AssertionError(f"{method} {path}: {response.status_code} {response.text}")
        raise AssertionError(f"{method} {path}: no success in {GIVE_UP} s")


def put_under_load(env, folder, clients, seconds, database_proxy, store_proxy):
    """Run the load with faults; answers the clients, the fleet, and how much memory it took over time."""
    api_env = env | {"DATABASE_URL": database_proxy.url, "S3_ENDPOINT_URL": store_proxy.url}
    fleet = Fleet(api_env, folder)
    ended = threading.Event()
    memory = []

    def break_things():
        while not ended.wait(2):
            database_proxy.cut()
            memory.append(max(fleet.memory()))
            if len(memory) % 4 == 0:
                fleet.kill_one()

    breaker = threading.Thread(target=break_things, daemon=True)
    store_proxy.fault = sometimes(0.03, 503, "cut", "lost", 0.5, 500)
    try:
        breaker.start()
        until = time.monotonic() + seconds
        with ThreadPoolExecutor(clients) as executor:
            uploaders = list(executor.map(lambda n: Uploader(fleet, n).run(until), range(clients)))
        ended.set()
        breaker.join()
        store_proxy.fault = lambda method, path: None
        all_is_right(uploaders, env)
        nothing_leaks(fleet, env, database_proxy)
        return uploaders, memory
    finally:
        ended.set()
        fleet.stop()


def all_is_right(uploaders, env):
    """Every acknowledged file is in the store byte for byte, and the table and the store agree."""
    from dev.store import store_client

    s3 = store_client(env)
    done = {file_id: digest for uploader in uploaders for file_id, digest in uploader.done.items()}
    cancelled = {session for uploader in uploaders for session in uploader.cancelled}
    with psycopg.connect(env["DATABASE_URL"]) as db:
        rows = db.execute(
            "SELECT f.id::text, f.session_id::text, f.object_key, f.status, f.file_size_bytes, f.etag "
            "FROM upload_session_files f JOIN upload_sessions s ON s.id = f.session_id "
            "WHERE s.user_id LIKE 'load-%'"
        ).fetchall()
    completed = {row[0]: row for row in rows if row[3] == "completed"}
    assert done.keys() <= completed.keys()
    assert not [row for row in rows if row[1] in cancelled and row[3] != "completed"]
    for row in completed.values():
        stored = s3.get_object(Bucket="uploads", Key=row[2])
        content = stored["Body"].read()
        assert (len(content), stored["ETag"].strip('"')) == (row[4], row[5])
        assert row[0] not in done or hashlib.sha256(content).hexdigest() == done[row[0]]
    objects = {one["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="uploads")
               for one in page.get("Contents", ()) if "/load-" in one["Key"]}  # fmt: skip
    assert objects == {row[2] for row in completed.values()}


def nothing_leaks(fleet, env, database_proxy):
    """No instance holds more connections than its pool, and each still answers."""
    for server in fleet.servers:
        assert httpx.get(f"{server.url}/api/health", timeout=40).json()["status"] == "ok"
    assert database_proxy.open <= INSTANCES * 10
    for server in fleet.servers:
        process = psutil.Process(server.process.pid)
        assert process.num_fds() < 200
        assert process.num_threads() < 100


@pytest.mark.long
@pytest.mark.timeout(200)
def test_twenty_clients_for_twenty_seconds(env, tmp_path, database_proxy, store_proxy):
    uploaders, _ = put_under_load(env, tmp_path, 20, 20, database_proxy, store_proxy)
    files, retries = sum(len(one.done) for one in uploaders), sum(one.retries for one in uploaders)
    print(f"{files} files, {retries} calls asked again")
    assert files > 20
    assert retries > 0
    logs = "".join(path.read_text() for path in Path(tmp_path).glob("*.log"))
    assert '"reason":"INTERNAL_ERROR"' not in logs


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_two_hundred_clients_for_minutes(env, tmp_path, database_proxy, store_proxy):
    seconds = 60 * int(os.environ.get("MINUTES", "5"))
    uploaders, memory = put_under_load(env, tmp_path, 200, seconds, database_proxy, store_proxy)
    third = len(memory) // 3
    early, late = max(memory[third : 2 * third]), max(memory[2 * third :])
    print(
        f"{sum(len(one.done) for one in uploaders)} files; {early / MIB:.0f} MiB, later {late / MIB:.0f} MiB"
    )
    assert late < 1.25 * early
