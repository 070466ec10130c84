"""From the bytes of a request to a JSON value."""

import re
from json import JSONDecoder
from typing import Any

from pydantic_core import from_json

from lib.domain.errors import ApiError, Reason

BOM = b"\xef\xbb\xbf"  # of UTF-8: some programs write it before JSON, where it has no meaning
# Every escape of a JSON string from left to right, so that an escaped backslash hides what follows it: a pair
# of surrogates, half a pair, any other. And what stands there as it is and must not: U+0000, and what
# `surrogateescape` makes of a byte that is not UTF-8; with a backslash before it, that is no escape either.
_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_BAD = "\0\udc80-\udcff"
_ESCAPES = re.compile(rf"({_HIGH}{_LOW})|{_HIGH}|{_LOW}|(\\[^{_BAD}])|\\?[{_BAD}]")
_SUSPECT = re.compile(rf"\\u[dD]|[{_BAD}]")
# A brace or comma is always there: were it optional, a megabyte of spaces would be tried in each split of it.
_MEMBER = re.compile(r'[ \t\r\n]*[{,][ \t\r\n]*(?=")')
_COLON = re.compile(r"[ \t\r\n]*:[ \t\r\n]*")
# More than any request needs (10,000 parts make 30,000). As objects they take up to forty times the memory of
# their text: a few bodies of 4 MB at once would end an instance.
MAX_VALUES = 250_000
MAX_SHOWN = 16  # characters of a field's name in an error, of which an answer may have thousands
MALFORMED = "a string holds the character U+0000, half a surrogate pair, or bytes that are not UTF-8"


class SentObject(dict[str, Any]):
    """A member of a request's object that is itself one, and how many bytes it took there."""

    sent_bytes: int = 0


def json_of(body: bytes, judged_alone: str | None = None) -> Any:
    """The JSON value of a request body, which has no `BOM` any more.

    Objects in the top-level object become `SentObject`. Raises `ApiError` `INVALID_JSON` if it is no JSON:
    not UTF-8, NaN, nested deeper than 200, integers of thousands of digits; and if a string holds what
    PostgreSQL cannot store (U+0000, half a surrogate pair). Of the items of the list `judged_alone` such
    strings are not refused but hold U+0000: `malformed_fields` says which.
    """
    if not body:
        raise ApiError(Reason.INVALID_JSON, "The request has no body: send a JSON object.")
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise ApiError(Reason.INVALID_JSON, details={"problem": f"more than {MAX_VALUES} values"})
    text = _repaired(body)
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ApiError(Reason.INVALID_JSON, details={"problem": str(error)}) from None
    if "\\u0000" in text:
        rest = value
        if isinstance(value, dict) and isinstance(value.get(judged_alone or ""), list):
            rest = {name: member for name, member in value.items() if name != judged_alone}
        if _is_malformed(rest):
            raise ApiError(Reason.INVALID_JSON, details={"problem": MALFORMED})
    holds_objects = isinstance(value, dict) and any(isinstance(member, dict) for member in value.values())
    return _measured(value, text) if holds_objects else value


def malformed_fields(value: Any) -> list[str]:
    """The fields of an item that hold strings which cannot be stored."""
    members = value.items() if isinstance(value, dict) else [("(body)", value)]
    return [
        "(a field's name)" if _is_malformed(name) else str(name)[:MAX_SHOWN]
        for name, member in members
        if _is_malformed(name) or _is_malformed(member)
    ]


def _is_malformed(value: Any) -> bool:
    if isinstance(value, dict):
        return any("\0" in key or _is_malformed(item) for key, item in value.items())
    if isinstance(value, list):
        return any(map(_is_malformed, value))
    return isinstance(value, str) and "\0" in value


def _repaired(body: bytes) -> str:
    """The text of a body, with an escaped U+0000 for each thing in it that no Unicode string can hold."""
    text = body.decode("utf-8", errors="surrogateescape")
    if _SUSPECT.search(text):
        text = _ESCAPES.sub(lambda found: found[1] or found[2] or r"\u0000", text)
    return text


def _measured(value: dict[str, Any], text: str) -> dict[str, Any]:
    """The object with its members that are objects as `SentObject`; `text` is its JSON."""
    places: dict[str, tuple[int, int]] = {}  # of a name that stands there twice the last counts
    position, decoder = 0, JSONDecoder(strict=False)
    while found := _MEMBER.match(text, position):
        name, end = decoder.raw_decode(text, found.end())
        start = _COLON.match(text, end).end()  # type: ignore[union-attr]  # it was parsed
        _, position = decoder.raw_decode(text, start)
        places[name] = start, position
    measured = dict(value)
    for name, member in value.items():
        if isinstance(member, dict):
            start, end = places[name]
            measured[name] = SentObject(member)
            measured[name].sent_bytes = len(text[start:end].encode())
    return measured
