"""Settings that make sense in themselves, and authentication."""

from collections.abc import Iterator

import httpx

from deploy.deployment import Deployment
from deploy.report import Finding, ok, warning, wrong
from lib.runtime.fetch import FetchError, fetch
from lib.runtime.jwks import MAX_BYTES, KeySet, NoKeysError, keys_of
from lib.runtime.origins import ANY


def check_authentication(deployment: Deployment) -> Iterator[Finding]:
    """Who may call: the bypasses, the shared secret or the JWKS."""
    settings = deployment.settings
    for name in ("auth_bypass", "rate_limit_bypass"):
        if getattr(settings, name):  # on a deployment the settings refuse it
            yield warning("authentication", f"{name.upper()} is on: for this machine only")
    if settings.auth_bypass:
        return
    if settings.auth_jwks_url:
        yield from _check_jwks(deployment)
    else:
        yield ok("authentication", "tokens are signed with a shared secret of at least 32 bytes (HS256)")
    if settings.auth_audience is None:
        yield warning(
            "audience",
            "AUTH_AUDIENCE is not set: a token that the issuer made for another app is accepted here",
            "Set AUTH_AUDIENCE to the 'aud' (Cognito: the client id) of this app's tokens. Those of Clerk "
            "and WorkOS have none by default (docs/deploy.md): leave it out if they serve this app alone.",
        )


def _check_jwks(deployment: Deployment) -> Iterator[Finding]:
    url = deployment.settings.auth_jwks_url or ""
    fix = "Set AUTH_JWKS_URL to the issuer's 'jwks_uri' (see its /.well-known/openid-configuration)."
    try:
        # As the API fetches it: with the same name, patience and size
        answer = fetch(
            url, seconds=KeySet.SECONDS, max_bytes=MAX_BYTES, headers={"Accept": "application/json"}
        )
        keys = keys_of(answer)
    except FetchError as error:
        yield wrong("authentication", f"AUTH_JWKS_URL does not answer ({error})", fix)
        return
    except NoKeysError as error:
        problems = {
            "HttpStatus": f"AUTH_JWKS_URL does not answer (HTTP {answer.status})",
            "NoSigningKey": "the JWKS has no public key that signs",
        }
        text = problems.get(str(error), "AUTH_JWKS_URL answers something that is no JWKS")
        if str(error) == "NoSigningKey":
            fix += " One that signs with a shared secret shows none: set AUTH_JWT_SECRET in its place."
        yield wrong("authentication", text, fix)
        return
    yield ok("authentication", f"the JWKS has {len(keys)} signing key{'s' if len(keys) > 1 else ''}")
    yield _check_issuer(deployment)


def _check_issuer(deployment: Deployment) -> Finding:
    """An issuer tells its own name; not every one has that page."""
    issuer = deployment.settings.auth_issuer or ""
    page = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        told = deployment.http.get(page, follow_redirects=True).raise_for_status().json()["issuer"]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        return warning(
            "issuer",
            "AUTH_ISSUER has no openid-configuration page to compare with",
            "Compare it with the 'iss' of a token: each character counts, a slash at the end too.",
        )
    if told != issuer:
        return wrong("issuer", "the issuer calls itself another name: no token will match", _set(told))
    return ok("issuer", "it calls itself as AUTH_ISSUER says")


def _set(issuer: object) -> str:
    return f"Set AUTH_ISSUER={issuer}"


def check_origins(deployment: Deployment) -> Iterator[Finding]:
    """The web origins that may call the API."""
    settings = deployment.settings
    if not settings.origins:
        yield warning(
            "origins",
            "ALLOWED_ORIGINS is empty: no browser of another origin can call the API",
            "Set ALLOWED_ORIGINS=https://app.example.com (several: comma-separated).",
        )
        return
    if ANY in settings.origins:
        yield warning(
            "origins",
            "ALLOWED_ORIGINS is *: any web page may call the API, with whatever token it has got hold of",
            "List the origins of your pages, unless pages that you do not know are meant to upload.",
        )
    else:
        yield ok("origins", ", ".join(sorted(settings.origins)))
