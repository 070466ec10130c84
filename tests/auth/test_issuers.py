"""Tokens as the identity providers' documentation describes them, with the settings of docs/deploy.md.

Sources: clerk.com/docs (session tokens), auth0.com/docs (access tokens), docs.aws.amazon.com/cognito
(verifying JSON web tokens), supabase.com/docs (JWT claims), firebase.google.com/docs (verify ID tokens),
workos.com/docs (session tokens).
"""

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


@pytest.mark.parametrize("name", ISSUERS)
def test_a_token_as_documented_is_good(in_process, keys, name):
    algorithm, settings, shown = ISSUERS[name]
    keys.add("theirs", algorithm)
    api = in_process(AUTH_JWKS_URL=keys.url, AUTH_JWT_SECRET="", **settings)
    assert create(api, keys.sign("theirs", claims(**shown))).status_code == 201


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
