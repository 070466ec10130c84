"""Values that equal whatever has a certain form, so that whole bodies can be compared."""

import re
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit


class Matching:
    """Equals every text that matches a pattern as a whole."""

    def __init__(self, name, pattern):
        self.name = name
        self.pattern = re.compile(pattern)

    def __eq__(self, other):
        return isinstance(other, str) and self.pattern.fullmatch(other) is not None

    __hash__ = None

    def __repr__(self):
        return f"<{self.name}>"


UUID = Matching("UUID", r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = Matching("TIME", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
TEXT = Matching("TEXT", r"(?s).+")
ETAG = Matching("ETAG", r'[^"]+')
MD5 = Matching("MD5", r"[0-9a-f]{32}")


class PartUrl:
    """Equals a presigned URL of one part."""

    def __init__(self, number):
        self.number = number

    def __eq__(self, other):
        query = parse_qs(urlsplit(other).query)
        return (
            query.get("partNumber") == [str(self.number)]
            and query.get("X-Amz-SignedHeaders") == ["content-length;host"]
            and len(query.get("X-Amz-Signature", [""])[0]) == 64
        )

    __hash__ = None

    def __repr__(self):
        return f"<URL of part {self.number}>"


def presigned(number, size, content_type="application/pdf"):
    """One entry of `presignedUrls`."""
    return {
        "partNumber": number,
        "url": PartUrl(number),
        "expiresAt": TIME,
        "sizeBytes": size,
        "headers": {"Content-Length": str(size), "Content-Type": content_type},
    }


def error(code, reason, **details):
    """An `error` object, with exactly these details."""
    return {"code": code, "reason": reason, "message": TEXT} | ({"details": details} if details else {})


# What a call answers, with its status, without the store or the database.
NO_STORE = (503, error("SERVICE_UNAVAILABLE", "STORAGE_UNAVAILABLE"))
NO_DATABASE = (503, error("SERVICE_UNAVAILABLE", "DATABASE_UNAVAILABLE"))


def moment(text):
    """A time of the API."""
    return datetime.fromisoformat(text)


def about(expected, seconds=5):
    """A time near another."""

    class About:
        def __eq__(self, other):
            return abs(moment(other) - expected) <= timedelta(seconds=seconds)

        __hash__ = None

        def __repr__(self):
            return f"<about {expected}>"

    return About()
