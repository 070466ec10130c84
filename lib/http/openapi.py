"""The OpenAPI document of the contract, made from the table of routes and its models."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel

from lib.domain.errors import Reason
from lib.http.openapi_errors import Schema, response_schema
from lib.http.openapi_schemas import component_schemas, query_properties, reference
from lib.http.routes import ROUTES, Route

ANSWERS = {
    200: "Done", 201: "Created", 204: "Done, and nothing to say", 207: "Some of the files were refused",
    503: "Something cannot be reached",
}  # fmt: skip


@cache
def document() -> dict[str, Any]:
    """The document, as OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0)."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(_templated(route.path), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Upload sessions",
            "version": "0.2.0",
            "description": "Resumable multipart uploads that go straight to S3.",
        },
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": component_schemas(),
        },
    }


def _operation(route: Route[Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": [*_path_parameters(route.path), *_query_parameters(route.query)],
        "responses": {
            str(status): {"description": ANSWERS[status], **_content(model)}
            for status, model in route.answers.items()
        },
    }
    for status, reasons in _by_status(route.reasons):
        if status not in route.answers:
            listed = ", ".join(f"`{reason.name}`" for reason in reasons)
            described["responses"][str(status)] = {"description": listed, **_json(response_schema(reasons))}
    if route.body:
        described["requestBody"] = {"required": not route.body_may_be_empty, **_content(route.body)}
    if route.public:
        described["security"] = []
    return described


def _by_status(reasons: list[Reason]) -> Iterator[tuple[int, list[Reason]]]:
    for status in sorted({reason.status for reason in reasons}):
        yield status, [reason for reason in reasons if reason.status == status]


def _content(model: type[BaseModel] | None) -> dict[str, Any]:
    return {} if model is None else _json(reference(model))


def _json(schema: Schema) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [segment[1:] for segment in path.split("/") if segment.startswith(":")]
    schema = {"type": "string", "format": "uuid"}
    return [{"name": name, "in": "path", "required": True, "schema": schema} for name in names]


def _query_parameters(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    properties = query_properties(model) if model else {}
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]


def _templated(path: str) -> str:
    """`/a/:id` as `/a/{id}`."""
    return "/".join(f"{{{part[1:]}}}" if part.startswith(":") else part for part in path.split("/"))
