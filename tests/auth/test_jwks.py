"""The endpoint that shows the issuer's keys: rotated, down, or odd."""

import contextlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from lib.runtime.fetch import FetchError
from lib.runtime.jwks import KeySet, KeysUnavailableError
from tests.support.dripping import DRIPS, Dripping
from tests.support.fuzzy import UUID, error
from tests.support.patience import at_most
from tests.support.silence import silent_port
from tests.support.tokens import ISSUER, assembled, assert_refused, claims, create, with_key


class Clock:
    """Stands in for `time` in lib/runtime/jwks.py, so that nobody has to wait."""

    def __init__(self):
        self.now = time.time()

    def time(self):
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("lib.runtime.jwks.time", clock)
    return clock


def test_keys_are_rotated(api, keys, clock):
    old = keys.sign("one", claims())
    assert create(api, old).status_code == 201
    del keys.keys["one"]
    keys.add("two")
    new = keys.sign("two", claims())
    # Asked a moment ago, and strangers cannot make us ask all the time: but the token may be good.
    assert_unavailable(create(api, new), KeySet.COOLDOWN)
    assert create(api, old).status_code == 201
    assert keys.fetches == 1
    clock.now += KeySet.COOLDOWN + 1
    assert create(api, new).status_code == 201
    assert_refused(create(api, old))
    assert keys.fetches == 2


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
@pytest.mark.parametrize("named", [True, False])
def test_a_new_key_may_have_the_id_of_the_old_one_or_none(api, keys, clock, named, algorithm):
    def signed():
        key, algorithm = keys.keys["one"]
        return jwt.encode(claims(), key, algorithm, headers={"kid": "one"} if named else None)

    old = signed()
    assert create(api, old).status_code == 201
    keys.add("one", algorithm)
    clock.now += KeySet.COOLDOWN + 1
    assert create(api, signed()).status_code == 201
    assert keys.fetches == 2
    for _ in range(3):  # nor can a stranger make us ask all the time
        assert_refused(create(api, old))
    assert keys.fetches == 2
    keys.status = 500
    clock.now += KeySet.COOLDOWN + 1
    assert_refused(create(api, old))
    assert create(api, signed()).status_code == 201


def assert_unavailable(response, seconds=5):
    assert (response.status_code, response.headers["Retry-After"]) == (503, f"{seconds:.0f}")
    unavailable = error("SERVICE_UNAVAILABLE", "AUTH_UNAVAILABLE")
    assert response.json() == {"error": unavailable, "requestId": UUID}
    assert "WWW-Authenticate" not in response.headers  # the token may be good: do not sign out


@pytest.mark.parametrize("after", [1, 5, KeySet.COOLDOWN + 1, KeySet.LIFESPAN - 1, KeySet.LIFESPAN + 1])
def test_a_fetch_that_fails_after_a_rotation_signs_nobody_out(api, keys, clock, after):
    old = keys.sign("one", claims())
    assert create(api, old).status_code == 201
    keys.add("two")
    new = keys.sign("two", claims())
    keys.status = 500
    clock.now += after
    for _ in range(3):
        assert create(api, new).status_code == 503
        assert create(api, old).status_code == 201
    keys.status = 200
    clock.now += KeySet.COOLDOWN + 1
    assert create(api, new).status_code == 201


def test_a_key_that_the_issuer_was_asked_for_and_does_not_have_is_401(api, keys, clock):
    assert create(api, keys.sign("one", claims())).status_code == 201
    keys.add("two")
    stranger = keys.sign("two", claims())
    del keys.keys["two"]
    clock.now += KeySet.COOLDOWN + 1
    for _ in range(3):
        assert_refused(create(api, stranger))
    assert keys.fetches == 2
    keys.status = 500  # from here on nobody knows
    clock.now += KeySet.COOLDOWN + 1
    for _ in range(3):
        assert_unavailable(create(api, stranger), KeySet.COOLDOWN)


@pytest.mark.parametrize(
    "bad", [{"iss": "https://evil.example.com"}, {"exp": 1}, {"sub": None}, {"sub": 7}, {"nbf": 2**40}]
)
def test_a_token_that_is_refused_in_any_case_does_not_make_us_ask(api, keys, bad):
    token = assembled({"alg": "RS256", "kid": "unknown"}, claims(**bad), with_key(keys, "one"))
    assert create(api, token).status_code == 401
    assert keys.fetches == 0


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
    assert_unavailable(create(api, token))
    keys.status, keys.body = 200, None
    clock.now += KeySet.RETRY_PAUSE + 1
    assert create(api, token).status_code == 201


def test_nobody_listens_there(in_process, keys):
    token = keys.sign("one", claims())
    keys.stop()
    api = in_process(AUTH_JWKS_URL=keys.url, AUTH_ISSUER=ISSUER, AUTH_JWT_SECRET="")
    assert create(api, token).json()["error"] == error("SERVICE_UNAVAILABLE", "AUTH_UNAVAILABLE")


@pytest.mark.timeout(60)  # it would hang
@pytest.mark.parametrize("where", DRIPS)
def test_an_issuer_that_never_comes_to_an_end_is_503(in_process, keys, monkeypatch, where):
    monkeypatch.setattr(KeySet, "SECONDS", 0.5)
    with Dripping(*DRIPS[where]) as issuer:
        api = in_process(AUTH_JWKS_URL=issuer.url, AUTH_ISSUER=ISSUER, AUTH_JWT_SECRET="")
        assert_unavailable(create(api, keys.sign("one", claims())))
        assert issuer.connections == 1


@pytest.mark.timeout(60)  # it would hang
def test_an_issuer_that_never_answers_is_503(in_process, keys):
    with silent_port() as port:
        url = f"http://127.0.0.1:{port}/jwks.json"
        api = in_process(AUTH_JWKS_URL=url, AUTH_ISSUER=ISSUER, AUTH_JWT_SECRET="")
        with at_most(KeySet.SECONDS, "one deadline for the whole fetch"):
            assert_unavailable(create(api, keys.sign("one", claims())))


def test_known_keys_serve_on_while_it_is_down(api, keys, clock):
    token = keys.sign("one", claims())
    assert create(api, token).status_code == 201
    keys.status = 500
    clock.now += KeySet.LIFESPAN + 1
    assert create(api, token).status_code == 201
    assert keys.fetches == 2


@contextlib.contextmanager
def hanging(monkeypatch):
    """The issuer does not answer while this lasts; gives the event that says it was asked."""
    asked, let_go = threading.Event(), threading.Event()

    def fetch(*_, **__):
        asked.set()
        let_go.wait(60)
        raise FetchError("Timeout")

    monkeypatch.setattr("lib.runtime.jwks.fetch", fetch)
    try:
        yield asked
    finally:
        let_go.set()


@pytest.mark.timeout(60)  # it would hang
@pytest.mark.parametrize("age", [0, KeySet.LIFESPAN])
def test_calls_with_unknown_keys_hold_one_thread_and_make_nobody_wait(keys, clock, monkeypatch, age):
    key_set = KeySet(keys.url)
    known = key_set.key("one")
    clock.now += max(age, KeySet.COOLDOWN) + 1

    def a_stranger(number):
        with pytest.raises(KeysUnavailableError):
            key_set.key(f"stranger {number}")

    with ThreadPoolExecutor(56) as executor:
        with hanging(monkeypatch) as asked:
            strangers = [executor.submit(a_stranger, number) for number in range(55)]
            assert asked.wait(30)
            while sum(stranger.done() for stranger in strangers) < len(strangers) - 1:
                time.sleep(0.01)
            assert key_set.key("one") is known
        for stranger in strangers:
            stranger.result()


def test_a_document_nested_without_end_does_not_replace_the_known_keys(api, keys, clock):
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


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("signed", ["one", "two"])
def test_keys_of_several_kinds_may_share_an_id(api, keys, signed, order):
    keys.add("two", "ES256")
    shown = [keys.public(kid) | {"kid": "1"} for kid in ("one", "two")]
    shown += [shown[0] | {"alg": "PS512"}, shown[0] | {"use": "enc", "alg": "RSA-OAEP"}]
    keys.body = json.dumps({"keys": shown[::order]}).encode()
    assert create(api, keys.sign(signed, claims(), kid="1")).status_code == 201
    key, _ = keys.keys["one"]
    assert create(api, jwt.encode(claims(), key, "PS512", headers={"kid": "1"})).status_code == 201
    assert_refused(create(api, jwt.encode(claims(), key, "RS512", headers={"kid": "1"})))


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("algorithm", ["RS256", "EdDSA"])
def test_an_old_and_a_new_key_may_share_an_id_or_have_none(in_process, keys, named, order, algorithm):
    """While it rotates its keys an issuer shows both; tokens of one of them were 401."""
    headers = {"kid": "1"} if named else None
    for kid in ("old", "new", "evil"):
        keys.add(kid, algorithm)
    shown = [keys.public(kid) | {"kid": "1"} for kid in ("old", "new")]
    if not named:
        shown = [{name: value for name, value in key.items() if name != "kid"} for key in shown]
    keys.body = json.dumps({"keys": shown[::order]}).encode()
    api = in_process(AUTH_JWKS_URL=keys.url, AUTH_ISSUER=ISSUER, AUTH_JWT_SECRET="")
    signed = [jwt.encode(claims(), keys.keys[kid][0], algorithm, headers) for kid in ("old", "new", "evil")]
    assert [create(api, token).status_code for token in signed] == [201, 201, 401]


def test_a_private_key_is_no_key(api, keys):
    """Who reads the document could sign with it; and it was a 500."""
    keys.add("two", "ES256")
    private = json.loads(RSAAlgorithm.to_jwk(keys.keys["one"][0])) | {"kid": "one", "alg": "RS256"}
    keys.body = json.dumps({"keys": [private, keys.public("two")]}).encode()
    assert_refused(create(api, keys.sign("one", claims())))
    assert create(api, keys.sign("two", claims())).status_code == 201


def test_keys_of_unknown_kinds_do_not_disturb(api, keys):
    shown = [{"kty": "new", "kid": "x"}, {}, keys.public("one")]
    shown += [keys.public("one") | {"kid": odd} for odd in ([1], {}, 7, ["one"], True)]
    shown += [keys.public("one") | {"kid": "x", "alg": odd} for odd in ("none", "RS1", "", 7, [], "HS256")]
    keys.body = json.dumps({"keys": shown}).encode()
    assert create(api, keys.sign("one", claims())).status_code == 201


@pytest.mark.timeout(60)  # it would hang
def test_who_waits_for_the_first_fetch_does_not_wait_for_ever(keys, monkeypatch):
    """The fetch has an end of its own; this is for one that has none, whatever the cause."""
    key_set = KeySet(keys.url, seconds=0.2)
    with ThreadPoolExecutor(8) as executor, hanging(monkeypatch):
        calls = [executor.submit(key_set.key, "one") for _ in range(8)]
        while sum(call.done() for call in calls) < len(calls) - 1:
            time.sleep(0.01)


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
def test_a_key_without_alg_verifies_each_of_rsas_algorithms(api, keys, algorithm):
    shown = keys.public("one")
    del shown["alg"]
    keys.body = json.dumps({"keys": [shown]}).encode()
    keys.keys["one"] = keys.keys["one"][0], algorithm
    assert create(api, keys.sign("one", claims())).status_code == 201


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "EdDSA"])
def test_a_key_without_alg_of_another_kind_has_the_one_of_its_curve(api, keys, algorithm):
    keys.add("two", algorithm)
    shown = keys.public("two")
    del shown["alg"]
    keys.body = json.dumps({"keys": [shown]}).encode()
    assert create(api, keys.sign("two", claims())).status_code == 201


@pytest.mark.parametrize("curve", [Ed25519PrivateKey, Ed448PrivateKey])
@pytest.mark.parametrize("shown", ["EdDSA", "its curve's", None])
@pytest.mark.parametrize("signed", ["EdDSA", "its curve's"])
def test_edwards_curves_have_two_names(api, keys, curve, shown, signed):
    """RFC 9864 has names for each curve in place of the one for both."""
    key = curve.generate()
    jwk = json.loads(OKPAlgorithm.to_jwk(key.public_key())) | {"kid": "1"}
    names = {"EdDSA": "EdDSA", "its curve's": jwk["crv"]}
    keys.body = json.dumps({"keys": [jwk | ({"alg": names[shown]} if shown else {})]}).encode()
    token = assembled({"alg": names[signed], "kid": "1"}, claims(), key.sign)
    assert create(api, token).status_code == 201
    assert_refused(create(api, assembled({"alg": names[signed], "kid": "1"}, claims(), lambda _: bytes(64))))
    other = {"Ed25519": "Ed448", "Ed448": "Ed25519"}[jwk["crv"]]
    assert_refused(create(api, assembled({"alg": other, "kid": "1"}, claims(), key.sign)))


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_the_log_has_the_issuers_status_and_its_host_alone(in_process, keys, caplog, status):
    keys.status = status
    url = keys.url + "?key=secret"
    api = in_process(AUTH_JWKS_URL=url, AUTH_ISSUER=ISSUER, AUTH_JWT_SECRET="")
    assert_unavailable(create(api, keys.sign("one", claims())))
    [line] = [record for record in caplog.records if record.getMessage() == "jwks"]
    assert (line.problem, line.status, line.host) == ("HttpStatus", status, "127.0.0.1")
    assert not [record for record in caplog.records if "secret" in str(vars(record))]


def test_a_host_that_refuses_pythons_own_name_is_asked_by_another(api, keys):
    assert create(api, keys.sign("one", claims())).status_code == 201
    assert keys.agents == ["upload-sessions-api"]
