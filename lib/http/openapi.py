"""The OpenAPI document of the contract, made from the table of routes and its models."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from lib.domain import models
from lib.domain.errors import Reason
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
            "schemas": _schemas(),
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
            described["responses"][str(status)] = {"description": listed, **_content(models.ErrorResponse)}
    if route.body:
        described["requestBody"] = {"required": not route.body_may_be_empty, **_content(route.body)}
    if route.public:
        described["security"] = []
    return described


def _by_status(reasons: list[Reason]) -> Iterator[tuple[int, list[Reason]]]:
    for status in sorted({reason.status for reason in reasons}):
        yield status, [reason for reason in reasons if reason.status == status]


def _content(model: type[BaseModel] | None) -> dict[str, Any]:
    if model is None:
        return {}
    return {"content": {"application/json": {"schema": {"$ref": _ref(model)}}}}


def _ref(model: type[BaseModel]) -> str:
    return f"#/components/schemas/{model.__name__}"


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [segment[1:] for segment in path.split("/") if segment.startswith(":")]
    schema = {"type": "string", "format": "uuid"}
    return [{"name": name, "in": "path", "required": True, "schema": schema} for name in names]


def _query_parameters(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    properties = model.model_json_schema()["properties"] if model else {}
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]


def _schemas() -> dict[str, Any]:
    answers = [model for route in ROUTES for model in route.answers.values()]
    bodies = [route.body for route in ROUTES]
    shown = {model for model in (*answers, *bodies, models.FileMetadata, models.ErrorResponse) if model}
    # As they are validated, also what goes out: a serializer says less about a field than its type does.
    ordered = sorted(shown, key=lambda model: model.__name__)
    _, schema = models_json_schema(
        [(model, "validation") for model in ordered], ref_template="#/components/schemas/{model}"
    )
    definitions: dict[str, Any] = schema["$defs"]
    return definitions


def _templated(path: str) -> str:
    """`/a/:id` as `/a/{id}`."""
    return "/".join(f"{{{part[1:]}}}" if part.startswith(":") else part for part in path.split("/"))
