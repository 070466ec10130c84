"""CreateMultipartUpload for half of what it costs by botocore, when it succeeds, as it nearly always does.

Botocore resolves the endpoint, emits a dozen events and fills the answer's model, each time anew: it was most
of what a registration costs. Here the request is the one that it would send, over its own connections.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.sax.saxutils import unescape

from lib.s3.presign import ALGORITHM, Credentials, host_and_path, signing_key

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

NO_BODY = hashlib.sha256(b"").hexdigest()
BEFORE_SEND = "before-send.s3.CreateMultipartUpload"
_UPLOAD_ID = re.compile(rb"<UploadId>([^<]+)</UploadId>\s*</InitiateMultipartUploadResult>\s*$")


# The headers of the parameters, and of user metadata, by their names in botocore.
HEADERS = {
    "ContentType": "content-type",
    "ContentDisposition": "content-disposition",
    "ServerSideEncryption": "x-amz-server-side-encryption",
    "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
}


def headers_of(metadata: Mapping[str, str], parameters: Mapping[str, str]) -> dict[str, str]:
    """The headers that botocore would make of these parameters of CreateMultipartUpload."""
    named = {HEADERS[name]: value for name, value in parameters.items()}
    return named | {f"x-amz-meta-{name}": value for name, value in metadata.items()}


def signed_request(
    *,
    credentials: Credentials,
    region: str,
    bucket_url: str,
    key: str,
    headers: Mapping[str, str],
    signed_at: datetime,
) -> tuple[str, dict[str, str]]:
    """The URL and the headers of a CreateMultipartUpload; `headers` are its own, their names in lower case.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    """
    timestamp = signed_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{timestamp[:8]}/{region}/s3/aws4_request"
    host, bucket_path = host_and_path(bucket_url)
    path = quote(f"/{key}", safe="/~")
    signed = {**headers, "x-amz-content-sha256": NO_BODY, "x-amz-date": timestamp}
    if credentials.session_token is not None:
        signed["x-amz-security-token"] = credentials.session_token
    canonical = signed | {"host": host}
    names = sorted(canonical)
    lines = "".join(f"{name}:{' '.join(canonical[name].split())}\n" for name in names)
    request = f"POST\n{bucket_path}{path}\nuploads=\n{lines}\n{';'.join(names)}\n{NO_BODY}"
    text = f"{ALGORITHM}\n{timestamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    sign_with = signing_key(credentials.secret_access_key, timestamp[:8], region)
    signature = hmac.digest(sign_with, text.encode(), "sha256").hex()
    signed["authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return f"{bucket_url}{path}?uploads", signed


def start_upload(s3: "S3Client", url: str, headers: Mapping[str, str]) -> str | None:
    """Send the request once; the upload's id, or None where anything else came than the answer of a success.

    Botocore is then to ask in its own way, which knows errors, redirects and when to ask again: whatever was
    wrong, it meets it too. Raises what those raise who listen for `before-send`.
    """
    from botocore.awsrequest import AWSPreparedRequest
    from botocore.exceptions import HTTPClientError

    client: Any = s3  # whose types leave out what is not for everybody
    sent: Any = {**headers, "User-Agent": client.meta.config.user_agent, "Content-Length": "0"}
    request = AWSPreparedRequest("POST", url, sent, b"", stream_output=False)
    answers = client.meta.events.emit(BEFORE_SEND, request=request)
    answer = next((answer for _, answer in answers if answer is not None), None)
    try:
        answer = answer or client._endpoint.http_session.send(request)
    except HTTPClientError:
        return None
    found = _UPLOAD_ID.search(answer.content) if answer.status_code == 200 else None
    return unescape(found[1].decode()) if found else None
