"""Structured logs: one line a request at least, and never a token or a presigned URL."""

import logging
import sys
from contextvars import ContextVar
from typing import Any

from aws_lambda_powertools import Logger

from lib.domain.errors import ApiError
from lib.runtime.repeats import Repeats, kind_of

logger = Logger(service="upload-sessions", level="INFO", location=None, serialize_stacktrace=False)

# What libraries warn of becomes lines of the same form. No more than that: what they tell at lower levels
# holds URLs and headers, which are secrets.
for name in ("psycopg", "botocore", "urllib3"):
    library = logging.getLogger(name)
    library.setLevel(logging.WARNING)
    library.addHandler(logger.registered_handler)
    library.propagate = False

repeats = Repeats()

# A context variable and not the logger's own keys, which all threads share.
current_request_id: ContextVar[str | None] = ContextVar("current_request_id", default=None)


def info(message: str, **fields: Any) -> None:
    """Log something that is as it should be."""
    logger.info(message, extra=_with_request_id(fields))


def warning(message: str, **fields: Any) -> None:
    """Log something that somebody may want to look into."""
    logger.warning(message, extra=_with_request_id(fields))


def seldom(message: str, *kind: str | None, **fields: Any) -> None:
    """Warn at most once a minute of the same kind: for what strangers can cause as often as they like."""
    left_out = repeats.left_out((message, *kind))
    if left_out is not None:
        warning(message, **fields, left_out=left_out or None)


def error(message: str, cause: BaseException | None = None, **fields: Any) -> None:
    """Log a failure: `cause`, else the exception that is being handled.

    The line is always there. Its traceback is there once a minute for the same kind of failure; `left_out`
    says how many came since the last one. Of the fields, those of a refusal (`logged`) make another kind; ids
    and whatever else tells one failure from the next do not, or each would be a kind of its own.
    """
    cause = cause or sys.exception()
    told = {"reason": cause.reason.name, **cause.logged} if isinstance(cause, ApiError) else {}
    left_out = repeats.left_out((message, kind_of(cause), *sorted(told.items())))
    if left_out is None:
        fields |= {"error": type(cause).__qualname__}
    else:
        fields |= {"left_out": left_out or None}
    exc_info = cause if left_out is not None else None
    logger.error(message, exc_info=exc_info, extra=_with_request_id(fields | told))


def refused(what: str, refusal: ApiError, **fields: Any) -> None:
    """Log that something was refused: as an `error`, with its cause, if it is not the client's doing."""
    if refusal.status >= 500:
        error(what, refusal, **fields)
    else:
        info(what, **fields, reason=refusal.reason.name, **refusal.logged)


def _with_request_id(fields: dict[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in fields.items() if value is not None}
    return known | {"request_id": current_request_id.get()}
