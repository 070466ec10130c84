"""A store that sends its answers a byte at a time is given up as one that sends none."""

import pytest

from lib.domain.errors import ApiError
from lib.runtime import request_budget
from lib.runtime.config import Settings
from lib.s3 import addresses
from lib.s3.bucket import Bucket
from tests.s3.test_bucket_on_moto import ENV
from tests.support.dripping import DRIPS, Dripping
from tests.support.patience import at_most

ATTEMPTS = 4  # of the fast path, and botocore's three

CALLS = {
    "create": lambda bucket: bucket.create_upload("key", "application/pdf"),
    "list": lambda bucket: bucket.list_parts("key", "id"),
    "complete": lambda bucket: bucket.complete_upload("key", "id", []),
    "head object": lambda bucket: bucket.head_object("key"),
    "head bucket": lambda bucket: bucket.head_bucket(),
}


@pytest.fixture
def patience(monkeypatch):
    monkeypatch.setattr(addresses, "READ_SECONDS", 0.5)
    monkeypatch.setattr(request_budget, "SECONDS", 0.5)


def ask(server, call):
    bucket = Bucket(Settings.from_env(ENV | {"S3_ENDPOINT_URL": server.url}))
    with (
        at_most(20, "an answer ends with its request"),
        pytest.raises(ApiError) as caught,
    ):
        CALLS[call](bucket)
    assert str(caught.value).startswith("STORAGE_UNAVAILABLE")


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize(
    "where", ["status line", "header", "body", "body of a length", "chunks", "a refusal"]
)
def test_an_endless_answer_is_given_up_wherever_it_drips(where):
    with Dripping(*DRIPS[where]) as server:
        ask(server, "list")
        assert server.connections <= ATTEMPTS


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("call", CALLS)
def test_every_call_gives_an_endless_answer_up(call):
    with Dripping(*DRIPS["header"]) as server:
        ask(server, call)


ASSEMBLED = b"<CompleteMultipartUploadResult><ETag>&quot;e-1&quot;</ETag></CompleteMultipartUploadResult>"


def test_an_assembly_that_takes_long_and_shows_it_is_waited_for(monkeypatch):
    """As S3 does: the status at once, then a space now and then."""
    monkeypatch.setattr(addresses, "READ_SECONDS", 1)
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    with Dripping(head, b" ", pause=0.2, pieces=15, last=ASSEMBLED) as server:
        bucket = Bucket(Settings.from_env(ENV | {"S3_ENDPOINT_URL": server.url}))
        assert bucket.complete_upload("key", "id", []) == "e-1"
        assert server.connections == 1
