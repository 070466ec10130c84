"""Which pages of other origins may call (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from collections.abc import Collection, Mapping
from typing import Any

EXPOSED_HEADERS = "X-Request-Id, Retry-After, WWW-Authenticate, Allow"
ALLOWED_HEADERS = "Authorization, Content-Type"
MAX_AGE = 600  # seconds that a browser may keep the answer to a preflight


def headers(environ: Mapping[str, Any], origins: Collection[str], methods: Collection[str]) -> dict[str, str]:
    """The CORS headers of one answer: `origins` may call, and a path answers `methods`."""
    origin = environ.get("HTTP_ORIGIN", "")
    answered = {"Vary": "Origin"} if origins else {}
    if origin not in origins:
        return answered
    answered |= {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED_HEADERS}
    if environ["REQUEST_METHOD"] == "OPTIONS":
        answered |= {
            "Access-Control-Allow-Methods": ", ".join(methods),
            "Access-Control-Allow-Headers": ALLOWED_HEADERS,
            "Access-Control-Max-Age": str(MAX_AGE),
        }
    return answered
