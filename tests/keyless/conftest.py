"""A keyless deployment: an OIDC issuer, and a store whose STS goes by the policies of deploy/."""

import json

import pytest

from db.migrate import migrate
from dev.stack import Stack
from tests.conftest import SECRET
from tests.support.keyless import PROJECT_ID, ROLE, STAGE, Issuer, iam_config


@pytest.fixture(scope="session")
def issuer():
    with Issuer() as issuer:
        yield issuer


@pytest.fixture(scope="session")
def admin_env(issuer, tmp_path_factory):
    """A database, and a store whose STS knows the issuer; with the keys of the store's owner."""
    folder = tmp_path_factory.mktemp("keyless")
    config = folder / "iam.json"
    config.write_text(json.dumps(iam_config(issuer, "uploads")))
    stack = Stack(folder / "stack", fast=True, weed_options=[f"-s3.iam.config={config}"])
    with stack:
        migrate(stack.database_url)
        yield stack.env()
    stack.remove()


@pytest.fixture
def env(admin_env):
    """The environment of a keyless deployment."""
    keyless = {name: value for name, value in admin_env.items() if not name.startswith("AWS_")}
    return keyless | {
        "AUTH_JWT_SECRET": SECRET, "STAGE": STAGE, "AWS_ROLE_ARN": ROLE,
        "VERCEL": "1", "VERCEL_ENV": "production", "VERCEL_PROJECT_ID": PROJECT_ID,
        "AWS_ENDPOINT_URL_STS": admin_env["S3_ENDPOINT_URL"],
    }  # fmt: skip


@pytest.fixture(autouse=True)
def no_other_credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(autouse=True)
def vercels_keys(monkeypatch, issuer):
    """Vercel's keys are fetched from the issuer that the tests play."""
    monkeypatch.setattr("lib.runtime.oidc_token.JWKS_URL", issuer.jwks_url)
    issuer.down = False
