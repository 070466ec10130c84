"""One function for all routes, in place of one for each: what `vercel.one-function.json` deploys.

The files of `api/` stay the only place where a route is written: they are loaded here, and each takes the
requests of the routes that it is bound to.
"""

import importlib.util
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

API = Path(__file__).resolve().parent.parent / "api"

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a request by the file of its route; a path that is nobody's is 404, as Vercel answers it."""
    path = environ.get("PATH_INFO", "").removesuffix("/")
    for pattern, endpoint in ROUTES:
        if pattern.fullmatch(path):
            answer: Iterable[bytes] = endpoint(environ, start_response)
            return answer
    body = b"The page could not be found\n\nNOT_FOUND\n"
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response("404 Not Found", headers)
    return [body]


def _endpoint(number: int, file: Path) -> Any:
    """The WSGI app of a file. By its path: `[sessionId]` is no package name."""
    spec = importlib.util.spec_from_file_location(f"route_{number}", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {file}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.app


def _routes() -> list[tuple[re.Pattern[str], Any]]:
    """Each route's pattern and app; a literal segment comes before a dynamic one (`batch`, `:fileId`)."""
    endpoints = [_endpoint(number, file) for number, file in enumerate(sorted(API.rglob("*.py")))]
    endpoints.sort(key=lambda endpoint: [(part[:1] == ":", part) for part in endpoint.path.split("/")])
    return [(re.compile(re.sub(r":\w+", "[^/]+", re.escape(one.path))), one) for one in endpoints]


ROUTES = _routes()
