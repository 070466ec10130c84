"""Requests that a reader of the OpenAPI document makes up, and bodies and headers that people make up."""

import io
import json
from collections import Counter
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import negative_data_rejection

from dev.server import Server
from lib.http.openapi import document
from lib.http.routes import ROUTES
from tests.support.client import SESSIONS, pdf
from tests.support.guide import Guide
from tests.support.patience import at_most

schema = schemathesis.openapi.from_dict(document())
schema.app = Server(Path(__file__).parent.parent.parent)

# The contract ignores what it does not know, and judges the files of a batch each alone (207).
schema.config.generation.allow_extra_parameters = False
schema.config.checks.negative_data_rejection.expected_statuses = ["207", "4xx"]
# What fits the schema may still break a rule: too large, too many parts, an unknown session; a whole number
# written as 3.0, quotes within an ETag, or a maxFiles beyond this deployment's.
allowed = ["2xx", "400", "404", "409", "413", "415", "422"]
schema.config.checks.positive_data_acceptance.expected_statuses = allowed

ANY = settings(deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def api(shared_api):
    return shared_api


@pytest.fixture
def guide(api, db):
    guide = Guide(api, db)
    yield guide
    guide.close()


@schema.parametrize()
@settings(ANY, max_examples=10)
def test_every_answer_is_as_documented(case, api, guide):
    check(case, api, guide)


MET = Counter()  # of the thousand: how often each operation has answered each status


@pytest.mark.long
@schema.parametrize()
@settings(ANY, max_examples=100)
def test_every_one_of_a_thousand_answers_is_as_documented(case, api, guide):
    response = check(case, api, guide)
    MET[case.operation.definition.raw["operationId"], response.status_code] += 1


@pytest.mark.long
def test_the_thousand_met_every_documented_success():
    """An answer that no request led to was not held against the document."""
    if {name for name, _ in MET} != {operation.name for operation in ROUTES}:
        pytest.skip("not all of the thousand ran before, and in this process")
    documented = {(one.name, status) for one in ROUTES for status in one.answers if status < 300}
    assert documented - MET.keys() == set(), sorted(MET.items())
    assert MET.total() >= 1000


def check(case, api, guide):
    guide.lead(case)
    # The document knows no null in requests; the API takes one for a field that is left out.
    lenient = [negative_data_rejection] if has_null(case.body) else []
    return case.call_and_validate(headers={"Authorization": f"Bearer {api.token}"}, excluded_checks=lenient)


def has_null(value):
    if isinstance(value, dict | list):
        return any(map(has_null, value.values() if isinstance(value, dict) else value))
    return value is None


FOUR_MB = 4_400_000
HOSTILE = {
    "nothing": b"",
    "nesting": b"[" * FOUR_MB,
    "nested objects": b'{"a":' * 800_000,
    "nested where it is kept": b'{"metadata":{"a":' + b"[" * 190 + b"]" * 190 + b"}}",
    "nested too deep where it is kept": b'{"metadata":{"a":' + b"[" * 5000 + b"]" * 5000 + b"}}",
    "a huge number": b'{"size":' + b"9" * FOUR_MB + b"}",
    "a huge exponent": b'{"size":1e999999999,"maxFiles":1e999999999}',
    "a long number that is kept": b'{"metadata":{"n":' + b"9" * 4000 + b"}}",
    "a long fraction": b'{"metadata":{"n":0.' + b"9" * 16_000 + b"}}",
    "NUL": b'{"metadata":{"a":"\\u0000"},"name":"a\\u0000b"}',
    "a raw NUL": b'{"name":"\0"}',
    "a lone surrogate": b'{"name":"\\ud800","metadata":{"\\udc00":1}}',
    "half a surrogate pair": b'{"name":"\\ud83d\\u0041"}',
    "UTF-16": '{"name":"a"}'.encode("utf-16"),
    "UTF-32": '{"name":"a"}'.encode("utf-32"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "Latin-1": b'{"name":"\xe9"}',
    "overlong UTF-8": b'{"name":"\xc0\xaf"}',
    "duplicate keys": b'{"size":1,' * 1 + b'"name":"a",' * 300_000 + b'"name":"b"}',
    "many keys": b"{" + b",".join(b'"k%d":1' % n for n in range(300_000)) + b"}",
    "many parts": b'{"parts":[' + b",".join([b'{"partNumber":1,"etag":"e"}'] * 150_000) + b"]}",
    "many files": b'{"files":[' + b",".join([b"{}"] * 1_000_000) + b"]}",
    "a long string": b'{"name":"' + b"x" * FOUR_MB + b'"}',
    "escapes": b'{"name":"' + b"\\u00e9" * 700_000 + b'"}',
    "more than fits": b'{"name":"' + b"x" * 4_600_000 + b'"}',
    "not an object": b'"string"',
    "null": b"null",
}


@pytest.mark.parametrize("operation", [one for one in ROUTES if one.body], ids=lambda one: one.name)
def test_hostile_bodies_are_refused_in_no_time(api, operation):
    session = api.session()
    file = api.register(session, pdf("there.pdf", 3))["fileId"]
    path = operation.path.replace(":sessionId", session).replace(":fileId", file)
    for name, body in HOSTILE.items():
        with at_most(5, f"{name} once took 20 s of CPU"):
            response = api.call(operation.method, path, content=body)
        assert response.status_code in (201, 400, 413, 415, 422), (name, response.text)
        assert len(response.content) < 20_000, name
    assert api.show(session)["files"]


def wsgi(environ, body=b"", app=schema.app):
    """The status, the body and the headers that are answered to an environ as no good server makes it."""
    seen = {}
    base = {
        "REQUEST_METHOD": "POST", "PATH_INFO": SESSIONS, "QUERY_STRING": "",
        "wsgi.input": io.BytesIO(body), "SERVER_NAME": "testserver", "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
    }  # fmt: skip
    content = b"".join(app(base | environ, lambda status, headers: seen.update(status=status, h=headers)))
    assert all("\r" not in value and "\n" not in value for _, value in seen["h"])
    return int(seen["status"][:3]), content, dict(seen["h"])


LONG = "x" * 100_000
ALLOWED = "https://app.example.com"
ORIGINS = (
    LONG, "null", "*", "http://a\r\nb", "\xff", "https://x, https://y", "", ",", " ", f"{ALLOWED}/",
    f"{ALLOWED}:444", f"{ALLOWED}.evil.example", f"{ALLOWED},https://evil.example", f"{ALLOWED} ", "http://app.example.com",
    f"https://evil.example?{ALLOWED}", f"{ALLOWED}\r\nX: y", "app.example.com", "https://other.example.com",
)  # fmt: skip


@pytest.mark.parametrize(
    "environ",
    [
        {"HTTP_AUTHORIZATION": value}
        for value in (
            LONG,
            f"Bearer {LONG}",
            "Bearer \xe9",
            "Bearer a\r\nX: y",
            "Bearer \0",
            "\0",
            "Bearer . . .",
        )
    ]
    + [{"HTTP_ORIGIN": value} for value in ORIGINS]
    + [{"REQUEST_METHOD": value} for value in ("", "post", "BREW", "GET\r\n", LONG, "TRACE", "CONNECT")]
    + [{"HTTP_X_HTTP_METHOD_OVERRIDE": "DELETE"}, {"HTTP_CONTENT_TYPE": LONG}, {"HTTP_ACCEPT": "text/html"}],
    ids=lambda environ: repr(environ)[:60],
)
def test_hostile_headers_are_no_more_than_refused(api, environ):
    status, content, _ = wsgi(environ)
    assert 400 <= status < 500, content
    assert json.loads(content)["error"]["reason"] in ("TOKEN_MISSING", "TOKEN_INVALID", "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "BREW"])
def test_a_hostile_origin_is_not_let_in_beside_one_that_is(in_process, method):
    in_process(ALLOWED_ORIGINS=f"{ALLOWED},https://other.example")

    def let_in(origin):
        _, _, headers = wsgi({"REQUEST_METHOD": method, "HTTP_ORIGIN": origin})
        assert headers["Vary"] == "Origin"
        return {name for name in headers if name.lower().startswith("access-control-")}

    assert let_in(ALLOWED)
    for origin in ORIGINS:
        assert let_in(origin) == set(), origin[:60]


@pytest.mark.parametrize("length", ["\u00b2", "-1", "1e3", "9" * 5000, " 2", "2, 2", "0x2", "\u0663"])
def test_an_invalid_content_length_is_no_500(api, length):
    token = {"HTTP_AUTHORIZATION": f"Bearer {api.token}", "CONTENT_LENGTH": length}
    status, content = endpoint(token, b"{}")
    assert status in (201, 400), content


def endpoint(environ, body):
    """As `wsgi`, past the local server, which has a mind of its own about lengths."""
    path = Path(__file__).parent.parent.parent / "api/mocs/uploads/sessions/index.py"
    return wsgi(environ, body, schema.app.function(path))[:2]


CHUNKED = {"wsgi.input_terminated": True}


@pytest.mark.parametrize(
    "environ", [{}, {"CONTENT_LENGTH": "9" * 5000}, CHUNKED], ids=["its length", "a longer one", "chunked"]
)
def test_a_body_is_read_up_to_vercels_limit_and_not_a_byte_further(api, environ):
    """On Vercel nothing longer gets here; elsewhere it is we who say no."""
    for size, wanted in ((4_500_000, 201), (4_500_001, 413), (9_000_000, 413)):
        body = b'{"padding":"' + b"x" * (size - 14) + b'"}'
        length = {} if environ else {"CONTENT_LENGTH": str(size)}
        status, content = endpoint({"HTTP_AUTHORIZATION": f"Bearer {api.token}"} | length | environ, body)
        assert status == wanted, content
        if status == 413:
            assert json.loads(content)["error"]["reason"] == "BODY_TOO_LARGE"


QUERIES = [
    "fromPart=" + "9" * 5000, "fromPart=-1", "fromPart=0", "fromPart=10001", "fromPart=1e3", "fromPart=0x1",
    "fromPart=%D9%A3", "fromPart=%ff", "fromPart=%00", "fromPart=", "fromPart", "fromPart=1&fromPart=x",
    "fromPart=x&fromPart=1", "presign=%ff", "presign=true&presign=false", "presign[]=true", "%ff=%ff",
    "%ff", "\xff=\xff", "%", "%zz=%", "&" * 10_000, "=" * 10_000, "a=1&" * 10_000, "x" * 100_000, ";;", "?",
    "sessionId=x&fileId=y",
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: repr(query)[:30])
def test_hostile_queries_are_ignored_or_422(api, query):
    session = api.session()
    file = api.register(session, pdf("there.pdf", 3))["fileId"]
    asked = {"REQUEST_METHOD": "GET", "HTTP_AUTHORIZATION": f"Bearer {api.token}", "QUERY_STRING": query}
    status, content, _ = wsgi(asked | {"PATH_INFO": f"{SESSIONS}/{session}"})
    assert (status, json.loads(content)) == (200, api.show(session))
    status, content, _ = wsgi(asked | {"PATH_INFO": f"{SESSIONS}/{session}/files/{file}/parts"})
    assert status in (200, 422), content
    if status == 422:
        assert json.loads(content)["error"]["reason"] == "VALIDATION_ERROR"
        assert len(content) < 1000
    else:
        assert json.loads(content) == api.parts(session, file)


@pytest.mark.parametrize(
    "path",
    ["/%00", "/%2e%2e/%2e%2e", "/..%2f", "/a b", "/" + "x" * 50_000, "//", "/;x=1"],
)
def test_hostile_paths_are_404(api, path):
    response = api.call("GET", path)
    assert response.status_code in (404, 405)
    assert "Traceback" not in response.text
