"""Where the two stores of the tests differ: what AWS does, and which of the two agrees with it.

`make test` runs these on SeaweedFS, `make test-localstack` on LocalStack. What both do as AWS does is tested
by the scenarios, which run on both.
"""

import uuid
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from lib.runtime.config import Settings
from lib.s3.bucket import Bucket
from lib.s3.presign import Credentials, presign_upload_parts
from tests.support.client import MIB, put

BUCKET = "uploads"


class Upload:
    """A multipart upload of its own, past the API."""

    def __init__(self, s3):
        self.s3 = s3
        self.names = {"Bucket": BUCKET, "Key": f"differences/{uuid.uuid4()}"}
        self.names["UploadId"] = s3.create_multipart_upload(**self.names)["UploadId"]

    def put(self, number, body):
        return self.s3.upload_part(**self.names, PartNumber=number, Body=body)["ETag"]

    def complete(self, *etags):
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        return self.s3.complete_multipart_upload(**self.names, MultipartUpload={"Parts": parts})


@pytest.fixture
def upload(s3):
    upload = Upload(s3)
    yield upload
    s3.delete_object(Bucket=BUCKET, Key=upload.names["Key"])


@pytest.fixture
def store(pytestconfig):
    return pytestconfig.getoption("store")


def outcome(call, *arguments):
    """ "ok", or the error's status and code."""
    try:
        call(*arguments)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    return "ok"


def test_a_part_sent_twice_is_listed_once(upload, s3, store):
    """AWS lists the newer one alone, as LocalStack does. Hence `newest` in lib/domain/part_layout.py."""
    upload.put(1, b"older")
    upload.put(1, b"new")
    sizes = [part["Size"] for part in s3.list_parts(**upload.names)["Parts"]]
    assert sorted(sizes) == {"localstack": [3], "seaweedfs": [3, 5]}[store]


def test_the_older_etag_of_a_part_sent_twice_is_refused(upload, store):
    """AWS refuses it, as LocalStack does: nobody can assemble bytes that were written over."""
    older = upload.put(1, b"older")
    upload.put(1, b"new")
    refused = {"localstack": (400, "InvalidPart"), "seaweedfs": "ok"}
    assert outcome(upload.complete, older) == refused[store]


def test_completing_twice_answers_the_same_but_on_localstack(upload, store):
    """AWS answers the second time as the first, as SeaweedFS does. Hence the HEAD before any refusal."""
    etag = upload.put(1, b"abc")
    upload.complete(etag)
    assert outcome(upload.complete, etag) == {"localstack": (404, "NoSuchUpload"), "seaweedfs": "ok"}[store]


def test_a_page_of_parts_has_a_thousand(upload, s3, env, store):
    """AWS lists 1,000 parts a page, as LocalStack does. Our own list has all of them on either."""
    for number in range(1, 1006):
        upload.put(number, b"x")
    page = s3.list_parts(**upload.names)
    expected = {"localstack": (1000, True), "seaweedfs": (1005, False)}
    assert (len(page["Parts"]), page["IsTruncated"]) == expected[store]
    listed = Bucket(Settings.from_env(env)).list_parts(upload.names["Key"], upload.names["UploadId"])
    assert [part.part_number for part in listed] == list(range(1, 1006))


def test_completing_with_no_parts(upload, store):
    """AWS says 400, as LocalStack does; SeaweedFS says 404. Our completion never sends an empty list."""
    upload.put(1, b"abc")
    refused = {"localstack": (400, "InvalidRequest"), "seaweedfs": (404, "NoSuchUpload")}
    assert outcome(upload.complete) == refused[store]


def test_part_10001(upload, store):
    """AWS answers InvalidArgument, as LocalStack does. Our limits are below it."""
    refused = {"localstack": (400, "InvalidArgument"), "seaweedfs": (400, "InvalidPart")}
    assert outcome(upload.put, 10_001, b"abc") == refused[store]


def signed(env, upload, access_key, expires_in):
    """A well-formed URL, with any signer and any lifetime."""
    [url] = presign_upload_parts(
        credentials=Credentials(access_key, env["AWS_SECRET_ACCESS_KEY"]),
        region=env["S3_REGION"],
        bucket_url=f"{env['S3_ENDPOINT_URL']}/{BUCKET}",
        key=upload.names["Key"],
        upload_id=upload.names["UploadId"],
        parts=[(1, 3)],
        signed_at=datetime.now(UTC),
        expires_in=expires_in,
    )
    return url


def test_who_signed_and_for_how_long(upload, env, store):
    """AWS refuses strangers, nobody, and more than seven days, as SeaweedFS does; LocalStack takes them all.

    What both refuse (an expired URL, another length, another part) is in the scenarios.
    """
    own = env["AWS_ACCESS_KEY_ID"]
    good = signed(env, upload, own, 604_800)
    assert put(good, b"abc").status_code == 200
    urls = [
        signed(env, upload, "nobody", 60),
        good.partition("&X-Amz-")[0],
        signed(env, upload, own, 604_801),
    ]
    statuses = [put(url, b"abc").status_code for url in urls]
    assert statuses == {"localstack": [200, 200, 200], "seaweedfs": [403, 403, 400]}[store]


def test_parts_below_five_mebibytes_cannot_be_assembled(upload):
    """As on AWS: both stores agree with it, and moto too."""
    etags = [upload.put(1, bytes(5 * MIB - 1)), upload.put(2, b"x")]
    assert outcome(upload.complete, *etags) == (400, "EntityTooSmall")
