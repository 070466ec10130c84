"""From the start of a function's process to its first answer, under Vercel's own runtime."""

import os
import shutil
import time
from pathlib import Path

import jwt

from benchmarks.api import Api, body, file_path, metadata, put_parts
from benchmarks.measure import spread
from dev.vercel import build as vercel_build
from dev.vercel.built_function import Instance, functions
from tests.support.client import MIB, SESSIONS

ROUNDS = 5
SECONDS = 150  # no round begins after so many
SECRET = "the-secret-of-the-benchmarks-has-32-bytes-or-more"
USER = "dev-user-00000000-0000-0000-0000-000000000001"  # that of the server which prepares sessions

# What a function looks like that is written without a thought for its start.
EVERYTHING = """
import aws_lambda_powertools, botocore.config, botocore.exceptions, botocore.session, cryptography, jwt
import psycopg, psycopg_pool, pydantic
import lib.http.openapi
from lib import wiring as _wiring
_wiring.get_application().health._s3._client
"""
VARIANTS = {
    "everything at the top, source alone": {"everything": True, "bytecode": False},
    "source alone": {"everything": False, "bytecode": False},
    "as deployed": {"everything": False, "bytecode": True},
}


def _variant(built: Path, output: Path, everything, bytecode):
    """A copy of the build, its files linked, with another top or without bytecode."""
    shutil.rmtree(output, ignore_errors=True)
    shutil.copytree(built, output, copy_function=os.link)
    for name, folder in functions(output).items() if everything else ():
        entry = folder / f"{name}.py"
        text = entry.read_text().replace("\nfrom ", EVERYTHING + "from ", 1)
        entry.unlink()  # it is a link
        entry.write_text(text)
    for file in output.rglob("*.pyc") if not bytecode else ():
        file.unlink()
    return functions(output)


def _first_request(api, name):
    """What a function is asked first, on rows and objects of its own."""
    session = api.session()
    file = metadata("a.pdf", size=6 * MIB)
    path = name.removeprefix("api/mocs/uploads/sessions")
    if path in ("api/health", "api/openapi"):
        return "GET", f"/{path}", b""
    if path == "/index":
        return "POST", SESSIONS, b"{}"
    if path == "/[sessionId]/index":
        return "GET", f"{SESSIONS}/{session}", b""
    if path == "/[sessionId]/files/index":
        return "POST", f"{SESSIONS}/{session}/files", body(**file, partCount=2)
    if path == "/[sessionId]/files/batch":
        files = [metadata(f"{n}.pdf", size=6 * MIB) | {"partCount": 2} for n in range(10)]
        return "POST", f"{SESSIONS}/{session}/files/batch", body(files=files)
    registered = api.register(session, file, partCount=2)
    put_parts(registered["presignedUrls"])
    rest = {"index": ("DELETE", ""), "parts": ("GET", "/parts"), "complete": ("POST", "/complete")}
    method, end = rest[path.rpartition("/")[2]]
    return method, file_path(session, registered["fileId"], end), b""


def _milliseconds(folder, env, request, log):
    """From the start of the process to the answer."""
    token = jwt.encode({"sub": USER, "exp": int(time.time()) + 600}, SECRET, algorithm="HS256")
    instance = Instance(folder, env | {"AUTH_JWT_SECRET": SECRET, "RATE_LIMIT_BYPASS": "true"}, log)
    method, path, content = request
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    start = time.perf_counter()
    with instance:
        answer = instance.request(method, path, headers, content)
        taken = (time.perf_counter() - start) * 1000
    if not 200 <= answer.status < 300:
        raise RuntimeError(f"{method} {path}: {answer.status} {answer.body[:300]!r}")
    return taken


def _size(folder: Path):
    """The bytes of a function's bundle."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def run(url, env, folder: Path):
    """Times by function and variant, and the size of a bundle in each."""
    built = vercel_build.ensure_built()
    api, log = Api(url), folder / "cold_start.log"
    variants = {
        label: _variant(built, folder / f"functions-{number}", **options)
        for number, (label, options) in enumerate(VARIANTS.items())
    }
    taken = {name: {label: [] for label in variants} for name in variants["as deployed"]}
    started = time.monotonic()
    for round_ in range(ROUNDS):
        if round_ and time.monotonic() - started > SECONDS:
            break
        for name, labels in taken.items():
            for label, some in labels.items():
                request = _first_request(api, name)
                some.append(_milliseconds(variants[label][name], env, request, log))
    times = {name: {label: spread(some) for label, some in labels.items()} for name, labels in taken.items()}
    sizes = {label: _size(folders["api/health"]) for label, folders in variants.items()}
    return {"times": times, "sizes": sizes}
