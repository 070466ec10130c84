"""Tokens that somebody made up; over HTTP, by whole answers."""

import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lib.http.tokens import MAX_TOKEN_SIZE
from tests.support.client import new_id
from tests.support.keys import Keys
from tests.support.tokens import (
    ISSUER,
    assembled,
    assert_refused,
    claims,
    create,
    encoded,
    with_key,
    with_secret,
)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None, 7])
def test_a_token_with_alg_none_is_refused(api, alg):
    assert_refused(create(api, assembled({"alg": alg, "kid": "one"}, claims())))


@pytest.mark.parametrize("shown", ["PEM", "DER", "JWK"])
def test_our_public_key_is_no_shared_secret(api, keys, shown):
    """HS256 with our public key, which everyone knows, as its secret."""
    public = keys.keys["one"][0].public_key()
    if shown == "JWK":
        secret = json.dumps(keys.public("one")).encode()
    else:
        secret = public.public_bytes(getattr(Encoding, shown), PublicFormat.SubjectPublicKeyInfo)
    token = assembled({"alg": "HS256", "kid": "one"}, claims(), with_secret(secret))
    assert_refused(create(api, token))
    assert keys.fetches == 0  # nor is it worth asking for keys


def test_a_public_key_is_no_way_in_where_a_secret_is_shared(in_process, keys):
    assert_refused(create(in_process(), keys.sign("one", claims())))


def test_a_token_with_a_changed_payload_is_refused(api, keys):
    header, _, signature = keys.sign("one", claims()).split(".")
    other = encoded(json.dumps(claims(sub="admin")).encode()).decode()
    assert_refused(create(api, f"{header}.{other}.{signature}"))


def test_another_issuers_key_under_our_key_id(api):
    with Keys() as theirs:
        theirs.add("one")
        assert_refused(create(api, theirs.sign("one", claims())))
        assert theirs.fetches == 0


def test_keys_and_addresses_in_the_header_are_not_looked_at(api):
    with Keys() as theirs:
        theirs.add("evil")
        own_key = {"jwk": theirs.public("evil")}
        address = {"jku": theirs.url, "x5u": theirs.url}
        for header in (own_key, address, own_key | address):
            for kid in ("evil", "one"):
                header |= {"alg": "RS256", "kid": kid}
                assert_refused(create(api, assembled(header, claims(), with_key(theirs, "evil"))))
        assert theirs.fetches == 0


@pytest.mark.parametrize(
    "header",
    [{"crit": ["b64"], "b64": False}, {"crit": ["evil"], "evil": 1}, {"crit": []}, {"crit": "x"}],
)
def test_critical_headers_that_we_do_not_know(api, keys, header):
    """RFC 7515, 4.1.11: what is critical and not understood makes the token invalid."""
    token = assembled({"alg": "RS256", "kid": "one"} | header, claims(), with_key(keys, "one"))
    assert_refused(create(api, token))


@pytest.mark.parametrize("kid", [7, None, [], {}, "../../one", "one\x00", "' OR 1=1", "x" * 5000], ids=repr)
def test_odd_key_ids(api, keys, kid):
    keys.add("two")  # so that a token without a key id is for no key
    token = assembled({"alg": "RS256", "kid": kid}, claims(), with_key(keys, "one"))
    assert_refused(create(api, token))


def test_a_token_beyond_the_size_limit_is_refused(api, keys):
    fits = keys.sign("one", claims(padding="x" * 8000))
    assert create(api, fits).status_code == 201
    huge = keys.sign("one", claims(padding="x" * MAX_TOKEN_SIZE))
    assert_refused(create(api, huge))


@pytest.mark.parametrize("token", ["x", "..", "a.b.c", "a.b.c.d.e", "{}.{}.{}", "e30.e30.", "e30.e30.e30"])
def test_no_token_at_all(api, token):
    assert_refused(create(api, token))


OTHER_TOKENS = {
    "Auth0's without an audience, NextAuth's": (
        "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..a.b.c",
        "encrypted",
    ),
    "opaque": ("v1.aGVsbG8", "no JWT"),
    "of a variable that is not there": ("undefined", "no JWT"),
    "twice": ("Bearer a.b.c", "malformed"),
    "another algorithm's": (assembled({"alg": "ES256", "kid": "one"}, claims()), "algorithm"),
    "an older one's": (assembled({"alg": "HS512"}, claims()), "algorithm"),
}


@pytest.mark.parametrize("name", OTHER_TOKENS)
@pytest.mark.parametrize("by", ["jwks", "secret"])
def test_the_log_says_what_kind_of_token_it_is(in_process, api, caplog, name, by):
    token, problem = OTHER_TOKENS[name]
    assert_refused(create(api if by == "jwks" else in_process(AUTH_ISSUER=ISSUER), token))
    [line] = [record for record in caplog.records if record.getMessage() == "request"]
    assert line.problem == problem


def test_nothing_of_a_refused_token_is_logged(api, keys, caplog):
    secret = f"user-{new_id()}"
    token = keys.sign("one", claims(sub=secret, iss="https://evil.example.com"))
    assert_refused(create(api, token))
    log = " ".join(str(vars(record)) for record in caplog.records)
    assert "'reason': 'TOKEN_INVALID'" in log
    assert not [piece for piece in (secret, *token.split(".")) if piece in log]
