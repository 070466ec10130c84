"""Checks a deployment's own settings, and says for each what is wrong and what fixes it: `make doctor`."""

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import httpx

from deploy.check_bucket import check_bucket
from deploy.check_credentials import check_credentials
from deploy.check_database import check_database
from deploy.check_settings import check_authentication, check_origins
from deploy.check_upload import check_clocks, check_upload
from deploy.deployment import Deployment
from deploy.env_file import UNREADABLE, read_env
from deploy.report import Finding, lines, ok, warning, wrong
from deploy.shell import forget_other_servers
from lib.domain.errors import ApiError
from lib.domain.policy import setting_names
from lib.runtime import log
from lib.runtime.config import Settings, SettingsError

LOCAL = Path(__file__).resolve().parent.parent / ".dev" / "env"
UNREADABLE_FIX = "Add it to the file. What is no secret: vercel env add NAME production --type config --force"
SETTINGS_FIX = "Set it: vercel env add NAME production   (and in the file or environment that this reads)"

Check = Callable[[Deployment], Iterable[Finding]]
CHECKS: tuple[Check, ...] = (
    check_authentication,
    check_origins,
    check_database,
    check_credentials,
    check_bucket,
    check_upload,
    check_clocks,
)
NEEDED: dict[Check, set[str]] = {
    check_bucket: {"credentials"},
    check_upload: {"credentials", "bucket"},
    check_clocks: {"credentials", "bucket"},
}


def examine(env: Mapping[str, str]) -> Iterator[Finding]:
    """Check what an environment says; what needs something that is missing is left out."""
    ours = {name.upper() for name in Settings.model_fields} | set(setting_names())
    unreadable = sorted(name for name in ours & env.keys() if env[name].strip() == UNREADABLE)
    for name in unreadable:
        yield wrong("settings", f"{name}: not readable here: Vercel keeps it secret", UNREADABLE_FIX)
    if unreadable:
        return
    try:
        settings = Settings.from_env(env, setting_names())
    except SettingsError as error:
        for problem in error.problems:
            yield wrong("settings", problem, SETTINGS_FIX)
        return
    yield ok("settings", f"STAGE is {settings.stage}, the store {settings.s3_endpoint_url or 'AWS'}")
    if not env.get("S3_REGION", "").strip():
        text = f"S3_REGION is not set: here it is {settings.s3_region}, on Vercel the function's own region"
        yield warning("region", text, "Set S3_REGION to the bucket's (docs/compatibility.md).")
    try:
        http = httpx.Client(timeout=20)
    except (httpx.InvalidURL, ImportError, ValueError):  # whose text may quote a proxy's password
        text = "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names a proxy that the doctor cannot use"
        yield wrong("settings", text, "Unset it for the doctor, or set it as in http://host:port.")
        return
    with http:
        yield from _examine(Deployment(settings, http))


def _examine(deployment: Deployment) -> Iterator[Finding]:
    failed: set[str] = set()
    for check in CHECKS:
        causes = sorted(failed & NEEDED.get(check, set()))
        if causes:
            yield warning(_name(check), f"not checked, because this failed: {', '.join(causes)}")
            continue
        for finding in _findings(check, deployment):
            yield finding
            if finding.status == "wrong":
                failed.add(finding.check)


def _name(check: Check) -> str:
    return check.__name__.removeprefix("check_")


def _findings(check: Check, deployment: Deployment) -> Iterator[Finding]:
    name = _name(check)
    try:
        yield from check(deployment)
    except SettingsError as error:
        yield wrong(name, str(error), SETTINGS_FIX)
    except ApiError as error:
        yield wrong(name, f"could not be checked: {error.reason.name}", "See what is wrong above.")
    except Exception as error:  # a value must never come out with an error's text
        yield wrong(name, f"could not be checked: {type(error).__name__}", "Please report this.")


def _chosen_env(arguments: list[str]) -> tuple[str, Mapping[str, str]]:
    if arguments and arguments[0]:
        return arguments[0], read_env(Path(arguments[0]))
    if not os.environ.get("DATABASE_URL") and LOCAL.exists():
        return "the running stack's .dev/env", read_env(LOCAL)
    return "the environment", os.environ


def main() -> int:
    """Examine the environment, or the file that is named; the exit status says whether all is well."""
    log.logger.setLevel(logging.CRITICAL)  # what the API would log is told here in other words
    try:
        source, env = _chosen_env(sys.argv[1:])
    except (OSError, ValueError) as error:
        print(f"The file cannot be read: {error}", file=sys.stderr)
        return 2
    if env is not os.environ:  # a deployment does not have this shell's profile
        forget_other_servers()
    print(f"Checking the deployment of {source}.")
    findings = []
    for finding in examine(env):
        findings.append(finding)
        print(*lines([finding], colour=sys.stdout.isatty()), sep="\n", flush=True)
    count = {status: sum(one.status == status for one in findings) for status in ("wrong", "warning")}
    print(f"\n{count['wrong']} wrong, {count['warning']} to look into, of {len(findings)} checks.")
    return 1 if count["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
