"""Every error a client can see, as one table."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "VALIDATION_ERROR",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_ERROR",
    503: "SERVICE_UNAVAILABLE",
}


RETRY_SOON = 1  # seconds, instead of the reason's own: the cause passes in a moment


class Reason(Enum):
    """What exactly went wrong: HTTP status, default message, default Retry-After.

    `Retry-After` is in seconds; a reason has one when the same request may succeed later.
    """

    # fmt: off
    INVALID_JSON            = 400, "The request body is missing or is not valid JSON (UTF-8)."
    BATCH_TOO_LARGE         = 400, "Too many files in one batch: split it."
    INSTRUCTION_REQUIRED    = 400, "Declare a file of the category that is required, or send no files at all."
    CATEGORY_LIMIT_EXCEEDED = 400, "The session holds as many files of this category as it may."
    FILE_COUNT_EXCEEDED     = 400, "The session is full: use another session, or abort a file."
    PART_COUNT_INVALID      = 400, "S3 could not assemble the file from that many parts: see details."
    PART_NUMBER_INVALID     = 400, "A part number lies outside 1 to the file's partCount."
    SESSION_EXPIRED         = 400, "The session has expired: create a new one and register the files there."
    SESSION_NOT_ACTIVE      = 400, "The session was cancelled: create a new one."
    FILE_COMPLETED          = 400, "The file is complete: it can no longer change or be aborted."
    UPLOAD_NOT_FOUND        = 400, "S3 has no upload for this file: register it again with the same fileId."
    PARTS_MISSING           = 400, "Not all parts are in S3: upload the missing ones, then complete again."
    PART_SIZE_MISMATCH      = 400, "Some parts have the wrong size: upload them again, then complete."
    ETAG_MISMATCH           = 400, "Some ETags are not those in S3: query the parts, then complete again."
    TOKEN_MISSING           = 401, "Send a bearer token: 'Authorization: Bearer <JWT>'."
    TOKEN_INVALID           = 401, "The token is not one this API accepts."
    TOKEN_EXPIRED           = 401, "The token has expired: get a new one."
    SESSION_NOT_FOUND       = 404, "There is no such session."
    FILE_NOT_FOUND          = 404, "There is no such file in this session."
    ROUTE_NOT_FOUND         = 404, "There is nothing here: see /api/openapi.json for the routes."
    METHOD_NOT_ALLOWED      = 405, "This route does not answer that method: see the Allow header."
    DUPLICATE_FILE_KEY      = 409, "Another file of this session has this fileKey: see details.fileId."
    FILE_ID_CONFLICT        = 409, "This fileId was used with other metadata: send those, or another id."
    FILE_TOO_LARGE          = 413, "The file is larger than its category allows: see details.maxSizeBytes."
    BODY_TOO_LARGE          = 413, "The body is larger than 4.5 MB: file bytes go to S3, not through here."
    MIME_TYPE_NOT_ALLOWED   = 415, "This type is not allowed: see details.allowedTypes."
    VALIDATION_ERROR        = 422, "The request has the wrong shape: see details.fields."
    FILE_EMPTY              = 422, "The file is empty: there is nothing to upload. Leave it out."
    SESSION_RATE_LIMIT      = 429, "Too many sessions in 24 hours: try again after details.nextAllowedAt."
    REGISTRATION_LIMIT      = 429, "The session has started as many uploads as it may: use another session."
    UPLOAD_VOLUME_LIMIT     = 429, "Too many bytes in 24 hours: try again after details.nextAllowedAt."
    INTERNAL_ERROR          = 500, "Something went wrong here. Quote the requestId when you report it."
    STORAGE_REFUSED         = 500, "The object store refuses what this API asks of it: report the requestId."
    STORAGE_UNAVAILABLE     = 503, "The object store does not answer: try again. Nothing is lost.", 5
    DATABASE_UNAVAILABLE    = 503, "The database does not answer: try again. Nothing is lost.", 5
    AUTH_UNAVAILABLE        = 503, "The token could not be checked, its issuer does not answer: try again.", 5
    # fmt: on

    @property
    def status(self) -> int:
        """The HTTP status it is answered with."""
        return int(self.value[0])

    @property
    def message(self) -> str:
        """What a person should do, when nothing more exact is known."""
        return str(self.value[1])

    @property
    def retry_after(self) -> int | None:
        """After how many seconds the same request may succeed; None: it will fail again in the same way."""
        return int(self.value[2]) if len(self.value) > 2 else None


class ApiError(Exception):
    """A failure that its client may see whole: as a response's body, or as the `error` of one batch item.

    `retry_after`, in seconds, overrides that of the reason. `logged` are fields for the log alone.
    """

    def __init__(
        self,
        reason: Reason,
        message: str | None = None,
        *,
        details: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        retry_after: int | None = None,
        logged: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{reason.name}: {message or reason.message}")
        self.reason = reason
        self.message = message or reason.message
        self.details = details
        self.logged = logged or {}
        seconds = retry_after or reason.retry_after
        self.headers = ({"Retry-After": str(seconds)} if seconds else {}) | (headers or {})

    @property
    def status(self) -> int:
        """The HTTP status it is answered with."""
        return self.reason.status

    def as_object(self) -> dict[str, Any]:
        """The `error` object of the contract."""
        error = {"code": CODES[self.status], "reason": self.reason.name, "message": self.message}
        return error | ({"details": self.details} if self.details else {})


@dataclass(frozen=True, slots=True)
class Refused:
    """An item of a list that ended with an `ApiError`: a value among the results of the others."""

    error: ApiError
