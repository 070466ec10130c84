"""A deployment that is well, for tests that make it ill."""

from contextlib import suppress

import pytest
from botocore.exceptions import ClientError

from deploy.documents import document
from tests.support.keyless import Issuer

ORIGIN = "https://app.example.com"


@pytest.fixture
def bucket(s3):
    """A bucket as deploy/ configures it; the same for all tests, because SeaweedFS has room for few."""
    name = "doctor"
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
        s3.create_bucket(Bucket=name)
    with suppress(ClientError):  # NoSuchBucketPolicy, as a rule
        s3.delete_bucket_policy(Bucket=name)
    s3.put_bucket_cors(Bucket=name, CORSConfiguration=document("cors", {"ALLOWED_ORIGINS": ORIGIN}))
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration=document("lifecycle", {}))
    return name


@pytest.fixture
def healthy(env, bucket):
    """The environment of a deployment that is well."""
    return env | {
        "MOC_BUCKET": bucket, "ALLOWED_ORIGINS": f"{ORIGIN}/", "AUTH_AUDIENCE": "uploads",
        "RATE_LIMIT_BYPASS": "false",
    }  # fmt: skip


@pytest.fixture
def issuer():
    """An issuer of tokens, with its JWKS."""
    with Issuer() as issuer:
        yield issuer
