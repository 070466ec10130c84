"""Whose token it is, for whom, from whom and until when; over HTTP, by whole answers."""

import time

import pytest

from lib.http.tokens import LEEWAY
from tests.support.client import SESSIONS, new_id
from tests.support.tokens import (
    EXPIRED,
    ISSUER,
    assembled,
    assert_refused,
    claims,
    create,
    with_key,
    with_secret,
)


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA"])
def test_who_calls_is_the_sub(api, keys, db, algorithm):
    keys.add("two", algorithm)
    user = f"user-{new_id()}"
    response = create(api, keys.sign("two", claims(sub=user)))
    assert response.status_code == 201
    owner = db.execute("SELECT user_id FROM upload_sessions WHERE id = %s", [response.json()["sessionId"]])
    assert owner.fetchone() == (user,)


def test_without_a_token_every_route_is_401(api):
    session, file = new_id(), new_id()
    routes = [
        ("POST", ""), ("GET", f"/{session}"), ("DELETE", f"/{session}"), ("POST", f"/{session}/files"),
        ("POST", f"/{session}/files/batch"), ("DELETE", f"/{session}/files/{file}"),
        ("GET", f"/{session}/files/{file}/parts"), ("POST", f"/{session}/files/{file}/parts"),
        ("POST", f"/{session}/files/{file}/complete"),
    ]  # fmt: skip
    for method, path in routes:
        assert_refused(api.http.request(method, SESSIONS + path, json={}), "TOKEN_MISSING", "Bearer")


@pytest.mark.parametrize("scheme", ["Basic", "Token", "Bearer"])
def test_a_header_without_a_bearer_token(api, keys, scheme):
    token = "" if scheme == "Bearer" else keys.sign("one", claims())
    response = api.call("POST", "", {}, headers={"Authorization": f"{scheme} {token}"})
    assert_refused(response, "TOKEN_MISSING", "Bearer")


OURS = {"AUTH_ISSUER": ISSUER, "AUTH_AUDIENCE": "our-app"}


class TestClaims:
    """By a JWKS, and by a shared secret."""

    @pytest.fixture(params=["jwks", "secret"])
    def ask(self, request, in_process, keys, env):
        if request.param == "jwks":
            api = in_process(AUTH_JWKS_URL=keys.url, AUTH_JWT_SECRET="", **OURS)
            header, sign = {"alg": "RS256", "kid": "one"}, with_key(keys, "one")
        else:
            api = in_process(**OURS)
            header, sign = {"alg": "HS256"}, with_secret(env["AUTH_JWT_SECRET"].encode())

        def called(payload):
            if isinstance(payload, dict) and payload:
                payload = {"aud": "our-app"} | payload
            return create(api, assembled(header, payload, sign))

        return called

    @pytest.mark.parametrize(
        "more",
        [{}, {"jti": 7}, {"exp": 4102444800.5}, {"exp": 10**30}, {"iat": 0}, {"iat": None}, {"nbf": 1.5},
         {"sub": "\N{PARTY POPPER}"}, {"sub": "a b/../%2e|c@d"}, {"aud": ["theirs", "our-app"]}],
        ids=str,
    )  # fmt: skip
    def test_good_ones(self, ask, more):
        assert ask(claims(**more)).status_code == 201

    @pytest.mark.parametrize(
        "more",
        [{"exp": None}, {"exp": "soon"}, {"exp": []}, {"exp": float("inf")}, {"sub": None}, {"sub": 7},
         {"sub": ["user"]}, {"sub": ""}, {"sub": "x" * 256}, {"sub": "a\x00b"}, {"nbf": 2**40},
         {"nbf": "later"}, {"iat": 2**40}, {"iss": None}, {"iss": ISSUER + "/"}, {"iss": [ISSUER, ISSUER]},
         {"iss": "https://evil.example.com"}],
        ids=str,
    )  # fmt: skip
    def test_bad_ones(self, ask, more):
        assert_refused(ask(claims(**more)))

    @pytest.mark.parametrize(
        ("more", "claim"),
        [({"exp": None}, "exp"), ({"exp": 1}, "exp"), ({"exp": "soon"}, "exp"), ({"sub": None}, "sub"),
         ({"sub": 7}, "sub"), ({"sub": "x" * 256}, "sub"), ({"iss": None}, "iss"), ({"iss": "theirs"}, "iss"),
         ({"iss": ["theirs"]}, "iss"),
         ({"nbf": 2**40}, "nbf"), ({"nbf": "x"}, "nbf"), ({"iat": 2**40}, "iat"),
         ({"aud": "theirs"}, "aud"), ({"aud": None}, "aud"), ({"aud": []}, "aud")],
        ids=str,
    )  # fmt: skip
    def test_the_log_names_the_claim_and_not_its_value(self, ask, caplog, more, claim):
        token = ask(claims(aud="our-app", jti="hush-hush") | more)
        assert token.status_code == 401
        [line] = [record for record in caplog.records if record.getMessage() == "request"]
        assert line.claim == claim
        told = " ".join(str(vars(record)) for record in caplog.records)
        assert not [value for value in ("theirs", "hush-hush", "x" * 256, str(2**40)) if value in told]

    def test_expired_is_said_and_some_leeway_is_given(self, ask):
        now = int(time.time())
        assert_refused(ask(claims(exp=now - LEEWAY - 5)), "TOKEN_EXPIRED", EXPIRED)
        assert ask(claims(exp=now - 2, nbf=now + 2)).status_code == 201

    def test_no_claims_at_all(self, ask):
        for payload in ({}, [], "user", None):
            assert_refused(ask(payload))


class TestCognito:
    """Its access tokens have a `client_id` and no `aud`, its ID tokens an `aud`."""

    @pytest.fixture
    def api(self, in_process, keys):
        settings = {"AUTH_ISSUER": ISSUER, "AUTH_AUDIENCE": "our-app", "AUTH_JWT_SECRET": ""}
        return in_process(AUTH_JWKS_URL=keys.url, **settings)

    @pytest.mark.parametrize(
        "ours",
        [{"token_use": "access", "client_id": "our-app", "scope": "openid", "username": "u"},
         {"token_use": "id", "aud": "our-app", "cognito:username": "u"}, {"aud": ["other-app", "our-app"]}],
    )  # fmt: skip
    def test_tokens_for_us(self, api, keys, ours):
        assert create(api, keys.sign("one", claims(**ours))).status_code == 201

    @pytest.mark.parametrize(
        "theirs",
        [{}, {"token_use": "access", "client_id": "other-app"}, {"token_use": "id", "aud": "other-app"},
         {"aud": ["other-app"]}, {"aud": []}, {"aud": "other-app", "client_id": "our-app"}, {"aud": "our"},
         {"aud": {"our-app": 1}}, {"aud": 7}],
        ids=str,
    )  # fmt: skip
    def test_tokens_for_others(self, api, keys, theirs):
        token = assembled({"alg": "RS256", "kid": "one"}, claims(**theirs), with_key(keys, "one"))
        assert_refused(create(api, token))
