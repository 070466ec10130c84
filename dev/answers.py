"""What both local servers answer without a function, as Vercel does: files and errors; and their limits."""

import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_BODY_SIZE = 4_500_000  # bytes: what Vercel lets through to a function
THREADS = 48

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


def not_found(start_response: StartResponse) -> list[bytes]:
    """There is no such page."""
    return _text(start_response, "404 Not Found", "The page could not be found\n\nNOT_FOUND\n")


def is_too_large(environ: Environ) -> bool:
    """Whether a request's body is larger than a function may get."""
    return int(environ.get("CONTENT_LENGTH") or 0) > MAX_BODY_SIZE


def too_large(start_response: StartResponse) -> list[bytes]:
    """The request's body is larger than a function may get."""
    return _text(start_response, "413 Content Too Large", "FUNCTION_PAYLOAD_TOO_LARGE\n")


def failed(start_response: StartResponse) -> list[bytes]:
    """The function has not answered."""
    return _text(start_response, "500 Internal Server Error", "FUNCTION_INVOCATION_FAILED\n")


def static(
    path: Path, environ: Environ, start_response: StartResponse, more: list[tuple[str, str]]
) -> list[bytes]:
    """A file, with more headers."""
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        return _text(start_response, "405 Method Not Allowed", "INVALID_REQUEST_METHOD\n")
    body = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    kind += "; charset=utf-8" if kind.startswith("text/") else ""
    start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(body))), *more])
    return [body] if environ["REQUEST_METHOD"] == "GET" else []


def _text(start_response: StartResponse, status: str, text: str) -> list[bytes]:
    body = text.encode()
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]
