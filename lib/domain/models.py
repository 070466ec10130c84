"""Requests and responses, as `/api/openapi.json` shows them."""

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic.alias_generators import to_camel
from typing_extensions import TypedDict  # which pydantic wants before Python 3.12

from lib.domain.fields import (
    Bytes,
    Etag,
    Extension,
    Id,
    Metadata,
    MimeType,
    Name,
    PartNumber,
    Rfc3339,
    Size,
    Time,
    Uuid,
)
from lib.domain.part_layout import MAX_PART_COUNT
from lib.domain.policy import category_names, extension_of, type_of

GOES_ON = "where `GET …/parts?presign=true&fromPart=` goes on"

FileStatus = Literal["pending", "completed", "failed"]
SessionStatus = Literal["active", "expired", "cancelled"]


class _Model(BaseModel):
    """camelCase outside, snake_case inside; JSON's types are not converted into each other."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        strict=True,
        frozen=True,
        defer_build=True,  # until it is used: a function starts with the two or three that it needs
    )


# --- Requests. Unknown fields are ignored: clients may be newer than the server.


def _named_categories(schema: dict[str, Any]) -> None:
    """The categories that there are, whatever the table says when the document is made."""
    schema["anyOf"] = [{"type": "string", "enum": category_names()}, {"type": "null"}]


class FileMetadata(_Model):
    """A file that a client wants to upload."""

    name: Name
    size: Size
    type: MimeType | None = Field(
        default=None, description="that of the extension if absent, empty or application/octet-stream"
    )
    category: str | None = Field(
        default=None, description="derived from `type` if absent", json_schema_extra=_named_categories
    )
    ext: Extension | None = Field(default=None, description="from `name` if absent")
    file_key: Name | None = Field(default=None, description="`name` if absent")
    file_id: Uuid | None = None
    part_count: int | None = Field(default=None, description="asks for the presigned URLs of that many parts")

    @property
    def key(self) -> str:
        """What the file is called in its session."""
        return self.file_key or self.name

    @property
    def extension(self) -> str | None:
        """The extension that was sent, else the name's."""
        return self.ext or extension_of(self.name)

    @property
    def media_type(self) -> str:
        """The canonical type of the file."""
        return type_of(self.type, self.extension)


class CreateSession(_Model):
    """A new session; declared files are checked in advance, and not registered."""

    # More than any session takes; a million of them, each with its own problems, took 20 s to refuse.
    files: list[FileMetadata] | None = Field(default=None, min_length=1, max_length=10_000)
    max_files: int | None = Field(
        default=None, ge=1, description="at most, and if absent, as many as the deployment allows"
    )
    metadata: Metadata | None = Field(
        default=None, description="of the client's own, at most 16 KiB; `maxFiles` is set by the API"
    )


class RegisterBatch(_Model):
    """Many files at once; each is judged alone, so their shapes are checked later, one by one."""

    judged_alone: ClassVar[str] = "files"

    files: list[Any] = Field(
        min_length=1, json_schema_extra={"items": {"$ref": "#/components/schemas/FileMetadata"}}
    )


class ReportedPart(_Model):
    """A part that the client has uploaded, with the ETag that S3 answered."""

    part_number: int
    etag: Etag


class RecordParts(_Model):
    """What a client has just uploaded."""

    parts: list[ReportedPart] = Field(min_length=1, max_length=1000)


class CompleteFile(_Model):
    """What the client believes the parts' ETags to be: any subset of the parts, or nothing."""

    parts: list[ReportedPart] | None = Field(default=None, max_length=MAX_PART_COUNT)


def _decimal(text: object) -> object:
    """Python's own reading of numbers takes `1_0`, ` 1` and `1.0`, too."""
    if not isinstance(text, str):
        return text
    if not re.fullmatch("[0-9]{1,9}", text):
        raise ValueError("must be a decimal number")
    return int(text)


class PartsQuery(_Model):
    """The query string of `GET …/parts`."""

    presign: bool = Field(default=False, description="answer URLs for the missing parts, too")
    from_part: Annotated[PartNumber, BeforeValidator(_decimal)] = Field(
        default=1, description="the first part that gets a URL"
    )


# --- Responses. A field that is None is left out.


class Session(_Model):
    """A session, just created."""

    session_id: Id
    part_size_bytes: Bytes
    expires_at: Time
    max_files: int


class FileSummary(_Model):
    """A file as its session shows it."""

    file_id: Id
    file_key: str
    name: str
    category: str
    size_bytes: Bytes
    status: FileStatus
    part_count: int
    recorded_part_count: int
    file_url: str | None = None


class SessionDetail(Session):
    """A session and its files, in the order of their registration."""

    status: SessionStatus
    metadata: dict[str, Any]
    files: list[FileSummary]


class PresignedPart(TypedDict):
    """Where one part goes, until when, and with which headers."""

    # A dictionary, named as outside: an answer has up to a thousand, and models would take twice as long.
    partNumber: int
    url: str
    expiresAt: Rfc3339
    sizeBytes: Bytes
    headers: Annotated[dict[str, str], Field(description="to be sent with the PUT")]


PresignedUrls = Annotated[list[PresignedPart] | None, Field(repr=False)]


class RegisteredFile(_Model):
    """A registered file; the part fields are there when `partCount` was sent."""

    file_id: Id
    upload_id: str
    part_count: int | None = None
    part_size_bytes: Bytes | None = None
    presigned_urls: PresignedUrls = None
    next_part_number: int | None = Field(default=None, description=GOES_ON)


class ErrorObject(BaseModel):
    """What went wrong: `code` is the family, `reason` what a program switches on, `message` for a person."""

    code: str
    reason: str
    message: str
    details: dict[str, Any] | None = None


class BatchResult(_Model):
    """One file of a batch: registered, or with the `error` that registering it alone would have answered.

    But a string that cannot be stored (U+0000, half a surrogate pair) is `VALIDATION_ERROR` here, and alone
    `INVALID_JSON`: there the body is nobody else's.
    """

    file_id: Id | None = Field(description="null if there is an `error`")
    upload_id: str | None = Field(description="null if there is an `error`")
    part_count: int | None = None
    part_size_bytes: Bytes | None = None
    presigned_urls: PresignedUrls = None
    next_part_number: int | None = Field(default=None, description=GOES_ON)
    error: ErrorObject | None = None

    @model_serializer(mode="wrap")
    def _with_nulls(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The two ids are null, not absent, if there is an `error`."""
        fields: dict[str, Any] = serialize(self)
        return {"fileId": None, "uploadId": None} | fields


class BatchResults(_Model):
    """The files of a batch, in the order of the request."""

    results: list[BatchResult]
    succeeded: int
    failed: int


class Part(_Model):
    """A part that was uploaded."""

    part_number: int
    etag: str
    uploaded_at: Time
    size_bytes: Bytes | None = Field(default=None, description="bytes, if the store was asked")


class RecordedParts(_Model):
    """The parts of one call, as they are recorded."""

    parts: list[Part]


class UploadedParts(_Model):
    """Which parts are there, which are missing, and whether the store itself was asked."""

    file_id: Id
    status: FileStatus
    part_count: int
    part_size_bytes: Bytes
    parts: list[Part]
    missing_part_numbers: list[int]
    verified: bool = Field(description="the store itself was asked")
    presigned_urls: PresignedUrls = None
    next_part_number: int | None = Field(default=None, description=GOES_ON)


class CompletedFile(_Model):
    """An assembled file."""

    file_id: Id
    file_url: str
    size_bytes: Bytes
    etag: str


class Health(_Model):
    """Whether the database and the bucket can be reached."""

    status: Literal["ok", "unavailable"]
    database: Literal["ok", "unavailable"]
    bucket: Literal["ok", "unavailable"]
