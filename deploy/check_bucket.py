"""The bucket: there, private, open to the right browsers, and tidied up."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from deploy.causes import refusal
from deploy.deployment import Deployment, code_of, is_supported
from deploy.report import Finding, ok, warning, wrong
from lib.domain.errors import ApiError

CLOSED = (400, 401, 403, 405)  # R2 says 400 InvalidArgument to whatever is not signed


def check_bucket(deployment: Deployment) -> Iterator[Finding]:
    """Everything about the bucket that can be read; if it is not there, only that."""
    found = _check_presence(deployment)
    yield found
    if found.status != "ok":
        return
    yield from _check_addressing(deployment)
    yield from _check_object_lock(deployment)
    yield from _check_privacy(deployment)
    yield _check_cors(deployment)
    yield _check_lifecycle(deployment)


def _check_presence(deployment: Deployment) -> Finding:
    try:
        deployment.s3.head_bucket()
    except ApiError as error:
        cause = _in_words(deployment) or error
        return refusal(deployment, "bucket", f"{deployment.bucket} may not be looked at", cause)
    return ok("bucket", f"{deployment.bucket} is there")


def _in_words(deployment: Deployment) -> ApiError | None:
    """The refusal of a call that, unlike HEAD, has a body to say why."""
    try:
        deployment.asking.ask(lambda s3: s3.list_objects_v2(Bucket=deployment.bucket, MaxKeys=1))
    except ApiError as error:
        return error
    return None


def _check_addressing(deployment: Deployment) -> Iterator[Finding]:
    """Botocore addresses by path what cannot be a host, whatever is set."""
    style, host = deployment.settings.s3_addressing_style, urlsplit(deployment.s3.bucket_url).hostname or ""
    if style == "virtual" and not host.startswith(f"{deployment.bucket}."):
        yield warning(
            "bucket address",
            "S3_ADDRESSING_STYLE is virtual, and the bucket is addressed by path all the same",
            "By host needs a name in lower case without a dot, and an endpoint that is no IP address.",
        )


def _check_object_lock(deployment: Deployment) -> Iterator[Finding]:
    """S3 then wants a checksum with each part, which no presigned URL carries.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
    """
    lock = _read(deployment, "get_object_lock_configuration", "ObjectLockConfiguration")
    if isinstance(lock, dict) and lock.get("Rule", {}).get("DefaultRetention"):
        fix = "Use a bucket without Object Lock, or without a default retention."
        yield wrong("object lock", "a default retention: S3 refuses parts without a checksum", fix)


# --- Private


def _check_privacy(deployment: Deployment) -> Iterator[Finding]:
    yield _check_anonymous(deployment)
    block = ("public-access-block-configuration", deployment.document("public-access-block"))
    fix = deployment.aws("put-public-access-block", block)
    blocked = _read(deployment, "get_public_access_block", "PublicAccessBlockConfiguration")
    if isinstance(blocked, dict):
        open_ways = sorted(way for way, value in block[1].items() if value and not blocked.get(way))
        if open_ways:
            yield wrong("public access", f"not blocked: {', '.join(open_ways)}", fix)
        else:
            yield ok("public access", "blocked")
    elif blocked == "NoSuchPublicAccessBlockConfiguration":
        yield wrong("public access", "not blocked: a policy or an ACL could open the bucket", fix)
    else:
        yield _unread(deployment, "public access", blocked)
    yield _check_policy(deployment)


def _check_anonymous(deployment: Deployment) -> Finding:
    """Somebody without credentials must learn nothing, not even that a key is absent."""
    url = deployment.s3.bucket_url
    try:
        listing, absent = (deployment.http.get(one) for one in (url, f"{url}/{deployment.new_key()}"))
    except httpx.HTTPError as error:
        text = f"the bucket's URL, as clients get it, does not answer ({type(error).__name__})"
        return wrong(
            "private", text, "Is S3_PUBLIC_ENDPOINT_URL (or S3_ENDPOINT_URL) right, and its certificate?"
        )
    if listing.status_code in CLOSED and absent.status_code in CLOSED:
        return ok("private", "anonymous requests are refused")
    text = (
        f"anonymous requests are answered: {listing.status_code} for a list, {absent.status_code} for a key"
    )
    if deployment.is_local:
        return warning("private", f"{text}; the store is on this machine")
    return wrong("private", text, deployment.aws("delete-bucket-policy"))


def _check_policy(deployment: Deployment) -> Finding:
    status = _read(deployment, "get_bucket_policy_status", "PolicyStatus")
    if status == "NoSuchBucketPolicy":
        return ok("bucket policy", "none, so nothing is public by it")
    if not isinstance(status, dict):
        return _unread(deployment, "bucket policy", status)
    if status.get("IsPublic"):
        return wrong("bucket policy", "makes the bucket public", deployment.aws("delete-bucket-policy"))
    return ok("bucket policy", "is not public")


# --- CORS and lifecycle, compared with deploy/


def _check_cors(deployment: Deployment) -> Finding:
    origins = sorted(deployment.settings.origins)
    if not origins:
        return ok("CORS", "not needed: ALLOWED_ORIGINS is empty")
    fix = deployment.aws("put-bucket-cors", ("cors-configuration", deployment.document("cors")))
    rules = _read(deployment, "get_bucket_cors", "CORSRules")
    if rules == "NoSuchCORSConfiguration":
        return wrong("CORS", "the bucket has no CORS rules: no browser can upload", fix)
    if not isinstance(rules, list):
        return _unread(deployment, "CORS", rules)
    wanted = deployment.document("cors")["CORSRules"][0]
    unserved = [origin for origin in origins if not any(_serves(rule, origin, wanted) for rule in rules)]
    if unserved:
        return wrong("CORS", f"no rule lets PUT in and ETag out for {', '.join(unserved)}", fix)
    return ok("CORS", f"PUT with Content-Type in, ETag out, for {len(origins)} origins")


def _serves(rule: dict[str, Any], origin: str, wanted: dict[str, Any]) -> bool:
    """Whether a rule gives at least what ours gives."""
    return any(_matches(pattern, origin) for pattern in rule.get("AllowedOrigins", ())) and all(
        any(_matches(pattern.lower(), word.lower()) for pattern in rule.get(name, ()))
        for name in ("AllowedMethods", "AllowedHeaders", "ExposeHeaders")
        for word in wanted[name]
    )


def _matches(pattern: str, text: str) -> bool:
    """S3's patterns have one `*` at most."""
    start, star, end = pattern.partition("*")
    return text == pattern or bool(star and text.startswith(start) and text.endswith(end))


def _check_lifecycle(deployment: Deployment) -> Finding:
    fix = deployment.aws(
        "put-bucket-lifecycle-configuration", ("lifecycle-configuration", deployment.document("lifecycle"))
    )
    rules = _read(deployment, "get_bucket_lifecycle_configuration", "Rules")
    if rules == "NoSuchLifecycleConfiguration":
        rules = []
    # Those of Google Cloud Storage are of another kind: https://cloud.google.com/storage/docs/xml-api/put-bucket-lifecycle
    if not isinstance(rules, list) or not all("Status" in rule for rule in rules):
        return _unread(deployment, "lifecycle", rules if isinstance(rules, str) else None)
    days = [
        rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
        for rule in rules
        if rule.get("Status") == "Enabled"
        and "DaysAfterInitiation" in rule.get("AbortIncompleteMultipartUpload", {})
        and deployment.prefix.startswith(rule.get("Filter", {}).get("Prefix", rule.get("Prefix", "")))
        and not rule.get("Filter", {}).keys() - {"Prefix"}
    ]
    if not days:
        return wrong("lifecycle", "uploads that nobody finishes stay, and cost money, forever", fix)
    if min(days) * 24 * 60 < deployment.settings.session_ttl_minutes:
        return wrong("lifecycle", f"after {min(days)} days uploads of open sessions are aborted", fix)
    return ok("lifecycle", f"incomplete uploads are aborted after {min(days)} days")


def _read(deployment: Deployment, operation: str, member: str) -> Any:
    """A member of an answer, or the code of an error; `NotSupported` if the store does not know the call."""
    try:
        return getattr(deployment.client, operation)(Bucket=deployment.bucket).get(member)
    except ClientError as error:
        return code_of(error) if is_supported(error) else "NotSupported"
    except (BotoCoreError, ResponseParserError) as error:
        return code_of(error)


def _unread(deployment: Deployment, check: str, code: str | None) -> Finding:
    if code == "NotSupported":
        return warning(check, "not supported here: the store does not know the call")
    if code in ("AccessDenied", "403"):
        return warning(check, "may not be read with these credentials", deployment.iam_policy())
    return warning(check, f"could not be read ({code or 'an answer of another kind than AWS gives'})")
