"""A store that refuses is no store that is silent: asking again helps only with the latter."""

import pytest

from tests.support.aws_refusals import SECRET_WORDS, Refusal, another_region, refusing
from tests.support.client import pdf
from tests.support.fuzzy import NO_STORE, error

REFUSED = (500, error("INTERNAL_ERROR", "STORAGE_REFUSED"))

REFUSALS = [
    Refusal(403, "InvalidAccessKeyId"),
    Refusal(403, "SignatureDoesNotMatch"),
    Refusal(400, "ExpiredToken"),
    Refusal(400, "InvalidToken"),
    Refusal(403, "RequestTimeTooSkewed"),
    Refusal(404, "NoSuchBucket"),
    Refusal(403, "AccessDenied"),  # a policy, also one that wants an encryption header
    Refusal(403, "AllAccessDisabled"),
    Refusal(400, "KMS.NotFoundException"),
    Refusal(400, "KMS.DisabledException"),
    Refusal(400, "InvalidRequest"),  # Object Lock without checksums
    Refusal(400, "InvalidBucketName"),
    Refusal(301, "PermanentRedirect"),
    Refusal(307, "TemporaryRedirect"),
    Refusal(405, "MethodNotAllowed"),
    Refusal(402, "QuotaExceeded"),
    Refusal(409, "InvalidBucketState"),
    Refusal(412, "PreconditionFailed"),
    Refusal(404, "NoSuchKey"),
    Refusal(501, "NotImplemented"),  # S3_SSE on a store without a KMS
    Refusal(501, "501"),  # and without a body that names it
    Refusal(308, "308"),  # http in place of https
    Refusal(400, "InvalidRegionName"),  # R2, in any region but its own
    Refusal(403, "SecondLevelDomainForbidden"),  # Alibaba Cloud OSS, addressed by path
    Refusal(401, "Unauthorized"),  # R2
    Refusal(415, "InvalidMimeType"),  # Supabase Storage
    Refusal(400, "InvalidPart"),
    Refusal(404, "NoSuchUpload"),
]
BUSY = [
    Refusal(503, "SlowDown"),
    Refusal(500, "InternalError"),
    Refusal(503, "ServiceUnavailable"),
    Refusal(400, "RequestTimeout"),
    Refusal(408, "Whatever"),
    Refusal(429, "Whatever"),
    Refusal(400, "ThrottlingException"),
    Refusal(403, "RequestLimitExceeded"),
    Refusal(502, "502"),
    Refusal(400, "KMS.ThrottlingException"),
    Refusal(503, "KMS.ThrottlingException"),
    Refusal(500, "KMS.InternalException"),
    Refusal(500, "KMS.DependencyTimeoutException"),
    Refusal(409, "OperationAborted"),
    Refusal(423, "ResourceLocked"),  # Supabase Storage
    Refusal(544, "DatabaseTimeout"),  # likewise
    Refusal(503, "SlowDownWrite"),  # MinIO
    Refusal(520, "520"),  # Cloudflare
]


def name(refusal):
    return f"{refusal.status} {refusal.code}"


@pytest.fixture
def api(in_process, store_proxy):
    return in_process(S3_ENDPOINT_URL=store_proxy.url)


def check(api, lines, refusal, operation, method, path, body=None):
    """It is a 500 without Retry-After, and the log has S3's code and operation, and nothing of its body."""
    response = api.call(method, path, body)
    assert (response.status_code, response.json()["error"]) == REFUSED
    assert "Retry-After" not in response.headers
    line = lines.records("failure")[-1]
    assert (line["reason"], line["s3_operation"], line["s3_code"], line["level"]) == (
        "STORAGE_REFUSED", operation, refusal.code, "ERROR",
    )  # fmt: skip
    assert line["request_id"] == response.headers["X-Request-Id"]
    for told in (lines.getvalue(), response.text):
        assert SECRET_WORDS not in told
    # Without the id, whose digits may be those of a code
    assert refusal.code not in response.text.replace(line["request_id"], "")


@pytest.mark.parametrize("refusal", REFUSALS, ids=name)
def test_registering_is_refused_and_works_again_after(api, store_proxy, lines, refusal):
    session = api.session()
    store_proxy.fault = refusing({"CreateMultipartUpload": refusal})
    check(api, lines, refusal, "CreateMultipartUpload", "POST", f"/{session}/files", pdf())
    assert lines.records("request")[-1]["s3_calls"] == 2  # the fast path, then botocore
    assert api.show(session)["files"] == []
    store_proxy.fault = refusing({})
    assert api.register(session, pdf())


@pytest.mark.parametrize("refusal", BUSY, ids=name)
def test_a_store_that_is_busy_is_503(api, store_proxy, lines, refusal):
    session = api.session()
    store_proxy.fault = refusing({"CreateMultipartUpload": refusal})
    response = api.call("POST", f"/{session}/files", pdf())
    assert (response.status_code, response.json()["error"]) == NO_STORE
    assert int(response.headers["Retry-After"]) >= 1
    line = lines.records("failure")[-1]
    assert (line["s3_operation"], line["s3_code"]) == ("CreateMultipartUpload", refusal.code)
    assert SECRET_WORDS not in lines.getvalue()


def test_each_item_of_a_batch_says_so(api, store_proxy, lines):
    session = api.session()
    store_proxy.fault = refusing({"CreateMultipartUpload": Refusal(403, "AccessDenied")})
    results = api.batch(session, [pdf("1.pdf"), pdf("2.pdf")])["results"]
    assert [result["error"]["reason"] for result in results] == ["STORAGE_REFUSED"] * 2
    told = [(line["s3_operation"], line["s3_code"]) for line in lines.records("file of a batch")]
    assert told == [("CreateMultipartUpload", "AccessDenied")] * 2


@pytest.mark.parametrize("refusal", REFUSALS[:7], ids=name)
@pytest.mark.parametrize("query", ["", "?presign=true"])
def test_querying_parts_is_refused_and_not_answered_from_the_table(api, store_proxy, lines, refusal, query):
    session = api.session()
    file, _ = api.upload(session, pdf(), b"abc")
    store_proxy.fault = refusing({"ListParts": refusal})
    check(api, lines, refusal, "ListParts", "GET", f"/{session}/files/{file['fileId']}/parts{query}")
    store_proxy.fault = refusing({"ListParts": BUSY[0]})
    assert api.parts(session, file["fileId"])["verified"] is False


@pytest.mark.parametrize("operation", ["ListParts", "CompleteMultipartUpload"])
@pytest.mark.parametrize("refusal", REFUSALS[6:11], ids=name)
def test_completing_is_refused_and_works_again_after(api, store_proxy, lines, operation, refusal):
    session = api.session()
    file, parts = api.upload(session, pdf(), b"abc")
    path = f"/{session}/files/{file['fileId']}/complete"
    store_proxy.fault = refusing({operation: refusal})
    check(api, lines, refusal, operation, "POST", path, {"parts": parts})
    store_proxy.fault = refusing({})
    assert api.complete(session, file["fileId"])["sizeBytes"] == 3


@pytest.mark.parametrize(
    "code",
    ["AccessDenied", "KMS.DisabledException", "InvalidRequest", "NoSuchBucket", "ExpiredToken",
     "SignatureDoesNotMatch", "NotImplemented", "AllAccessDisabled", "AccountProblem", "InvalidBucketState",
     "PreconditionFailed", "EntityTooLarge", "TokenRefreshRequired", "KMS.KMSInvalidStateException"],
)  # fmt: skip
def test_a_refusal_inside_of_a_200_is_one(api, store_proxy, lines, code):
    """AWS sends the status before it has asked KMS."""
    session = api.session()
    file, _ = api.upload(session, pdf(), b"abc")
    refusal = Refusal(200, code)
    store_proxy.fault = refusing({"CompleteMultipartUpload": refusal})
    path = f"/{session}/files/{file['fileId']}/complete"
    check(api, lines, refusal, "CompleteMultipartUpload", "POST", path)
    store_proxy.fault = refusing({"CompleteMultipartUpload": Refusal(200, "InternalError")})
    assert api.refused("POST", path) == NO_STORE


ASSEMBLED = b"""<?xml version="1.0" encoding="UTF-8"?><CompleteMultipartUploadResult><Bucket>b</Bucket>
<Key>k</Key><ETag>&quot;abc-1&quot;</ETag></CompleteMultipartUploadResult>"""


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [(ASSEMBLED, 200, None), (Refusal(200, "AccessDenied").body(), 500, "AccessDenied"),
     (Refusal(200, "KMS.DisabledException").body(), 500, "KMS.DisabledException"),
     (Refusal(200, "InternalError").body(), 503, "InternalError"),
     (Refusal(200, "SlowDown").body(), 503, "SlowDown")],
)  # fmt: skip
@pytest.mark.parametrize("padding", [b" ", b"\n\r\n\r\n", b" " * 1000])
def test_an_answer_may_begin_with_spaces(api, store_proxy, lines, padding, answer, status, code):
    """As MinIO sends them while it assembles (https://github.com/minio/minio/issues/8030)."""
    session = api.session()
    file, _ = api.upload(session, pdf(), b"abc")
    store_proxy.fault = refusing({"CompleteMultipartUpload": padding + answer})
    assert api.call("POST", f"/{session}/files/{file['fileId']}/complete").status_code == status
    assert [line["s3_code"] for line in lines.records("failure")] == ([code] if code else [])


@pytest.mark.parametrize("refusal", [Refusal(400, "InvalidPart"), Refusal(400, "EntityTooSmall")], ids=name)
def test_the_log_says_why_parts_are_never_assembled(api, store_proxy, lines, refusal):
    """They are listed anew, since somebody may have sent them again; a store may have reasons of its own."""
    session = api.session()
    file, _ = api.upload(session, pdf(), b"abc")
    store_proxy.fault = refusing({"CompleteMultipartUpload": refusal})
    assert api.refused("POST", f"/{session}/files/{file['fileId']}/complete") == NO_STORE
    line = lines.records("failure")[-1]
    assert (line["s3_operation"], line["s3_code"]) == ("CompleteMultipartUpload", refusal.code)


def test_a_code_of_another_operation_is_a_refusal(api, store_proxy, lines):
    session = api.session()
    file = api.register(session, pdf())
    path = f"/{session}/files/{file['fileId']}"
    for operation, method, below in (("ListParts", "GET", "/parts"), ("AbortMultipartUpload", "DELETE", "")):
        refusal = Refusal(400, "EntityTooSmall")
        store_proxy.fault = refusing({operation: refusal})
        check(api, lines, refusal, operation, method, path + below)


@pytest.mark.parametrize("operation", ["AbortMultipartUpload", "HeadObject"])
def test_aborting_is_refused_and_works_again_after(api, store_proxy, lines, operation):
    session = api.session()
    file = api.register(session, pdf())
    store_proxy.fault = refusing({operation: Refusal(403, "AccessDenied")})
    code = "403" if operation == "HeadObject" else "AccessDenied"  # a HEAD has no body
    for path in (f"/{session}/files/{file['fileId']}", f"/{session}"):
        check(api, lines, Refusal(403, code), operation, "DELETE", path)
    assert [one["fileId"] for one in api.show(session)["files"]] == [file["fileId"]]
    store_proxy.fault = refusing({})
    assert api.call("DELETE", f"/{session}").status_code == 204


@pytest.mark.parametrize("refusal", [Refusal(403, "403"), Refusal(404, "404"), Refusal(400, "400")], ids=name)
def test_health_says_that_the_bucket_is_not_there(api, store_proxy, lines, refusal):
    store_proxy.fault = refusing({"HeadBucket": refusal})
    response = api.call("GET", "/api/health")
    assert (response.status_code, response.json()["bucket"]) == (503, "unavailable")
    line = lines.records("health")[-1]
    assert (line["reason"], line["s3_code"]) == ("STORAGE_REFUSED", refusal.code)


def test_a_page_of_something_between_is_no_secret_either(api, store_proxy, lines):
    session = api.session()

    class Page(Refusal):
        def body(self):
            return f"<html><body>{SECRET_WORDS}</body></html>".encode()

    store_proxy.fault = refusing({"*": Page(403, "403")})
    check(api, lines, Refusal(403, "403"), "CreateMultipartUpload", "POST", f"/{session}/files", pdf())


PAGE = f"<html><br><body>{SECRET_WORDS}</body></html>".encode()
CUT = f"<InitiateMultipartUploadResult><UploadId>{SECRET_WORDS}</UploadId>".encode()


@pytest.mark.parametrize("answer", [PAGE, CUT, SECRET_WORDS.encode()], ids=["page", "cut", "text"])
@pytest.mark.parametrize("status", [200, 201, 203, 206])
@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "ListParts", "CompleteMultipartUpload"])
def test_nothing_of_a_success_that_cannot_be_read_is_in_the_log(
    api, store_proxy, lines, operation, status, answer
):
    """Botocore's own error quotes all of it."""
    session = api.session()
    file, _ = api.upload(session, pdf(), b"abc")
    fault = refusing({operation: (status, answer)})
    store_proxy.fault = fault
    path = f"/{session}/files"
    creates = operation == "CreateMultipartUpload"
    asked = (path, pdf("2.pdf")) if creates else (f"{path}/{file['fileId']}/complete", None)
    assert api.refused("POST", *asked) == NO_STORE
    assert lines.records("failure")[-1]["reason"] == "STORAGE_UNAVAILABLE"
    assert SECRET_WORDS not in lines.getvalue()


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [("AWS_SECRET_ACCESS_KEY", "not-the-one", "SignatureDoesNotMatch"),
     ("AWS_ACCESS_KEY_ID", "nobody", "InvalidAccessKeyId"), ("MOC_BUCKET", "no-such-bucket", "NoSuchBucket")],
)  # fmt: skip
def test_the_real_store_refuses_wrong_settings(in_process, lines, name, value, code):
    api = in_process(**{name: value})
    path = f"/{api.session()}/files"
    check(api, lines, Refusal(0, code), "CreateMultipartUpload", "POST", path, pdf())


def test_no_credentials_at_all(in_process, monkeypatch, lines):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    api = in_process(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert api.refused("POST", f"/{api.session()}/files", pdf()) == REFUSED
    assert lines.records("failure")[-1]["s3_code"] == "NoCredentials"


# --- The bucket is in another region


ELSEWHERE = another_region("eu-west-1")


def test_a_bucket_in_another_region_fails_health_and_the_log_names_both(api, store_proxy, lines):
    """The API's own calls must not succeed by botocore's redirects: no PUT of a browser's would."""
    store_proxy.fault = refusing({"*": ELSEWHERE})
    response = api.call("GET", "/api/health")
    assert (response.status_code, response.json()["bucket"]) == (503, "unavailable")
    line = lines.records("health")[-1]
    assert (line["s3_region"], line["bucket_region"]) == ("us-east-1", "eu-west-1")
    assert "S3_REGION=eu-west-1" in line["check"]
    assert lines.records("request")[-1]["s3_calls"] == 1


@pytest.mark.parametrize(
    "refusal",
    [ELSEWHERE,
     Refusal(301, "PermanentRedirect", (("x-amz-bucket-region", "eu-west-1"),)),
     Refusal(307, "TemporaryRedirect", (("x-amz-bucket-region", "eu-west-1"),)),
     Refusal(400, "IllegalLocationConstraintException", (("x-amz-bucket-region", "eu-west-1"),)),
     Refusal(400, "AuthorizationHeaderMalformed", (), "<Region>eu-west-1</Region>")],
    ids=name,
)  # fmt: skip
def test_botocore_does_not_go_to_another_region_by_itself(api, store_proxy, lines, refusal):
    session = api.session()
    store_proxy.fault = refusing({"CreateMultipartUpload": refusal, "HeadBucket": refusal})
    for _ in range(2):
        check(api, lines, refusal, "CreateMultipartUpload", "POST", f"/{session}/files", pdf())
        assert lines.records("request")[-1]["s3_calls"] == 2  # the fast path, then botocore
        line = lines.records("failure")[-1]
        assert (line["s3_region"], line["bucket_region"]) == ("us-east-1", "eu-west-1")


@pytest.mark.parametrize(
    "refusal", [Refusal(403, "AccessDenied"), Refusal(403, "InvalidAccessKeyId")], ids=name
)
def test_a_refusal_is_not_for_the_region_that_a_store_names_in_every_answer(api, store_proxy, lines, refusal):
    """As MinIO and Ceph do, which may take any region in a signature."""
    session = api.session()
    with_region = Refusal(refusal.status, refusal.code, (("x-amz-bucket-region", "fsn1"),))
    store_proxy.fault = refusing({"CreateMultipartUpload": with_region})
    check(api, lines, with_region, "CreateMultipartUpload", "POST", f"/{session}/files", pdf())
    assert "bucket_region" not in lines.records("failure")[-1]


def test_a_code_is_logged_without_the_space_around_it(api, store_proxy, lines):
    session = api.session()
    body = b"<Error><Code>\n  AccessDenied\n</Code></Error>"
    store_proxy.fault = refusing({"CreateMultipartUpload": (403, body)})
    assert api.refused("POST", f"/{session}/files", pdf()) == REFUSED
    assert lines.records("failure")[-1]["s3_code"] == "AccessDenied"
