"""Which pages of other origins may call (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from lib.runtime.origins import ANY

# `Date` too: a page compares it with its own clock before it trusts an `expiresAt`.
EXPOSED_HEADERS = "X-Request-Id, Retry-After, WWW-Authenticate, Allow, Date"
ALLOWED_HEADERS = "Authorization, Content-Type"
MAX_AGE = 600  # seconds that a browser may keep the answer to a preflight
# The client's text is sent back as a header: a line break in it, as in a folded header, would start another.
ONE_WORD = re.compile(r"[\x21-\x7e]+")
NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+([ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")


def headers(environ: Mapping[str, Any], origins: Collection[str], methods: Collection[str]) -> dict[str, str]:
    """The CORS headers of one answer; `origins` (in lower case) may call, `methods` are the path's."""
    origin = environ.get("HTTP_ORIGIN", "")
    answered = {"Vary": "Origin"} if origins else {}
    if not ONE_WORD.fullmatch(origin) or not (origin.lower() in origins or ANY in origins):
        return answered
    answered |= {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED_HEADERS}
    if environ["REQUEST_METHOD"] == "OPTIONS":
        answered |= {
            "Access-Control-Allow-Methods": ", ".join(methods),
            "Access-Control-Allow-Headers": _allowed(environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")),
            "Access-Control-Max-Age": str(MAX_AGE),
        }
    return answered


def _allowed(asked: str) -> str:
    """Any header is allowed: there are no cookies, so no header gives a page more than its token does.

    The names that were asked for are sent back, because `*` does not cover `Authorization`.
    """
    return asked if NAMES.fullmatch(asked) else ALLOWED_HEADERS
