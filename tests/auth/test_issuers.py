"""Tokens as the identity providers' documentation describes them, with the settings of docs/deploy.md.

Sources: clerk.com/docs (session tokens), auth0.com/docs (access tokens), docs.aws.amazon.com/cognito
(verifying JSON web tokens), supabase.com/docs (JWT claims), firebase.google.com/docs (verify ID tokens),
workos.com/docs (session tokens).
"""

import json
import time

import jwt
import pytest

from lib.runtime.config import Settings
from tests.conftest import SECRET
from tests.docs.test_docs import table_below
from tests.runtime.test_config import GOOD
from tests.support.tokens import assert_refused, claims, create

CLERK = "https://acme.clerk.accounts.dev"
COGNITO = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI"
SUPABASE = "https://abc.supabase.co/auth/v1"
WORKOS = "https://api.workos.com/user_management/client_01"

# By provider: the algorithm, what is set, and the claims of a token beside `exp` and `iat`.
ISSUERS = {
    "Clerk": ("RS256", {"AUTH_ISSUER": CLERK},
              {"iss": CLERK, "sub": "user_2abc", "azp": "https://app.example.com", "sid": "sess_1", "v": 2}),
    "Clerk, with an audience of its own": (
        "RS256", {"AUTH_ISSUER": CLERK, "AUTH_AUDIENCE": "uploads"},
        {"iss": CLERK, "sub": "user_2abc", "azp": "https://app.example.com", "aud": "uploads"}),
    "Auth0": ("RS256", {"AUTH_ISSUER": "https://acme.eu.auth0.com/", "AUTH_AUDIENCE": "https://uploads"},
              {"iss": "https://acme.eu.auth0.com/", "sub": "auth0|5f7c", "azp": "x", "scope": "openid",
               "aud": ["https://uploads", "https://acme.eu.auth0.com/userinfo"]}),
    "Amazon Cognito": ("RS256", {"AUTH_ISSUER": COGNITO, "AUTH_AUDIENCE": "1example23456789"},
                       {"iss": COGNITO, "sub": "aaaaaaaa-bbbb-cccc-dddd-example", "token_use": "access",
                        "client_id": "1example23456789", "username": "u"}),
    "Supabase": ("ES256", {"AUTH_ISSUER": SUPABASE, "AUTH_AUDIENCE": "authenticated"},
                 {"iss": SUPABASE, "sub": "123e4567-e89b-12d3-a456-426614174000",
                  "aud": "authenticated", "role": "authenticated", "is_anonymous": False}),
    "Firebase": ("RS256", {"AUTH_ISSUER": "https://securetoken.google.com/acme", "AUTH_AUDIENCE": "acme"},
                 {"iss": "https://securetoken.google.com/acme", "aud": "acme", "sub": "abcDEF123",
                  "user_id": "x", "firebase": {"sign_in_provider": "password"}}),
    "WorkOS": ("RS256", {"AUTH_ISSUER": WORKOS},
               {"iss": WORKOS, "sub": "user_01HBE", "sid": "session_01", "org_id": "org_01", "jti": "01HQ"}),
}  # fmt: skip


# Others, as their documentation describes them: learn.microsoft.com (access tokens of Entra ID), keycloak.org
# (securing apps), developer.okta.com (access tokens), better-auth.com/docs (JWT plugin).
TENANT = "11111111-2222-3333-4444-555555555555"
REALM = "https://id.example.com/realms/acme"
ENTRA = f"https://login.microsoftonline.com/{TENANT}/v2.0"
ENTRA_1 = f"https://sts.windows.net/{TENANT}/"
OKTA = "https://acme.okta.com/oauth2/default"
APP = "https://app.example.com"
OTHERS = {
    "Entra ID, v2.0": ("RS256", {"AUTH_ISSUER": ENTRA, "AUTH_AUDIENCE": "client"},
                       {"iss": ENTRA, "aud": "client", "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
                        "tid": TENANT, "oid": "o", "ver": "2.0"}),
    "Entra ID, v1.0": ("RS256", {"AUTH_ISSUER": ENTRA_1, "AUTH_AUDIENCE": "api://uploads"},
                       {"iss": ENTRA_1, "aud": "api://uploads", "sub": "s", "appid": "a", "ver": "1.0"}),
    "Keycloak": ("RS256", {"AUTH_ISSUER": REALM, "AUTH_AUDIENCE": "uploads"},
                 {"iss": REALM, "aud": ["uploads", "account"], "typ": "Bearer", "azp": "web",
                  "sub": "f:1234:jane", "realm_access": {"roles": ["user"]}}),
    "Keycloak, PS256": ("PS256", {"AUTH_ISSUER": REALM, "AUTH_AUDIENCE": "account"},
                        {"iss": REALM, "aud": "account", "sub": "5f7c"}),
    "Okta": ("RS256", {"AUTH_ISSUER": OKTA, "AUTH_AUDIENCE": "api://default"},
             {"iss": OKTA, "aud": "api://default", "sub": "jane@example.com", "cid": "0oa", "ver": 1}),
    "Better Auth": ("EdDSA", {"AUTH_ISSUER": APP, "AUTH_AUDIENCE": APP},
                    {"iss": APP, "aud": APP, "sub": "k3J9"}),
}  # fmt: skip


@pytest.mark.parametrize("name", ISSUERS)
def test_a_token_as_documented_is_good(in_process, keys, name):
    algorithm, settings, shown = ISSUERS[name]
    keys.add("theirs", algorithm)
    api = in_process(AUTH_JWKS_URL=keys.url, AUTH_JWT_SECRET="", **settings)
    assert create(api, keys.sign("theirs", claims(**shown))).status_code == 201


def as_shown(keys, kid, name):
    """A JWK as the provider's page has it."""
    jwk = keys.public(kid)
    if name.startswith("Entra"):  # no `alg`, and a certificate beside the numbers
        del jwk["alg"]
        jwk |= {"x5t": kid, "x5c": ["MIIC"], "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"}
    if name == "Better Auth":
        del jwk["use"]
    return jwk


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("clock", [0, 8], ids=["clocks agree", "theirs is ahead"])
def test_a_token_of_another_provider_is_good(in_process, keys, name, clock):
    algorithm, settings, shown = OTHERS[name]
    keys.add("old", algorithm)
    keys.add("new", algorithm)
    encrypting = keys.public("old") | {"kid": "enc", "use": "enc", "alg": "RSA-OAEP"}
    document = [encrypting, *(as_shown(keys, kid, name) for kid in ("old", "new"))]
    keys.body = json.dumps({"keys": document}).encode()
    api = in_process(AUTH_JWKS_URL=keys.url, AUTH_JWT_SECRET="", **settings)
    issued = int(time.time()) + clock
    times = {"iat": issued, "nbf": issued, "auth_time": issued - 60}
    assert create(api, keys.sign("new", claims(**shown, **times))).status_code == 201


def test_one_without_a_key_id_is_good_if_there_is_one_key(in_process, keys):
    keys.keys.clear()
    keys.add("only")
    settings = {"AUTH_ISSUER": REALM, "AUTH_AUDIENCE": "uploads"}
    api = in_process(AUTH_JWKS_URL=keys.url, AUTH_JWT_SECRET="", **settings)
    shown, (key, algorithm) = claims(iss=REALM, aud="uploads", sub="x"), keys.keys["only"]
    assert create(api, jwt.encode(shown, key, algorithm=algorithm)).status_code == 201


@pytest.mark.parametrize("name", ["Clerk", "WorkOS"])
def test_a_token_without_an_audience_is_refused_if_one_is_set_and_the_log_says_so(
    in_process, keys, name, caplog
):
    _, settings, shown = ISSUERS[name]
    api = in_process(AUTH_JWKS_URL=keys.url, AUTH_JWT_SECRET="", AUTH_AUDIENCE="uploads", **settings)
    assert_refused(create(api, keys.sign("one", claims(**shown))))
    [line] = [record for record in caplog.records if record.getMessage() == "request"]
    assert line.claim == "aud"


def test_supabases_anon_key_is_nobody(in_process, caplog):
    """It is a JWT of the project's, too: it has no `sub`."""
    api = in_process(AUTH_ISSUER="supabase")
    shown = claims(iss="supabase", sub=None, ref="abc", role="anon")
    assert_refused(create(api, jwt.encode(shown, SECRET, algorithm="HS256")))
    [line] = [record for record in caplog.records if record.getMessage() == "request"]
    assert line.claim == "sub"


def test_docs_deploy_has_a_row_for_each_and_their_addresses_are_taken():
    rows = {row[0]: row for row in table_below("What to set for each identity provider", "docs/deploy.md")}
    assert rows.keys() == {name.partition(",")[0] for name in ISSUERS}
    for _, jwks, issuer, _, _ in rows.values():
        env = {name: value for name, value in GOOD.items() if name != "AUTH_JWT_SECRET"}
        set_to = {"AUTH_JWKS_URL": jwks.strip("`"), "AUTH_ISSUER": issuer.strip("`"), "VERCEL": "1"}
        assert Settings.from_env(env | set_to)
    assert [row[0] for row in table_below("Identity providers", "docs/compatibility.md")] == list(rows)
