"""Where a deployment is, as Vercel's variables say."""

import pytest

from lib.runtime.config import Settings

BASE = {"DATABASE_URL": "postgresql://x", "MOC_BUCKET": "bucket", "AUTH_JWT_SECRET": "s" * 32}
HOSTS = {"VERCEL_URL": "app-abc.vercel.app", "VERCEL_PROJECT_PRODUCTION_URL": "uploads.example.com"}


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ({}, None),
        (HOSTS | {"VERCEL_ENV": "production"}, "https://uploads.example.com"),
        (HOSTS | {"VERCEL_ENV": "preview"}, "https://app-abc.vercel.app"),
        ({"VERCEL_ENV": "development"}, None),
        ({"VERCEL_URL": "", "VERCEL_ENV": "preview"}, None),
    ],
)
def test_the_address_of_a_deployment(env, url):
    assert Settings.from_env(BASE | env).own_url == url
