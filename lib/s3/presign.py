"""SigV4 for many parts at once: presigned UploadPart URLs whose constant parts are computed once.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
SIGNED_HEADERS = "content-length;host"
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request is signed with."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None  # the end of their life; None: long-lived


def presign_upload_parts(
    *,
    credentials: Credentials,
    region: str,
    bucket_url: str,
    key: str,
    upload_id: str,
    parts: Iterable[tuple[int, int]],
    signed_at: datetime,
    expires_in: int,
) -> list[str]:
    """Presign a PUT for each part, given as its number and its size in bytes.

    The size is signed as Content-Length: S3 refuses a body of another length. `bucket_url` is where the
    bucket lives, as a host of its own or as a path; `expires_in` is in seconds, 1 to 604,800. The URLs are
    those that botocore makes at the same clock. Pure, and so safe under threads.
    """
    timestamp, scope = timestamp_and_scope(signed_at, region)
    auth = {
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": encoded(f"{credentials.access_key_id}/{scope}"),
        "X-Amz-Date": timestamp,
        "X-Amz-Expires": str(expires_in),
        "X-Amz-SignedHeaders": encoded(SIGNED_HEADERS),
    }
    if credentials.session_token is not None:
        auth["X-Amz-Security-Token"] = encoded(credentials.session_token)
    upload = f"uploadId={encoded(upload_id)}"
    path = encoded_path(key)

    # Up to the part number every canonical request is the same, so that is hashed once; the rest is the same
    # for every part of one size. The query is sorted there; in the URL it is in the order of botocore's.
    host, bucket_path = host_and_path(bucket_url)
    query = "&".join(f"{name}={auth[name]}" for name in sorted(auth))
    canonical_start = hashlib.sha256(f"PUT\n{bucket_path}{path}\n{query}&partNumber=".encode())
    ends: dict[int, bytes] = {}
    signed = hmac.new(signing_key(credentials.secret_access_key, scope), digestmod=hashlib.sha256)
    signed.update(f"{ALGORITHM}\n{timestamp}\n{scope}\n".encode())
    url_start = f"{bucket_url}{path}?{upload}&partNumber="
    url_end = "&" + "&".join(f"{name}={value}" for name, value in auth.items()) + "&X-Amz-Signature="

    urls = []
    for number, size in parts:
        if size not in ends:
            headers = f"content-length:{size}\nhost:{host}\n"
            ends[size] = f"&{upload}\n{headers}\n{SIGNED_HEADERS}\nUNSIGNED-PAYLOAD".encode()
        canonical = canonical_start.copy()
        canonical.update(b"%d" % number + ends[size])
        signature = signed.copy()
        signature.update(canonical.hexdigest().encode())
        urls.append(f"{url_start}{number}{url_end}{signature.hexdigest()}")
    return urls


def timestamp_and_scope(signed_at: datetime, region: str) -> tuple[str, str]:
    """When a request is signed, as SigV4 writes it, and what its signing key is good for."""
    timestamp = signed_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return timestamp, f"{timestamp[:8]}/{region}/s3/aws4_request"


@lru_cache(maxsize=8)
def signing_key(secret_access_key: str, scope: str) -> bytes:
    """The key of one scope: a day, a region and the service."""
    key = f"AWS4{secret_access_key}".encode()
    for text in scope.split("/"):
        key = hmac.digest(key, text.encode(), "sha256")
    return key


def encoded(text: str) -> str:
    """A value in a query string, as S3 encodes it for the signature."""
    return quote(text, safe="-_.~")


def encoded_path(key: str) -> str:
    """The path of an object below its bucket, as S3 encodes it for the signature."""
    return quote(f"/{key}", safe="/~")


@lru_cache(maxsize=8)
def host_and_path(url: str) -> tuple[str, str]:
    """The Host header, without the scheme's own port as clients send it, and the path."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    if parts.port is not None and parts.port != DEFAULT_PORTS.get(parts.scheme):
        host = f"{host}:{parts.port}"
    return host, parts.path.rstrip("/")
