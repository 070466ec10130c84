"""Upload a file in parts, four at a time; started again after a crash, it sends only what is missing.

    python examples/upload.py manual.pdf

API_URL says where the API is (else what `make run` wrote, else http://localhost:3000), API_TOKEN who you are.
"""

import hashlib
import json
import os
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import httpx
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

AT_ONCE = 4  # parts under way
CHUNK = 256 * 1024  # bytes
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "upload-sessions"
DEV_ENV = Path(__file__).resolve().parent.parent / ".dev" / "env"

Json = dict[str, Any]


class Refused(Exception):  # noqa: N818 - the API's word for it
    """The API said no: its reason, and what to do."""

    def __init__(self, error: Json) -> None:
        super().__init__(f"{error['reason']}: {error['message']} {error.get('details', '')}".strip())
        self.reason = error["reason"]


class Api:
    """The calls of the protocol, all below one address."""

    def __init__(self, url: str, token: str | None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/mocs/uploads/sessions", headers=headers, timeout=60
        )

    def call(self, method: str, path: str = "", body: Json | None = None) -> tuple[int, Json]:
        """Call, and call again while the API or the network is away for a moment; raises `Refused`."""
        for pause in (1, 2, 4, 8, None):
            try:
                response = self._http.request(method, path, json=body)
            except httpx.TransportError:
                if pause is None:
                    raise
            else:
                if response.status_code != 503 or pause is None:
                    return self._answer(response)
            time.sleep(pause)
        raise AssertionError("not reached")

    def _answer(self, response: httpx.Response) -> tuple[int, Json]:
        status = response.status_code
        try:
            document: Json = response.json()
            error: Json | None = None if response.is_success else dict(document["error"])
        except (ValueError, KeyError, TypeError):
            place = f"{response.url.scheme}://{response.url.netloc.decode()}"
            message = f"{place} is not the API, or something stands before it. Is API_URL right?"
            error = {"reason": f"HTTP {status}", "message": message}
        if error:
            raise Refused(error)
        return status, document


def upload(api: Api, file: Path, note: Path) -> Json:
    """Open or find the session, register the file, send what is missing, complete."""
    session = session_of(api, note)
    size, part_size = file.stat().st_size, session["partSizeBytes"]
    metadata = {
        "fileId": session["fileId"],  # ours, so that a lost answer can be asked for again
        "name": file.name,
        "size": size,
        "partCount": min(10_000, -(-size // part_size)),
    }
    here = f"/{session['sessionId']}/files"
    status, plan = api.call("POST", here, metadata)
    here += f"/{plan['fileId']}"
    with progress_bar() as bar:
        task = bar.add_task("", total=size)
        if status == 200:  # it was registered before: what of it is there?
            plan = api.call("GET", f"{here}/parts?presign=true")[1]
            missing = len(plan["missingPartNumbers"])
            print(f"Resuming: {missing} of {plan['partCount']} parts are missing.")
        while plan["presignedUrls"]:
            bar.update(task, completed=size - size_missing(plan, size))
            sent = send(file, plan, lambda count: bar.advance(task, count))
            if sent == 0:
                raise SystemExit("No part got through to the store. Start again to go on.")
            # What failed, URLs that expired, URLs that did not fit into one answer: all of it is here.
            plan = api.call("GET", f"{here}/parts?presign=true")[1]
        bar.update(task, completed=size)
    return api.call("POST", f"{here}/complete")[1]


def session_of(api: Api, note: Path) -> Json:
    """The session that a run before this one noted down, or a new one, noted down before it is used."""
    noted = noted_in(note)
    if noted:
        try:
            if api.call("GET", f"/{noted['sessionId']}")[1]["status"] == "active":
                return noted
        except Refused as refusal:
            if refusal.reason != "SESSION_NOT_FOUND":
                raise
    session = api.call("POST", "", {})[1] | {"fileId": str(uuid.uuid4())}
    note.parent.mkdir(parents=True, exist_ok=True)
    new = note.with_suffix(".new")
    new.write_text(json.dumps(session))
    new.replace(note)  # whole, or not at all: the disk may be full
    return session


def noted_in(note: Path) -> Json | None:
    """What a run before this one noted down, if it can be read."""
    try:
        noted: Json = json.loads(note.read_text())
        return noted if {"sessionId", "fileId"} <= noted.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def send(file: Path, plan: Json, advance: Any) -> int:
    """PUT the parts to the store, and say how many got there."""
    sent = 0
    with httpx.Client(timeout=60) as http, ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = {
            pool.submit(put, http, file, plan["partSizeBytes"], part, advance): part
            for part in plan["presignedUrls"]
        }
        try:
            for job in as_completed(jobs):
                sent += job.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return sent


def put(http: httpx.Client, file: Path, part_size: int, part: Json, advance: Any) -> bool:
    """PUT one part, read from the file while it is sent."""

    def content() -> Iterator[bytes]:
        with file.open("rb") as source:
            source.seek((part["partNumber"] - 1) * part_size)
            left = part["sizeBytes"]
            while left and (data := source.read(min(CHUNK, left))):
                left -= len(data)
                yield data
                advance(len(data))

    try:
        response = http.put(part["url"], content=content(), headers=part["headers"])
    except httpx.TransportError:
        return False
    return response.is_success


def size_missing(plan: Json, size: int) -> int:
    """The bytes that are still to be sent."""
    numbers = plan.get("missingPartNumbers") or range(1, plan["partCount"] + 1)
    part_size = plan["partSizeBytes"]
    return sum(min(part_size, size - (number - 1) * part_size) for number in numbers)


def progress_bar() -> Progress:
    """Bytes, speed and the time that is left."""
    return Progress(BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())


def api_url() -> str:
    """Where the API is."""
    lines = DEV_ENV.read_text().splitlines() if DEV_ENV.exists() else []
    noted = dict(line.split("=", 1) for line in lines)
    return os.environ.get("API_URL") or noted.get("API_URL") or "http://localhost:3000"


def main(arguments: list[str]) -> int:
    """Upload the file that is named."""
    if len(arguments) != 1 or not Path(arguments[0]).is_file() or not Path(arguments[0]).stat().st_size:
        print("Say which file, one that is not empty: python examples/upload.py manual.pdf", file=sys.stderr)
        return 2
    file, url = Path(arguments[0]).resolve(), api_url()
    state = file.stat()
    identity = f"{url} {file} {state.st_size} {state.st_mtime_ns}"  # a changed file is another file
    note = CACHE / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.json"
    try:
        done = upload(Api(url, os.environ.get("API_TOKEN")), file, note)
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 1
    except httpx.TransportError as error:
        print(f"{url} does not answer ({error}): is `make run` on?", file=sys.stderr)
        return 1
    except OSError as error:  # a full disk, for one
        where = Path(error.filename or file)
        hint = ". XDG_CACHE_HOME=… names another folder for notes of what was sent."
        is_note = CACHE.is_relative_to(where) or where.is_relative_to(CACHE)
        print(f"{where}: {error.strerror or error}{hint if is_note else ''}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. Start again to go on.", file=sys.stderr)
        os._exit(130)  # without waiting for the parts under way
    note.unlink(missing_ok=True)
    print(f"Complete: {done['sizeBytes']:,} bytes at {done['fileUrl']}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
