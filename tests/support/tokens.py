"""Tokens, also such as no library would make, and the answers to them."""

import base64
import hmac
import json
import time

import jwt

from tests.support.fuzzy import UUID, error

ISSUER = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI"
INVALID = 'Bearer error="invalid_token", error_description="The access token is invalid"'
EXPIRED = 'Bearer error="invalid_token", error_description="The access token expired"'
RS256 = jwt.get_algorithm_by_name("RS256")


def claims(**more):
    now = int(time.time())
    payload = {"sub": "user", "exp": now + 600, "iat": now, "iss": ISSUER} | more
    return {name: value for name, value in payload.items() if value is not None}


def create(api, token):
    return api.call("POST", "", {}, headers={"Authorization": f"Bearer {token}"})


def assert_refused(response, reason="TOKEN_INVALID", challenge=INVALID):
    assert response.status_code == 401, response.text
    assert response.json() == {"error": error("UNAUTHORIZED", reason), "requestId": UUID}
    assert response.headers["WWW-Authenticate"] == challenge


def assembled(header, payload, sign=lambda signing_input: b""):
    """A token that a library might refuse to make."""
    signing_input = b".".join(encoded(json.dumps(piece).encode()) for piece in (header, payload))
    return (signing_input + b"." + encoded(sign(signing_input))).decode()


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def with_key(keys, kid):
    return lambda signing_input: RS256.sign(signing_input, keys.keys[kid][0])


def with_secret(secret):
    return lambda signing_input: hmac.digest(secret, signing_input, "sha256")
