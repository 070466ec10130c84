"""HTTP itself: bodies, methods, headers, CORS; what is hostile or merely odd."""

import gzip

import pytest

from tests.support.client import SESSIONS, new_id, pdf
from tests.support.fuzzy import TEXT, UUID, error

INVALID_JSON = {"code": "BAD_REQUEST", "reason": "INVALID_JSON"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{'a': 1}", b"\xff\xfe{}", b'{"metadata": {"a": NaN}}', b'{"metadata": {"a": Infinity}}',
     b'{"metadata": {"a": "\\ud800"}}', b'{"metadata": {"a": "\\u0000"}}', b'{"metadata": {"\\u0000": 1}}',
     b"[" * 100_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000, b"{}{}", b'{"maxFiles": ' + b"9" * 5000 + b"}",
     b'{"a": "\x00"}', gzip.compress(b"{}", mtime=0), "{}".encode("utf-16")],
    ids=lambda body: repr(body[:20]),
)  # fmt: skip
def test_what_is_no_json_is_400(api, body):
    response = api.call("POST", "", content=body)
    assert response.status_code == 400, response.text
    refusal = response.json()["error"]
    assert {"code": refusal["code"], "reason": refusal["reason"]} == INVALID_JSON


def test_the_content_type_is_not_checked(api):
    response = api.call("POST", "", content=b"{}", headers={"Content-Type": "text/plain"})
    assert response.status_code == 201


def test_a_body_without_a_length_is_read(api):
    def chunks():
        yield b'{"maxFiles"'
        yield b": 3}"

    response = api.call("POST", "", content=chunks())
    assert response.json()["maxFiles"] == 3


def test_four_megabytes_of_json_are_read(api):
    body = b'{"metadata": {}, "padding": "' + b"x" * 4_400_000 + b'"}'
    assert api.call("POST", "", content=body).status_code == 201


def test_the_servers_own_names_of_fields_are_unknown_fields(api):
    created = api.ok("POST", "", {"max_files": 3})
    assert created["maxFiles"] == 50
    registered = api.register(created["sessionId"], pdf(part_count=3))
    assert registered == {"fileId": UUID, "uploadId": TEXT}
    parts = api.parts(created["sessionId"], registered["fileId"], "?presign=true&from_part=3")
    assert [entry["partNumber"] for entry in parts["presignedUrls"]] == [1, 2, 3]


def test_duplicate_keys_are_the_last_one(api):
    response = api.call("POST", "", content=b'{"maxFiles": 3, "maxFiles": 4}')
    assert response.json()["maxFiles"] == 4


def test_every_answer_has_a_request_id_of_ours_and_is_not_cached(api):
    response = api.call("GET", f"/{new_id()}", headers={"X-Request-Id": "theirs"})
    assert response.headers["X-Request-Id"] == UUID
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Content-Type"] == "application/json"
    assert response.json()["requestId"] == response.headers["X-Request-Id"]


NOBODYS = "3f0b6c1e-8a53-4c4f-9d0e-2f4f6a1b7c5d"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "", "POST, OPTIONS"),
        ("GET", "", "POST, OPTIONS"),
        ("POST", f"/{NOBODYS}", "GET, DELETE, HEAD, OPTIONS"),
        ("GET", f"/{NOBODYS}/files", "POST, OPTIONS"),
        ("GET", f"/{NOBODYS}/files/batch", "POST, OPTIONS"),
        ("PATCH", f"/{NOBODYS}/files/{NOBODYS}", "DELETE, OPTIONS"),
        ("DELETE", f"/{NOBODYS}/files/{NOBODYS}/parts", "GET, POST, HEAD, OPTIONS"),
        ("GET", f"/{NOBODYS}/files/{NOBODYS}/complete", "POST, OPTIONS"),
        ("POST", "/api/health", "GET, HEAD, OPTIONS"),
        ("POST", "/api/openapi.json", "GET, HEAD, OPTIONS"),
    ],
)
def test_other_methods_are_405(api, method, path, allow):
    response = api.call(method, path)
    assert response.status_code == 405
    assert response.headers["Allow"] == allow
    assert response.json()["error"] == error("METHOD_NOT_ALLOWED", "METHOD_NOT_ALLOWED")


def test_head_is_get_without_a_body(api):
    session = api.session()
    response = api.call("HEAD", f"/{session}")
    assert (response.status_code, response.content) == (200, b"")
    assert int(response.headers["Content-Length"]) > 0


def test_without_a_token_everything_is_401(http):
    paths = ["", f"/{new_id()}", f"/{new_id()}/files", f"/{new_id()}/files/batch"]
    for path in paths:
        for method in ("POST", "GET"):
            response = http.request(method, SESSIONS + path)
            if response.status_code != 405:
                assert response.status_code == 401
                assert response.headers["WWW-Authenticate"] == "Bearer"
                assert response.json() == {
                    "error": error("UNAUTHORIZED", "TOKEN_MISSING"),
                    "requestId": UUID,
                }


def test_health_and_openapi_need_no_token(http):
    assert http.get("/api/health").json() == {"status": "ok", "database": "ok", "bucket": "ok"}
    document = http.get("/api/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert f"{SESSIONS}/{{sessionId}}/files/{{fileId}}/parts" in document["paths"]


class TestCors:
    ORIGIN = "https://app.example.com"

    def test_a_preflight_of_a_known_origin(self, http):
        headers = {"Origin": self.ORIGIN, "Access-Control-Request-Method": "POST"}
        response = http.options(f"{SESSIONS}/{new_id()}/files", headers=headers)
        assert (response.status_code, response.content) == (204, b"")
        assert response.headers["Access-Control-Allow-Origin"] == self.ORIGIN
        assert response.headers["Access-Control-Allow-Methods"] == "POST"
        assert response.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
        assert response.headers["Vary"] == "Origin"

    @pytest.mark.parametrize(
        "asked", ["authorization", "authorization,content-type", "X-Request-Id, traceparent , sentry-trace",
                  "idempotency-key", "x-" + "a" * 300],
    )  # fmt: skip
    def test_a_preflight_is_answered_what_it_asks(self, http, asked):
        headers = {
            "Origin": self.ORIGIN, "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": asked,
        }  # fmt: skip
        response = http.options(SESSIONS, headers=headers)
        assert response.headers["Access-Control-Allow-Headers"] == asked

    @pytest.mark.parametrize("asked", ["", "*,", "a b", "x: y", "a;b", "<x>", "é"])
    def test_what_is_no_list_of_headers_is_not_repeated(self, http, asked):
        headers = {"Origin": self.ORIGIN, "Access-Control-Request-Headers": asked.encode()}
        response = http.options(SESSIONS, headers=headers)
        assert response.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"

    def test_a_page_may_read_our_headers_and_the_date(self, http):
        response = http.get("/api/health", headers={"Origin": self.ORIGIN})
        exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
        assert exposed == ["X-Request-Id", "Retry-After", "WWW-Authenticate", "Allow", "Date"]
        assert "Access-Control-Allow-Credentials" not in response.headers

    def test_errors_too(self, http):
        response = http.get(f"{SESSIONS}/{new_id()}", headers={"Origin": self.ORIGIN})
        assert response.status_code == 401
        assert response.headers["Access-Control-Allow-Origin"] == self.ORIGIN
        assert "X-Request-Id" in response.headers["Access-Control-Expose-Headers"]

    @pytest.mark.parametrize(
        "origin", ["https://evil.example.com", "null", "https://app.example.com.evil.com", "x" * 5000]
    )
    def test_an_unknown_origin_gets_nothing(self, http, origin):
        response = http.options(SESSIONS, headers={"Origin": origin})
        assert not [name for name in response.headers if name.lower().startswith("access-control")]
        assert response.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    "name", ["a\u202eb.pdf", "\U0001f3f0.pdf", "a" * 251 + ".pdf", "..", ".", "/", "\\", "'; DROP TABLE x;--"]
)
def test_odd_names_come_back_as_they_were(api, name):
    session = api.session()
    api.register(session, pdf(name))
    assert api.show(session)["files"][0]["name"] == name


@pytest.mark.parametrize(
    "path", ["/api/nothing", f"{SESSIONS}/a/b/c", "/lib/runtime/config.py", "/vercel.json", "/.env"]
)
def test_other_paths_are_404(http, path):
    assert http.get(path).status_code == 404


def test_a_refusal_says_what_to_do(api):
    assert api.refused("GET", f"/{new_id()}") == (404, {
        "code": "NOT_FOUND", "reason": "SESSION_NOT_FOUND", "message": TEXT,
    })  # fmt: skip
