"""What S3 says when it does not do what it was asked, as the errors of this API.

Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from lib.domain.errors import ApiError, Reason

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

T = TypeVar("T")

CHANGED = ("InvalidPart", "InvalidPartOrder", "EntityTooSmall")
EXPIRED = ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired")
# With these codes a 4xx is no refusal: the same request may succeed a little later.
BUSY = {
    "BandwidthLimitExceeded", "InternalError", "LimitExceededException", "OperationAborted",
    "PriorRequestNotComplete", "ProvisionedThroughputExceededException", "RequestLimitExceeded",
    "RequestRateLimitExceeded", "RequestThrottled",
    "RequestThrottledException", "RequestTimeout", "RequestTimeoutException", "ResourceLocked",
    "ServiceUnavailable",
    "SlowDown", "ThrottledException", "Throttling", "ThrottlingException", "TooManyRequests",
    "TooManyRequestsException", "TransactionInProgressException",
}  # fmt: skip
BUSY_STATUSES = (408, 429)
# What KMS says through S3, after `KMS.`: https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html
KMS_BUSY = BUSY | {
    "DependencyTimeoutException", "InternalException", "InternalFailure", "KMSInternalException",
    "KeyUnavailableException",
}  # fmt: skip
# Refusals although the status is a 5xx: botocore shows a code inside of a 200 as a 500.
REFUSED_AS_5XX = {
    "AccessDenied", "AccountProblem", "AllAccessDisabled", "AuthorizationHeaderMalformed", "EntityTooLarge",
    "ExpiredToken", "InvalidAccessKeyId", "InvalidArgument", "InvalidBucketState",
    "InvalidEncryptionAlgorithmError", "InvalidRequest", "InvalidSecurity", "InvalidToken", "MalformedXML",
    "MethodNotAllowed", "NoSuchBucket", "NotImplemented", "NotSignedUp", "PreconditionFailed",
    "QuotaExceeded", "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch",
    "TokenRefreshRequired", "UnauthorizedAccess",
}  # fmt: skip
NOT_IMPLEMENTED = 501  # the store does not know the call, and will not learn it

MAX_CODE_LENGTH = 64  # characters; the longest that S3 documents has 48


class _AnswerError(Exception):
    """S3 has answered; `asked_again`: not at the first time, or to ask again, so that it may have done it."""

    def __init__(self, code: str = "", *, asked_again: bool = False) -> None:
        super().__init__(code)
        self.asked_again = asked_again


class UploadGoneError(_AnswerError):
    """S3 has no such multipart upload (NoSuchUpload): never started, aborted, or completed."""


class PartsChangedError(_AnswerError):
    """A part is not what it was when the parts were listed (InvalidPart and similar codes)."""


class NotFoundError(Exception):
    """HTTP 404 on HeadObject, which has no body to say what is not found."""


class UnreadableAnswerError(Exception):
    """Something between us and S3 answered 200 with words of its own."""


def ask(call: Callable[[], T], region: str = "") -> T:
    """Make a call to this region, and translate what goes wrong.

    S3's own words are left out, since they may quote what was signed.
    Raises `UploadGoneError`, `PartsChangedError`, `NotFoundError`, and `ApiError`: `STORAGE_REFUSED`,
    `STORAGE_UNAVAILABLE`.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        return call()
    except ClientError as error:
        raise _translated(error, region) from None
    except ResponseParserError:  # its text quotes the answer
        raise unavailable() from UnreadableAnswerError("an answer that cannot be read")
    except UnreadableAnswerError as error:
        raise unavailable() from error
    except BotoCoreError as error:
        raise unavailable() if _is_silence(error) else refused(type(error).__name__) from error


def unavailable(**logged: Any) -> ApiError:
    """The store does not answer: asking again may help."""
    return ApiError(Reason.STORAGE_UNAVAILABLE, logged=logged)


def refused(code: str, **logged: Any) -> ApiError:
    """The store does not do what it is asked, and never will with these settings."""
    return ApiError(Reason.STORAGE_REFUSED, logged={"s3_code": code, **logged})


def is_no_answer(error: Exception) -> bool:
    """Whether S3 may have done, or may be doing, what it was asked when this was raised."""
    if isinstance(error, _AnswerError):
        return error.asked_again
    return isinstance(error, ApiError) and (
        error.reason is Reason.STORAGE_UNAVAILABLE or "s3_retries" in error.logged
    )


def is_expired(error: ApiError) -> bool:
    """Whether the credentials had expired; a HEAD has no body to say so."""
    told = error.logged
    if str(told.get("s3_operation")).startswith("Head"):
        return told.get("s3_code") == "400" and "bucket_region" not in told
    return told.get("s3_code") in EXPIRED


def _translated(error: "ClientError", region: str) -> Exception:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = str(error.response.get("Error", {}).get("Code") or "").strip()[:MAX_CODE_LENGTH] or str(status)
    operation = error.operation_name
    retries = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
    if code == "NoSuchUpload" and operation != "CreateMultipartUpload":
        return UploadGoneError(code, asked_again=retries > 0)
    if code in CHANGED and operation == "CompleteMultipartUpload":
        return PartsChangedError(code, asked_again=retries > 0)
    if status == 404 and operation == "HeadObject":
        return NotFoundError(code)
    told = {"s3_operation": operation, "s3_status": status} | ({"s3_retries": retries} if retries else {})
    if is_busy(code, status):
        return unavailable(s3_code=code, **told)
    return refused(code, **told, **_place(error, region))


def is_busy(code: str, status: int) -> bool:
    """Whether the same request may succeed a little later."""
    if status in BUSY_STATUSES:
        return True
    if code.startswith("KMS."):
        return code.removeprefix("KMS.") in KMS_BUSY
    is_failure = status >= 500 and status != NOT_IMPLEMENTED
    return code in BUSY or (is_failure and code not in REFUSED_AS_5XX)


def _place(error: "ClientError", region: str) -> dict[str, str]:
    """Where the bucket is, if S3 refuses because it is in another region.

    Some stores name their region in each answer, take any in a signature, and refuse for other reasons.
    """
    if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in (401, 403, 404):
        return {}
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    told = headers.get("x-amz-bucket-region") or error.response.get("Error", {}).get("Region")
    return elsewhere(str(told), region) if told and told != region else {}


def elsewhere(bucket_region: str, region: str) -> dict[str, str]:
    """What the log says of a bucket that is in another region than `S3_REGION`."""
    check = f"set S3_REGION={bucket_region}: the bucket is there"
    return {"bucket_region": bucket_region, "s3_region": region, "check": check}


def _is_silence(error: Exception) -> bool:
    """Whether the network or a service of credentials failed; else botocore finds fault with a setting."""
    from botocore import exceptions as known

    return isinstance(
        error,
        known.HTTPClientError
        | known.ConnectionError
        | known.IncompleteReadError
        | known.CredentialRetrievalError
        | known.MetadataRetrievalError,
    )
