"""Requests a second and how long they take, of each route, with few clients and with many."""

from benchmarks.api import Api, body, file_path, metadata
from benchmarks.measure import load
from tests.support.client import SESSIONS

CLIENTS = (1, 8, 32)
SECONDS = 2.5
MOST = 500  # requests of one measurement: what they need is prepared before
FILES = 20  # in one session


def register(api, round_):
    """One file of ten parts."""
    names = ((session, f"{round_}-{n}.pdf") for session in api.sessions(MOST // FILES) for n in range(FILES))
    for session, name in names:
        yield "POST", f"{SESSIONS}/{session}/files", body(**metadata(name, 10), partCount=10)


def batch(api, round_):
    """Ten files of ten parts."""
    for session in api.sessions(MOST // 4):
        for start in range(2):
            files = [metadata(f"{start}-{n}.pdf", 10) | {"partCount": 10} for n in range(10)]
            yield "POST", f"{SESSIONS}/{session}/files/batch", body(files=files)


def record(api, round_):
    """One part of a file of a hundred."""
    session = api.session()
    files = [api.register(session, metadata(f"{n}.pdf", 100))["fileId"] for n in range(32)]
    for n in range(MOST):
        parts = [{"partNumber": n // 32 % 100 + 1, "etag": f"{n:032x}"}]
        yield "POST", file_path(session, files[n % 32], "/parts"), body(parts=parts)


def query(api, round_):
    """A file with its part uploaded."""
    files = api.uploaded(32)
    for n in range(MOST):
        yield "GET", file_path(*files[n % 32], "/parts"), None


def complete(api, round_):
    """A file with its part uploaded."""
    for session, file in api.uploaded(MOST // 3):
        yield "POST", file_path(session, file, "/complete"), b"{}"


ROUTES = {
    "register (10 parts)": register,
    "batch (10 files of 10 parts)": batch,
    "record (1 part)": record,
    "query (1 part)": query,
    "complete (1 part)": complete,
}


def run(url):
    """Requests a second, median and 99th percentile by route and number of clients."""
    api = Api(url)
    results = {}
    for name, route in ROUTES.items():
        results[name] = {
            clients: load(url, list(route(api, clients)), clients, SECONDS) for clients in CLIENTS
        }
    return results
