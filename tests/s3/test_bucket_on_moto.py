"""The calls of lib/s3/bucket.py as boto3 makes them, on moto, in memory: only where moto is honest about S3.

It takes any signature, length, checksum and order of parts, and completing an aborted upload ends in an
exception: all that is for the scenarios, on real stores.
"""

import boto3
import pytest
from moto import mock_aws

from lib.domain.errors import ApiError, Reason
from lib.domain.part_layout import MIN_PART_SIZE
from lib.runtime.config import Settings
from lib.s3.bucket import Bucket, StoredObject
from lib.s3.refusals import PartsChangedError, UploadGoneError
from tests.support.http_server import Handler, HttpServer

BUCKET, KEY = "bucket", "a key/with ü.pdf"
ENV = {
    "DATABASE_URL": "postgresql://nowhere", "MOC_BUCKET": BUCKET, "AUTH_BYPASS": "true",
    "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "S3_REGION": "eu-central-1",
}  # fmt: skip


@pytest.fixture
def client():
    with mock_aws():
        client = boto3.client(
            "s3", region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield client


@pytest.fixture
def s3(client):
    return Bucket(Settings.from_env(ENV))


@pytest.fixture
def upload_id(s3):
    return s3.create_upload(KEY, "application/pdf", "an attempt")


def put(client, upload_id, number, body):
    names = {"Bucket": BUCKET, "Key": KEY, "UploadId": upload_id}
    return client.upload_part(**names, PartNumber=number, Body=body)["ETag"].strip('"')


def test_the_content_type_is_the_objects(s3, client, upload_id):
    put(client, upload_id, 1, b"abc")
    s3.complete_upload(KEY, upload_id, s3.list_parts(KEY, upload_id))
    assert client.head_object(Bucket=BUCKET, Key=KEY)["ContentType"] == "application/pdf"


@pytest.mark.parametrize(
    ("settings", "stored"),
    [
        ({}, (None, None)),
        ({"S3_SSE": ""}, (None, None)),
        ({"S3_SSE": "AES256"}, ("AES256", None)),
        ({"S3_SSE": "aws:kms"}, ("aws:kms", None)),
        ({"S3_SSE": "aws:kms", "S3_SSE_KMS_KEY_ID": "alias/uploads"}, ("aws:kms", "alias/uploads")),
        ({"S3_SSE": "aws:kms:dsse", "S3_SSE_KMS_KEY_ID": "1-2"}, ("aws:kms:dsse", "1-2")),
    ],
)
def test_the_encryption_that_each_upload_asks_for(client, settings, stored):
    asked = []
    s3 = Bucket(Settings.from_env(ENV | settings))
    events = s3._client.s3().meta.events
    events.register(
        "before-send.s3.CreateMultipartUpload", lambda request, **_: asked.append(request.headers)
    )
    upload_id = s3.create_upload(KEY, "application/pdf")
    names = ("x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id")
    [headers] = asked
    assert tuple(map(headers.get, names)) == stored
    put(client, upload_id, 1, b"abc")
    assert s3.complete_upload(KEY, upload_id, s3.list_parts(KEY, upload_id))


def test_parts_are_listed_over_all_pages(s3, client, upload_id):
    """moto lists 1,000 parts a page, as AWS does."""
    for number in range(1, 1003):
        put(client, upload_id, number, str(number).encode())
    parts = s3.list_parts(KEY, upload_id)
    assert [(part.part_number, part.size) for part in parts] == [(n, len(str(n))) for n in range(1, 1003)]


def test_a_listed_part_has_number_etag_size_and_time(s3, client, upload_id):
    etag = put(client, upload_id, 7, b"abc")
    [part] = s3.list_parts(KEY, upload_id)
    assert (part.part_number, part.etag, part.size) == (7, etag, 3)
    assert part.last_modified.tzinfo is not None


def test_an_upload_without_parts_lists_none(s3, upload_id):
    assert s3.list_parts(KEY, upload_id) == []


def test_a_completed_object_shows_its_etag_size_and_attempt(s3, client, upload_id):
    bodies = [b"1" * MIN_PART_SIZE, b"2"]
    for number, body in enumerate(bodies, 1):
        put(client, upload_id, number, body)
    assert s3.head_object(KEY) is None
    etag = s3.complete_upload(KEY, upload_id, s3.list_parts(KEY, upload_id))
    assert etag.endswith("-2")
    assert s3.head_object(KEY) == StoredObject(etag, MIN_PART_SIZE + 1, "an attempt")
    assert client.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == b"".join(bodies)


def test_a_part_that_was_sent_again_cannot_be_completed_with_its_old_etag(s3, client, upload_id):
    put(client, upload_id, 1, b"older")
    listed = s3.list_parts(KEY, upload_id)
    put(client, upload_id, 1, b"newer")
    with pytest.raises(PartsChangedError):
        s3.complete_upload(KEY, upload_id, listed)
    assert s3.complete_upload(KEY, upload_id, s3.list_parts(KEY, upload_id))


def test_parts_that_are_too_small(s3, client, upload_id):
    for number in (1, 2):
        put(client, upload_id, number, b"small")
    with pytest.raises(PartsChangedError):
        s3.complete_upload(KEY, upload_id, s3.list_parts(KEY, upload_id))


def test_an_aborted_upload_is_gone_and_aborts_again(s3, client, upload_id):
    put(client, upload_id, 1, b"abc")
    s3.abort_upload(KEY, upload_id)
    s3.abort_upload(KEY, upload_id)  # there is nothing left to abort
    with pytest.raises(UploadGoneError):
        s3.list_parts(KEY, upload_id)
    assert s3.head_object(KEY) is None


def test_a_bucket_that_is_not_there(client):
    s3 = Bucket(Settings.from_env(ENV | {"MOC_BUCKET": "another"}))
    for ask in (s3.head_bucket, lambda: s3.create_upload(KEY, "application/pdf")):
        with pytest.raises(ApiError) as caught:
            ask()
        assert caught.value.reason is Reason.STORAGE_REFUSED
        assert caught.value.headers == {}


def test_a_bucket_of_another_region(client):
    """moto answers 200 with the region's name to any signature; AWS answers 301 or 400 with it."""
    s3 = Bucket(Settings.from_env(ENV | {"S3_REGION": "us-west-2"}))
    with pytest.raises(ApiError) as caught:
        s3.head_bucket()
    told = caught.value.logged
    assert (told["bucket_region"], told["s3_region"]) == ("eu-central-1", "us-west-2")


def test_the_bucket_that_is_there(s3):
    s3.head_bucket()


def test_where_an_object_is_on_aws_itself(s3):
    url = "https://bucket.s3.eu-central-1.amazonaws.com/a%20key/with%20%C3%BC.pdf"
    assert s3.object_url(KEY) == url


ASKS = {
    "create": lambda s3: s3.create_upload(KEY, "application/pdf"),
    "list": lambda s3: s3.list_parts(KEY, "an upload"),
    "complete": lambda s3: s3.complete_upload(KEY, "an upload", []),
    "abort": lambda s3: s3.abort_upload(KEY, "an upload"),
    "head object": lambda s3: s3.head_object(KEY),
    "head bucket": lambda s3: s3.head_bucket(),
}


@pytest.mark.parametrize(
    ("ask", "fault"),
    [*((ask, KeyError) for ask in ASKS.values()),
     *((ASKS["create"], fault) for fault in (IndexError, TypeError, AttributeError, ValueError))],
)  # fmt: skip
def test_a_fault_of_ours_is_not_the_stores(s3, ask, fault):
    def ours(**_):
        raise fault("ours")

    for event in ("before-call.s3", "before-send.s3"):  # the fast path has the latter only
        s3._client.s3().meta.events.register(event, ours)
    with pytest.raises(fault, match="ours"):
        ask(s3)


LISTED = b"<R><IsTruncated>false</IsTruncated><Part><PartNumber>1</PartNumber></Part></R>"


@pytest.mark.parametrize(
    ("name", "content"),
    [("create", b""), ("create", b"<html>hello</html>"), ("list", LISTED), ("complete", b""),
     ("complete", b"<html>hello</html>"), ("head object", b"")],
)  # fmt: skip
def test_an_answer_without_what_it_must_have_is_the_stores(name, content):
    class Nonsense(Handler):
        def serve(self):
            self.body()
            self.answer(200, [("Content-Type", "application/xml")], content)

    with HttpServer(Nonsense) as store, pytest.raises(ApiError) as caught:
        ASKS[name](Bucket(Settings.from_env(ENV | {"S3_ENDPOINT_URL": store.url})))
    assert caught.value.reason is Reason.STORAGE_UNAVAILABLE
