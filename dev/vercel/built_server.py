"""Serves a build over HTTP: routed by its `config.json`, each function an instance of its own."""

import contextlib
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import waitress.server

from dev import answers
from dev.answers import MAX_BODY_SIZE, THREADS, Environ, StartResponse
from dev.processes import StackError
from dev.vercel.built_function import Instance, functions
from dev.vercel.built_routes import BuiltRoutes

NOT_FORWARDED = ("content-length", "transfer-encoding", "connection", "date", "server")

logger = logging.getLogger("dev.vercel.built_server")


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve a WSGI app on a free port of 127.0.0.1; gives the URL."""
    server: Any = waitress.server.create_server(
        app, host="127.0.0.1", port=0, threads=THREADS, max_request_body_size=2 * MAX_BODY_SIZE,
        channel_timeout=300, ident="",
    )  # fmt: skip

    def run() -> None:
        with contextlib.suppress(OSError):  # what it waits for is closed at the end
            server.run()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        server.close()
        thread.join(5)


class BuiltServer:
    """A context manager that serves on a free port of 127.0.0.1; `url` says which.

    A function's instance starts at its first request, as on Vercel, and then serves all of them.
    """

    def __init__(self, output: Path, env: Mapping[str, str], log: Path) -> None:
        self._folders = functions(output)
        self._static = output / "static"
        self._routes = BuiltRoutes(output, set(self._folders))
        self._env, self.log = env, log
        self._instances: dict[str, Instance] = {}
        self._locks = {name: threading.Lock() for name in self._folders}
        self._closes = contextlib.ExitStack()
        self.url = ""

    def __enter__(self) -> "BuiltServer":
        self.url = self._closes.enter_context(serving(self))
        return self

    def __exit__(self, *exc: object) -> None:
        self._closes.close()
        for instance in self._instances.values():
            instance.stop()

    def instance(self, name: str) -> Instance:
        """The running instance of a function, started if there is none."""
        with self._locks[name]:
            if name not in self._instances:
                instance = Instance(self._folders[name], self._env, self.log)
                instance.start()
                self._instances[name] = instance
            return self._instances[name]

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("REQUEST_URI", quote(environ["PATH_INFO"].encode("latin-1"))).partition("?")[0]
        hit = self._routes.resolve(path, environ.get("QUERY_STRING", ""))
        if hit is None:
            return answers.not_found(start_response)
        if not hit.is_function:
            return answers.static(self._static / hit.name, environ, start_response, [])
        if answers.is_too_large(environ):
            return answers.too_large(start_response)
        # The function sees the path as it came, and the query with what the route added.
        target = f"{path}?{hit.query}" if hit.query else path
        try:
            return self._forward(self.instance(hit.name), target, environ, start_response)
        except (OSError, StackError):
            logger.exception("%s failed", hit.name)
            return answers.failed(start_response)

    def _forward(
        self, instance: Instance, target: str, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        answer = instance.request(environ["REQUEST_METHOD"], target, _headers(environ), body)
        headers = [(name, value) for name, value in answer.headers if name.lower() not in NOT_FORWARDED]
        length = dict(answer.headers).get("Content-Length", str(len(answer.body)))
        if answer.status not in (204, 304):
            headers.append(("Content-Length", length))
        start_response(f"{answer.status} {answer.reason}", headers)
        return [answer.body]


def _headers(environ: Environ) -> dict[str, str]:
    """The request's headers, as the client sent them."""
    names = {name: name[5:] for name in environ if name.startswith("HTTP_")}
    names |= {name: name for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)}
    return {short.replace("_", "-").lower(): environ[name] for name, short in names.items()}
