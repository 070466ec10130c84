"""The fast path sends what botocore would, reads as it does, and leaves to it whatever is no success."""

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.credentials import Credentials as BotocoreCredentials
from urllib3 import HTTPHeaderDict

from lib.domain.errors import ApiError
from lib.domain.part_layout import StoredPart
from lib.runtime.config import Settings
from lib.s3.answers import page_of, upload_id_of
from lib.s3.bucket import Bucket, StoredObject
from lib.s3.refusals import UploadGoneError
from tests.support.http_server import Handler, HttpServer

ANSWER = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<InitiateMultipartUploadResult>'
    b"<Bucket>b</Bucket><Key>k</Key><UploadId>%s</UploadId></InitiateMultipartUploadResult>"
)
ONES_OWN = {"user-agent", "amz-sdk-invocation-id", "amz-sdk-request", "authorization", "x-amz-date"}
BASE = {
    "DATABASE_URL": "postgresql://h/d",
    "AUTH_JWT_SECRET": "x" * 32,
    "MOC_BUCKET": "bucket",
    "AWS_ACCESS_KEY_ID": "AKID",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "S3_REGION": "eu-central-1",
}
SETTINGS = {
    "AWS": {},
    "token": {"AWS_SESSION_TOKEN": "a/b+c=="},
    "SSE-S3": {"S3_SSE": "AES256"},
    "SSE-KMS": {"S3_SSE": "aws:kms", "S3_SSE_KMS_KEY_ID": "arn:aws:kms:eu-central-1:123456789012:key/1-2"},
    "path": {"S3_ADDRESSING_STYLE": "path"},
    "dots": {"MOC_BUCKET": "a.bucket.with.dots"},
    "dualstack": {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
    "China": {"S3_REGION": "cn-north-1"},
    "store": {"S3_ENDPOINT_URL": "http://127.0.0.1:9000"},
    "store by host": {"S3_ENDPOINT_URL": "https://s3.example.com", "S3_ADDRESSING_STYLE": "virtual"},
    "other address for clients": {"S3_ENDPOINT_URL": "http://minio:9000",
                                  "S3_PUBLIC_ENDPOINT_URL": "https://s3.example.com"},
}  # fmt: skip
TYPES = ["application/pdf", "text/html", "text/plain; charset=utf-8", "image/png"]
KEYS = ["dev/moc-instructions/auth0=7C1/s/image/f-01234567.png", "dev/ä b+c=d/~&?#.bin"]


AT = datetime(2026, 11, 25, 2, 34, 58, tzinfo=UTC)
PART = StoredPart(1, "0123456789abcdef", 5, AT)
ODD = StoredPart(2, "a&b<c>-2", 3, AT)
LISTED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<ListPartsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<UploadId>id</UploadId>%s<IsTruncated>false</IsTruncated><Part><PartNumber>1</PartNumber><LastModified>"
    b"2026-11-25T02:34:58.000Z</LastModified><ETag>&quot;0123456789abcdef&quot;</ETag><Size>5</Size></Part>"
    b"<Part><Size>3</Size><ETag>&#34;a&amp;b&lt;c&gt;-2&#34;</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32>"
    b"<PartNumber>2</PartNumber><LastModified>2026-11-25T02:34:58.000Z</LastModified></Part>"
    b"</ListPartsResult>"
) % b"<Owner><ID>o</ID></Owner>"
DONE = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n\n   \n<CompleteMultipartUploadResult>'
    b"<Location>l</Location><Bucket>b</Bucket><Key>k</Key><ETag>&quot;e-2&quot;</ETag>"
    b"</CompleteMultipartUploadResult>"
)
HEAD = {"etag": '"e-2"', "content-length": "8", "X-Amz-Meta-Attempt": "a"}
UPLOAD_ID = "2~a/b+c=.d&e f"


@dataclass(frozen=True)
class Operation:
    """A call of ours, and a success that S3 answers it with."""

    call: Callable[[Bucket, str], object]
    answer: bytes
    result: object
    status: int = 200
    headers: dict = field(default_factory=dict)


OPERATIONS = {
    "CreateMultipartUpload": Operation(
        lambda s3, key: [s3.create_upload(key, type_, "3f0b6c1e-8a53-4c4f-9d0e-2f4f6a1b7c5d")
                         for type_ in TYPES],
        ANSWER % b"a&amp;b", ["a&b"] * len(TYPES),
    ),
    "ListParts": Operation(lambda s3, key: s3.list_parts(key, UPLOAD_ID), LISTED, [PART, ODD]),
    "CompleteMultipartUpload": Operation(
        lambda s3, key: s3.complete_upload(key, UPLOAD_ID, [PART, ODD]), DONE, "e-2"
    ),
    "AbortMultipartUpload": Operation(lambda s3, key: s3.abort_upload(key, UPLOAD_ID), b"", None, 204),
    "HeadObject": Operation(
        lambda s3, key: s3.head_object(key), b"", StoredObject("e-2", 8, "a"), headers=HEAD
    ),
}  # fmt: skip


class Sent:
    """Takes the place of the network, and keeps what would be sent."""

    def __init__(self, bucket, operation):
        self.requests, self._operation = [], operation
        bucket._client.s3().meta.events.register_last("before-send.s3", self._answer)

    def _answer(self, request, **_):
        self.requests.append(request)
        content = self._operation.answer
        raw = type("Raw", (), {"stream": lambda self: iter([content])})()
        return AWSResponse(request.url, self._operation.status, HTTPHeaderDict(self._operation.headers), raw)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_request_and_result_are_botocores(settings, operation, monkeypatch):
    env = BASE | settings
    bucket = Bucket(Settings.from_env(env))
    sent = Sent(bucket, operation)
    for key in KEYS:
        assert operation.call(bucket, key) == operation.result
    short = list(sent.requests)
    sent.requests.clear()
    monkeypatch.setattr("lib.s3.fast_path.send", lambda *_: None)
    for key in KEYS:
        assert operation.call(bucket, key) == operation.result
    assert len(short) == len(sent.requests) > 0
    for ours, botocores in zip(short, sent.requests, strict=True):
        assert "amz-sdk-request" not in ours.headers  # or this compares botocore with itself
        assert (ours.method, ours.url) == (botocores.method, botocores.url)
        assert (ours.body or b"") == (botocores.body or b"")
        assert _fields(ours) == _fields(botocores)
        assert _text(ours, "authorization") == _signed_by_botocore(ours, env)


def _fields(request):
    return {
        name.lower(): value.decode() if isinstance(value, bytes) else value
        for name, value in request.headers.items()
        if name.lower() not in ONES_OWN
    }


def _text(request, name):
    return {key.lower(): value for key, value in request.headers.items()}[name]


def _signed_by_botocore(request, env):
    """The Authorization that botocore makes of the same request at the same clock."""
    at = datetime.strptime(_text(request, "x-amz-date"), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    url, _, query = request.url.partition("?")
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    again = AWSRequest(request.method, url, params=parameters, data=request.body)
    for name, value in request.headers.items():
        if name.startswith(("content-t", "content-d", "x-amz-meta", "x-amz-server")):
            again.headers[name] = value
    credentials = BotocoreCredentials(
        env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env.get("AWS_SESSION_TOKEN")
    )
    again.context["payload_signing_enabled"] = True
    auth = S3SigV4Auth(credentials, "s3", env["S3_REGION"])
    with _clock(at):
        auth.add_auth(again)
    return again.headers["Authorization"]


@contextlib.contextmanager
def _clock(at):
    import botocore.auth

    before = botocore.auth.get_current_datetime
    botocore.auth.get_current_datetime = lambda *_, **__: at.replace(tzinfo=None)
    try:
        yield
    finally:
        botocore.auth.get_current_datetime = before


FIRST_ANSWERS = {
    "busy": (503, b"<Error><Code>SlowDown</Code></Error>"),
    "throttled": (429, b""),
    "an error within a 200": (200, b"<Error><Code>InternalError</Code></Error>"),
    "a page of a proxy's": (200, b"<html>please log in</html>"),
    "half an answer": (200, (ANSWER % b"id")[:150]),
    "an empty id": (200, ANSWER % b""),
    "nothing": (None, b""),
}


@contextlib.contextmanager
def store(answers):
    """A store that gives these answers in turn, the last again and again; a status of None hangs up."""
    asked = Counter()

    class Answering(Handler):
        def serve(self):
            self.body()
            status, body = answers[min(asked["n"], len(answers) - 1)]
            asked["n"] += 1
            asked[self.path] += 1
            if status is None:
                self.close_connection = True
            else:
                self.answer(status, [("Location", "http://127.0.0.1:1/")] if status == 307 else [], body)

    with HttpServer(Answering) as server:
        yield server.url, asked


@pytest.mark.parametrize("answer", FIRST_ANSWERS.values(), ids=FIRST_ANSWERS)
def test_what_is_no_success_is_asked_again(answer):
    with store([answer, (200, ANSWER % b"a&amp;b")]) as (url, asked):
        bucket = Bucket(Settings.from_env(BASE | {"S3_ENDPOINT_URL": url}))
        assert bucket.create_upload("k", "application/pdf") == "a&b"
        assert asked["n"] == 2
        assert bucket.create_upload("k", "application/pdf") == "a&b"  # the fast path reads it the same
        assert asked["n"] == 3


REFUSALS = {
    "AccessDenied": (403, "STORAGE_REFUSED"),
    "NoSuchBucket": (404, "STORAGE_REFUSED"),
    "KMS.DisabledException": (400, "STORAGE_REFUSED"),
    "TemporaryRedirect": (307, "STORAGE_REFUSED"),
    "SlowDown": (503, "STORAGE_UNAVAILABLE"),
}


@pytest.mark.parametrize(("code", "answer"), REFUSALS.items(), ids=REFUSALS)
def test_a_refusal_has_the_code_that_botocore_reads(code, answer):
    status, reason = answer
    with store([(status, b"<Error><Code>%s</Code></Error>" % code.encode())]) as (url, _):
        bucket = Bucket(Settings.from_env(BASE | {"S3_ENDPOINT_URL": url}))
        with pytest.raises(ApiError) as refusal:
            bucket.create_upload("k", "application/pdf")
    assert (refusal.value.reason.name, refusal.value.logged["s3_code"]) == (reason, code)


def test_the_fast_path_is_taken(env, s3):
    bucket = Bucket(Settings.from_env(env))
    bucket.create_upload("dev/of a test", "application/pdf")  # connects
    asked = []
    bucket._client.s3().meta.events.register("before-send.s3", lambda request, **_: asked.append(request))
    upload_id = bucket.create_upload("dev/of a test", "application/pdf")
    names = {"Bucket": env["MOC_BUCKET"], "Key": "dev/of a test", "UploadId": upload_id}
    s3.upload_part(**names, PartNumber=1, Body=b"abc")
    bucket.complete_upload("dev/of a test", upload_id, bucket.list_parts("dev/of a test", upload_id))
    assert bucket.head_object("dev/of a test").size == 3
    assert [request.method for request in asked] == ["POST", "GET", "POST", "HEAD"]
    assert not any("amz-sdk-request" in request.headers for request in asked)


def pages(*pages):
    """Answers to ListParts: numbers, and the marker of the next page if there is one."""
    part = "<Part><PartNumber>%d</PartNumber><LastModified>2026-11-25T02:34:58Z</LastModified>" \
           "<ETag>e</ETag><Size>5</Size></Part>"  # fmt: skip
    for numbers, following in pages:
        more = f"<NextPartNumberMarker>{following}</NextPartNumberMarker>" if following else ""
        truncated = f"<IsTruncated>{'true' if following else 'false'}</IsTruncated>{more}"
        parts = "".join(part % number for number in numbers)
        yield 200, f"<ListPartsResult>{truncated}{parts}</ListPartsResult>".encode()


def test_pages_are_asked_for_one_after_another():
    with store(list(pages(([1, 2], 2), ([4], 4), ([5], None)))) as (url, asked):
        bucket = Bucket(Settings.from_env(BASE | {"S3_ENDPOINT_URL": url}))
        assert [part.part_number for part in bucket.list_parts("k", "u")] == [1, 2, 4, 5]
        assert asked["n"] == 3
        assert asked["/bucket/k?uploadId=u&part-number-marker=4"] == 1


def test_a_list_without_an_end_is_no_list():
    with store(list(pages(([1], 1), ([1], 1)))) as (url, _):
        bucket = Bucket(Settings.from_env(BASE | {"S3_ENDPOINT_URL": url}))
        with pytest.raises(ApiError) as refusal:
            bucket.list_parts("k", "u")
    assert refusal.value.reason.name == "STORAGE_UNAVAILABLE"


GONE = (404, b'<?xml version="1.0"?><Error><Code>NoSuchUpload</Code><Message>m</Message></Error>')
LOST = {
    "nothing": (None, b""),
    "busy": (503, b"<Error><Code>SlowDown</Code></Error>"),
    "an error inside of a 200": (200, b"<Error><Code>InternalError</Code></Error>"),
    "a page of a proxy's": (200, b"<html>please log in</html>"),
}


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
def test_an_upload_that_is_gone_at_the_second_time_may_be_assembled(lost):
    with store([lost, GONE]) as (url, asked), pytest.raises(UploadGoneError) as gone:
        Bucket(Settings.from_env(BASE | {"S3_ENDPOINT_URL": url})).complete_upload("k", "u", [PART])
    assert (gone.value.asked_again, asked["n"]) == (True, 2)


@pytest.mark.parametrize("name", ["ListParts", "CompleteMultipartUpload"])
def test_an_upload_that_is_gone_at_once_never_was_assembled_by_this_call(name):
    with store([GONE]) as (url, asked), pytest.raises(UploadGoneError) as gone:
        OPERATIONS[name].call(Bucket(Settings.from_env(BASE | {"S3_ENDPOINT_URL": url})), "k")
    assert (gone.value.asked_again, asked["n"]) == (False, 1)


STARTED = (
    b'<InitiateMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket>%s'
)
STARTED += b"</InitiateMultipartUploadResult>"


@pytest.mark.parametrize(
    ("told", "upload_id"),
    [(b"<UploadId>2~a_b-c.d/+==</UploadId>", "2~a_b-c.d/+=="), (b"<UploadId>a&amp;b</UploadId>", "a&b"),
     (b"<UploadId>a&#43;b&#x3d;</UploadId>", "a+b="), (b"<UploadId>&quot;a&apos;</UploadId>", "\"a'"),
     (b"<UploadId><![CDATA[a<b]]></UploadId>", None),  # CDATA is left to botocore, as all that begins with <!
     (b"<UploadId>a</UploadId><EncodingType>url</EncodingType>", "a"),
     (b'<UploadId type="x">a</UploadId>', "a"), (b"<UploadId/>", None), (b"<Key>k</Key>", None)],
)  # fmt: skip
def test_an_upload_id_is_read_however_it_is_written(told, upload_id):
    """Numbers in place of characters were taken as they stood, and elements after it made a second upload."""
    assert upload_id_of(STARTED % told) == upload_id
    prefixed = (STARTED % told).replace(b"InitiateM", b"s3:InitiateM").replace(b"xmlns=", b"xmlns:s3=")
    assert upload_id_of(b" \n" + prefixed) == upload_id


def test_entities_are_not_expanded():
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaa">]><ListPartsResult>&a;</ListPartsResult>'
    assert page_of(bomb) is None


def test_a_call_goes_through_the_proxy_once(monkeypatch):
    with store([(200, ANSWER % b"id")]) as (url, asked):
        monkeypatch.setenv("HTTP_PROXY", url)
        monkeypatch.setenv("NO_PROXY", "")
        bucket = Bucket(Settings.from_env(BASE | {"S3_ENDPOINT_URL": "http://store.invalid"}))
        assert bucket.create_upload("k", "application/pdf") == "id"
    assert (asked["http://store.invalid/bucket/k?uploads"], asked["n"]) == (1, 1)
