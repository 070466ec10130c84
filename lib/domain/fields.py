"""The types of the fields of requests and responses: what they take, and in which form they keep it."""

import json
import math
import re
import unicodedata
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer
from pydantic_core import PydanticCustomError

from lib.domain import media_type
from lib.domain.json_body import SentObject
from lib.domain.part_layout import MAX_OBJECT_SIZE, MAX_PART_COUNT

MAX_METADATA_SIZE = 16 * 1024  # bytes of JSON, as they are sent
MAX_NAME_LENGTH = 255  # characters, in NFC
MAX_EXTENSION_LENGTH = 10  # likewise, without the dot
# What is one byte in JSON: an answer with 10,000 of them must fit. No store sends more (RFC 9110, 8.8.3).
_ETAG = re.compile(r"[ !#-\[\]-~]+")
FILE_EMPTY = "file_empty"  # the kind of problem that is an error with a reason of its own


def canonical_uuid(text: str) -> str:
    """A UUID in lower case; raises `ValueError` if it is none in the usual form."""
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        raise ValueError("must be a UUID such as 3f0b6c1e-8a53-4c4f-9d0e-2f4f6a1b7c5d")
    return text.lower()


def _unquoted(etag: str) -> str:
    etag = etag.removeprefix("W/") if etag.startswith('W/"') else etag
    etag = etag[1:-1] if len(etag) > 1 and etag[0] == etag[-1] == '"' else etag
    if not _ETAG.fullmatch(etag):
        raise ValueError('must be an ETag as S3 sent it, with or without its quotes: "9bb58f26…"')
    return etag


def nfc(text: str) -> str:
    """A text in Unicode's composed form, in which names and keys are kept and compared."""
    return unicodedata.normalize("NFC", text)


def plain_extension(ext: str) -> str:
    """An extension in NFC, without the dots before it."""
    return nfc(ext.lstrip("."))


def _name(name: str) -> str:
    return _composed(name, MAX_NAME_LENGTH)


def _extension(ext: str) -> str:
    kept = _composed(ext.lstrip("."), MAX_EXTENSION_LENGTH)
    if not kept:
        raise ValueError("must have a character besides the dot")
    return kept


def _composed(text: str, most: int) -> str:
    # A character takes three marks at most into itself. To compose what is too long in any case would be for
    # nothing, and takes time by the square of the marks that stand together.
    is_possible = len(text) <= most or (len(text) <= 4 * most and _most_marks(text) <= most + 3)
    composed = nfc(text) if is_possible else text
    if len(composed) > most:
        raise ValueError(f"must be at most {most} characters, in Unicode's NFC")
    return composed


def _most_marks(text: str) -> int:
    """How many combining marks stand together, at most."""
    runs = groupby(bool(unicodedata.combining(char)) for char in text)
    return max(sum(run) for _, run in runs)


def _not_empty(size: int) -> int:
    if size == 0:
        raise PydanticCustomError(FILE_EMPTY, "must be at least 1: the file is empty")
    return size


def _media_type(text: str) -> str:
    if text.strip(" \t"):  # an empty one counts as absent
        media_type.parse(text)
    return text


def _small_enough(metadata: Any) -> Any:
    """Measured on what was sent; on the shortest JSON if it did not come in a request."""
    sent = metadata.sent_bytes if isinstance(metadata, SentObject) else None
    if isinstance(metadata, dict) and sent is None:
        sent = len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode())
    if sent is not None and sent > MAX_METADATA_SIZE:
        raise ValueError("must be at most 16 KiB of JSON")
    return metadata


def _storable(metadata: dict[str, Any]) -> dict[str, Any]:
    if _has_infinity(metadata):
        raise ValueError("must not hold numbers too large for a double")
    return metadata


def _has_infinity(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(_has_infinity, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and math.isinf(value)


@lru_cache(maxsize=256)  # parts are recorded up to a thousand at one moment
def rfc3339(moment: datetime) -> str:
    """A time as the contract writes it: RFC 3339 in UTC, in whole seconds, never later than it is."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


Uuid = Annotated[str, AfterValidator(canonical_uuid), Field(json_schema_extra={"format": "uuid"})]
Id = Annotated[str, Field(json_schema_extra={"format": "uuid"})]  # of ours, in an answer
Etag = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_unquoted)]
PartNumber = Annotated[int, Field(ge=1, le=MAX_PART_COUNT)]
Time = Annotated[datetime, PlainSerializer(rfc3339, return_type=str)]
Rfc3339 = Annotated[str, Field(json_schema_extra={"format": "date-time"})]  # a time that is written already
Metadata = Annotated[dict[str, Any], AfterValidator(_storable), BeforeValidator(_small_enough)]
# macOS sends names in NFD, in which a character is up to four; they are kept, and limited, in NFC.
Name = Annotated[
    str,
    Field(min_length=1, json_schema_extra={"maxLength": MAX_NAME_LENGTH}),
    AfterValidator(_name),
]
# Beyond 2 GiB: generators for Java, Go or C# take 32 bits if a schema does not say so.
Bytes = Annotated[int, Field(description="bytes", json_schema_extra={"format": "int64"})]
Size = Annotated[
    int,
    Field(
        ge=0,
        le=MAX_OBJECT_SIZE,
        description="bytes",
        json_schema_extra={"minimum": 1, "format": "int64"},
    ),
    AfterValidator(_not_empty),
]
Extension = Annotated[
    str,
    Field(min_length=1, json_schema_extra={"maxLength": MAX_EXTENSION_LENGTH}),
    AfterValidator(_extension),
]
MimeType = Annotated[str, Field(max_length=255), AfterValidator(_media_type)]
