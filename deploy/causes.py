"""Why a store refuses, and what to do about it, by the code that it names."""

from urllib.parse import urlsplit

from deploy.deployment import Deployment, code_of
from deploy.report import Finding, wrong
from lib.domain.errors import ApiError, Reason
from lib.runtime.endpoints import is_accelerated

STALE = (
    "The keys are temporary, and their time is over: renew all three of them, or remove AWS_SESSION_TOKEN "
    "(or S3_SESSION_TOKEN) if the keys are not."
)
KMS = (
    "See to the key that S3_SSE_KMS_KEY_ID or the bucket's default encryption names:\nit must exist in the "
    "bucket's region and be enabled, and the role or user needs kms:GenerateDataKey and kms:Decrypt on it."
)
LOCK = (
    "Does the bucket have Object Lock with a default retention? Then S3 wants a checksum with each part,\n"
    "which presigned URLs do not carry: use a bucket without it."
)
CLOCK = "Set this machine's clock: timedatectl set-ntp true"
ACCOUNT = "Ask the store's provider: it is about the account (payment, quota or suspension)."

KEY = (
    "The store does not know the key: set AWS_ACCESS_KEY_ID or S3_ACCESS_KEY_ID. "
    "And is S3_ENDPOINT_URL the right store?"
)
REGION = (
    "S3_REGION is not what the store expects: often the label in its endpoint; auto for R2, us-east-1 for "
    "MinIO\n(docs/compatibility.md)."
)
BY_HOST = "Set S3_ADDRESSING_STYLE=virtual: the store knows no paths."
REDIRECT = (
    "S3_ENDPOINT_URL leads elsewhere. Does it begin with http although the store wants https? Is it of "
    "another region (AWS\nneeds none: remove it)? Is there a page to log in before the store?"
)
ENDPOINT = (
    "Is S3_ENDPOINT_URL the store's S3 endpoint (docs/compatibility.md), without the bucket's name, and with "
    "https if it\nwants that? It does not know the call."
)
ENCRYPTION = "The store does not know what it is asked: remove S3_SSE, if it is set and the store has no KMS."
TLS = (
    "Either no TLS is spoken there (http in place of https?), or the certificate is another host's, expired, "
    "or of\nno public authority."
)
JURISDICTION = (
    "On R2 a bucket of a jurisdiction is only there at that jurisdiction's endpoint:\n"
    "https://ACCOUNT.eu.r2.cloudflarestorage.com"
)
FORGOTTEN = (
    "The store does not know what it took a moment ago. Is it strongly consistent, and is there nothing "
    "before it that\nspreads requests over several, or changes ETags?"
)
ACCELERATION = "Turn S3 Transfer Acceleration on for the bucket, or remove S3_PUBLIC_ENDPOINT_URL."

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and what other stores say in its place:
# https://developers.cloudflare.com/r2/api/error-codes/
# https://github.com/supabase/storage/blob/master/src/internal/errors/codes.ts
# https://docs.ceph.com/en/latest/radosgw/s3/commons/
# https://cloud.google.com/storage/docs/xml-api/reference-status
# https://www.alibabacloud.com/help/en/oss/support/http-status-code
# https://support.huaweicloud.com/intl/en-us/sdk-php-devg-obs/obs_28_1601.html
CODES = {
    KEY: "InvalidAccessKeyId InvalidAccessKey InvalidSecurity Unauthorized AuthenticationRequired 401",
    "The secret is not that of the key: set AWS_SECRET_ACCESS_KEY or S3_SECRET_ACCESS_KEY again, without "
    "quotes.": "SignatureDoesNotMatch",
    "The session token is not that of the key: set AWS_SESSION_TOKEN or S3_SESSION_TOKEN again, or remove "
    "it.": "InvalidToken InvalidTokenId",
    STALE: "ExpiredToken ExpiredTokenException TokenRefreshRequired",
    CLOCK: "RequestTimeTooSkewed RequestExpired ExpiredRequest",
    REGION: "AuthorizationHeaderMalformed InvalidRegion InvalidRegionName IllegalLocationConstraintException",
    BY_HOST: "SecondLevelDomainForbidden PathStyleDomainForbidden VirtualHostDomainRequired",
    REDIRECT: "PermanentRedirect TemporaryRedirect Redirect 301 302 303 307 308",
    ENDPOINT: "MethodNotAllowed NoSuchKey 400 404 405 421 426 501",
    LOCK: "InvalidRequest MissingContentMD5",
    ENCRYPTION: "NotImplemented InvalidEncryptionAlgorithmError",
    "Are the keys another store's? Is S3_SSE, or its key, something that this store does not "
    "know?": "InvalidArgument",
    "The bucket allows only some MIME types or sizes: those of lib/domain/policy.py must be among "
    "them.": "InvalidMimeType EntityTooLarge",
    "Set MOC_BUCKET to the bucket's name alone.": "InvalidBucketName",
    ACCOUNT: "AllAccessDisabled AccountProblem NotSignedUp QuotaExceeded UserSuspended UserDisable "
    "UserProjectAccountProblem UserProjectMissing InArrearOrInsufficientBalance "
    "XMinioAdminBucketQuotaExceeded 402",
    FORGOTTEN: "InvalidPart InvalidPartOrder NoSuchUpload",
    "The store wants larger parts: raise MULTIPART_PART_SIZE_MB.": "EntityTooSmall",
    "Set AWS_ROLE_ARN or a pair of keys.": "NoCredentials NoCredentialsError",
    "The store has no space left.": "XMinioStorageFull 507",
    TLS: "SSLError",
    "See to HTTPS_PROXY and HTTP_PROXY: the proxy that they name does not answer.": "ProxyConnectionError",
    "AWS has no such endpoint: see to S3_REGION, AWS_USE_FIPS_ENDPOINT and "
    "AWS_USE_DUALSTACK_ENDPOINT.": "EndpointResolutionError",
}
FIXES = {code: fix for fix, codes in CODES.items() for code in codes.split()}
FORBIDDEN = ("403", "AccessDenied", "AllAccessDenied", "UnauthorizedAccess")


def refusal(deployment: Deployment, check: str, what: str, error: Exception) -> Finding:
    """The finding for a call that the API made and the store refused, or did not answer."""
    code, told = code_of(error), error.logged if isinstance(error, ApiError) else {}
    if isinstance(error, ApiError) and error.reason is Reason.STORAGE_UNAVAILABLE:
        settings = deployment.settings
        aws = f"not set, so this is AWS, where S3_REGION must be right, too: {settings.s3_region}"
        place = f"Is S3_ENDPOINT_URL right? It is {settings.s3_endpoint_url or aws}."
        fix = f"{FIXES.get(code, place)}{_by_host(deployment)}"
        return wrong(check, f"the store does not answer ({code})", fix)
    if "bucket_region" in told:
        text = f"{deployment.bucket} is in {told['bucket_region']}, not in {told['s3_region']}"
        return wrong(check, text, f"Set S3_REGION={told['bucket_region']}")
    if code == "NoSuchBucket":
        return wrong(check, f"there is no bucket {deployment.bucket}", _create(deployment))
    return wrong(check, f"{what} ({code})", fix_of(deployment, code))


def fix_of(deployment: Deployment, code: str) -> str:
    """What to do about a refusal with this code; IAM is only named for what IAM decides."""
    if code.startswith(("KMS.", "CloudKms")):
        return KMS
    if code in FORBIDDEN:
        return (
            f"{deployment.iam_policy()}\nIs it given? Then a policy of the bucket's denies it (one that "
            "wants an encryption header is met by S3_SSE),\nor the KMS key does: the role or user needs "
            "kms:GenerateDataKey and kms:Decrypt on it."
            f"{_jurisdiction(deployment)}"
        )
    settings = deployment.settings
    if code == "InvalidRequest" and is_accelerated(
        settings.s3_public_endpoint_url or settings.s3_endpoint_url or ""
    ):
        return ACCELERATION
    fix = FIXES.get(code) or f"Look {code} up in the store's documentation of its errors."
    return f"{fix}{_by_host(deployment)}" if fix == ENDPOINT else fix


def _create(deployment: Deployment) -> str:
    region = deployment.settings.s3_region
    place = f" --create-bucket-configuration LocationConstraint={region}" if region != "us-east-1" else ""
    return (
        f"Set MOC_BUCKET to the one that there is, or make it:\n{deployment.aws('create-bucket')}{place}"
        f"{_jurisdiction(deployment)}{_by_host(deployment)}"
    )


def _by_host(deployment: Deployment) -> str:
    """A store of one's own may have no names for buckets; then it takes the key's first segment for one."""
    settings = deployment.settings
    if settings.s3_addressing_style != "virtual" or not settings.s3_endpoint_url:
        return ""
    host = f"{deployment.bucket}.{urlsplit(settings.s3_endpoint_url).hostname}"
    return f"\nIs there a host {host}, and does the store know it? If not, set S3_ADDRESSING_STYLE=path."


def _jurisdiction(deployment: Deployment) -> str:
    """R2 answers AccessDenied or NoSuchBucket for a bucket of another jurisdiction."""
    host = urlsplit(deployment.settings.s3_endpoint_url or "").hostname or ""
    return f"\n{JURISDICTION}" if host.endswith(".r2.cloudflarestorage.com") else ""
