"""Serves the API on this machine under Vercel's routing rules; `dev.run` starts it."""

import importlib.util
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import waitress

from dev import answers
from dev.answers import MAX_BODY_SIZE, THREADS, Environ, StartResponse
from dev.routing import Router

ROOT = Path(__file__).resolve().parent.parent

logger = logging.getLogger("dev.server")


class Server:
    """A WSGI app that hands each request to the function, or the file, that Vercel would."""

    def __init__(self, root: Path) -> None:
        self._router = Router(root)
        self._lock = threading.Lock()
        self._functions: dict[Path, Any] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request; an exception that leaves a function is a 500, and no more than that."""
        path = environ.get("REQUEST_URI", quote(environ["PATH_INFO"].encode("latin-1"))).partition("?")[0]
        target = self._router.resolve(path, environ.get("QUERY_STRING", ""))
        if target is None:
            return answers.not_found(start_response)
        if not target.is_function:
            headers = [("Cache-Control", "no-cache"), *self._router.headers(path)]
            return answers.static(target.path, environ, start_response, headers)
        if answers.is_too_large(environ):
            return answers.too_large(start_response)
        try:
            # Vercel's runtime does not decode the path.
            seen = {**environ, "PATH_INFO": path, "QUERY_STRING": target.query}
            answer: Iterable[bytes] = self.function(target.path)(seen, start_response)
            return answer
        except Exception:
            logger.exception("%s failed", target.path.name)
            return answers.failed(start_response)

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
