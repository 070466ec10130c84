"""The API under test, and what the benchmarks put into it."""

import json
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import urlsplit

from benchmarks.measure import Http
from tests.support.client import MIB, SESSIONS

SETTINGS = {
    "AUTH_BYPASS": "true",
    "RATE_LIMIT_BYPASS": "true",
    "MAX_INSTRUCTION_MB": "1000000",
    "MAX_PRESIGNED_URLS": "10000",
}
PART = 5 * MIB


def body(**fields):
    """A request body."""
    return json.dumps(fields).encode()


def metadata(name, parts=1, size=None):
    """A file of so many parts of the usual size."""
    return {"name": name, "size": size or parts * PART, "type": "application/pdf"}


class Api:
    """Calls the API, and prepares sessions and files."""

    def __init__(self, url):
        self.url = url
        self.http = Http(url)

    def json(self, method, path, content=None):
        """The document that a call answers."""
        return json.loads(self.http(method, SESSIONS + path, content))

    def session(self):
        """A new session."""
        return self.json("POST", "", b"{}")["sessionId"]

    def sessions(self, count):
        """So many new sessions."""
        return [self.session() for _ in range(count)]

    def register(self, session, file, **more):
        """Register one file."""
        return self.json("POST", f"/{session}/files", body(**file, **more))

    def uploaded(self, count):
        """So many files whose only part is there, as (session, file)."""
        found = []
        for start in range(0, count, 10):
            session = self.session()
            files = [metadata(f"{n}.pdf", size=1) | {"partCount": 1} for n in range(min(10, count - start))]
            for file in self.json("POST", f"/{session}/files/batch", body(files=files))["results"]:
                put_parts(file["presignedUrls"])
                found.append((session, file["fileId"]))
        return found


def put_parts(entries):
    """PUT parts of zeros over a few connections that are kept open."""
    entries = list(entries)
    with ThreadPoolExecutor(4) as executor:
        list(executor.map(_put_some, [entries[n::4] for n in range(4)]))


def _put_some(entries):
    if not entries:
        return
    host = urlsplit(entries[0]["url"])
    connection = HTTPConnection(host.hostname, host.port, timeout=60)
    for entry in entries:
        connection.request("PUT", entry["url"], bytes(entry["sizeBytes"]), entry["headers"])
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"PUT: {response.status} {response.read()!r}")
        response.read()


def file_path(session, file, rest=""):
    """The path of a file."""
    return f"{SESSIONS}/{session}/files/{file}{rest}"
