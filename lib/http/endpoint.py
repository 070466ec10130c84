"""The WSGI edge: parse, authenticate, validate, run the use case, respond, log."""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterable
from contextvars import copy_context
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel

from lib.domain.errors import ApiError, Reason
from lib.domain.fields import canonical_uuid
from lib.domain.json_body import BOM, json_of
from lib.domain.validation import validated, validated_query
from lib.http import cors
from lib.http.routes import Route
from lib.runtime import log, oidc_token, request_budget
from lib.runtime.config import Settings, SettingsError
from lib.runtime.origins import origins_of

MAX_BODY_SIZE = 4_500_000  # bytes: Vercel's own limit
MAX_METHOD_LENGTH = 16  # characters of it in the log: a client's text is as long as it likes
NOBODYS = str(uuid.uuid4())  # in place of an id that is none: told to nobody, and in no log

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


class Authenticates(Protocol):
    """Tells who calls, by the Authorization header."""

    def user_id(self, authorization: str | None) -> str:
        """The user's id; raises `ApiError` 401, 503."""


class Runtime(Protocol):
    """What the edge itself needs of the application."""

    @property
    def settings(self) -> Settings:
        """The settings."""

    @property
    def authenticator(self) -> Authenticates:
        """Who calls."""


App = TypeVar("App", bound=Runtime)
Input = TypeVar("Input")


@dataclass(slots=True)
class Call(Generic[Input]):
    """One call of an endpoint, as its handler sees it; the ids come from the path and from nowhere else."""

    user_id: str
    ids: dict[str, str]
    body: Input  # or the query, if the route has one

    @property
    def session_id(self) -> str:
        """The session in the path."""
        return self.ids["sessionId"]

    @property
    def file_id(self) -> str:
        """The file in the path."""
        return self.ids["fileId"]


@dataclass(slots=True)
class Response:
    """A status, and the model or document that becomes the body; 204 has none."""

    status: int
    body: BaseModel | dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """The body's bytes; a model's fields that are None are left out."""
        if self.body is None:
            return b""
        if isinstance(self.body, BaseModel):
            return self.body.model_dump_json(by_alias=True, exclude_none=True).encode()
        return json.dumps(self.body, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Operation:
    """A route, and the handler that is bound to it."""

    route: Route[Any]
    handler: Callable[[Any, Call[Any]], Response]


class Endpoint(Generic[App]):
    """A WSGI app for one path: each of its methods is a route of the table, with the handler bound to it."""

    def __init__(self, runtime: Callable[[], App]) -> None:
        self.operations: dict[str, Operation] = {}
        self._runtime = runtime

    def on(
        self, route: Route[Input]
    ) -> Callable[[Callable[[App, Call[Input]], Response]], Callable[[App, Call[Input]], Response]]:
        """Make a function the handler of a route."""

        def bind(handler: Callable[[App, Call[Input]], Response]) -> Callable[[App, Call[Input]], Response]:
            self.operations[route.method] = Operation(route, handler)
            return handler

        return bind

    @property
    def path(self) -> str:
        """The path of its routes: they have the same."""
        [path] = {operation.route.path for operation in self.operations.values()}
        return path

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, whatever happens; every answer has its request id."""
        # In a context of its own, so that the request's id, identity and budget end with it.
        return copy_context().run(self._respond, environ, start_response)

    def _respond(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        started, request_id, used = time.perf_counter(), str(uuid.uuid4()), request_budget.start()
        log.current_request_id.set(request_id)
        oidc_token.current_oidc_token.set(environ.get(oidc_token.HEADER))
        line: dict[str, Any] = {"method": environ["REQUEST_METHOD"][:MAX_METHOD_LENGTH], "route": self.path}
        app = self._built()
        try:
            response = self._response(app, environ, line)
            content = response.content()
            line |= _ids_in(response.body)
        except Exception as error:
            response = _failure(error, request_id, line)
            content = response.content()
        milliseconds = round((time.perf_counter() - started) * 1000, 1)
        counts = {"sql_round_trips": used.sql_round_trips, "s3_calls": used.s3_calls}
        log.info("request", status=response.status, duration_ms=milliseconds, **counts, **line)
        headers = (
            response.headers
            | cors.headers(environ, _origins(app), self.operations)
            | _standard_headers(content, request_id)
        )
        start_response(f"{response.status} {HTTPStatus(response.status).phrase}", list(headers.items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [content]

    def _built(self) -> App | Exception:
        """The application, or why there is none; that is logged here, whatever is asked."""
        try:
            return self._runtime()
        except SettingsError as error:
            # Without a traceback, which says nothing here.
            log.seldom("settings", str(error), problem=str(error))
            return error
        except Exception as error:
            log.error("unexpected failure")
            return error

    def _response(self, app: App | Exception, environ: Environ, line: dict[str, Any]) -> Response:
        method = "GET" if environ["REQUEST_METHOD"] == "HEAD" else environ["REQUEST_METHOD"]
        if method == "OPTIONS":
            return Response(204, headers={"Allow": self._allow})
        operation = self.operations.get(method)
        if operation is None:
            raise ApiError(Reason.METHOD_NOT_ALLOWED, headers={"Allow": self._allow})
        if isinstance(app, Exception):
            raise ApiError(Reason.INTERNAL_ERROR)
        user_id = (
            "" if operation.route.public else app.authenticator.user_id(environ.get("HTTP_AUTHORIZATION"))
        )
        line["user_id"] = user_id or None
        ids = self._ids(environ.get("PATH_INFO", ""))
        known = {name: id_ for name, id_ in ids.items() if id_ != NOBODYS}
        line |= {"session_id": known.get("sessionId"), "file_id": known.get("fileId")}
        return operation.handler(app, Call(user_id, ids, _input(operation.route, environ)))

    def _ids(self, path: str) -> dict[str, str]:
        """The ids in a path; in place of what is no UUID one that nobody has."""
        names, values = self.path.split("/"), path.split("/")
        ids = {name[1:]: value for name, value in zip(names, values, strict=False) if name.startswith(":")}
        if len(ids) < self.path.count(":"):
            raise ApiError(Reason.ROUTE_NOT_FOUND)
        return {name: _uuid_or_nobodys(value) for name, value in ids.items()}

    @property
    def _allow(self) -> str:
        head = ["HEAD"] if "GET" in self.operations else []
        return ", ".join([*self.operations, *head, "OPTIONS"])


def _origins(app: Runtime | Exception) -> frozenset[str]:
    """Which origins are let in; if other settings are invalid, what this one says: pages see the error."""
    if isinstance(app, Exception):
        return origins_of(os.environ.get("ALLOWED_ORIGINS", ""))
    return app.settings.origins


def _uuid_or_nobodys(text: str) -> str:
    """An id; in place of what is none, one that nobody has: both are answered alike, the session first."""
    try:
        return canonical_uuid(text)
    except ValueError:
        return NOBODYS


def _ids_in(body: object) -> dict[str, Any]:
    """The ids that a response gives to what it made, for the log."""
    made = {name: getattr(body, name, None) for name in ("session_id", "file_id")}
    files = [result.file_id for result in getattr(body, "results", ()) if result.file_id]
    return {name: id_ for name, id_ in made.items() if id_} | ({"file_ids": files} if files else {})


def _standard_headers(content: bytes, request_id: str) -> dict[str, str]:
    headers = {"X-Request-Id": request_id, "Cache-Control": "no-store"}  # presigned URLs are secrets
    if content:
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
    return headers


def _input(route: Route[Any], environ: Environ) -> Any:
    """The validated body or query; None if the route takes neither.

    Raises `ApiError`: `INVALID_JSON`, `BODY_TOO_LARGE`, `VALIDATION_ERROR`.
    """
    if route.query:
        parameters = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        return validated_query(route.query, dict(parameters))
    if route.body is None:
        return None
    body = _body_of(environ).removeprefix(BOM)
    if route.body_may_be_empty and body.strip() in (b"", b"null"):  # some clients send null for no body
        return validated(route.body, {})
    return validated(route.body, json_of(body, getattr(route.body, "judged_alone", None)))


def _body_of(environ: Environ) -> bytes:
    """The request's body; raises `ApiError` `BODY_TOO_LARGE`."""
    declared = environ.get("CONTENT_LENGTH") or ""
    if declared.isascii() and declared.isdigit():
        length = min(int(declared[:20]), MAX_BODY_SIZE + 1)  # int() refuses thousands of digits
    else:
        # A server that knows where a chunked body ends says so; with others there is nothing to read.
        length = MAX_BODY_SIZE + 1 if environ.get("wsgi.input_terminated") else 0
    body: bytes = environ["wsgi.input"].read(length) if length else b""
    if len(body) > MAX_BODY_SIZE:
        raise ApiError(Reason.BODY_TOO_LARGE)
    return body


def _failure(error: Exception, request_id: str, line: dict[str, Any]) -> Response:
    """The response to a failure; what is not for the client goes to the log."""
    if not isinstance(error, ApiError):
        log.error("unexpected failure")
    elif error.status >= 500:
        log.refused("failure", error)
    if not isinstance(error, ApiError):
        error = ApiError(Reason.INTERNAL_ERROR)
    line |= {"reason": error.reason.name, **error.logged}
    return Response(error.status, {"error": error.as_object(), "requestId": request_id}, error.headers)
