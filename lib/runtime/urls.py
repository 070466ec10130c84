"""URLs among the settings: what one may be, and what a store's endpoint may not hold."""

import re
from urllib.parse import urlsplit

# Endpoints of known providers. A host that is the bucket's name before one of these holds the bucket.
PROVIDERS = re.compile(
    r"s3[a-z0-9-]*(\.dualstack)?(\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?"
    r"|[0-9a-f]{32}\.([a-z]+\.)?r2\.cloudflarestorage\.com"
    r"|[a-z0-9-]+\.(cdn\.)?digitaloceanspaces\.com"
    r"|s3\.[a-z0-9-]+\.backblazeb2\.com"
    r"|s3(\.[a-z0-9-]+)?\.wasabisys\.com"
    r"|s3\.[a-z0-9-]+\.scw\.cloud"
    r"|s3\.[a-z0-9-]+\.(io|perf)\.cloud\.ovh\.[a-z]+"
    r"|[a-z0-9-]+\.(linodeobjects|vultrobjects|your-objectstorage)\.com"
    r"|(s3\.)?oss-[a-z0-9-]+\.aliyuncs\.com"
    r"|cos\.[a-z0-9-]+\.myqcloud\.com"
    r"|storage\.googleapis\.com"
    r"|storage\.yandexcloud\.net"
    r"|sos-[a-z0-9-]+\.exo\.io"
    r"|s3[.-][a-z0-9-]+\.ionoscloud\.com"
    r"|[a-z0-9]+\.[a-z0-9-]+\.idrivee2(-[0-9]+)?\.com"
    r"|obs\.[a-z0-9-]+\.myhuaweicloud\.(com|eu)"
    r"|s3\.((private|direct)\.)?[a-z0-9-]+\.cloud-object-storage\.appdomain\.cloud"
    r"|gateway(\.[a-z0-9]+)?\.storjshare\.io"
    r"|s3\.filebase\.com"
    r"|fly\.storage\.tigris\.dev|t3\.storage\.dev"
    r"|s3(\.[a-z0-9-]+)?\.localhost\.localstack\.cloud"
)
LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
HOST = re.compile(rf"({LABEL}\.)*{LABEL}\.?")  # as botocore, which takes no other, has it
NOT_ACCELERATED = re.compile("cn-|us-gov-|us-iso|eu-iso|eusc-")  # regions of AWS's other partitions
ACCELERATED = ("s3-accelerate.amazonaws.com", "s3-accelerate.dualstack.amazonaws.com")


def check_url(url: str | None) -> str | None:
    """An address that can be asked, with neither a user's name nor a password: clients and logs may see it.

    Raises `ValueError`, in words that quote nothing of it.
    """
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        bad = parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc
        bad = bad or parts.netloc.endswith(":")  # which is in no Host header, and so in no signature
        bad = bad or parts.port == 0 or re.search(r"\s", url) is not None  # reading the port raises, too
    except ValueError:
        bad = True
    if bad:
        raise ValueError("must be a URL as in https://host/path, without a user name or password")
    return url


def check_base_url(url: str | None) -> str | None:
    """An address that a path can follow. Raises `ValueError`."""
    if url and re.search("[?#]", url):
        raise ValueError("must be a URL as in https://host/path, without a query or fragment")
    return check_url(url)


def check_endpoint(url: str | None) -> str | None:
    """A store's endpoint, without a slash at its end. Raises `ValueError`."""
    if url is None:
        return None
    if re.search(r"[@?#]", url):  # `@` also in what a password with a slash in it makes the path
        raise ValueError("must be a URL as in https://host/path, without a user name, password or query")
    endpoint = (check_url(url) or "").rstrip("/")
    host = urlsplit(endpoint).hostname or ""
    if not (":" in host or HOST.fullmatch(host)):  # an IPv6 address has a colon
        raise ValueError(
            "must have a host of letters, digits, '-' and '.' (give a container with '_' an alias)"
        )
    return endpoint


def endpoint_problem(endpoint: str, bucket: str, addressing_style: str, region: str) -> str | None:
    """What is wrong with a good URL as the endpoint of a bucket's store, if anything is."""
    parts = urlsplit(endpoint)
    host, name = (parts.hostname or "").lower().rstrip("."), bucket.lower()
    holds_it = host.startswith(f"{name}.") and PROVIDERS.fullmatch(host[len(name) + 1 :])
    if holds_it or parts.path.rpartition("/")[2] == bucket:
        return "must not hold the bucket: remove MOC_BUCKET's name from it"
    if addressing_style == "path" and is_accelerated(endpoint):
        return "is S3 Transfer Acceleration, which needs S3_ADDRESSING_STYLE auto or virtual"
    if is_accelerated(endpoint) and not re.fullmatch("[a-z0-9-]{3,63}", bucket):
        return "is S3 Transfer Acceleration, which takes no bucket with a dot or a capital in its name"
    if is_accelerated(endpoint) and NOT_ACCELERATED.match(region):
        return "is S3 Transfer Acceleration, which there is not in S3_REGION"
    return None


def is_accelerated(endpoint: str) -> bool:
    """Whether it is an endpoint of S3 Transfer Acceleration, which knows no paths.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/transfer-acceleration-getting-started.html
    """
    return (urlsplit(endpoint).hostname or "").lower() in ACCELERATED
