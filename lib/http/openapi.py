"""The OpenAPI document of the contract, made from the table of routes and its models."""

from functools import cache
from typing import Any

from pydantic import BaseModel

from lib.domain.errors import Reason
from lib.http.openapi_errors import Schema, response_schema
from lib.http.openapi_examples import EXAMPLES
from lib.http.openapi_schemas import component_schemas, query_properties, reference
from lib.http.openapi_texts import ABOUT, DESCRIPTIONS, TAGS, links_of
from lib.http.routes import ROUTES, Route

VERSION = "0.2.0"  # of the contract: CHANGELOG.md says what each version changed

ANSWERS = {
    200: "Done", 201: "Created", 204: "Done; there is no body", 207: "Some of the files were refused",
    503: "The database or the bucket cannot be reached",
}  # fmt: skip

HEADERS: dict[str, tuple[Schema, str]] = {
    "X-Request-Id": ({"type": "string", "format": "uuid"}, "this answer's id, also in the log"),
    "Retry-After": ({"type": "integer", "minimum": 1}, "seconds until the same request may succeed"),
    "WWW-Authenticate": ({"type": "string"}, "RFC 6750: which token is wanted, or what is wrong with it"),
    "Allow": ({"type": "string"}, "the methods that this path answers"),
}
SOMETIMES_SENT = {"Retry-After"}  # the others come with every answer that declares them

IDS = {"sessionId": "the id that `createSession` answered", "fileId": "the id of a file of this session"}


@cache
def document() -> dict[str, Any]:
    """The document, as OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0); its server is where it is read."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(_templated(route.path), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Upload sessions", "version": VERSION, "description": ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "headers": {
                name: {"description": text, "required": name not in SOMETIMES_SENT, "schema": schema}
                for name, (schema, text) in HEADERS.items()
            },
            "schemas": component_schemas(),
        },
    }


def document_at(url: str | None) -> dict[str, Any]:
    """The document with the address of its server, if that is known."""
    return document() | {"servers": [{"url": url}]} if url else document()


def _operation(route: Route[Any]) -> dict[str, Any]:
    tag, description = DESCRIPTIONS[route.name]
    described: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "description": description,
        "tags": [tag],
        "parameters": [*_path_parameters(route.path), *_query_parameters(route.query)],
        "responses": {str(status): _success(route, status) for status in route.answers},
    }
    for status in sorted({reason.status for reason in route.reasons} - route.answers.keys()):
        reasons = [reason for reason in route.reasons if reason.status == status]
        described["responses"][str(status)] = _refusal(reasons)
    if route.body:
        example = EXAMPLES.get(route.name, {}).get("request")
        content = _json(reference(route.body), example)
        described["requestBody"] = {"required": not route.body_may_be_empty, **content}
    if route.public:
        described["security"] = []
    return described


def _success(route: Route[Any], status: int) -> dict[str, Any]:
    recorded = EXAMPLES.get(route.name, {})
    example = recorded.get("response") if recorded.get("status") == str(status) else None
    names = ["X-Request-Id", *(["Retry-After"] if status == 503 else [])]
    links = links_of(route) if status != 503 else {}
    return {
        "description": ANSWERS[status],
        **_headers(*names),
        **({} if status == 204 else _json(_shape(route.answers[status]), example)),
        **({"links": links} if links else {}),
    }


def _refusal(reasons: list[Reason]) -> dict[str, Any]:
    """An error with one of these reasons, which have the same status."""
    status = reasons[0].status
    names = ["X-Request-Id"]
    names += ["WWW-Authenticate"] if status == 401 else []
    names += ["Allow"] if status == 405 else []
    names += ["Retry-After"] if any(reason.retry_after or status == 429 for reason in reasons) else []
    listed = ", ".join(f"`{reason.name}`" for reason in reasons)
    return {"description": listed, **_headers(*names), **_json(response_schema(reasons))}


def _headers(*names: str) -> dict[str, Any]:
    return {"headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names}}


def _shape(model: type[BaseModel] | None) -> Schema:
    """What has no model of ours is the document itself."""
    return reference(model) if model else {"type": "object", "description": "an OpenAPI 3.1 document"}


def _json(schema: Schema, example: Any = None) -> dict[str, Any]:
    shown = {} if example is None else {"example": example}
    return {"content": {"application/json": {"schema": schema, **shown}}}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [segment[1:] for segment in path.split("/") if segment.startswith(":")]
    schema = {"type": "string", "format": "uuid"}
    return [
        {"name": name, "in": "path", "required": True, "description": IDS[name], "schema": schema}
        for name in names
    ]


def _query_parameters(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    properties = query_properties(model) if model else {}
    return [
        {"name": name, "in": "query", "description": schema.pop("description"), "schema": schema}
        for name, schema in properties.items()
    ]


def _templated(path: str) -> str:
    """`/a/:id` as `/a/{id}`."""
    return "/".join(f"{{{part[1:]}}}" if part.startswith(":") else part for part in path.split("/"))
