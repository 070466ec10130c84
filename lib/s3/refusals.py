"""What S3 says when it does not do what it was asked, as the errors of this API."""

from collections.abc import Callable
from typing import TypeVar

from lib.domain.errors import ApiError, Reason

T = TypeVar("T")


class UploadGoneError(Exception):
    """S3 has no such multipart upload (NoSuchUpload): never started, aborted, or completed.

    `asked_again`: the SDK had asked before, and got no answer, or one that says to ask again.
    """

    def __init__(self, *, asked_again: bool = False) -> None:
        super().__init__()
        self.asked_again = asked_again


class PartsChangedError(Exception):
    """A part is not what it was when the parts were listed (InvalidPart and its kin)."""


class NotFoundError(Exception):
    """HTTP 404 on a HEAD, which has no body to say what is not found."""


class NonsenseError(Exception):
    """Something between us and S3 answered 200 with words of its own."""


def ask(call: Callable[[], T]) -> T:
    """Make a call, and translate what goes wrong; S3's own words stay in the error's cause, for the log."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        return call()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code == "NoSuchUpload":
            retries = error.response["ResponseMetadata"].get("RetryAttempts", 0)
            raise UploadGoneError(asked_again=retries > 0) from error
        if code in ("InvalidPart", "InvalidPartOrder", "EntityTooSmall"):
            raise PartsChangedError from error
        if code == "404":
            raise NotFoundError from error
        raise unavailable() from error
    except (BotoCoreError, ResponseParserError, NonsenseError) as error:
        raise unavailable() from error


def unavailable() -> ApiError:
    """The store does not answer: asking again may help."""
    return ApiError(Reason.STORAGE_UNAVAILABLE)
