"""Which authorities' certificates a connection to the database trusts."""

import atexit
import os
import re
import ssl
import tempfile
import textwrap
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from lib.runtime.config import SettingsError

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
VARIABLE = "DATABASE_SSL_ROOT_CERT"


def certificate_options(
    parameters: Mapping[str, str], variable: str, root_certificates: str | None
) -> dict[str, str]:
    """`sslmode` and `sslrootcert`, if they are other than the URL has them.

    Certificates of one's own (Amazon RDS, Supabase) are verified with the host's name. Otherwise what is to
    be verified is so by the public authorities: libpq finds no list of them in a deployed function.
    Raises `SettingsError`.
    """
    mode, root = parameters.get("sslmode"), parameters.get("sslrootcert")
    if root_certificates:
        if mode in ("disable", "allow"):
            raise SettingsError(f"{variable}: sslmode must be verify-full with {VARIABLE}")
        verified = mode if mode in ("verify-ca", "verify-full") else "verify-full"
        return {"sslmode": verified, "sslrootcert": certificate_file(root_certificates)}
    if root == "system":
        if mode not in (None, "", "verify-full"):  # libpq refuses it, too
            raise SettingsError(f"{variable}: sslmode must be verify-full with sslrootcert=system")
        return {"sslmode": "verify-full", "sslrootcert": _public_authorities()}
    if root and mode in ("verify-ca", "verify-full") and not Path(root).is_file():
        # libpq says so when it connects, which would look as if the database were down
        raise SettingsError(
            f"{variable}: sslrootcert must be a file that is there, or {VARIABLE} stand in its place"
        )
    if mode in ("verify-ca", "verify-full") and not root and not _has_own():
        return {"sslrootcert": _public_authorities()}
    return {}


@lru_cache
def certificate_file(text: str) -> str:
    """The path of a file that only this user reads, with these certificates: libpq takes no text.

    Raises `SettingsError`.
    """
    # A dashboard's field may have no line breaks, or spaces in their place; a bundle may have comments.
    found = CERTIFICATE.findall(re.sub(r"\\[rn]", "\n", text))
    bodies = (textwrap.fill("".join(body.split()), 64) for body in found)
    pem = "".join(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n" for body in bodies)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError, TypeError):
        raise SettingsError(f"{VARIABLE}: must be certificates in PEM form") from None
    handle, path = tempfile.mkstemp(prefix="database-", suffix=".pem")
    with os.fdopen(handle, "w") as file:
        file.write(pem)
    atexit.register(_remove, path)
    return path


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def _public_authorities() -> str:
    import certifi  # only if it is needed: it makes a cold start longer

    return certifi.where()


def _has_own() -> bool:
    """Whether libpq would find a list by itself, as on a developer's machine."""
    with suppress(RuntimeError):  # there is no home
        own = Path("~/.postgresql/root.crt").expanduser()
        return bool(os.environ.get("PGSSLROOTCERT")) or own.exists()
    return bool(os.environ.get("PGSSLROOTCERT"))
