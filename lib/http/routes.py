"""Every route once: what it takes, answers and refuses. Handlers and the OpenAPI document are made of it."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from lib.domain import models
from lib.domain.errors import Reason

SESSIONS = "/api/mocs/uploads/sessions"
SESSION = f"{SESSIONS}/:sessionId"
FILES = f"{SESSION}/files"
FILE = f"{FILES}/:fileId"

# A new reason goes into the group of the routes that can raise it; that is all the document needs.
R = Reason
ANYWHERE = (R.METHOD_NOT_ALLOWED, R.INTERNAL_ERROR)  # the first: another method of the path
WITH_TOKEN = (R.TOKEN_MISSING, R.TOKEN_INVALID, R.TOKEN_EXPIRED, R.AUTH_UNAVAILABLE, R.DATABASE_UNAVAILABLE)
WITH_BODY = (R.INVALID_JSON, R.BODY_TOO_LARGE, R.VALIDATION_ERROR)
WITH_QUERY = (R.VALIDATION_ERROR,)
WRITING = (R.SESSION_NOT_FOUND, R.SESSION_EXPIRED, R.SESSION_NOT_ACTIVE)
STORAGE = (R.STORAGE_REFUSED, R.STORAGE_UNAVAILABLE)
POLICY = (
    R.FILE_EMPTY, R.MIME_TYPE_NOT_ALLOWED, R.FILE_TOO_LARGE, R.PART_COUNT_INVALID, R.CATEGORY_LIMIT_EXCEEDED,
    R.FILE_COUNT_EXCEEDED,
)  # fmt: skip
# What registering a file may be refused with, alone or as an item of a batch
REGISTERING = (
    *POLICY, R.DUPLICATE_FILE_KEY, R.FILE_ID_CONFLICT, R.FILE_NOT_FOUND, R.SESSION_NOT_ACTIVE,
    R.REGISTRATION_LIMIT, R.UPLOAD_VOLUME_LIMIT, *STORAGE,
)  # fmt: skip

Input = TypeVar("Input")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Generic[Input]):
    """One method of one path, its dynamic segments written `:sessionId` and `:fileId`."""

    method: str
    path: str
    name: str  # in camelCase, the operationId
    summary: str
    answers: dict[int, type[BaseModel] | None]  # by status; None: no body (204), or no model of ours
    refusals: tuple[Reason, ...] = ()
    item_refusals: tuple[Reason, ...] = ()  # of one file, inside an answer
    body: type[Input] | None = None
    query: type[Input] | None = None
    body_may_be_empty: bool = False
    public: bool = False  # no token is asked for

    @property
    def reasons(self) -> list[Reason]:
        """Every reason that an error may have here, in the order of the table of errors."""
        reasons = {*self.refusals, *ANYWHERE}
        reasons |= set() if self.public else set(WITH_TOKEN)
        reasons |= set(WITH_BODY) if self.body else set()
        reasons |= set(WITH_QUERY) if self.query else set()
        return [reason for reason in Reason if reason in reasons]


CREATE_SESSION = Route(
    method="POST", path=SESSIONS, name="createSession", summary="Create a session",
    body=models.CreateSession, answers={201: models.Session},
    refusals=(*POLICY, R.INSTRUCTION_REQUIRED, R.SESSION_RATE_LIMIT),
)  # fmt: skip
GET_SESSION: Route[None] = Route(
    method="GET", path=SESSION, name="getSession", summary="The session and its files",
    answers={200: models.SessionDetail}, refusals=(R.SESSION_NOT_FOUND,),
)  # fmt: skip
CANCEL_SESSION: Route[None] = Route(
    method="DELETE", path=SESSION, name="cancelSession", summary="Cancel: abort every unfinished upload",
    answers={204: None}, refusals=(R.SESSION_NOT_FOUND, *STORAGE),
)  # fmt: skip
REGISTER_FILE = Route(
    method="POST", path=FILES, name="registerFile",
    summary="Register one file; with its part count, sign the URLs of its parts",
    body=models.FileMetadata, answers={201: models.RegisteredFile, 200: models.RegisteredFile},
    refusals=(*WRITING, *REGISTERING),
)  # fmt: skip
BATCH_REGISTER_FILES = Route(
    method="POST", path=f"{FILES}/batch", name="batchRegisterFiles",
    summary="Register many files, each judged alone",
    body=models.RegisterBatch, answers={201: models.BatchResults, 207: models.BatchResults},
    refusals=(*WRITING, R.BATCH_TOO_LARGE),
    item_refusals=(*REGISTERING, R.SESSION_EXPIRED, R.VALIDATION_ERROR),
)  # fmt: skip
ABORT_FILE: Route[None] = Route(
    method="DELETE", path=FILE, name="abortFile", summary="Abort one upload and remove the file",
    answers={204: None}, refusals=(R.SESSION_NOT_FOUND, R.FILE_NOT_FOUND, R.FILE_COMPLETED, *STORAGE),
)  # fmt: skip
GET_UPLOADED_PARTS = Route(
    method="GET", path=f"{FILE}/parts", name="getUploadedParts",
    summary="Which parts are there, and URLs for the missing ones",
    query=models.PartsQuery, answers={200: models.UploadedParts},
    refusals=(*WRITING, R.FILE_NOT_FOUND, R.UPLOAD_NOT_FOUND, *STORAGE),
)  # fmt: skip
STORE_PART_ETAGS = Route(
    method="POST", path=f"{FILE}/parts", name="storePartEtags", summary="Record parts that were uploaded",
    body=models.RecordParts, answers={200: models.RecordedParts},
    refusals=(*WRITING, R.FILE_NOT_FOUND, R.FILE_COMPLETED, R.UPLOAD_NOT_FOUND, R.PART_NUMBER_INVALID),
)  # fmt: skip
COMPLETE_FILE = Route(
    method="POST", path=f"{FILE}/complete", name="completeFile", summary="Assemble the file",
    body=models.CompleteFile, body_may_be_empty=True, answers={200: models.CompletedFile},
    refusals=(*WRITING, R.FILE_NOT_FOUND, R.UPLOAD_NOT_FOUND, R.PARTS_MISSING, R.PART_SIZE_MISMATCH,
              R.ETAG_MISMATCH, *STORAGE),
)  # fmt: skip
CHECK_HEALTH: Route[None] = Route(
    method="GET", path="/api/health", name="checkHealth",
    summary="Whether the database and the bucket can be reached",
    answers={200: models.Health, 503: models.Health}, public=True,
)  # fmt: skip
GET_OPENAPI: Route[None] = Route(
    method="GET", path="/api/openapi.json", name="getOpenapi", summary="This document",
    answers={200: None}, public=True,
)  # fmt: skip

ROUTES = tuple(value for value in tuple(globals().values()) if isinstance(value, Route))
