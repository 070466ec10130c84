"""What the deployment signs with: a role or keys, and how long they last."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from deploy.deployment import Deployment
from deploy.documents import document
from deploy.report import Finding, ok, warning, wrong
from lib.domain.errors import ApiError
from lib.runtime.config import Settings
from lib.s3.role import Role


def check_credentials(deployment: Deployment) -> Iterator[Finding]:
    """Take them as the API does."""
    settings = deployment.settings
    if settings.aws_role_arn:
        yield _check_role(settings)
        for kind in ("AWS", "S3"):
            if getattr(settings, f"{kind.lower()}_access_key_id"):
                yield warning(
                    "keys",
                    f"{kind}_ACCESS_KEY_ID is set beside AWS_ROLE_ARN, and not used",
                    f"vercel env rm {kind}_ACCESS_KEY_ID; vercel env rm {kind}_SECRET_ACCESS_KEY",
                )
    elif not settings.keys:
        yield wrong(
            "credentials",
            "neither AWS_ROLE_ARN nor S3_ACCESS_KEY_ID with S3_SECRET_ACCESS_KEY (or AWS's names) is set",
            "Keyless: vercel env add AWS_ROLE_ARN production   (docs/deploy.md, The role)",
        )
    elif settings.keys.session_token:
        yield warning(
            "credentials",
            "temporary keys (a session token is set): they end within hours, and nothing renews them",
            "Use a role (AWS_ROLE_ARN), or a user's own keys.",
        )
    else:
        yield ok("credentials", "long-lived keys")


def _check_role(settings: Settings) -> Finding:
    role = Role(settings)
    try:
        found = role.credentials()
    except ApiError:
        problem = role.problem or {}
        told = {key: value for key, value in problem.items() if value and key not in ("check", "role")}
        text = ", ".join(f"{key} {value}" for key, value in told.items())
        return wrong("credentials", f"AWS_ROLE_ARN cannot be assumed: {text}", _trust(settings, problem))
    left = (found.expires_at or datetime.now(UTC)) - datetime.now(UTC)
    minutes = left.total_seconds() / 60
    if left < timedelta(minutes=settings.presigned_url_ttl_minutes):
        return warning(
            "credentials",
            f"the role's last {minutes:.0f} minutes, less than PRESIGNED_URL_TTL_MINUTES: URLs end earlier",
            "Raise the role's maximum session duration: aws iam update-role --max-session-duration 3600 …",
        )
    return ok("credentials", f"the role's, for {minutes:.0f} more minutes, then renewed")


def _trust(settings: Settings, problem: dict[str, str | None]) -> str:
    """What to check, and the trust policy that would let this token in."""
    _, partition, _, _, account, *_ = (settings.aws_role_arn or "").split(":")
    words = (problem.get("subject") or "").split(":")
    claims = dict(zip(words[::2], words[1::2], strict=False))
    if not {"owner", "project"} <= claims.keys():
        return problem.get("check") or ""
    places = {
        "AWS_ACCOUNT_ID": account,
        "AWS_PARTITION": partition,
        "VERCEL_TEAM": claims["owner"],
        "VERCEL_PROJECT": claims["project"],
    }
    policy = json.dumps(document("oidc-trust-policy", {**os.environ, **places}))
    name = (settings.aws_role_arn or "").rpartition("/")[2]
    return (
        f"Check that {problem.get('check')}:\n"
        f"aws iam update-assume-role-policy --role-name {name} \\\n  --policy-document '{policy}'"
    )
