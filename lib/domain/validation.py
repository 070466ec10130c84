"""From JSON values to models, and from what is wrong with it to errors that name the fields."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from lib.domain.errors import ApiError, Reason
from lib.domain.fields import FILE_EMPTY
from lib.domain.json_body import MALFORMED, malformed_fields

Model = TypeVar("Model", bound=BaseModel)

MAX_FIELDS = 20  # as many problems as a person reads


def validated(model: type[Model], value: Any) -> Model:
    """A model made of a JSON value.

    Raises `ApiError` `VALIDATION_ERROR`, or `FILE_EMPTY` if nothing else is wrong; with `details.fields`.
    """
    try:
        # Our own snake_case names are unknown fields to a client, and so ignored.
        return model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        raise _wrong_shape(error) from None


def validated_item(model: type[Model], value: Any) -> Model:
    """As `validated`, for an item of a list whose items are judged alone."""
    if fields := malformed_fields(value):
        problems = [{"field": field, "problem": MALFORMED} for field in fields[:MAX_FIELDS]]
        raise ApiError(Reason.VALIDATION_ERROR, details={"fields": problems})
    return validated(model, value)


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
            "problem": _in_words(problem["type"], problem["msg"]),
        }
        for problem in problems[:MAX_FIELDS]
    ]
    empty = all(problem["type"] == FILE_EMPTY for problem in problems)
    return ApiError(Reason.FILE_EMPTY if empty else Reason.VALIDATION_ERROR, details={"fields": fields})


def _in_words(kind: str, message: str) -> str:
    """What is wrong, without the names of the classes here."""
    return "must be an object" if kind == "model_type" else message.removeprefix("Value error, ")
