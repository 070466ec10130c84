"""Which origins ALLOWED_ORIGINS lets in; and what a page sees if other settings are invalid."""

import pytest

from deploy.documents import InvalidValueError, document
from lib import wiring
from lib.http import cors
from lib.runtime.config import Settings, SettingsError
from lib.runtime.origins import origins_of
from tests.runtime.test_config import GOOD
from tests.support.client import SESSIONS
from tests.support.fuzzy import error

LET_IN = [
    ("https://app.example.com", "https://app.example.com"),
    ("https://App.Example.COM", "https://app.example.com"),
    ("HTTPS://app.example.com/", "https://app.example.com"),
    ("https://app.example.com", "https://APP.example.com"),
    ("https://app.example.com:443", "https://app.example.com"),
    ("http://localhost:80", "http://localhost"),
    ("http://[::1]:3000", "http://[::1]:3000"),
    ("http://[0:0:0:0:0:0:0:1]:3000,http://[FD00::0001]", "http://[::1]:3000"),
    ("http://[0:0:0:0:0:0:0:1]:3000,http://[FD00::0001]", "http://[fd00::1]"),
    ("capacitor://localhost", "capacitor://localhost"),
    ("ionic://localhost,tauri://localhost", "tauri://localhost"),
    ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"),
    ("*", "https://whatever.example.com"),
    ("*", "null"),
    ("https://münchen.example", "https://xn--mnchen-3ya.example"),
    ("https://MÜNCHEN.example:443/", "https://xn--mnchen-3ya.example"),
    ("https://app.example.com:08443", "https://app.example.com:8443"),
    ("moz-extension://0f1e-2d", "moz-extension://0f1e-2d"),
    ("https://a_b.example.com", "https://a_b.example.com"),
    ("https://app.example.com, *", "moz-extension://x"),
]
NOT_LET_IN = [
    ("", "https://app.example.com"),
    ("https://app.example.com", "http://app.example.com"),
    ("https://app.example.com", "https://app.example.com:8443"),
    ("http://app.example.com:443", "http://app.example.com"),
    ("https://app.example.com", "https://app.example.com.evil.example"),
    ("capacitor://localhost", "https://localhost"),
    ("https://app.example.com", "null"),
]


def asked(api, origin, method="OPTIONS", path=SESSIONS):
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return api.http.request(method, path, headers=headers)


@pytest.mark.parametrize(("allowed", "origin"), LET_IN)
def test_let_in(in_process, allowed, origin):
    response = asked(in_process(ALLOWED_ORIGINS=allowed), origin)
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert response.headers["Vary"] == "Origin"


@pytest.mark.parametrize(("allowed", "origin"), NOT_LET_IN)
def test_not_let_in(in_process, allowed, origin):
    assert "Access-Control-Allow-Origin" not in asked(in_process(ALLOWED_ORIGINS=allowed), origin).headers


NONE = {
    "example.com": "write https://example.com",
    "App.Example.com:8443": "write https://app.example.com:8443",
    "localhost:3000": "write https://localhost:3000",
    "https://app.example.com/page": "write https://app.example.com, without a path",
    "https://app.example.com?hush": "write https://app.example.com, without a path",
    "https://*.example.com": "as in https://app.example.com",
    "*.example.com": "as in",
    "https://app.*": "as in",
    "null": "as in",
    "//app.example.com": "as in",
    "https://": "as in",
    "https:/app.example.com": "as in",
    "https://me:hush@app.example.com": "as in",
    "https://app.example.com:hush": "as in",
    "http://[1:2]:3000": "as in",
    "http://[:::]": "as in",
    "https://app.example.com:99999": "as in",
    "https://app.example.com:0": "as in",
    "https://app.example.com:": "as in",
    '"https://app.example.com"': "as in",
    '["https://app.example.com"]': "as in",
    "https://a.example.com https://b.example.com": "as in",
    "https://a.example.com;https://b.example.com": "as in",
    "https://straße.example": "as in",  # in Punycode there are two
    "https://a..ü": "as in",
    "hush": "as in",
}


@pytest.mark.parametrize("junk", ["\r\n ", "\r\n", "\n\t", "\r", "\0", "\x0b", "\x85", "\u2028", " ", "é"])
def test_what_could_begin_another_header_is_not_repeated(junk):
    """A server may hand over a folded header with the line break in it."""
    good = {"REQUEST_METHOD": "OPTIONS", "HTTP_ORIGIN": "https://app.example.com"}
    named = good | {"HTTP_ACCESS_CONTROL_REQUEST_HEADERS": f"a,{junk}b"}
    asked = cors.headers(named, {"*"}, ["GET"])["Access-Control-Allow-Headers"]
    assert asked == (f"a,{junk}b" if junk == " " else cors.ALLOWED_HEADERS)
    odd = good | {"HTTP_ORIGIN": f"https://app.example.com{junk}Set-Cookie: a=b"}
    assert cors.headers(odd, {"*"}, ["GET"]) == {"Vary": "Origin"}


@pytest.mark.parametrize("item", NONE)
def test_what_no_browser_sends_is_a_settings_error_that_says_what_to_write(item):
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(GOOD | {"ALLOWED_ORIGINS": f"https://good.example.com, {item}"})
    assert str(caught.value).startswith("ALLOWED_ORIGINS: item 2 is no origin: write ")
    assert NONE[item] in str(caught.value)
    assert "hush" not in str(caught.value)
    assert origins_of(f"https://good.example.com, {item}") == {"https://good.example.com"}


def test_a_document_for_the_bucket_has_none_of_it():
    env = {"MOC_BUCKET": "bucket", "ALLOWED_ORIGINS": "https://good.example.com,example.com"}
    with pytest.raises(
        InvalidValueError, match="ALLOWED_ORIGINS: item 2 is no origin: write https://example"
    ):
        document("cors", env)


def test_the_list_is_read_with_care():
    assert origins_of(" https://A.example/ ,,\nhttp://b.example:8080 ,") == {
        "https://a.example",
        "http://b.example:8080",
    }
    assert origins_of(" ") == frozenset()


@pytest.fixture
def broken(in_process, monkeypatch):
    """A deployment without a database, whose ALLOWED_ORIGINS is as it should be."""
    api = in_process()
    wiring.use(None)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://app.example.com")
    return api


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("OPTIONS", 204),
        ("PUT", 405),
        ("PATCH", 405),
        ("DELETE", 405),
        ("POST", 500),
        ("GET", 405),
        ("HEAD", 405),
    ],
)
def test_with_invalid_settings_every_answer_is_readable_and_the_log_names_them(
    broken, caplog, method, status
):
    response = asked(broken, "https://app.example.com", method)
    assert response.status_code == status
    assert response.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    [line] = [record for record in caplog.records if record.getMessage() == "settings"]
    assert "DATABASE_URL" in line.problem
    assert line.request_id == response.headers["X-Request-Id"]
    assert "Access-Control-Allow-Origin" not in asked(broken, "https://evil.example.com", method).headers
    if status == 500:
        assert response.json()["error"] == error("INTERNAL_ERROR", "INTERNAL_ERROR")


def test_a_failure_of_our_own_while_building_is_logged_for_a_preflight_too(in_process, monkeypatch, caplog):
    api = in_process()
    wiring.use(None)
    monkeypatch.setattr(wiring, "build", lambda *_, **__: 1 / 0)
    assert asked(api, "https://app.example.com").status_code == 204
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]
    assert asked(api, "https://app.example.com", "POST").json()["error"] == error(
        "INTERNAL_ERROR", "INTERNAL_ERROR"
    )
