"""The OpenAPI document's schemas, made from the models: optional means absent, and never null."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from lib.domain import models
from lib.http.openapi_errors import SHARED_DETAILS, Schema, error_schema, name_of, one_of
from lib.http.routes import BATCH_REGISTER_FILES, ROUTES

TEMPLATE = "#/components/schemas/{model}"


def reference(model: type[BaseModel]) -> Schema:
    """A reference to a model's schema."""
    return {"$ref": TEMPLATE.format(model=model.__name__)}


def component_schemas() -> dict[str, Schema]:
    """Every schema that the document refers to, by its name."""
    bodies = [route.body for route in ROUTES]
    answers = [model for route in ROUTES for model in route.answers.values()]
    shown = {model for model in (*answers, *bodies, models.FileMetadata) if model}
    schemas = _of_models(sorted(shown, key=lambda model: str(model.__name__)))
    schemas.pop(models.ErrorObject.__name__, None)
    item_reasons = sorted(BATCH_REGISTER_FILES.item_refusals, key=lambda reason: reason.status)
    schemas[models.BatchResult.__name__]["properties"]["error"] = one_of(list(dict.fromkeys(item_reasons)))
    reasons = {reason for route in ROUTES for reason in (*route.reasons, *route.item_refusals)}
    for reason in sorted(reasons, key=lambda reason: reason.name):
        schemas[name_of(reason)] = error_schema(reason)
    return schemas | SHARED_DETAILS


def query_properties(model: type[BaseModel]) -> dict[str, Schema]:
    """The parameters of a query string, with their defaults."""
    return dict(_without_titles(model.model_json_schema())["properties"])


def _of_models(shown: Iterable[Any]) -> dict[str, Schema]:
    # As they are validated, also what goes out: a serializer says less about a field than its type does.
    _, schema = models_json_schema([(model, "validation") for model in shown], ref_template=TEMPLATE)
    definitions: dict[str, Schema] = schema["$defs"]
    return {name: _plain(_without_titles(definition)) for name, definition in definitions.items()}


def _plain(schema: Schema) -> Schema:
    """The schema of an object whose optional fields are not null, and have no default to be filled in.

    What is left out is what generators make of a default: a field that must be there.
    """
    required = schema.get("required", ())
    properties = {
        name: field if name in required else _not_null(field)
        for name, field in schema.get("properties", {}).items()
    }
    return schema | {"properties": properties} if properties else schema


def _not_null(field: Schema) -> Schema:
    rest = {key: value for key, value in field.items() if key not in ("anyOf", "default")}
    kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        return {**kinds[0], **rest}
    return rest | ({"anyOf": kinds} if kinds else {})


def _without_titles(value: Any) -> Any:
    """Without the titles that pydantic makes of names: they say nothing, and name generated classes."""
    if isinstance(value, list):
        return [_without_titles(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_titles(item)
        for key, item in value.items()
        if not (key == "title" and isinstance(item, str))
    }
