"""What a developer's shell has set for other servers than those that a program is about."""

import os


def forget_other_servers() -> None:
    """Remove from this process's environment what libpq and botocore read there by themselves.

    In a developer's shell it is about other servers: a profile, a region's endpoint, a TLS mode, an address.
    """
    for name in [name for name in os.environ if name.startswith(("AWS_", "PG"))]:
        if name != "AWS_CA_BUNDLE":  # that of a proxy, which is this machine's
            del os.environ[name]
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):  # else those of the home are read
        os.environ[name] = os.devnull
    # A proxy cannot reach what runs on this machine. (The Makefile sees to it for all that make starts.)
    bypassed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if bypassed != "*":
        bypassed = ",".join(filter(None, (bypassed, "localhost", "127.0.0.1")))
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = bypassed
