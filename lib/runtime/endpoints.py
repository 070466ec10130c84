"""Where a store is, by the settings: what an endpoint and a region may be, and what does not go together."""

import re
from ipaddress import IPv6Address
from urllib.parse import urlsplit

from lib.runtime.urls import check_url

NAME = "[a-z0-9-]+"
# Endpoints of known providers, from their documentation and from
# https://github.com/rclone/rclone/tree/master/backend/s3/provider
PROVIDERS = re.compile(
    "|".join(
        [
            rf"s3[a-z0-9-]*(\.dualstack)?(\.{NAME})?\.amazonaws\.com(\.cn)?",
            r"[0-9a-f]{32}\.([a-z]+\.)?r2\.cloudflarestorage\.com",
            rf"{NAME}\.(cdn\.)?digitaloceanspaces\.com",
            rf"{NAME}\.(linodeobjects|vultrobjects|your-objectstorage|contabostorage|magaluobjects)\.com",
            rf"{NAME}\.(object\.fastlystorage\.app|storage\.impossibleapi\.net|s3\.synologyc2\.net)",
            # With a region, as a rule
            rf"s3(\.{NAME})?\.(wasabisys\.com|petabox\.io|cubbit\.eu|localhost\.localstack\.cloud)",
            rf"s3\.{NAME}\.(backblazeb2\.com|scw\.cloud|dream\.io|megas4\.com|storage\.selcloud\.ru|rabata\.io)",
            rf"(s3|storage)\.{NAME}\.((io|perf)\.)?cloud\.ovh\.(net|us)",
            rf"s3[.-]{NAME}\.(ionoscloud|qiniucs|ufileos)\.com",
            rf"s3\.((private|direct)\.)?{NAME}(\.{NAME})?\.cloud-object-storage\.appdomain\.cloud",
            rf"(s3\.)?oss-{NAME}\.aliyuncs\.com|{NAME}\.oss\.aliyuncs\.com",
            rf"cos(-internal)?\.{NAME}\.(myqcloud\.com|tencentcos\.cn)",
            rf"obs\.{NAME}\.myhuaweicloud\.(com|eu)",
            rf"oos\.{NAME}\.outscale\.com",
            rf"sos-{NAME}\.exo\.io",
            rf"(vhcompat|{NAME}\.compat)\.objectstorage\.{NAME}\.(oci\.customer-oci|oraclecloud)\.com",
            rf"storage\.({NAME}\.rep\.)?googleapis\.com",
            rf"[a-z0-9]+\.{NAME}\.idrivee2(-[0-9]+)?\.com",
            r"gateway(\.[a-z0-9]+)?\.storjshare\.io",
            r"storage\.yandexcloud\.net|s3\.filebase\.com|s3\.leviia\.com",
            r"fly\.storage\.tigris\.dev|t3\.storage\.dev",
        ]
    )
)
LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
HOST = re.compile(rf"({LABEL}\.)*{LABEL}\.?")  # as botocore, which takes no other, has it
PATH = re.compile(
    r"(?i:(/(?!(\.|%2e){1,2}(/|$))[a-z0-9._~!$&'()*+,;=:%-]*)*)"
)  # RFC 3986; `.` and `..` do not last
NOT_ACCELERATED = re.compile("cn-|us-gov-|us-iso|eu-iso|eusc-")  # regions of AWS's other partitions
ACCELERATED = ("s3-accelerate.amazonaws.com", "s3-accelerate.dualstack.amazonaws.com")
REGION = re.compile(r"(?![0-9]+$)(?!-)[A-Za-z0-9-]{1,63}(?<!-)")  # as botocore, which takes no other, has it
# Also one that is still to come, and none of the names that only endpoints have (fips-us-gov-west-1)
AWS_REGION = re.compile(r"(?!fips)[a-z]{2,4}(-[a-z]+)+-[0-9]+")
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html, and botocore's partitions.json
PARTITIONS = {
    "cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e", "us-isof-": "aws-iso-f", "eusc-": "aws-eusc",
}  # fmt: skip
# Directory buckets (S3 Express) and others of AWS's, which want requests of their own kind:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
SPECIAL_BUCKET = re.compile(r".*(--[a-z]+-s3|\.mrap)")


def check_region(region: str) -> str:
    """A region that requests can be signed for. Raises `ValueError`."""
    if not REGION.fullmatch(region):
        raise ValueError("must be a region's name as in eu-central-1, of letters, '-' and digits")
    return region


def check_endpoint(url: str | None) -> str | None:
    """A store's endpoint as clients write it, without a slash at its end. Raises `ValueError`.

    A browser that is given `http://MinIO` or `http://[0:0:0:0:0:0:0:1]` names another host to the store, and
    curl a third; the host is part of what is signed.
    """
    if url is None:
        return None
    if re.search(r"[@?#]", url):  # `@` also in what a password with a slash in it makes the path
        raise ValueError("must be a URL as in https://host/path, without a user name, password or query")
    parts = urlsplit(check_url(url) or "")
    if not PATH.fullmatch(parts.path):
        raise ValueError("must have a path that is percent-encoded, without '.' and '..' in it")
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{_host(parts.hostname or '')}{port}{parts.path.rstrip('/')}"


def _host(host: str) -> str:
    """The host of a good URL, in lower case; an IPv6 address as browsers write it."""
    if ":" in host:
        return f"[{IPv6Address(host)}]"
    if not HOST.fullmatch(host):
        raise ValueError(
            "must have a host of letters, digits, '-' and '.' (give a container with '_' an alias)"
        )
    return host


def aws_problem(region: str, bucket: str) -> str | None:
    """What is wrong with settings that name no endpoint, if anything is."""
    if not AWS_REGION.fullmatch(region):
        return (
            "S3_REGION: must be a region of AWS, such as eu-central-1 (AWS_REGION stands in for it). "
            "For another store, set S3_ENDPOINT_URL"
        )
    if SPECIAL_BUCKET.fullmatch(bucket):
        return "MOC_BUCKET: must be a general purpose bucket, not a directory bucket or an access point"
    return None


def role_problem(role_arn: str, region: str) -> str | None:
    """What is wrong with a role of AWS's for a bucket in this region, if anything is."""
    partition = next((name for start, name in PARTITIONS.items() if region.startswith(start)), "aws")
    told = role_arn.split(":")[1]
    if told == partition or told not in {"aws", *PARTITIONS.values()}:  # or one that is still to come
        return None
    return f"AWS_ROLE_ARN: must begin with arn:{partition}: as S3_REGION is of that part of AWS"


def endpoint_problem(endpoint: str, bucket: str, addressing_style: str, region: str) -> str | None:
    """What is wrong with a good URL as the endpoint of a bucket's store, if anything is."""
    parts = urlsplit(endpoint)
    if _holds_a_bucket((parts.hostname or "").rstrip(".")) or parts.path.rpartition("/")[2] == bucket:
        return "must not hold the bucket: remove its name there (MOC_BUCKET says it)"
    if addressing_style == "path" and is_accelerated(endpoint):
        return "is S3 Transfer Acceleration, which needs S3_ADDRESSING_STYLE auto or virtual"
    if is_accelerated(endpoint) and not re.fullmatch("[a-z0-9-]{3,63}", bucket):
        return "is S3 Transfer Acceleration, which takes no bucket with a dot or a capital in its name"
    if is_accelerated(endpoint) and NOT_ACCELERATED.match(region):
        return "is S3 Transfer Acceleration, which there is not in S3_REGION"
    return None


def _holds_a_bucket(host: str) -> bool:
    """Whether it is a known provider's endpoint with something before it, whatever MOC_BUCKET is."""
    labels = host.split(".")
    ends = (".".join(labels[number:]) for number in range(1, len(labels)))
    return not PROVIDERS.fullmatch(host) and any(PROVIDERS.fullmatch(end) for end in ends)


def is_accelerated(endpoint: str) -> bool:
    """Whether it is an endpoint of S3 Transfer Acceleration, which knows no paths.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/transfer-acceleration-getting-started.html
    """
    return (urlsplit(endpoint).hostname or "").lower() in ACCELERATED
