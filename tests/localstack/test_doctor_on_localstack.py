"""The doctor on a store that knows what AWS knows, keyless."""

import time

import jwt
import pytest

from deploy.doctor import examine
from deploy.documents import document

ORIGIN = "https://app.example.com"


@pytest.fixture
def findings(env, s3):
    """Examines a deployment on a bucket as deploy/ configures it, with some settings changed."""
    s3.put_bucket_cors(Bucket="uploads", CORSConfiguration=document("cors", {"ALLOWED_ORIGINS": ORIGIN}))
    s3.put_bucket_lifecycle_configuration(Bucket="uploads", LifecycleConfiguration=document("lifecycle", {}))
    s3.put_public_access_block(
        Bucket="uploads", PublicAccessBlockConfiguration=document("public-access-block", {})
    )
    token = jwt.encode({"sub": "owner:acme", "exp": int(time.time()) + 3600}, "x" * 32)
    usual = {"ALLOWED_ORIGINS": ORIGIN, "AUTH_AUDIENCE": "uploads", "RATE_LIMIT_BYPASS": "false",
             "VERCEL_OIDC_TOKEN": token}  # fmt: skip
    return lambda **changes: {one.check: one for one in examine(env | usual | changes)}


def of_status(findings, status):
    return {name for name, finding in findings.items() if finding.status == status}


def test_nothing_is_wrong_in_a_healthy_deployment(findings, s3):
    found = findings()
    assert of_status(found, "wrong") == set()
    # LocalStack lets anybody in, and has no policy status
    assert of_status(found, "warning") == {"private", "bucket policy"}
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="uploads")


@pytest.mark.parametrize("missing", [None, "BlockPublicPolicy"])
def test_public_access_that_is_not_blocked(findings, s3, missing):
    if missing:
        block = document("public-access-block", {}) | {missing: False}
        s3.put_public_access_block(Bucket="uploads", PublicAccessBlockConfiguration=block)
    else:
        s3.delete_public_access_block(Bucket="uploads")
    found = findings()
    assert of_status(found, "wrong") == {"public access"}
    assert "put-public-access-block --bucket uploads" in found["public access"].fix


def test_a_bucket_that_anybody_reads(findings, localstack):
    elsewhere = localstack.endpoint.replace("127.0.0.1", "127.1")  # the same, but not by its name
    found = findings(S3_ENDPOINT_URL=elsewhere)
    assert of_status(found, "wrong") == {"private"}
    assert "least privilege" in of_status(found, "warning")


def test_no_cors_and_no_lifecycle(findings, s3):
    s3.delete_bucket_cors(Bucket="uploads")
    s3.delete_bucket_lifecycle(Bucket="uploads")
    assert of_status(findings(), "wrong") == {"CORS", "browsers", "lifecycle"}


def test_no_bucket(findings):
    found = findings(MOC_BUCKET="no-such-bucket", S3_REGION="eu-central-1")
    assert of_status(found, "wrong") == {"bucket"}
    assert "LocationConstraint=eu-central-1" in found["bucket"].fix
