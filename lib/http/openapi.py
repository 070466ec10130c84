"""The OpenAPI document of the contract, made from the models and the table of errors."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from lib.domain import models
from lib.domain.errors import Reason

SESSIONS = "/api/mocs/uploads/sessions"
SESSION = f"{SESSIONS}/:sessionId"
FILES = f"{SESSION}/files"
FILE = f"{FILES}/:fileId"

R = Reason
ANYWHERE = (R.INTERNAL_ERROR,)
WITH_TOKEN = (R.TOKEN_MISSING, R.TOKEN_INVALID, R.TOKEN_EXPIRED, R.AUTH_UNAVAILABLE, R.DATABASE_UNAVAILABLE)
WITH_BODY = (R.INVALID_JSON, R.BODY_TOO_LARGE, R.VALIDATION_ERROR)
WRITING = (R.SESSION_NOT_FOUND, R.SESSION_EXPIRED, R.SESSION_NOT_ACTIVE)
POLICY = (
    R.FILE_EMPTY, R.MIME_TYPE_NOT_ALLOWED, R.FILE_TOO_LARGE, R.PART_COUNT_INVALID, R.CATEGORY_LIMIT_EXCEEDED,
    R.FILE_COUNT_EXCEEDED,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Documented:
    """One method of one path: what it takes, what it answers, and how it may refuse."""

    method: str
    path: str
    name: str
    summary: str
    answers: dict[int, type[BaseModel] | None]
    refusals: tuple[Reason, ...] = ()
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    body_may_be_empty: bool = False
    public: bool = False

    @property
    def reasons(self) -> list[Reason]:
        """Every reason that an error may have here, in the order of the table."""
        reasons = {*self.refusals, *ANYWHERE}
        reasons |= set() if self.public else set(WITH_TOKEN)
        reasons |= set(WITH_BODY) if self.body else set()
        return [reason for reason in Reason if reason in reasons]


STORAGE = (R.STORAGE_REFUSED, R.STORAGE_UNAVAILABLE)

OPERATIONS = [
    Documented(
        "POST", SESSIONS, "createSession", "Create a session", {201: models.Session},
        (*POLICY, R.INSTRUCTION_REQUIRED, R.SESSION_RATE_LIMIT), body=models.CreateSession,
    ),
    Documented(
        "GET", SESSION, "getSession", "The session and its files", {200: models.SessionDetail},
        (R.SESSION_NOT_FOUND,),
    ),
    Documented(
        "DELETE", SESSION, "cancelSession", "Cancel: abort every unfinished upload", {204: None},
        (R.SESSION_NOT_FOUND, *STORAGE),
    ),
    Documented(
        "POST", FILES, "registerFile", "Register one file; with `partCount`, sign its parts' URLs",
        {201: models.RegisteredFile, 200: models.RegisteredFile},
        (*WRITING, *POLICY, R.DUPLICATE_FILE_KEY, R.FILE_ID_CONFLICT, R.FILE_NOT_FOUND,
         *STORAGE),
        body=models.FileMetadata,
    ),
    Documented(
        "POST", f"{FILES}/batch", "batchRegisterFiles", "Register many files, each judged alone",
        {201: models.BatchResults, 207: models.BatchResults}, (*WRITING, R.BATCH_TOO_LARGE),
        body=models.RegisterBatch,
    ),
    Documented(
        "DELETE", FILE, "abortFile", "Abort one upload and remove the file", {204: None},
        (R.SESSION_NOT_FOUND, R.FILE_NOT_FOUND, R.FILE_COMPLETED, *STORAGE),
    ),
    Documented(
        "GET", f"{FILE}/parts", "getUploadedParts", "Which parts are there, and URLs for the missing ones",
        {200: models.UploadedParts}, (*WRITING, R.FILE_NOT_FOUND, R.UPLOAD_NOT_FOUND,
         *STORAGE, R.VALIDATION_ERROR),
        query=models.PartsQuery,
    ),
    Documented(
        "POST", f"{FILE}/parts", "storePartEtags", "Record parts that were uploaded",
        {200: models.RecordedParts}, (*WRITING, R.FILE_NOT_FOUND, R.FILE_COMPLETED, R.UPLOAD_NOT_FOUND,
         R.PART_NUMBER_INVALID),
        body=models.RecordParts,
    ),
    Documented(
        "POST", f"{FILE}/complete", "completeFile", "Assemble the file", {200: models.CompletedFile},
        (*WRITING, R.FILE_NOT_FOUND, R.UPLOAD_NOT_FOUND, R.PARTS_MISSING, R.PART_SIZE_MISMATCH,
         R.ETAG_MISMATCH, *STORAGE),
        body=models.CompleteFile, body_may_be_empty=True,
    ),
    Documented(
        "GET", "/api/health", "checkHealth", "Whether the database and the bucket can be reached",
        {200: models.Health, 503: models.Health}, public=True,
    ),
    Documented(
        "GET", "/api/openapi.json", "getOpenapi", "This document", {200: None}, public=True,
    ),
]  # fmt: skip

ANSWERS = {
    200: "Done", 201: "Created", 204: "Done, and nothing to say", 207: "Some of the files were refused",
    503: "Something cannot be reached",
}  # fmt: skip


@cache
def document() -> dict[str, Any]:
    """The document, as OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0)."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(_templated(operation.path), {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Upload sessions",
            "version": "1.0.0",
            "description": "Resumable multipart uploads that go straight to S3.",
        },
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": _schemas(),
        },
    }


def _operation(operation: Documented) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation.path), *_query_parameters(operation.query)],
        "responses": {
            str(status): {"description": ANSWERS[status], **_content(model)}
            for status, model in operation.answers.items()
        },
    }
    for status, reasons in _by_status(operation.reasons):
        if status not in operation.answers:
            listed = ", ".join(f"`{reason.name}`" for reason in reasons)
            described["responses"][str(status)] = {"description": listed, **_content(models.ErrorResponse)}
    if operation.body:
        described["requestBody"] = {"required": not operation.body_may_be_empty, **_content(operation.body)}
    if operation.public:
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
    answers = [model for operation in OPERATIONS for model in operation.answers.values()]
    bodies = [operation.body for operation in OPERATIONS]
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
