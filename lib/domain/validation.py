"""From JSON to models, and from what is wrong with it to errors that name the fields."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from lib.domain.errors import ApiError, Reason

Model = TypeVar("Model", bound=BaseModel)

MAX_FIELDS = 20  # as many problems as a person reads


def json_of(body: bytes) -> Any:
    """The JSON value of a request body.

    Raises `ApiError` `INVALID_JSON` where it is none: not UTF-8, NaN, lone surrogates, nested deeper than
    200, integers of thousands of digits; and where it holds a NUL, which PostgreSQL cannot store.
    """
    if not body:
        raise ApiError(Reason.INVALID_JSON, "The request has no body: send a JSON object.")
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise ApiError(Reason.INVALID_JSON, details={"problem": str(error)}) from None
    if b"\\u0000" in body and _holds_nul(value):
        raise ApiError(Reason.INVALID_JSON, details={"problem": "a string holds the character U+0000"})
    return value


def _holds_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any("\0" in key or _holds_nul(item) for key, item in value.items())
    if isinstance(value, list):
        return any(map(_holds_nul, value))
    return isinstance(value, str) and "\0" in value


def validated(model: type[Model], value: Any) -> Model:
    """A model made of a JSON value; raises `ApiError` `VALIDATION_ERROR` with `details.fields`."""
    try:
        # Our own snake_case names are unknown fields to a client, and so ignored.
        return model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        raise _wrong_shape(error) from None


def validated_query(model: type[Model], query: Mapping[str, str]) -> Model:
    """A model made of a query string's parameters; raises `ApiError` `VALIDATION_ERROR`."""
    try:
        return model.model_validate_strings(query, by_alias=True, by_name=False)
    except ValidationError as error:
        raise _wrong_shape(error) from None


def _wrong_shape(error: ValidationError) -> ApiError:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    fields = [
        {
            "field": ".".join(map(str, problem["loc"])) or "(body)",
            "problem": problem["msg"].removeprefix("Value error, "),
        }
        for problem in problems[:MAX_FIELDS]
    ]
    return ApiError(Reason.VALIDATION_ERROR, details={"fields": fields})
