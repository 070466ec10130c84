"""What each path leads to, on Vercel and here: a table, and functions that say what they are asked."""

import http.client
import json
import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

ROOT = Path(__file__).resolve().parent.parent.parent
ID, FILE = "0f1e2d3c-0000-4000-8000-000000000001", "0f1e2d3c-0000-4000-8000-000000000002"
TOP = "api/mocs/uploads/sessions"
S, F = {"sessionId": [ID]}, {"sessionId": [ID], "fileId": [FILE]}
NOTHING = None

# Path and query; the function or file that answers, nothing if nothing does; the query that it is given.
TABLE = [
    # Files of that very name
    ("/api/health", "api/health", {}),
    ("/api/health/", "api/health", {}),
    ("/api/health?a=1", "api/health", {"a": ["1"]}),
    ("/api/h%65alth", NOTHING, {}),
    ("/api/health.py", NOTHING, {}),
    ("/api/health/more", NOTHING, {}),
    ("/api/Health", NOTHING, {}),
    ("/api/openapi", "api/openapi", {}),
    ("/api/openapi.json", "api/openapi", {}),
    ("/api/openapi.json?a=1", "api/openapi", {"a": ["1"]}),
    ("/api/openapi.json/", NOTHING, {}),
    ("/api/openapi_json", NOTHING, {}),
    ("/api/openapi%2Ejson", NOTHING, {}),
    (f"/{TOP}", f"{TOP}/index", {}),
    (f"/{TOP}/", f"{TOP}/index", {}),
    (f"/{TOP}/index", f"{TOP}/index", {}),
    # Dynamic segments
    (f"/{TOP}/{ID}", f"{TOP}/[sessionId]/index", S),
    (f"/{TOP}/{ID}/", f"{TOP}/[sessionId]/index", S),
    (f"/{TOP}/{ID}/index", f"{TOP}/[sessionId]/index", S),
    (f"/{TOP}/{ID}/files", f"{TOP}/[sessionId]/files/index", S),
    (f"/{TOP}/{ID}/files/", f"{TOP}/[sessionId]/files/index", S),
    (f"/{TOP}/{ID}/files/{FILE}", f"{TOP}/[sessionId]/files/[fileId]/index", F),
    (f"/{TOP}/{ID}/files/{FILE}/", f"{TOP}/[sessionId]/files/[fileId]/index", F),
    (f"/{TOP}/{ID}/files/{FILE}/index", f"{TOP}/[sessionId]/files/[fileId]/index", F),
    (f"/{TOP}/{ID}/files/{FILE}/complete", f"{TOP}/[sessionId]/files/[fileId]/complete", F),
    (f"/{TOP}/{ID}/files/{FILE}/complete/", f"{TOP}/[sessionId]/files/[fileId]/complete", F),
    (f"/{TOP}/{ID}/files/{FILE}/complete.py", f"{TOP}/[sessionId]/files/[fileId]/complete", F),
    (f"/{TOP}/{ID}/files/{FILE}/complete/x", NOTHING, {}),
    (f"/{TOP}/{ID}/files/{FILE}/nothing", NOTHING, {}),
    (f"/{TOP}/{ID}/nothing", NOTHING, {}),
    (f"/{TOP}/x", f"{TOP}/[sessionId]/index", {"sessionId": ["x"]}),
    # Rewrites
    (f"/{TOP}/{ID}/files/batch", f"{TOP}/[sessionId]/files/batch", S),
    (f"/{TOP}/{ID}/files/batch/", f"{TOP}/[sessionId]/files/batch", S),
    (f"/{TOP}/{ID}/files/batch?x=1&x=2", f"{TOP}/[sessionId]/files/batch", S | {"x": ["1", "2"]}),
    (f"/{TOP}/{ID}/files/batches", f"{TOP}/[sessionId]/files/[fileId]/index", S | {"fileId": ["batches"]}),
    (f"/{TOP}/{ID}/files/{FILE}/parts", f"{TOP}/[sessionId]/files/[fileId]/parts", F),
    (f"/{TOP}/{ID}/files/{FILE}/parts/", f"{TOP}/[sessionId]/files/[fileId]/parts", F),
    (f"/{TOP}/{ID}/files/{FILE}/parts?presign=true&fromPart=3", f"{TOP}/[sessionId]/files/[fileId]/parts",
     F | {"presign": ["true"], "fromPart": ["3"]}),
    (f"/{TOP}/{ID}/files/batch/parts", f"{TOP}/[sessionId]/files/[fileId]/parts",
     S | {"fileId": ["batch"]}),
    # A client's own parameter wins over the segment of that name
    (f"/{TOP}/{ID}?sessionId=evil", f"{TOP}/[sessionId]/index", {"sessionId": ["evil"]}),
    (f"/{TOP}/{ID}?sessionId=", f"{TOP}/[sessionId]/index", {"sessionId": [""]}),
    (f"/{TOP}/{ID}/files/{FILE}/parts?fileId=evil", f"{TOP}/[sessionId]/files/[fileId]/parts",
     S | {"fileId": ["evil"]}),
    # Literal brackets are the name of the file itself
    (f"/{TOP}/[sessionId]", f"{TOP}/[sessionId]/index", {}),
    (f"/{TOP}/%5BsessionId%5D", f"{TOP}/[sessionId]/index", {"sessionId": ["[sessionId]"]}),
    (f"/{TOP}/%5BsessionId%5D/files/batch", f"{TOP}/[sessionId]/files/batch", {"sessionId": ["[sessionId]"]}),
    (f"/{TOP}/[sessionId]/files/batch", f"{TOP}/[sessionId]/files/batch", {}),
    (f"/{TOP}/[sessionId]/files/[fileId]", f"{TOP}/[sessionId]/files/[fileId]/index", {}),
    (f"/{TOP}/[other]/files/batch", f"{TOP}/[sessionId]/files/batch", {"sessionId": ["[other]"]}),
    # Percent-encoding
    (f"/{TOP}/a%20b", f"{TOP}/[sessionId]/index", {"sessionId": ["a b"]}),
    (f"/{TOP}/%C3%A9", f"{TOP}/[sessionId]/index", {"sessionId": ["é"]}),
    (f"/{TOP}/a%2Fb", f"{TOP}/[sessionId]/index", {"sessionId": ["a/b"]}),
    (f"/{TOP}/a%2ffiles/files/batch", f"{TOP}/[sessionId]/files/batch", {"sessionId": ["a/files"]}),
    (f"/{TOP}/a%3Fb/files/batch", f"{TOP}/[sessionId]/files/batch", {"sessionId": ["a?b"]}),
    (f"/{TOP}/a%25b", f"{TOP}/[sessionId]/index", {"sessionId": ["a%b"]}),
    ("/api%2Fhealth", NOTHING, {}),
    # Patterns do not mind upper case; files do
    (f"/API/mocs/uploads/SESSIONS/{ID}/files/batch", f"{TOP}/[sessionId]/files/batch", S),
    (f"/{TOP}/{ID}/Files", f"{TOP}/[sessionId]/files/index", S),
    ("/api/mocs/uploads/SESSIONS", NOTHING, {}),
    # Slashes and dots
    ("//api/health", NOTHING, {}),
    ("/api//health", NOTHING, {}),
    ("/api/health//", NOTHING, {}),
    (f"/{TOP}//files", NOTHING, {}),
    (f"/{TOP}/{ID}//files", NOTHING, {}),
    (f"/{TOP}/..", f"{TOP}/[sessionId]/index", {"sessionId": [".."]}),
    (f"/{TOP}/../sessions", NOTHING, {}),
    ("/api/../api/health", NOTHING, {}),
    ("/x/../robots.txt", NOTHING, {}),
    ("/%2e%2e/vercel.json", NOTHING, {}),
    # Static files, and what is none
    ("/robots.txt", "robots.txt", {}),
    ("/robots.txt?a=1", "robots.txt", {}),
    ("/r%6Fbots.txt", NOTHING, {}),
    ("/Robots.txt", NOTHING, {}),
    ("/public/robots.txt", NOTHING, {}),
    ("/", "index.html", {}),
    ("/index.html", "index.html", {}),
    ("/index", NOTHING, {}),
    ("/api.html", "api.html", {}),
    ("/redoc/redoc.standalone.js", "redoc/redoc.standalone.js", {}),
    ("/lib/runtime/config.py", NOTHING, {}),
    ("/vercel.json", NOTHING, {}),
    ("/requirements.txt", NOTHING, {}),
    ("/.env", NOTHING, {}),
    ("/api", NOTHING, {}),
    ("/api/mocs", NOTHING, {}),
    ("/nothing", NOTHING, {}),
]  # fmt: skip
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]

ECHO = """
import json

def app(environ, start_response):
    names = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING")
    start_response("200 OK", [("X-Asked", json.dumps([NAME] + [environ[name] for name in names]))])
    return []
"""


def echo_of(name):
    """The source of a function that answers its own name, and what it is asked, in a header."""
    return f"NAME = {name!r}\n{ECHO}"


def function_names():
    return [path.relative_to(ROOT).with_suffix("").as_posix() for path in (ROOT / "api").rglob("*.py")]


def ask(base, method, target):
    """Send a target as it stands: the name of what answered, and a function's method, path and query."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=30)
    connection.request(method, target)
    response = connection.getresponse()
    body, asked = response.read(), response.getheader("X-Asked")
    connection.close()
    if asked:
        name, *seen = json.loads(asked)
        return name, seen[0], seen[1], parse_qs(seen[2], keep_blank_values=True)
    if response.status == 404:
        return NOTHING
    public = ROOT / "public"
    files = [path for path in public.rglob("*") if path.is_file() and path.read_bytes() == body]
    return files[0].relative_to(public).as_posix(), response.status


def expected(method, target, name, query):
    """What `ask` has to answer by the table; a function sees the path as it came, percent signs and all."""
    if name is NOTHING:
        return NOTHING
    if not name.startswith("api/"):
        return name, 200
    return name, method, target.partition("?")[0], query


def echoing_tree(folder):
    """The project with an echo in the place of each function."""
    for name in function_names():
        file = folder / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(echo_of(name))
    shutil.copytree(ROOT / "public", folder / "public")
    shutil.copy(ROOT / "vercel.json", folder)
    return folder


def echoing_build(output, folder):
    """A build with an echo in the place of each function, and all else as it was built."""
    shutil.copy(output / "config.json", folder)
    shutil.copytree(output / "static", folder / "static")
    for name in function_names():
        built, copy = output / "functions" / f"{name}.func", folder / "functions" / f"{name}.func"
        (copy / name).parent.mkdir(parents=True)
        for file in (".vc-config.json", "vc__handler__python.py"):
            shutil.copy(built / file, copy)
        (copy / "_vendor").symlink_to(built / "_vendor")
        (copy / f"{name}.py").write_text(echo_of(name))
    return folder
