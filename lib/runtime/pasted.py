"""What was pasted into a setting as it cannot stay, or under another name. No value is ever told."""

import re
from collections.abc import Mapping

QUOTES = ('""', "''", "``", "“”")
# The other side may have been given a secret with its quotes, too
MAY_HAVE_QUOTES = re.compile("SECRET|TOKEN|KEY|CERT")
ASCII_ONLY = re.compile(
    "(AWS|S3)_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)|VERCEL_OIDC_TOKEN|S3_SSE_KMS_KEY_ID"
)
# As integrations of databases with Vercel call it, after a prefix of the user's choice
DATABASE_VARIABLE = re.compile(r"\w*(DATABASE|POSTGRES)\w*URL\w*")
# What libraries read by themselves, and quote in their errors if it is anything else, password and all
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
PROXY = re.compile(r"(?i:https?://)?([^/?#\s]*@)?([\w.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?")


def problems_of(values: Mapping[str, str], env: Mapping[str, str]) -> list[str]:
    """What is wrong with values whatever they mean, and with the proxies of an environment, by variable."""
    proxies = [name for name in PROXIES if name in env and not PROXY.fullmatch(env[name])]
    if proxies:
        told = "must be as in http://user:password@host:port, with @ / ? # % in the password percent-encoded"
        return [f"{name}: {told}" for name in proxies]
    # Bytes that are no text; Python reads them as halves of surrogate pairs
    halves = [name for name, value in values.items() if any("\ud800" <= char <= "\udfff" for char in value)]
    if halves:
        return [f"{name}: must be UTF-8" for name in halves]
    # From a web page: the store refuses it, and what people compare looks the same
    odd = [name for name, value in values.items() if ASCII_ONLY.fullmatch(name) and not value.isascii()]
    if odd:
        told = "must be ASCII: a curly quotation mark or an invisible character was pasted, too"
        return [f"{name}: {told}" for name in odd]
    # A shell takes quotes away, and a dashboard does not
    quoted = [name for name, value in values.items() if len(value) > 1 and value[0] + value[-1] in QUOTES]
    return [f"{name}: must not be in quotes" for name in quoted if not MAY_HAVE_QUOTES.search(name)]


def other_database_variables(env: Mapping[str, str]) -> str:
    """What to say if DATABASE_URL is missing; empty, if nothing else names a database either."""
    names = sorted(name for name in env if DATABASE_VARIABLE.fullmatch(name) and name != "DATABASE_URL")
    if not names:
        return ""
    return f". Set are {', '.join(names)}: if one is this API's database (the pooled address), copy its value"
