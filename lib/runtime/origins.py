"""The web origins in ALLOWED_ORIGINS, as browsers send them (https://url.spec.whatwg.org/#concept-url-origin)."""

import ipaddress
import re
from collections.abc import Iterator

ANY = "*"
ORIGIN = re.compile(  # of any scheme: apps have their own (capacitor:, chrome-extension:)
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>\[[0-9a-f:.]+\]|[^\s/?#@:*\[\]\"'\\,;]+)(:(?P<port>[0-9]{1,5}))?"
)
ASCII_HOST = re.compile(r"[a-z0-9._-]+")
BARE_HOST = re.compile(r"([a-z0-9-]+\.)+[a-z]{2,}(:[0-9]+)?|localhost(:[0-9]+)?")
OWN_PORTS = {"http": 80, "https": 443}  # which browsers leave out
SEVERAL_SPELLINGS = re.compile("[ßς\u200c\u200d]")  # in which standards for host names differ


def origins_of(allowed_origins: str) -> frozenset[str]:
    """The origins in ALLOWED_ORIGINS, which `*` is among if it is any; what is none is left out."""
    return frozenset(origin for _, origin in _read(allowed_origins) if origin)


def check_origins(allowed_origins: str) -> str:
    """Raise `ValueError` for an item that no browser sends; a host's name is quoted, and nothing else."""
    for number, (item, origin) in enumerate(_read(allowed_origins), 1):
        if origin is None:
            raise ValueError(
                f"item {number} is no origin: {_advice(item)}. "
                "Commas separate items, and * alone is a wildcard: any page"
            )
    return allowed_origins


def _advice(item: str) -> str:
    if BARE_HOST.fullmatch(item):
        return f"write https://{item}"
    start = ORIGIN.match(item)
    if start and re.match("[/?#]", item[start.end() :]) and BARE_HOST.fullmatch(start["host"]):
        return f"write {start[0]}, without a path"
    return "write scheme://host or scheme://host:port, as in https://app.example.com"


def _read(allowed_origins: str) -> Iterator[tuple[str, str | None]]:
    """Each item, and the origin that it means, if it is clear."""
    for listed in allowed_origins.split(","):
        item = listed.strip().rstrip("/").lower()
        if item:
            yield item, ANY if item == ANY else _normal(item)


def _normal(item: str) -> str | None:
    match = ORIGIN.fullmatch(item)
    if match is None or not 1 <= int(match["port"] or 1) <= 65535:
        return None
    scheme, host, port = match["scheme"], _ascii(match["host"]), int(match["port"] or 0)
    if host is None:
        return None
    return f"{scheme}://{host}" + (f":{port}" if port and port != OWN_PORTS.get(scheme) else "")


def _ascii(host: str) -> str | None:
    """The host as it goes over the wire: a name in Punycode, an IPv6 address as short as it can be."""
    if host.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(host[1:-1])}]"
        except ValueError:
            return None
    if not host.isascii():
        if SEVERAL_SPELLINGS.search(host):
            return None
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            return None
    return host if ASCII_HOST.fullmatch(host) else None
