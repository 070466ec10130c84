"""Tokens: signed by keys of a JWKS endpoint that these tests serve, or by a secret."""

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lib.auth import Authenticator, KeySet
from lib.config import Settings
from lib.errors import ApiError, Reason

SECRET = "a-secret-of-at-least-thirty-two-bytes!"
ISSUER = "https://issuer.example.com/pool"
BASE = {
    "DATABASE_URL": "postgresql://nowhere", "MOC_BUCKET": "bucket",
}  # fmt: skip


class Keys:
    """A JWKS endpoint, with keys to sign with."""

    def __init__(self):
        self.keys = {}
        self.fetches = 0
        self.status = 200
        keys = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                keys.fetches += 1
                body = json.dumps({"keys": [keys.public(kid) for kid in keys.keys]}).encode()
                self.send_response(keys.status)
                self.end_headers()
                self.wfile.write(body if keys.status == 200 else b"sorry")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/.well-known/jwks.json"
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()

    def add(self, kid, algorithm="RS256"):
        if algorithm.startswith("ES"):
            self.keys[kid] = ec.generate_private_key(ec.SECP256R1()), algorithm
        else:
            self.keys[kid] = rsa.generate_private_key(public_exponent=65537, key_size=2048), algorithm

    def public(self, kid):
        key, algorithm = self.keys[kid]
        kind = jwt.algorithms.ECAlgorithm if algorithm.startswith("ES") else jwt.algorithms.RSAAlgorithm
        jwk = kind.to_jwk(key.public_key(), as_dict=True)
        return jwk | {"kid": kid, "use": "sig", "alg": algorithm}

    def sign(self, kid, claims, **headers):
        key, algorithm = self.keys[kid]
        return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} | headers)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def keys():
    keys = Keys()
    keys.add("one")
    yield keys
    keys.close()


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


def unsigned(payload, header):
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, payload)]
    return b".".join(parts)


class TestBySecret:
    def test_a_good_token(self):
        token = jwt.encode(claims(), SECRET, algorithm="HS256")
        assert by_secret().user_id(f"Bearer {token}") == "auth0|123"
        assert by_secret().user_id(f"bearer  {token} ") == "auth0|123"

    @pytest.mark.parametrize(
        ("more", "reason"),
        [
            ({"exp": 1}, Reason.TOKEN_EXPIRED),
            ({"exp": None}, Reason.TOKEN_INVALID),
            ({"exp": "soon"}, Reason.TOKEN_INVALID),
            ({"exp": float("inf")}, Reason.TOKEN_INVALID),
            ({"nbf": int(time.time()) + 3600}, Reason.TOKEN_INVALID),
            ({"sub": None}, Reason.TOKEN_INVALID),
            ({"sub": ""}, Reason.TOKEN_INVALID),
            ({"sub": 7}, Reason.TOKEN_INVALID),
            ({"sub": "x" * 256}, Reason.TOKEN_INVALID),
            ({"sub": "a\x00b"}, Reason.TOKEN_INVALID),
        ],
    )
    def test_bad_claims(self, more, reason):
        payload = {name: value for name, value in claims(**more).items() if value is not None}
        header = unsigned(payload, {"alg": "HS256", "typ": "JWT"})
        signature = base64.urlsafe_b64encode(hmac.digest(SECRET.encode(), header, "sha256")).rstrip(b"=")
        assert refusal(by_secret(), (header + b"." + signature).decode()) is reason

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

    @pytest.mark.parametrize("alg", ["none", "None", "NONE", ""])
    def test_alg_none(self, alg):
        token = unsigned(claims(), {"alg": alg, "typ": "JWT"}).decode() + "."
        assert refusal(by_secret(), token) is Reason.TOKEN_INVALID


class TestByJwks:
    @pytest.mark.parametrize("algorithm", ["RS256", "PS512", "ES256"])
    def test_a_good_token(self, keys, algorithm):
        keys.add("two", algorithm)
        assert by_jwks(keys).user_id("Bearer " + keys.sign("two", claims())) == "auth0|123"

    def test_alg_none(self, keys):
        token = unsigned(claims(), {"alg": "none", "kid": "one"}).decode() + "."
        assert refusal(by_jwks(keys), token) is Reason.TOKEN_INVALID

    def test_key_confusion(self, keys):
        """An HS256 token whose secret is our public key."""
        public = keys.keys["one"][0].public_key()
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        for encoding, format_ in [(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
                                  (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)]:  # fmt: skip
            header = unsigned(claims(), {"alg": "HS256", "kid": "one"})
            secret = public.public_bytes(encoding, format_)
            signature = base64.urlsafe_b64encode(hmac.new(secret, header, hashlib.sha256).digest())
            token = (header + b"." + signature.rstrip(b"=")).decode()
            assert refusal(by_jwks(keys), token) is Reason.TOKEN_INVALID

    def test_a_key_is_good_for_its_own_algorithm_only(self, keys):
        key, _ = keys.keys["one"]
        token = jwt.encode(claims(), key, algorithm="PS256", headers={"kid": "one"})
        assert refusal(by_jwks(keys), token) is Reason.TOKEN_INVALID

    def test_the_wrong_issuer(self, keys):
        token = keys.sign("one", claims(iss=ISSUER + "/other"))
        assert refusal(by_jwks(keys), token) is Reason.TOKEN_INVALID

    @pytest.mark.parametrize(
        ("audience", "good"),
        [({"aud": "us"}, True), ({"aud": ["them", "us"]}, True), ({"client_id": "us"}, True),
         ({"aud": "them"}, False), ({"aud": "them", "client_id": "us"}, False), ({}, False),
         ({"aud": []}, False), ({"client_id": "them"}, False)],
    )  # fmt: skip
    def test_the_audience_where_it_is_set(self, keys, audience, good):
        """Cognito's access tokens have a `client_id` and no `aud`."""
        token = keys.sign("one", claims(**audience))
        assert by_jwks(keys).user_id(f"Bearer {token}")
        checking = by_jwks(keys, AUTH_AUDIENCE="us")
        if good:
            assert checking.user_id(f"Bearer {token}") == "auth0|123"
        else:
            assert refusal(checking, token) is Reason.TOKEN_INVALID

    def test_expired_and_not_yet_valid(self, keys):
        now = int(time.time())
        assert refusal(by_jwks(keys), keys.sign("one", claims(exp=now - 60))) is Reason.TOKEN_EXPIRED
        assert refusal(by_jwks(keys), keys.sign("one", claims(nbf=now + 60))) is Reason.TOKEN_INVALID
        assert by_jwks(keys).user_id("Bearer " + keys.sign("one", claims(exp=now - 2)))  # clocks differ

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

    def test_rotated_keys_are_found(self, keys, monkeypatch):
        authenticator = by_jwks(keys)
        old = keys.sign("one", claims())
        assert authenticator.user_id(f"Bearer {old}")
        del keys.keys["one"]
        keys.add("two")
        monkeypatch.setattr(KeySet, "COOLDOWN", 0.0)
        authenticator._keys._next_fetch_at = 0.0
        assert authenticator.user_id("Bearer " + keys.sign("two", claims()))
        assert refusal(authenticator, old) is Reason.TOKEN_INVALID

    def test_the_endpoint_is_down(self, keys, monkeypatch):
        authenticator = by_jwks(keys)
        token = keys.sign("one", claims())
        keys.status = 500
        assert refusal(authenticator, token) is Reason.AUTH_UNAVAILABLE
        keys.status = 200
        monkeypatch.setattr(authenticator._keys, "_next_fetch_at", 0.0)
        assert authenticator.user_id(f"Bearer {token}")
        keys.status = 500
        authenticator._keys._fetched_at -= KeySet.LIFESPAN + 1  # known keys serve on while it is down
        assert authenticator.user_id(f"Bearer {token}")
        authenticator._keys._fetched_at -= KeySet.STALE_LIFESPAN
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
