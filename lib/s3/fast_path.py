"""The calls that uploads need, at half of botocore's cost or less. All but a success is left to botocore.

Botocore resolves the endpoint, emits a dozen events and fills the answer's model, each time: that was most of
what a call of this API cost. Here the request is the one that it would send, over its own connections.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from lib.s3 import answers
from lib.s3.presign import (
    ALGORITHM,
    Credentials,
    encoded,
    encoded_path,
    host_and_path,
    signing_key,
    timestamp_and_scope,
)
from lib.s3.refusals import NotFoundError, UploadGoneError, is_busy

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest
    from types_boto3_s3 import S3Client

T = TypeVar("T")

# The headers of the parameters, and of user metadata, by their names in botocore.
HEADERS = {
    "ContentType": "content-type",
    "ContentDisposition": "content-disposition",
    "ServerSideEncryption": "x-amz-server-side-encryption",
    "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
}


class Answer(Protocol):
    """What is read of an answer."""

    status_code: int

    @property
    def content(self) -> bytes:
        """All of its body."""


@dataclass(slots=True)
class Plain:
    """An answer without its headers."""

    status_code: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """One call to S3; `headers` are its own, their names in lower case."""

    operation: str  # by its name in S3's documentation, and so in botocore's events
    method: str
    key: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def headers_of(metadata: Mapping[str, str], parameters: Mapping[str, str]) -> dict[str, str]:
    """The headers that botocore would make of these parameters of CreateMultipartUpload."""
    named = {HEADERS[name]: value for name, value in parameters.items()}
    return named | {f"x-amz-meta-{name}": value for name, value in metadata.items()}


def signed(
    request: Request, *, credentials: Credentials, region: str, bucket_url: str, signed_at: datetime
) -> tuple[str, dict[str, str]]:
    """The URL of a request, and all headers that are signed.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    """
    timestamp, scope = timestamp_and_scope(signed_at, region)
    host, bucket_path = host_and_path(bucket_url)
    path = encoded_path(request.key)
    query = {name: encoded(value) for name, value in request.query.items()}
    digest = hashlib.sha256(request.body).hexdigest()
    headers = {**request.headers, "x-amz-content-sha256": digest, "x-amz-date": timestamp}
    if credentials.session_token is not None:
        headers["x-amz-security-token"] = credentials.session_token
    canonical = headers | {"host": host}
    names = sorted(canonical)
    lines = "".join(f"{name}:{' '.join(canonical[name].split())}\n" for name in names)
    parameters = "&".join(f"{name}={query[name]}" for name in sorted(query))
    text = f"{request.method}\n{bucket_path}{path}\n{parameters}\n{lines}\n{';'.join(names)}\n{digest}"
    text = f"{ALGORITHM}\n{timestamp}\n{scope}\n{hashlib.sha256(text.encode()).hexdigest()}"
    sign_with = signing_key(credentials.secret_access_key, scope)
    signature = hmac.digest(sign_with, text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    shown = "&".join(f"{name}={value}" if value else name for name, value in query.items())
    return f"{bucket_url}{path}{'?' if shown else ''}{shown}", headers


def send(s3: "S3Client", request: Request, url: str, headers: Mapping[str, str]) -> Answer | None:
    """Send the request once; the answer if it is a success, None if there is none or S3 was busy.

    Botocore is then to ask in its own way, which knows errors, redirects and when to ask again: whatever was
    wrong, it meets it too. Likewise if this raises `RefusedError`. Raises what those raise who listen for
    `before-send`, and, because they are not unusual, `UploadGoneError` and `NotFoundError`.
    """
    from botocore.awsrequest import AWSPreparedRequest
    from botocore.exceptions import HTTPClientError

    client: Any = s3  # whose types leave out what is not for everybody
    sent: Any = {**headers, "User-Agent": client.meta.config.user_agent}
    if request.method in ("POST", "DELETE"):
        sent["Content-Length"] = str(len(request.body))
    prepared = AWSPreparedRequest(request.method, url, sent, request.body, stream_output=False)
    replies = client.meta.events.emit(f"before-send.s3.{request.operation}", request=prepared)
    answer = next((reply for _, reply in replies if reply is not None), None)
    try:
        answer = answer or _sent(client._endpoint.http_session, prepared, sent)
    except HTTPClientError:
        return None
    if answer.status_code == 404 and request.operation != "CreateMultipartUpload":
        if request.method == "HEAD":
            raise NotFoundError
        if answers.code_of(answer.content) == "NoSuchUpload":
            raise UploadGoneError
    code = answers.code_of(answer.content)
    if answer.status_code in (200, 204) and code is None:
        return answer
    if is_busy(code or str(answer.status_code), answer.status_code):
        return None
    raise RefusedError


def _sent(session: Any, request: "AWSPreparedRequest", headers: Mapping[str, str]) -> Answer:
    """As `URLLib3Session.send` of botocore, whose connections these are, if there is no proxy.

    That one makes objects of its own of all headers, there and back: a fourth of what a call costs.
    """
    from botocore.exceptions import HTTPClientError

    if session._proxy_config._proxies or request.method == "HEAD":  # whose answer is its headers
        answer: Answer = session.send(request)
        return answer
    try:
        pool = session._manager.connection_from_url(request.url)
        session._setup_ssl_cert(pool, request.url, session._verify)
        response = pool.urlopen(
            method=request.method,
            url=session._path_url(request.url),
            body=request.body,
            headers=headers,
            retries=False,
            assert_same_host=False,
            preload_content=False,
            enforce_content_length=False,
        )
        return Plain(response.status, b"".join(response.stream()))
    except Exception as error:  # as there: whatever it is, there is no answer
        raise HTTPClientError(error=error) from error


def parsed(s3: "S3Client", request: Request, answer: Answer) -> Mapping[str, Any] | None:
    """A success as botocore reads it, for what is worth that cost; None if it cannot be read."""
    from botocore.endpoint import convert_to_response_dict
    from botocore.parsers import ResponseParserError

    client: Any = s3
    operation = client.meta.service_model.operation_model(request.operation)
    parser = client._endpoint._response_parser_factory.create_parser("rest-xml")
    try:
        found: Mapping[str, Any] = parser.parse(
            convert_to_response_dict(answer, operation), operation.output_shape
        )
    except ResponseParserError:
        return None
    return found


class RefusedError(Exception):
    """S3 has answered, and has not done what it was asked; botocore is to ask, and to say what is wrong."""


def once_more(call: Callable[[], T]) -> T:
    """Let botocore make a call that took the fast path before: it was asked for once more than it knows.

    So what it raises says that S3 may have done it at the first time.
    """
    from botocore.exceptions import ClientError

    try:
        return call()
    except ClientError as error:
        metadata: Any = error.response.setdefault("ResponseMetadata", {})  # type: ignore[typeddict-item]
        metadata["RetryAttempts"] = metadata.get("RetryAttempts", 0) + 1
        raise
