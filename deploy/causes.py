"""Why a store refuses, and what to do about it, by the code that it names."""

from deploy.deployment import Deployment, code_of
from deploy.report import Finding, wrong
from lib.domain.errors import ApiError, Reason

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

FIXES = {
    "InvalidAccessKeyId": "The store does not know the key: set AWS_ACCESS_KEY_ID or S3_ACCESS_KEY_ID. "
    "And is S3_ENDPOINT_URL the right store?",
    "SignatureDoesNotMatch": "The secret is not that of the key: set AWS_SECRET_ACCESS_KEY or "
    "S3_SECRET_ACCESS_KEY again, without quotes.",
    "InvalidToken": "The session token is not that of the key: set AWS_SESSION_TOKEN or S3_SESSION_TOKEN "
    "again, or remove it.",
    "ExpiredToken": STALE,
    "ExpiredTokenException": STALE,
    "TokenRefreshRequired": STALE,
    "RequestTimeTooSkewed": CLOCK,
    "RequestExpired": CLOCK,
    "InvalidRequest": LOCK,
    "MissingContentMD5": LOCK,
    "InvalidBucketName": "Set MOC_BUCKET to the bucket's name alone.",
    "AllAccessDisabled": ACCOUNT,
    "AccountProblem": ACCOUNT,
    "QuotaExceeded": ACCOUNT,
    "402": ACCOUNT,
    "MethodNotAllowed": "Is S3_ENDPOINT_URL the store's S3 endpoint? It does not know the call.",
    "405": "Is S3_ENDPOINT_URL the store's S3 endpoint? It does not know the call.",
    "NotImplemented": "The store does not know what it is asked: remove S3_SSE, if it is set and the store "
    "has no KMS.",
    "NoCredentials": "Set AWS_ROLE_ARN or a pair of keys.",
    "NoCredentialsError": "Set AWS_ROLE_ARN or a pair of keys.",
}
NOT_THERE = ("404", "NoSuchBucket")
FORBIDDEN = ("403", "AccessDenied", "AllAccessDenied", "UnauthorizedAccess", "401")


def refusal(deployment: Deployment, check: str, what: str, error: Exception) -> Finding:
    """The finding for a call that the API made and the store refused, or did not answer."""
    code, told = code_of(error), error.logged if isinstance(error, ApiError) else {}
    if isinstance(error, ApiError) and error.reason is Reason.STORAGE_UNAVAILABLE:
        place = deployment.settings.s3_endpoint_url or "not set, so this is AWS"
        return wrong(
            check, f"the store does not answer ({code})", f"Is S3_ENDPOINT_URL right? It is {place}."
        )
    if "bucket_region" in told:
        text = f"{deployment.bucket} is in {told['bucket_region']}, not in {told['s3_region']}"
        return wrong(check, text, f"Set S3_REGION={told['bucket_region']}")
    if code in NOT_THERE:
        return wrong(check, f"there is no bucket {deployment.bucket}", _create(deployment))
    return wrong(check, f"{what} ({code})", fix_of(deployment, code))


def fix_of(deployment: Deployment, code: str) -> str:
    """What to do about a refusal with this code; IAM is only named for what IAM decides."""
    if code.startswith("KMS."):
        return KMS
    if code in FORBIDDEN:
        return (
            f"{deployment.iam_policy()}\nIs it given? Then a policy of the bucket's denies it (one that "
            "wants an encryption header is met by S3_SSE),\nor the KMS key does: the role or user needs "
            "kms:GenerateDataKey and kms:Decrypt on it."
        )
    return FIXES.get(code) or f"Look {code} up in the store's documentation of its errors."


def _create(deployment: Deployment) -> str:
    region = deployment.settings.s3_region
    place = f" --create-bucket-configuration LocationConstraint={region}" if region != "us-east-1" else ""
    return f"Set MOC_BUCKET to the one that there is, or make it:\n{deployment.aws('create-bucket')}{place}"
