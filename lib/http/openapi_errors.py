"""How the OpenAPI document shows errors: one schema for each reason, with that of its details."""

from typing import Any

from lib.domain.errors import CODES, Reason

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
BYTES: Schema = {"type": "integer", "format": "int64", "description": "bytes"}
UUID: Schema = {"type": "string", "format": "uuid"}
TIME: Schema = {"type": "string", "format": "date-time"}


def _object(**properties: Schema) -> Schema:
    """An object all of whose properties are there."""
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


PROBLEM = {"type": "string", "enum": ["MISSING", "WRONG_SIZE", "ETAG_MISMATCH"]}
# The `details` that several reasons have, as schemas with names: generators that merge equal ones would call
# those of `PARTS_MISSING` the details of `ETAG_MISMATCH`.
SHARED_DETAILS: dict[str, Schema] = {
    "InvalidFieldsDetails": _object(fields=_list(_object(field=TEXT, problem=TEXT))),
    "NextAllowedDetails": _object(nextAllowedAt=TIME, retryAfterSeconds=NUMBER),
    "NotAssembledDetails": _object(
        expectedPartCount=NUMBER,
        missingPartNumbers=_list(NUMBER),
        parts=_list(_object(partNumber=NUMBER, problem=PROBLEM)),
    ),
}
FIELDS, NEXT_ALLOWED, NOT_ASSEMBLED = (
    {"$ref": f"#/components/schemas/{name}Details"}
    for name in ("InvalidFields", "NextAllowed", "NotAssembled")
)

# The `details` of each reason that has any. A new reason that has details gets its row here.
DETAILS: dict[Reason, Schema] = {
    Reason.INVALID_JSON: _object(problem=TEXT),
    Reason.BATCH_TOO_LARGE: _object(maxBatchSize=NUMBER),
    Reason.CATEGORY_LIMIT_EXCEEDED: _object(category=TEXT, maxFiles=NUMBER),
    Reason.FILE_COUNT_EXCEEDED: _object(maxFiles=NUMBER),
    Reason.PART_COUNT_INVALID: _object(minPartCount=NUMBER, maxPartCount=NUMBER),
    Reason.PART_NUMBER_INVALID: _object(partNumbers=_list(NUMBER), partCount=NUMBER),
    Reason.PARTS_MISSING: NOT_ASSEMBLED,
    Reason.PART_SIZE_MISMATCH: NOT_ASSEMBLED,
    Reason.ETAG_MISMATCH: NOT_ASSEMBLED,
    Reason.DUPLICATE_FILE_KEY: _object(fileId=UUID),
    Reason.FILE_TOO_LARGE: _object(sizeBytes=BYTES, maxSizeBytes=BYTES, category=TEXT),
    Reason.MIME_TYPE_NOT_ALLOWED: {
        "type": "object",
        "required": ["type", "allowedTypes"],
        "properties": {"type": TEXT, "category": TEXT, "allowedTypes": _list(TEXT)},
    },
    Reason.VALIDATION_ERROR: FIELDS,
    Reason.FILE_EMPTY: FIELDS,
    Reason.SESSION_RATE_LIMIT: NEXT_ALLOWED,
    Reason.REGISTRATION_LIMIT: _object(maxStartedUploads=NUMBER),
    Reason.UPLOAD_VOLUME_LIMIT: NEXT_ALLOWED,
}
# These reasons have details in some cases only.
SOMETIMES = {Reason.INVALID_JSON}

# Classes of Python, pydantic and Java: generated code that hides one of them by its own fails.
TAKEN = {"FileNotFoundError", "ValidationError", "InternalError"}


def name_of(reason: Reason) -> str:
    """The name of a reason's schema: `PartsMissingError`."""
    words = "".join(word.capitalize() for word in reason.name.split("_"))
    name = words if words.endswith("Error") else f"{words}Error"
    return f"Api{name}" if name in TAKEN else name


def error_schema(reason: Reason) -> Schema:
    """The schema of an `error` object with this reason."""
    details = DETAILS.get(reason)
    always = details is not None and reason not in SOMETIMES
    return {
        "type": "object",
        "description": reason.message,
        "required": ["code", "reason", "message", *(["details"] if always else [])],
        "properties": {
            "code": {"type": "string", "enum": [CODES[reason.status]]},
            "reason": {"type": "string", "enum": [reason.name]},
            "message": {"type": "string", "examples": [reason.message]},
            **({"details": details} if details else {}),
        },
    }


def one_of(reasons: list[Reason]) -> Schema:
    """The schema of an `error` object with one of these reasons: `reason` tells which."""
    references = {reason.name: f"#/components/schemas/{name_of(reason)}" for reason in reasons}
    if len(references) == 1:
        return {"$ref": next(iter(references.values()))}
    return {
        "type": "object",
        "oneOf": [{"$ref": reference} for reference in references.values()],
        "discriminator": {"propertyName": "reason", "mapping": references},
    }


def response_schema(reasons: list[Reason]) -> Schema:
    """The schema of a response that is an error with one of these reasons."""
    return _object(error=one_of(reasons), requestId=UUID | {"description": "quote it when you report this"})
