"""Serves the API on this machine under Vercel's routing rules; `dev.run` starts it."""

import importlib.util
import logging
import mimetypes
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import waitress

from dev.routing import Router

ROOT = Path(__file__).resolve().parent.parent
MAX_BODY_SIZE = 4_500_000  # bytes: what Vercel lets through to a function
THREADS = 48

logger = logging.getLogger("dev.server")


class Server:
    """A WSGI app that hands each request to the function, or the file, that Vercel would."""

    def __init__(self, root: Path) -> None:
        self._router = Router(root)
        self._lock = threading.Lock()
        self._functions: dict[Path, Any] = {}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request; an exception that leaves a function is a 500, and no more than that."""
        path = environ.get("REQUEST_URI", quote(environ["PATH_INFO"].encode("latin-1"))).partition("?")[0]
        target = self._router.resolve(path, environ.get("QUERY_STRING", ""))
        if target is None:
            return _text(start_response, "404 Not Found", "The page could not be found\n\nNOT_FOUND\n")
        if not target.is_function:
            return _static(target.path, environ, start_response, self._router.headers(path))
        if int(environ.get("CONTENT_LENGTH") or 0) > MAX_BODY_SIZE:
            return _text(start_response, "413 Content Too Large", "FUNCTION_PAYLOAD_TOO_LARGE\n")
        try:
            # Vercel's runtime does not decode the path.
            seen = {**environ, "PATH_INFO": path, "QUERY_STRING": target.query}
            answer: Iterable[bytes] = self.function(target.path)(seen, start_response)
            return answer
        except Exception:
            logger.exception("%s failed", target.path.name)
            return _text(start_response, "500 Internal Server Error", "FUNCTION_INVOCATION_FAILED\n")

    def function(self, path: Path) -> Any:
        """The WSGI app of a file, loaded once."""
        with self._lock:
            if path not in self._functions:
                # By its path: `[sessionId]` is no package name.
                spec = importlib.util.spec_from_file_location(f"function_{len(self._functions)}", path)
                if spec is None or spec.loader is None:
                    raise ImportError(f"cannot load {path}")
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
                self._functions[path] = module.app
            return self._functions[path]


def _text(start_response: Callable[..., Any], status: str, text: str) -> list[bytes]:
    body = text.encode()
    start_response(
        status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    )
    return [body]


def _static(
    path: Path,
    environ: dict[str, Any],
    start_response: Callable[..., Any],
    more: list[tuple[str, str]],
) -> list[bytes]:
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        return _text(start_response, "405 Method Not Allowed", "INVALID_REQUEST_METHOD\n")
    body = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    kind += "; charset=utf-8" if kind.startswith("text/") else ""
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-cache")]
    start_response("200 OK", headers + more)
    return [body] if environ["REQUEST_METHOD"] == "GET" else []


def _end_with(lifeline: int) -> None:
    """End this process when the one that holds the other end of a pipe ends, even by SIGKILL."""
    os.read(lifeline, 1)
    os._exit(1)


def main() -> None:
    """Serve on the listening socket whose descriptor is the first argument, until a signal comes.

    A second argument is the descriptor of a pipe: serve no longer than its other end is open.
    """
    logging.basicConfig(format="%(message)s")
    # It warns of each call that waits for a thread.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    if len(sys.argv) > 2:
        threading.Thread(target=_end_with, args=[int(sys.argv[2])], daemon=True).start()
    listener = socket.socket(fileno=int(sys.argv[1]))
    waitress.serve(
        Server(ROOT),
        sockets=[listener],
        threads=THREADS,
        connection_limit=1000,
        asyncore_use_poll=True,  # select() knows no descriptor from 1024 on
        # A little more than Vercel's limit, so that it is we who say 413
        max_request_body_size=2 * MAX_BODY_SIZE,
        channel_timeout=300,
        ident="",
        _quiet=True,
    )


if __name__ == "__main__":
    main()
