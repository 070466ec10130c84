"""The deployment's own identity: Vercel's OIDC token, as it comes with each request.

https://vercel.com/docs/oidc/reference

A request's header is as its sender likes, so a token counts only if Vercel made it for this project. The
rules are those of Vercel's own package (`vercel-oidc`, verify.py): RS256, keys by their id from one fixed
address, the issuer, the project, the environment. The package itself would take more than 100 ms of CPU of a
cold start (it brings httpx2), waits for keys up to 11 s, and refuses all tokens while it cannot fetch keys.
"""

import base64
import binascii
import json
import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from lib.runtime.jwks import KeySet, KeysUnavailableError, UnknownKeyError

HEADER = "HTTP_X_VERCEL_OIDC_TOKEN"  # in a WSGI environ; a new token comes with each request
JWKS_URL = "https://oidc.vercel.com/.well-known/jwks"  # one key for all teams; never taken from a token
ISSUER = r"https://oidc\.vercel\.com(/[A-Za-z0-9_-]+)?"
LEEWAY = 60  # seconds that clocks may differ
MAX_SIZE = 16 * 1024  # characters

current_oidc_token: ContextVar[str | None] = ContextVar("current_oidc_token", default=None)


class RefusedTokenError(Exception):
    """Vercel did not make this token for this project; the text names the claim or rule, never a value."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What Vercel tells a function of itself; None: it was told not to."""

    project_id: str | None  # VERCEL_PROJECT_ID
    environment: str | None  # VERCEL_TARGET_ENV, else VERCEL_ENV


class Verifier:
    """Tells the tokens of this deployment from all others; safe under threads."""

    # Short: a forged token must not delay a good one for longer.
    FETCH_SECONDS = 2.0
    COOLDOWN = 4.0

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._keys = KeySet(JWKS_URL, seconds=self.FETCH_SECONDS, cooldown=self.COOLDOWN)

    def verify(self, token: str) -> bool:
        """Whether a token is certainly ours: signed by Vercel, and for this project.

        False if Vercel's keys cannot be had, or it is not known which project this is: the taker of the
        token must judge it. Raises `RefusedTokenError` for one that cannot be ours.
        """
        import jwt

        if len(token) > MAX_SIZE or not token.isascii():
            raise RefusedTokenError("malformed")
        try:
            header = jwt.get_unverified_header(token)
            self._check(jwt.decode(token, options={"verify_signature": False}))
            if header.get("alg") != "RS256" or not header.get("kid"):
                raise RefusedTokenError("algorithm")
            keys = self._keys.key(header["kid"]).get("RS256")
            if keys is None:
                raise RefusedTokenError("algorithm")
            # `exp`, `nbf` and `iat` are judged here, too. `algorithms` is ours, never the token's.
            options: jwt.types.Options = {"require": ["exp", "iss"], "verify_aud": False}
            # Vercel's keys have ids of their own, so there is one.
            jwt.decode(token, keys[-1], algorithms=["RS256"], leeway=LEEWAY, options=options)
        except jwt.InvalidSignatureError:
            raise RefusedTokenError("signature") from None
        except UnknownKeyError:
            raise RefusedTokenError("unknown key") from None
        except KeysUnavailableError:
            if self._keys.is_usable():  # perhaps a new key of Vercel's: it will be known in a moment
                raise RefusedTokenError("unknown key") from None
            return False
        except jwt.ExpiredSignatureError:
            raise RefusedTokenError("exp") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise RefusedTokenError("malformed") from None
        return self._deployment.project_id is not None

    def _check(self, claims: dict[str, Any]) -> None:
        """Before the signature: what is not for us in any case is not worth a key."""
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or not re.fullmatch(ISSUER, issuer):
            raise RefusedTokenError("iss")
        for claim in ("project_id", "environment"):
            expected = getattr(self._deployment, claim)
            if expected is not None and claims.get(claim) != expected:
                raise RefusedTokenError(claim)


def claims_of(token: str) -> dict[str, Any]:
    """What a token says of itself, unverified: for people who look for a mistake, and for nothing else."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, binascii.Error, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}
