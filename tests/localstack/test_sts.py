"""Keyless production on LocalStack: URLs that were signed with a role's credentials, used for real.

LocalStack takes every token, but knows the credentials that it hands out: their signatures count.
"""

import time
from datetime import UTC, datetime, timedelta

import httpx
import jwt
import pytest

from tests.support.client import MIB, pdf, put, put_all, random_bytes
from tests.support.fuzzy import moment

TOKEN = jwt.encode(
    {"iss": "https://oidc.vercel.com/acme", "sub": "owner:acme", "exp": int(time.time()) + 3600}, "x" * 32
)


@pytest.fixture
def api(in_process):
    return in_process(VERCEL_OIDC_TOKEN=TOKEN)


def test_an_upload_works_with_temporary_credentials(api, s3):
    content = random_bytes(5 * MIB + 1)
    session = api.session()
    registered, parts = api.upload(session, pdf(), content)
    assert "X-Amz-Security-Token=" in registered["presignedUrls"][0]["url"]
    assert api.parts(session, registered["fileId"])["verified"] is True
    completed = api.complete(session, registered["fileId"], {"parts": parts})
    assert completed["sizeBytes"] == len(content)
    [stored] = s3.list_objects_v2(Bucket="uploads")["Contents"]
    assert stored["Key"] in completed["fileUrl"]
    assert s3.get_object(Bucket="uploads", Key=stored["Key"])["Body"].read() == content


def test_the_signature_counts(api):
    [entry] = api.register(api.session(), pdf(size=5, partCount=1))["presignedUrls"]
    assert put(entry["url"], b"hello!", {"Content-Length": "6"}).status_code == 403  # another length
    other_key = entry["url"].replace("X-Amz-Credential=", "X-Amz-Credential=X")
    assert put(other_key, b"hello", entry["headers"]).status_code == 403
    assert put(entry["url"], b"hello", entry["headers"]).status_code == 200


def test_a_batch_on_one_exchange(api, localstack):
    session = api.session()
    batch = api.batch(session, [pdf(f"{n}.pdf", size=9, partCount=1) for n in range(10)])
    urls = [result["presignedUrls"] for result in batch["results"]]
    keys = {httpx.URL(url[0]["url"]).params["X-Amz-Credential"] for url in urls}
    assert len(keys) == 1
    for entries in urls:
        put_all(entries, b"123456789", 9)


def test_urls_end_with_the_credentials(in_process):
    api = in_process(PRESIGNED_URL_TTL_MINUTES="600", VERCEL_OIDC_TOKEN=TOKEN)
    [entry] = api.register(api.session(), pdf(size=5, partCount=1))["presignedUrls"]
    assert timedelta(minutes=58) < moment(entry["expiresAt"]) - datetime.now(UTC) <= timedelta(hours=1)
