"""The endpoint that shows the issuer's keys: rotated, down, or odd."""

import json
import threading
import time

import pytest

from lib.domain.errors import ApiError
from lib.http.tokens import KeySet
from tests.support.fuzzy import UUID, error
from tests.support.silence import silent_port
from tests.support.tokens import ISSUER, assert_refused, claims, create


class Clock:
    """Stands in for `time` in lib/http/tokens.py, so that nobody has to wait."""

    def __init__(self):
        self.now = time.time()

    def time(self):
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("lib.http.tokens.time", clock)
    return clock


def test_keys_are_rotated(api, keys, clock):
    old = keys.sign("one", claims())
    assert create(api, old).status_code == 201
    del keys.keys["one"]
    keys.add("two")
    new = keys.sign("two", claims())
    assert_refused(create(api, new))  # asked a moment ago: strangers cannot make us ask all the time
    assert create(api, old).status_code == 201
    assert keys.fetches == 1
    clock.now += KeySet.COOLDOWN + 1
    assert create(api, new).status_code == 201
    assert_refused(create(api, old))
    assert keys.fetches == 2


def test_keys_that_are_withdrawn_are_forgotten_after_their_lifespan(api, keys, clock):
    token = keys.sign("one", claims())
    assert create(api, token).status_code == 201
    del keys.keys["one"]
    keys.add("two")
    clock.now += KeySet.LIFESPAN + 1
    assert_refused(create(api, token))


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, None), (404, None), (200, b"<html>"), (200, b"[]"), (200, b"{}"), (200, b'{"keys": []}'),
     (200, b'{"keys": [{"kty": "new"}]}'), (200, b"\xff")],
)  # fmt: skip
def test_the_endpoint_is_down_and_comes_back(api, keys, clock, status, body):
    token = keys.sign("one", claims())
    keys.status, keys.body = status, body
    response = create(api, token)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    unavailable = error("SERVICE_UNAVAILABLE", "AUTH_UNAVAILABLE")
    assert response.json() == {"error": unavailable, "requestId": UUID}
    assert "WWW-Authenticate" not in response.headers  # the token may be good: do not sign out
    keys.status, keys.body = 200, None
    clock.now += KeySet.RETRY_PAUSE + 1
    assert create(api, token).status_code == 201


def test_nobody_listens_there(in_process, keys):
    token = keys.sign("one", claims())
    keys.stop()
    api = in_process(AUTH_JWKS_URL=keys.url, AUTH_ISSUER=ISSUER, AUTH_JWT_SECRET="")
    assert create(api, token).json()["error"] == error("SERVICE_UNAVAILABLE", "AUTH_UNAVAILABLE")


@pytest.mark.timeout(20)  # it would hang
def test_an_issuer_that_never_answers_is_503(in_process, keys):
    with silent_port() as port:
        url = f"http://127.0.0.1:{port}/jwks.json"
        api = in_process(AUTH_JWKS_URL=url, AUTH_ISSUER=ISSUER, AUTH_JWT_SECRET="")
        started = time.monotonic()
        response = create(api, keys.sign("one", claims()))
        assert time.monotonic() - started < 8
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert response.json()["error"] == error("SERVICE_UNAVAILABLE", "AUTH_UNAVAILABLE")


def test_known_keys_serve_on_while_it_is_down(api, keys, clock):
    token = keys.sign("one", claims())
    assert create(api, token).status_code == 201
    keys.status = 500
    clock.now += KeySet.LIFESPAN + 1
    assert create(api, token).status_code == 201
    assert keys.fetches == 2


def hanging(monkeypatch):
    """From here on the issuer never answers; tells that it was asked, and lets go."""
    asked, let_go = threading.Event(), threading.Event()

    def fetch(self):
        asked.set()
        let_go.wait(10)

    monkeypatch.setattr(KeySet, "_fetch", fetch)
    return asked, let_go


@pytest.mark.parametrize("age", [0, KeySet.LIFESPAN])
def test_who_has_a_known_key_does_not_wait_for_an_issuer_that_hangs(keys, clock, monkeypatch, age):
    key_set = KeySet(keys.url)
    known = key_set.key("one")
    clock.now += max(age, KeySet.COOLDOWN) + 1
    asked, let_go = hanging(monkeypatch)

    def a_stranger():
        with pytest.raises(ApiError):
            key_set.key("two")

    waiting = threading.Thread(target=a_stranger)
    waiting.start()
    try:
        assert asked.wait(5)
        started = time.monotonic()
        assert key_set.key("one") is known
        assert time.monotonic() - started < 1
    finally:
        let_go.set()
        waiting.join()


def test_a_document_nested_without_end_is_no_reason_to_forget_the_keys(api, keys, clock):
    token = keys.sign("one", claims())
    assert create(api, token).status_code == 201
    keys.body = b"[" * 100_000
    clock.now += KeySet.LIFESPAN + 1
    assert create(api, token).status_code == 201


def test_a_key_for_encryption_is_not_for_signatures(api, keys):
    keys.add("two")
    shown = [keys.public("two"), keys.public("one") | {"use": "enc"}]
    keys.body = json.dumps({"keys": shown}).encode()
    assert_refused(create(api, keys.sign("one", claims())))
    assert create(api, keys.sign("two", claims())).status_code == 201


def test_keys_of_unknown_kinds_do_not_disturb(api, keys):
    shown = [{"kty": "new", "kid": "x"}, {}, keys.public("one")]
    keys.body = json.dumps({"keys": shown}).encode()
    assert create(api, keys.sign("one", claims())).status_code == 201
