"""URLs among the settings: what one may be."""

import re
from urllib.parse import urlsplit


def check_url(url: str | None) -> str | None:
    """An address that can be asked, with neither a user's name nor a password: clients and logs may see it.

    Raises `ValueError`, in words that quote nothing of it.
    """
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        bad = parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc
        bad = bad or parts.netloc.endswith(":")  # which is in no Host header, and so in no signature
        bad = bad or parts.port == 0 or re.search(r"\s", url) is not None  # reading the port raises, too
    except ValueError:
        bad = True
    if bad:
        raise ValueError("must be a URL as in https://host/path, without a user name or password")
    return url


def check_base_url(url: str | None) -> str | None:
    """An address that a path can follow. Raises `ValueError`."""
    if url and re.search("[?#]", url):
        raise ValueError("must be a URL as in https://host/path, without a query or fragment")
    return check_url(url)
