"""The authenticator by itself: what cannot be told by its answers over HTTP."""

import time

import jwt
import pytest

from lib.domain.errors import ApiError, Reason
from lib.http.tokens import Authenticator
from lib.runtime.config import Settings
from lib.runtime.jwks import KeySet

SECRET = "a-secret-of-at-least-thirty-two-bytes!"
ISSUER = "https://issuer.example.com/pool"
BASE = {
    "DATABASE_URL": "postgresql://nowhere", "MOC_BUCKET": "bucket",
}  # fmt: skip


def authenticator(**env):
    return Authenticator(Settings.from_env(BASE | env))


def by_jwks(keys, **env):
    return authenticator(AUTH_JWKS_URL=keys.url, AUTH_ISSUER=ISSUER, **env)


def by_secret(**env):
    return authenticator(AUTH_JWT_SECRET=SECRET, **env)


def claims(**more):
    now = int(time.time())
    return {"sub": "auth0|123", "exp": now + 600, "iat": now, "iss": ISSUER} | more


def refusal(authenticator, token):
    with pytest.raises(ApiError) as caught:
        authenticator.user_id(token if token is None or " " in token else f"Bearer {token}")
    assert "Bearer" in caught.value.headers.get("WWW-Authenticate", "") or caught.value.status == 503
    return caught.value.reason


class TestBySecret:
    def test_a_good_token(self):
        token = jwt.encode(claims(), SECRET, algorithm="HS256")
        assert by_secret().user_id(f"Bearer {token}") == "auth0|123"
        assert by_secret().user_id(f"bearer  {token} ") == "auth0|123"

    def test_the_issuer_is_checked_where_it_is_set(self):
        token = jwt.encode(claims(iss="https://evil"), SECRET, algorithm="HS256")
        assert by_secret().user_id(f"Bearer {token}") == "auth0|123"
        assert refusal(by_secret(AUTH_ISSUER=ISSUER), token) is Reason.TOKEN_INVALID

    @pytest.mark.parametrize("header", [None, "", "Basic dXNlcjpwYXNz", "Bearer ", "Token x"])
    def test_no_token(self, header):
        with pytest.raises(ApiError) as caught:
            by_secret().user_id(header)
        assert caught.value.reason is Reason.TOKEN_MISSING
        assert caught.value.headers == {"WWW-Authenticate": "Bearer"}

    @pytest.mark.parametrize(
        "token", ["x", "a.b.c", "....", "a" * 20_000, "\u00e9.b.c", "eyJhbGciOiJIUzI1NiJ9.W10.x"]
    )
    def test_no_jwt(self, token):
        assert refusal(by_secret(), token) is Reason.TOKEN_INVALID

    def test_another_secret(self):
        token = jwt.encode(claims(), SECRET + "x", algorithm="HS256")
        assert refusal(by_secret(), token) is Reason.TOKEN_INVALID

    @pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
    @pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
    def test_another_algorithm(self, algorithm):
        token = jwt.encode(claims(), SECRET, algorithm=algorithm)
        assert refusal(by_secret(), token) is Reason.TOKEN_INVALID


class TestByJwks:
    def test_a_key_is_good_for_its_own_algorithm_only(self, keys):
        key, _ = keys.keys["one"]
        token = jwt.encode(claims(), key, algorithm="PS256", headers={"kid": "one"})
        assert refusal(by_jwks(keys), token) is Reason.TOKEN_INVALID

    def test_an_unknown_kid_is_looked_for_but_not_at_every_request(self, keys):
        authenticator = by_jwks(keys)
        stranger = jwt.encode(claims(), keys.keys["one"][0], algorithm="RS256", headers={"kid": "x"})
        for _ in range(5):
            assert refusal(authenticator, stranger) is Reason.TOKEN_INVALID
        assert keys.fetches == 1

    def test_without_a_kid_the_only_key_is_meant(self, keys):
        authenticator = by_jwks(keys)
        token = jwt.encode(claims(), keys.keys["one"][0], algorithm="RS256")
        assert authenticator.user_id(f"Bearer {token}")
        keys.add("two")
        assert refusal(by_jwks(keys), token) is Reason.TOKEN_INVALID

    def test_known_keys_are_good_for_a_day_while_the_endpoint_is_down(self, keys):
        authenticator = by_jwks(keys)
        token = keys.sign("one", claims())
        assert authenticator.user_id(f"Bearer {token}") == "auth0|123"
        keys.status = 500
        authenticator._keys._fetched_at -= KeySet.STALE_LIFESPAN - 60
        assert authenticator.user_id(f"Bearer {token}") == "auth0|123"
        authenticator._keys._fetched_at -= 61
        assert refusal(authenticator, token) is Reason.AUTH_UNAVAILABLE

    def test_many_threads_fetch_the_keys_once(self, keys):
        from concurrent.futures import ThreadPoolExecutor

        authenticator = by_jwks(keys)
        token = keys.sign("one", claims())
        with ThreadPoolExecutor(16) as executor:
            users = list(executor.map(lambda _: authenticator.user_id(f"Bearer {token}"), range(64)))
        assert users == ["auth0|123"] * 64
        assert keys.fetches == 1


def test_bypass_makes_everyone_the_developer():
    bypassed = authenticator(AUTH_BYPASS="true", DEV_USER_SUB="me")
    assert bypassed.user_id(None) == "me"
    assert authenticator(AUTH_BYPASS="1").user_id("Bearer x").startswith("dev-user-")
