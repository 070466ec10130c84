"""Structured logs: one line a request at least, and never a token or a presigned URL."""

import logging
from contextvars import ContextVar
from typing import Any

from aws_lambda_powertools import Logger

from lib.domain.errors import ApiError

logger = Logger(service="upload-sessions", level="INFO", location=None, serialize_stacktrace=False)

# What libraries warn of becomes lines of the same form. No more than that: what they tell at lower levels
# holds URLs and headers, which are secrets.
for name in ("psycopg", "botocore", "urllib3"):
    library = logging.getLogger(name)
    library.setLevel(logging.WARNING)
    library.addHandler(logger.registered_handler)
    library.propagate = False

# A context variable and not the logger's own keys, which all threads share.
current_request_id: ContextVar[str | None] = ContextVar("current_request_id", default=None)


def info(message: str, **fields: Any) -> None:
    """Log something that is as it should be."""
    logger.info(message, extra=_with_request_id(fields))


def warning(message: str, **fields: Any) -> None:
    """Log something that somebody may want to look into."""
    logger.warning(message, extra=_with_request_id(fields))


def error(message: str, **fields: Any) -> None:
    """Log a failure, with the exception that is being handled if there is one."""
    logger.error(message, exc_info=True, extra=_with_request_id(fields))


def refused(what: str, refusal: ApiError, **fields: Any) -> None:
    """Log that something was refused: as an error, with its cause, where it is not the client's doing."""
    extra = _with_request_id(fields | {"reason": refusal.reason.name} | refusal.logged)
    if refusal.status >= 500:
        logger.error(what, exc_info=refusal, extra=extra)
    else:
        logger.info(what, extra=extra)


def _with_request_id(fields: dict[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in fields.items() if value is not None}
    return known | {"request_id": current_request_id.get()}
