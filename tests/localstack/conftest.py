"""Only with `--store=localstack`: these need LocalStack's S3 together with its STS."""

import pytest

from tests.conftest import SECRET
from tests.support.localstack import LocalStack


def pytest_ignore_collect(collection_path, config):
    return True if config.getoption("--store") != "localstack" else None


@pytest.fixture(scope="session")
def localstack():
    """LocalStack with S3 and STS, and a bucket."""
    with LocalStack("s3", "sts") as localstack:
        localstack.create_bucket()
        yield localstack


@pytest.fixture(scope="session")
def env(stack, database_env, localstack):
    """The environment of a keyless deployment on the embedded database and LocalStack."""
    store = {name: value for name, value in localstack.env().items() if not name.startswith("AWS_")}
    return stack.env() | database_env | {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""} | store | {
        "AUTH_JWT_SECRET": SECRET, "RATE_LIMIT_BYPASS": "true", "VERCEL_ENV": "development",
        "AWS_ROLE_ARN": "arn:aws:iam::000000000000:role/uploads", "AWS_ENDPOINT_URL_STS": localstack.endpoint,
    }  # fmt: skip


@pytest.fixture
def s3(localstack):
    """A client of the store that looks past the API."""
    from dev.seaweedfs import store_client

    return store_client(localstack.env())
