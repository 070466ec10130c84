"""The short way to start an upload sends what botocore would, and leaves to it whatever is no success."""

import contextlib
import threading
from collections import Counter
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.credentials import Credentials as BotocoreCredentials

from lib.domain.errors import ApiError
from lib.runtime.config import Settings
from lib.s3 import upload_start
from lib.s3.bucket import Bucket

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


class Sent:
    """Takes the place of the network, and keeps what would be sent."""

    def __init__(self, bucket):
        self.requests = []
        events = bucket._client.s3().meta.events
        events.register_last("before-send.s3.CreateMultipartUpload", self._answer)

    def _answer(self, request, **_):
        self.requests.append(request)
        raw = type("Raw", (), {"stream": lambda self: iter([ANSWER % b"id"])})()
        return AWSResponse(request.url, 200, {}, raw)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_the_request_is_botocores(settings, monkeypatch):
    env = BASE | settings
    bucket = Bucket(Settings.from_env(env))
    sent = Sent(bucket)
    for mime_type in TYPES:
        for key in KEYS:
            bucket.create_upload(key, mime_type, "3f0b6c1e-8a53-4c4f-9d0e-2f4f6a1b7c5d")
    short = list(sent.requests)
    sent.requests.clear()
    monkeypatch.setattr("lib.s3.bucket.start_upload", lambda *_: None)
    for mime_type in TYPES:
        for key in KEYS:
            bucket.create_upload(key, mime_type, "3f0b6c1e-8a53-4c4f-9d0e-2f4f6a1b7c5d")
    assert len(short) == len(sent.requests) == len(TYPES) * len(KEYS)
    for ours, botocores in zip(short, sent.requests, strict=True):
        assert (ours.method, ours.url) == (botocores.method, botocores.url)
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
    again = AWSRequest("POST", request.url.removesuffix("?uploads"), params={"uploads": ""}, data=b"")
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

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            status, body = answers[min(asked["n"], len(answers) - 1)]
            asked["n"] += 1
            if status is None:
                self.connection.close()
                return
            self.send_response(status)
            if status == 307:
                self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("answer", FIRST_ANSWERS.values(), ids=FIRST_ANSWERS)
def test_what_is_no_success_is_asked_again(answer):
    with store([answer, (200, ANSWER % b"a&amp;b")]) as (url, asked):
        bucket = Bucket(Settings.from_env(BASE | {"S3_ENDPOINT_URL": url}))
        assert bucket.create_upload("k", "application/pdf") == "a&b"
        assert asked["n"] == 2
        assert bucket.create_upload("k", "application/pdf") == "a&b"  # the short way reads it the same
        assert asked["n"] == 3


REFUSALS = {
    "AccessDenied": (403, "STORAGE_REFUSED"),
    "NoSuchBucket": (404, "STORAGE_REFUSED"),
    "KMS.DisabledException": (400, "STORAGE_REFUSED"),
    "TemporaryRedirect": (307, "STORAGE_REFUSED"),
    "SlowDown": (503, "STORAGE_UNAVAILABLE"),
}


@pytest.mark.parametrize(("code", "answer"), REFUSALS.items(), ids=REFUSALS)
def test_refusals_are_botocores(code, answer):
    status, reason = answer
    with store([(status, b"<Error><Code>%s</Code></Error>" % code.encode())]) as (url, _):
        bucket = Bucket(Settings.from_env(BASE | {"S3_ENDPOINT_URL": url}))
        with pytest.raises(ApiError) as refusal:
            bucket.create_upload("k", "application/pdf")
    assert (refusal.value.reason.name, refusal.value.logged["s3_code"]) == (reason, code)


def test_the_short_way_is_the_one_that_is_taken(env, monkeypatch):
    answers = []
    start = upload_start.start_upload
    monkeypatch.setattr(
        "lib.s3.bucket.start_upload", lambda *given: answers.append(start(*given)) or answers[-1]
    )
    bucket = Bucket(Settings.from_env(env))
    assert bucket.create_upload("dev/of a test", "application/pdf") == answers[0]
    bucket.abort_upload("dev/of a test", answers[0])
