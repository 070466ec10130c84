"""The deployment's own identity: Vercel's OIDC token, handed on by the edge to where it is exchanged.

https://vercel.com/docs/oidc/reference
"""

import base64
import binascii
import json
from contextvars import ContextVar
from typing import Any

HEADER = "HTTP_X_VERCEL_OIDC_TOKEN"  # in a WSGI environ; a new token comes with each request

current_oidc_token: ContextVar[str | None] = ContextVar("current_oidc_token", default=None)


def claims_of(token: str) -> dict[str, Any]:
    """What a token says of itself, unverified: for people who look for a mistake, and for nothing else."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, binascii.Error, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}
