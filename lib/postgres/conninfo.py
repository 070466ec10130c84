"""The database's URL as a dashboard shows it, made into one that libpq takes."""

import re
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from lib.runtime.config import SettingsError

# As libpq reads it: what comes before the first `@` is user and password, which may hold a `?`.
URL = re.compile(r"(?P<scheme>postgres(?:ql)?)(?:\+\w+)?://(?P<rest>(?:[^@/]*@)?[^?]*)(?:\?(?P<query>.*))?")


def conninfo(url: str, variable: str = "DATABASE_URL") -> str:
    """The URL without the parameters that are meant for other drivers, which libpq would refuse.

    Raises `SettingsError`, which names the variable and never shows its value.
    """
    cleaned = url.strip()
    if match := URL.fullmatch(cleaned):
        query = "&".join(one for one in _parameters(match) if _name(one) in _known())
        cleaned = f"{match['scheme']}://{match['rest']}{'?' if query else ''}{query}"
    try:
        conninfo_to_dict(cleaned)
    except psycopg.Error:  # its text quotes the URL
        raise SettingsError(
            f"{variable}: is no PostgreSQL URL (postgresql://user:password@host/database); "
            "characters such as @ / : # % in a password must be percent-encoded"
        ) from None
    return cleaned


def ignored_parameters(url: str) -> list[str]:
    """The names of the parameters that are left out."""
    match = URL.fullmatch(url.strip())
    return [_name(one) for one in _parameters(match) if _name(one) not in _known()] if match else []


def _parameters(match: re.Match[str]) -> list[str]:
    return [one for one in (match["query"] or "").split("&") if one]


def _name(parameter: str) -> str:
    return unquote(parameter.partition("=")[0])


def _known() -> set[str]:
    """What this libpq knows, and `ssl`, which it takes from a URL as JDBC's."""
    return {option.keyword.decode() for option in Conninfo.get_defaults()} | {"ssl"}
