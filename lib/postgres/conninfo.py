"""The database's URL as a dashboard shows it, made into what libpq takes."""

import ipaddress
import os
import re
from collections.abc import Mapping
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo, PGconn

from lib.postgres.certificates import certificate_options
from lib.runtime.config import SettingsError

# As libpq reads it: what comes before the first `@` is user and password, which may hold a `?`.
URL = re.compile(
    r"(?P<scheme>postgres(?:ql)?)(?:\+\w+)?://"
    r"(?P<rest>(?:[^@/]*@)?(?P<hosts>[^/?]*)[^?]*)(?:\?(?P<query>.*))?",
    re.DOTALL,
)
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.%-]*)(:[0-9]*)?")

# What errors tell, as libpq has read it: a name, an IPv6 address or a socket's folder; and other words.
TOLD_HOST = re.compile(r"[\w.-]*|([0-9A-Fa-f]*:){2}[0-9A-Fa-f:.]*(%[\w.-]+)?|[/@][^@;&=]*")
TOLD = ("user", "dbname", "hostaddr", "service", "passfile", "sslrootcert", "sslcert", "sslkey", "sslcrl")

# Written for other drivers, which libpq would refuse. Only these are ever named: in a malformed URL, what
# looks like a name may be a piece of the password.
OTHER_DRIVERS = frozenset(
    {
        "connection_limit", "pgbouncer", "pool_timeout", "prepared_statements", "prepareThreshold", "schema",
        "socket_timeout", "sslaccept", "statement_cache_size", "supa", "uselibpqcompat", "workaround",
    }
)  # fmt: skip

# libpq finds these invalid only when it connects, which would look as if the database were down.
WORDS = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
    "sslnegotiation": ("postgres", "direct"),
    "sslcertmode": ("disable", "allow", "require"),
    "sslsni": ("0", "1"),
    "load_balance_hosts": ("disable", "random"),
    "target_session_attrs": ("any", "read-write", "primary", "prefer-standby"),  # others take no writes
    "ssl_min_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    "ssl_max_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
}
NUMBERS = (
    "connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
    "tcp_user_timeout",
)  # fmt: skip
# What libpq's errors call some of them
SPELLED_OUT = {
    "SCRAM client key": "scram_client_key", "SCRAM server key": "scram_server_key",
    "SSL protocol version": "ssl_min_protocol_version",
}  # fmt: skip
NO_FOLDER = "/nowhere"  # where no server can have its socket


def conninfo(url: str, variable: str = "DATABASE_URL", root_certificates: str | None = None) -> str:
    """What libpq takes, with UTF8 asked for and the certificates to trust, if the URL wants them verified.

    Parameters for other drivers are left out. `root_certificates` is `DATABASE_SSL_ROOT_CERT`: PEM text.
    Raises `SettingsError`, which names the variable and never shows a part of its value.
    """
    cleaned = url.strip()
    if match := URL.fullmatch(cleaned):
        if not _is_unambiguous(cleaned, match):
            raise _malformed(variable)
        kept = _kept(match, variable)
        cleaned = f"{match['scheme']}://{match['rest']}{'?' if kept else ''}{'&'.join(kept)}"
    try:
        parameters = {name: str(value) for name, value in conninfo_to_dict(cleaned).items() if value}
    except (psycopg.Error, UnicodeDecodeError):  # whose text quotes the URL; a raw `%a4` is no UTF-8
        raise _malformed(variable) from None
    if not _tells_no_password(parameters):
        raise _malformed(variable)
    _check(parameters, variable)
    options = certificate_options(parameters, variable, root_certificates)
    several = "," in parameters.get("host", "") + parameters.get("hostaddr", "")
    if several and not parameters.get("target_session_attrs"):  # some may be replicas
        options["target_session_attrs"] = "read-write"
    parameters |= options | {"client_encoding": "UTF8"}
    _let_libpq_judge(parameters, variable)
    return make_conninfo("", **parameters)


def ignored_parameters(url: str) -> list[str]:
    """The names of the parameters that are left out; those that nobody is known to use have no name here."""
    match = URL.fullmatch(url.strip())
    names = [_name(one) for one in _parameters(match) if _name(one) not in _known()] if match else []
    return [name if name in OTHER_DRIVERS else "one that is unknown" for name in names]


def _kept(match: re.Match[str], variable: str) -> list[str]:
    """The parameters that are for libpq, and say something. Raises `SettingsError`."""
    kept = [one for one in _parameters(match) if _name(one) in _known() and _has_value(one)]
    if any(_name(one) == "ssl" and one.lower() != "ssl=true" for one in kept):
        raise SettingsError(f"{variable}: ssl must be true; sslmode says more (require, verify-full)")
    if any(_name(one) == "sslmode" for one in kept):
        kept = [one for one in kept if _name(one) != "ssl"]  # libpq would let the last of them win
    return kept


def _is_unambiguous(url: str, match: re.Match[str]) -> bool:
    """Whether no raw character of a password can have been read as the end of it.

    The rest of the password would be taken for a host, a port or a database, which errors tell.
    """
    after_authority = url.partition("://")[2].partition("/")[2]
    return (
        url.isprintable()  # what a line break, or a space without width, cuts in two was pasted so
        and url.count("@") <= 1
        and "@" not in after_authority
        and all(HOST.fullmatch(host) for host in match["hosts"].split(","))
        and all(re.fullmatch(r"[\w.-]+", _name(one)) for one in _parameters(match))
    )


def _tells_no_password(parameters: Mapping[str, str]) -> bool:
    """Whether nothing that errors tell can hold a password.

    It does in another driver's way to write it (`host=h;password=p`, `/db&password=p`), and if the `:` or `@`
    around it is percent-encoded, too.
    """
    return (
        all(TOLD_HOST.fullmatch(host) for host in parameters.get("host", "").split(","))
        and not any(re.search("[;&=]|://", parameters.get(name, "")) for name in TOLD)
        and (":" not in parameters.get("user", "") or "password" in parameters)
    )


def _check(parameters: Mapping[str, str], variable: str) -> None:
    """Raise `SettingsError` for a value that libpq would refuse, by the parameter's name."""
    ports = [port for port in parameters.get("port", "").split(",") if port]
    if not all(re.fullmatch("[0-9]{1,5}", port) and 1 <= int(port) <= 65535 for port in ports):
        raise SettingsError(f"{variable}: port must be 1 to 65535")
    for name, words in WORDS.items():
        if parameters.get(name) not in (None, *words):
            raise SettingsError(f"{variable}: {name} must be one of {', '.join(words)}")
    if "service" in parameters:  # a file that a deployed function does not have
        raise SettingsError(f"{variable}: service must be replaced by the host, user and database it names")
    if "replication" in parameters:  # in which PostgreSQL takes no statements as ours are
        raise SettingsError(f"{variable}: replication must be left out")
    _check_hosts(parameters, variable)
    for name in NUMBERS:
        if not re.fullmatch("-?[0-9]{0,9}", parameters.get(name, "")):
            raise SettingsError(f"{variable}: {name} must be a number")


def _check_hosts(parameters: Mapping[str, str], variable: str) -> None:
    """Hosts, addresses and ports are lists that belong together, if there are several."""
    addresses = [one for one in parameters.get("hostaddr", "").split(",") if one]
    try:
        for one in addresses:
            ipaddress.ip_address(one.partition("%")[0])
    except ValueError:
        raise SettingsError(f"{variable}: hostaddr must be an IP address") from None
    lists = [parameters[name].split(",") for name in ("hostaddr", "host") if parameters.get(name)]
    ports = parameters.get("port", "").split(",")
    if len({len(one) for one in lists}) > 1 or (len(ports) > 1 and len(ports) != len((lists or [[""]])[0])):
        raise SettingsError(f"{variable}: host, hostaddr and port must be as many as each other")


def _let_libpq_judge(parameters: Mapping[str, str], variable: str) -> None:
    """Raise `SettingsError` for what libpq itself finds wrong before it asks any server.

    It also reads the environment, where integrations and shells set PGSSLMODE and its like.
    """
    elsewhere = {"host": NO_FOLDER, "hostaddr": "", "port": "1", "gssencmode": "disable"}
    attempt = PGconn.connect_start(make_conninfo("", **{**parameters, **elsewhere}).encode())
    told = attempt.get_error_message()
    attempt.finish()
    if f"{NO_FOLDER}/" in told:  # it went as far as to look for the server
        return
    for words, parameter in SPELLED_OUT.items():
        told = told.replace(words, parameter)
    environment = {one.keyword.decode(): (one.envvar or b"").decode() for one in Conninfo.get_defaults()}
    found = re.search(rf"\b({'|'.join(environment)})\b", told)
    name = found[1] if found else "a parameter"
    source = f"{variable}: {name}"
    if name not in parameters and os.environ.get(environment.get(name, "")):
        source = f"{environment[name]}:"
    raise SettingsError(f"{source} must be a value that libpq takes, also beside the others")


def _malformed(variable: str) -> SettingsError:
    return SettingsError(
        f"{variable}: is no PostgreSQL URL (postgresql://user:password@host/database, without quotes); "
        "percent-encode characters such as @ / : # % = in a password or a parameter"
    )


def _parameters(match: re.Match[str]) -> list[str]:
    return [one for one in (match["query"] or "").split("&") if one]


def _has_value(parameter: str) -> bool:
    """Whether it has one: an empty one is none, as in all settings, but libpq would refuse most."""
    return parameter.partition("=")[1:] != ("=", "")


def _name(parameter: str) -> str:
    return unquote(parameter.partition("=")[0])


def _known() -> set[str]:
    """What this libpq knows, and `ssl`, which it takes from a URL as JDBC's."""
    return {option.keyword.decode() for option in Conninfo.get_defaults()} | {"ssl"}
