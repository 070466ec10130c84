"""Many clients through four instances while all else fails now and then; in the end, all is right."""

import hashlib
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import linear_regression

import httpx
import psutil
import psycopg
import pytest
from psycopg.rows import namedtuple_row

from dev.seaweedfs import store_client
from tests.conftest import token_for
from tests.support.client import MIB, SESSIONS, Client, new_id, pdf
from tests.support.hidden import PATTERN, secrets_of
from tests.support.http_faults import sometimes
from tests.support.pool import expect, use_the_whole_pool
from tests.support.servers import LocalServer, wait_for

INSTANCES = 4
POOL_SIZE = 10
TICK = 2  # seconds between two blows
PART = 5 * MIB
GIVE_UP = 60  # seconds that a client goes on after the load has ended


class Fleet:
    """Four instances, of which one is killed and replaced now and then; the first lives from end to end."""

    def __init__(self, env, folder):
        self._env, self._folder = env, folder
        self.kills = 0
        self.servers = []
        for _ in range(INSTANCES):
            self.servers.append(self._start())

    def _start(self):
        number = len(self.servers) + self.kills
        server = LocalServer(self._env, self._folder / f"server-{number}.log")
        return server.__enter__()

    def kill_one(self):
        index = random.randrange(1, INSTANCES)
        old = self.servers[index]
        self.servers[index] = self._start()
        self.kills += 1
        old.process.kill()
        old.process.wait()

    def stop(self):
        for server in self.servers:
            server.__exit__()

    def memory_of_the_first(self):
        return psutil.Process(self.servers[0].process.pid).memory_info().rss


class Uploader:
    """A client that never gives up: it asks again after 5xx and broken connections, as any client should."""

    def __init__(self, fleet, number):
        self._fleet = fleet
        self._http = httpx.Client(timeout=40)
        self._headers = {"Authorization": f"Bearer {token_for(f'load-{number}-{new_id()}')}"}
        self._dice = random.Random(number)
        self.done = {}  # file id -> digests of every acknowledged file
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
            file["partCount"] = -(-file["size"] // (PART))
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
        content = os.urandom(file["size"])  # no part like another: their order shows in the digest
        while any("error" in one for one in registered["results"]):  # S3 failed for some: once more
            registered = self._ask("POST", f"/{session}/files/batch", {"files": [file]})
        while True:
            for entry in self._ask("GET", f"{path}/parts?presign=true")["presignedUrls"]:
                start = (entry["partNumber"] - 1) * PART
                self._put(entry, content[start : start + entry["sizeBytes"]])
            done = self._ask("POST", f"{path}/complete", allowed=("PARTS_MISSING",))
            if "error" not in done:
                break
        assert done["sizeBytes"] == file["size"]
        self.done[file["fileId"]] = digests_of(content)

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


class Load:
    """Clients at work while one thing after another breaks; in the end, all must be right."""

    def __init__(self, env, stack, folder, database_proxy, store_proxy):
        self._env, self._stack, self._folder = env, stack, folder
        self.database_proxy, self._store_proxy = database_proxy, store_proxy
        self._ended = threading.Event()
        self.fleet = None
        self.uploaders = []
        self.restarts = 0
        self.lost_starts = 0  # of uploads: the store did it, and its answer was lost
        self.orphans = 0
        self.memory = []  # of the first instance

    def run(self, clients, seconds, seconds_between_restarts):
        proxied = {"DATABASE_URL": self.database_proxy.url, "S3_ENDPOINT_URL": self._store_proxy.url}
        self.fleet = Fleet(self._env | proxied | {"DATABASE_POOL_SIZE": str(POOL_SIZE)}, self._folder)
        faults = sometimes(0.03, 503, "cut", "lost", 0.5, 500)
        self._store_proxy.fault = lambda method, path: self._noted(method, path, faults(method, path))
        try:
            with ThreadPoolExecutor(clients + 1) as executor:
                breaking = executor.submit(self._break_things, seconds_between_restarts)
                until = time.monotonic() + seconds
                try:
                    run = lambda n: Uploader(self.fleet, n).run(until)  # noqa: E731
                    self.uploaders = list(executor.map(run, range(clients)))
                finally:
                    self._ended.set()
                breaking.result()
            self._store_proxy.fault = lambda method, path: None
            all_is_right(self, self._env)
            nothing_leaks(self, self._env)
        finally:
            self.fleet.stop()
        no_log_holds_what_it_should_not(self._folder, self._env)

    def _noted(self, method, path, fault):
        self.lost_starts += fault == "lost" and method == "POST" and path.endswith("?uploads")
        return fault

    def _break_things(self, seconds_between_restarts):
        while not self._ended.wait(TICK):
            self.database_proxy.cut()
            self.memory.append(self.fleet.memory_of_the_first())
            if len(self.memory) % 4 == 0:
                self.fleet.kill_one()
            if len(self.memory) % (seconds_between_restarts // TICK) == 0:
                self._stack.restart_postgres()
                self.restarts += 1

    def _growth(self):
        """Bytes by which the first instance grew in the last two thirds: a line through the measurements."""
        late = self.memory[len(self.memory) // 3 :]
        return linear_regression(range(len(late)), late).slope * len(late)

    def told(self):
        """Files, calls that were made again, and the growth; said aloud, too."""
        files, retries = (
            sum(len(one.done) for one in self.uploaders),
            sum(one.retries for one in self.uploaders),
        )
        growth = self._growth()
        print(
            f"{files} files, {retries} calls asked again, {growth / MIB:+.1f} MiB, {self.fleet.kills} kills, "
            f"{self.restarts} restarts, {self.orphans} orphans, {self.lost_starts} starts with a lost answer"
        )
        return files, retries, growth


@pytest.fixture
def load(env, stack, tmp_path, database_proxy, store_proxy):
    return Load(env, stack, tmp_path, database_proxy, store_proxy)


SELECT_FILES = """
SELECT f.id::text, f.session_id::text AS session, f.object_key AS key, f.status, f.etag, f.upload_id,
  f.file_size_bytes AS size,
  array(SELECT p.etag FROM upload_session_parts p WHERE p.file_id = f.id ORDER BY p.part_number) AS parts
FROM upload_session_files f JOIN upload_sessions s ON s.id = f.session_id
WHERE s.user_id LIKE 'load-%'
"""


def all_is_right(load, env):
    """Every acknowledged file is in the store byte for byte, and the tables and the store agree."""
    s3 = store_client(env)
    done = {file_id: digests for uploader in load.uploaders for file_id, digests in uploader.done.items()}
    cancelled = {session for uploader in load.uploaders for session in uploader.cancelled}
    with psycopg.connect(env["DATABASE_URL"], row_factory=namedtuple_row) as db:
        rows = db.execute(SELECT_FILES).fetchall()
    completed = {row.id: row for row in rows if row.status == "completed"}
    assert done.keys() <= completed.keys()
    assert not [row for row in rows if row.session in cancelled and row.status != "completed"]
    for row in completed.values():
        stored = s3.get_object(Bucket="uploads", Key=row.key)
        content = stored["Body"].read()
        assert (len(content), stored["ETag"].strip('"')) == (row.size, row.etag)
        assert digests_of(content)[1] == row.parts  # as many as were assembled, in their order
        assert row.id not in done or digests_of(content) == done[row.id]
    objects = {one["Key"] for one in listed(s3, "list_objects_v2", "Contents")}
    assert objects == {row.key for row in completed.values()}
    uploads = {(one["Key"], one["UploadId"]) for one in listed(s3, "list_multipart_uploads", "Uploads")}
    pending = {(row.key, row.upload_id) for row in rows if row.status == "pending" and row.upload_id}
    assert pending <= uploads
    load.orphans = len(uploads - pending)
    # A start whose answer was lost is one orphan; who is killed may leave the uploads of a few calls.
    assert load.orphans <= load.lost_starts + load.fleet.kills * len(load.uploaders)


def digests_of(content):
    """The SHA-256 of all of it, and the MD5 of each part, which is the part's ETag."""
    parts = [content[start : start + PART] for start in range(0, len(content), PART)]
    return hashlib.sha256(content).hexdigest(), [hashlib.md5(part).hexdigest() for part in parts]


def listed(s3, operation, name):
    """What the store lists of these clients."""
    pages = s3.get_paginator(operation).paginate(Bucket="uploads")
    return [one for page in pages for one in page.get(name, ()) if "/load-" in one["Key"]]


def nothing_leaks(load, env):
    """No transaction was left open, and each instance still has its whole pool for its requests."""
    with psycopg.connect(env["DATABASE_URL"], autocommit=True) as db:
        wait_for(lambda: expect(db, "state LIKE 'idle in transaction%'", 0), seconds=2)
    for server in load.fleet.servers:
        with httpx.Client(base_url=server.url, timeout=40) as http:
            use_the_whole_pool(Client(http, token_for("nobody")), env["DATABASE_URL"], POOL_SIZE)
    assert load.database_proxy.open <= INSTANCES * POOL_SIZE
    for server in load.fleet.servers:
        process = psutil.Process(server.process.pid)
        assert process.num_fds() < 200
        assert process.num_threads() < 100


def no_log_holds_what_it_should_not(folder, env):
    for path in folder.glob("*.log"):
        told = path.read_text()
        assert '"message":"request"' in told
        assert '"reason":"INTERNAL_ERROR"' not in told
        assert not PATTERN.search(told)
        assert not [secret for secret in secrets_of(env) if secret in told]


@pytest.mark.long
@pytest.mark.timeout(200)
def test_twenty_clients_for_twenty_seconds(load):
    load.run(clients=20, seconds=20, seconds_between_restarts=10)
    files, retries, growth = load.told()
    assert files > 20
    assert retries > 0
    assert load.fleet.kills >= 2
    assert load.restarts >= 1
    assert growth < 20 * MIB  # its caches are still filling: the soak looks more closely


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_two_hundred_clients_for_minutes(load):
    minutes = int(os.environ.get("MINUTES", "5"))
    load.run(clients=200, seconds=60 * minutes, seconds_between_restarts=30)
    _, _, growth = load.told()
    assert load.fleet.kills >= minutes
    assert load.restarts >= minutes / 2
    assert growth < 4 * MIB * minutes  # 0.1 MiB a second, in two thirds of the time
