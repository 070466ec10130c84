"""AWS STS: a role's credentials in exchange for an OIDC token."""

import threading
from collections.abc import Iterator
from datetime import UTC
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from lib.runtime.config import Settings
from lib.runtime.fetch import FetchError, fetch
from lib.s3.presign import Credentials

if TYPE_CHECKING:
    from types_boto3_sts import STSClient

SESSION_NAME = "upload-sessions"  # shown in CloudTrail
ATTEMPTS = 2
ATTEMPT_SECONDS = 4.0  # from the name's resolution to the answer's last byte
MAX_BYTES = 256 * 1024  # of an answer; a real one has two kilobytes
# What STS answers 400 for and the token is not to blame for.
NOT_THE_TOKENS_FAULT = {"Throttling", "ThrottlingException", "RequestLimitExceeded",
                        "RegionDisabledException", "RequestTimeout"}  # fmt: skip
# AWS could not fetch the issuer's keys, or has not found the token's among them. It also says so by an
# InvalidIdentityToken whose message has the words: https://github.com/aws/aws-cli/issues/7194
NO_KEY = "IDPCommunicationError"
NO_KEY_WORDS = "retrieve verification key"


class ExchangeError(Exception):
    """No credentials: `code` is STS's own, or the kind of failure; `refused` if STS said no to the token."""

    def __init__(self, code: str, *, refused: bool) -> None:
        super().__init__(code)
        self.code = code
        self.refused = refused


class Sts:
    """AssumeRoleWithWebIdentity for `AWS_ROLE_ARN`; safe under threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._client: STSClient | None = None

    def exchange(self, token: str) -> Credentials:
        """Credentials for a token. Raises `ExchangeError`."""
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        try:
            answer = self._sts().assume_role_with_web_identity(
                RoleArn=self._settings.aws_role_arn or "",
                RoleSessionName=SESSION_NAME,
                WebIdentityToken=token,
            )["Credentials"]
            ends = answer["Expiration"].astimezone(UTC)
            return Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"], ends)
        except ClientError as error:  # its message may quote the token
            raise _exchange_error(error.response) from None
        except BotoCoreError as error:
            raise ExchangeError(type(error).__name__, refused=False) from None
        except (ResponseParserError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            # Cut off, or a proxy's own words. Botocore's error quotes the answer, credentials included.
            raise ExchangeError("UnreadableAnswer", refused=False) from None

    def _sts(self) -> "STSClient":
        with self._lock:
            if self._client is None:
                self._client = _client(self._settings)
            return self._client


def _exchange_error(answer: Any) -> ExchangeError:
    told = answer.get("Error", {})
    code = str(told.get("Code"))
    if NO_KEY_WORDS in str(told.get("Message")):
        code = NO_KEY
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return ExchangeError(code, refused=400 <= status < 429 and code not in NOT_THE_TOKENS_FAULT)


def _client(settings: Settings) -> "STSClient":
    # Imported here because it is most of a cold start, and not every function asks S3.
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.session import Session

    client = Session().create_client(
        "sts",
        region_name=settings.s3_region,
        endpoint_url=settings.aws_endpoint_url_sts,
        config=Config(
            signature_version=UNSIGNED,  # the token is all that it asks for
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        ),
    )
    # botocore's own timeouts start again with each byte, so we send the request.
    client.meta.events.register("before-send.sts.AssumeRoleWithWebIdentity", _send)
    return cast("STSClient", client)


class _Body(BytesIO):
    """As botocore reads the body of an answer."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


def _send(request: Any, **_: Any) -> Any:
    """An `AWSPreparedRequest`, and the `AWSResponse` to it."""
    from botocore.awsrequest import AWSResponse
    from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

    body = request.body.encode() if isinstance(request.body, str) else request.body
    headers = {
        name: value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    try:
        answer = fetch(
            request.url, seconds=ATTEMPT_SECONDS, max_bytes=MAX_BYTES, method=request.method, headers=headers,
            body=body,
        )  # fmt: skip
    except FetchError as error:
        kind = ReadTimeoutError if str(error) == "Timeout" else EndpointConnectionError
        raise kind(endpoint_url=request.url) from None
    headers = dict(answer.headers)
    return AWSResponse(request.url, answer.status, headers, _Body(answer.content))  # type: ignore[arg-type]
