"""Keyless production: the credentials of an IAM role, in exchange for Vercel's OIDC token."""

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

from lib.domain.errors import ApiError, Reason
from lib.runtime import log
from lib.runtime.config import Settings
from lib.runtime.oidc_token import claims_of, current_oidc_token
from lib.s3.presign import Credentials

if TYPE_CHECKING:
    from botocore.session import Session
    from types_boto3_sts import STSClient

SESSION_NAME = "upload-sessions"  # shown in CloudTrail
RETRY_PAUSE = timedelta(seconds=1)  # after an exchange that failed
RENEWAL_PAUSE = timedelta(seconds=30)  # likewise, while there are credentials that are still good
SHORTEST_AHEAD = timedelta(minutes=5)

CHECKS = {
    "NoToken": "no OIDC token came with the request: enable 'Secure Backend Access with OIDC Federation' in "
    "the Vercel project's settings; locally, run 'vercel env pull' for a VERCEL_OIDC_TOKEN",
    "AccessDenied": "AWS_ROLE_ARN must name a role whose trust policy has this issuer, audience and subject "
    "(deploy/oidc-trust-policy.json)",
    "InvalidIdentityToken": "the AWS account needs an IAM identity provider with this issuer and audience",
    "ExpiredTokenException": "the OIDC token has expired: locally, run 'vercel env pull' again",
}
OTHER_CHECK = (
    "the IAM identity provider and the role's trust policy must have this issuer, audience and subject "
    "(deploy/oidc-trust-policy.json), and AWS STS must be reachable in S3_REGION"
)


def utc_now() -> datetime:
    """The wall clock: others may stand still while an instance is frozen."""
    return datetime.now(UTC)


class Role:
    """Credentials of `AWS_ROLE_ARN`, kept until shortly before they expire; safe under threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # So early that a URL signed just before still lives as long as it should.
        self._ahead = max(SHORTEST_AHEAD, timedelta(minutes=settings.presigned_url_ttl_minutes))
        self._lock = threading.Lock()
        self._known: Credentials | None = None
        self._refresh_at = self._taken_at = datetime.min.replace(tzinfo=UTC)
        self._next_try_at = self._refresh_at
        self.problem: dict[str, str | None] | None = None  # why the last exchange failed, and what to check

    def credentials(self) -> Credentials:
        """The credentials that sign, as they are now.

        They serve until their end when they cannot be renewed. Raises `ApiError` `STORAGE_UNAVAILABLE`.
        """
        # One exchange for all who wait; while the old ones are good, nobody waits for a service that hangs.
        if self._is_renewal_due() and self._lock.acquire(blocking=self._good() is None):
            try:
                if self._is_renewal_due():  # still, now that it is our turn
                    self._renew(utc_now())
            finally:
                self._lock.release()
        good = self._good()
        if good is None:
            raise ApiError(Reason.STORAGE_UNAVAILABLE)
        return good

    def replace(self, expired: Credentials) -> bool:
        """Whether there are other credentials than these, which S3 says have expired; one exchange for all.

        None is made for credentials that are quite new: then it is something else that S3 refuses.
        """
        with self._lock:
            if self._known is expired and utc_now() >= max(self._taken_at + RENEWAL_PAUSE, self._next_try_at):
                self._renew(utc_now())
            return self._known is not expired

    def _is_renewal_due(self) -> bool:
        return utc_now() >= max(self._refresh_at, self._next_try_at)

    def _good(self) -> Credentials | None:
        """The credentials, where they have not expired."""
        known = self._known
        return known if known and known.expires_at and known.expires_at > utc_now() else None

    def botocore_session(self) -> "Session":
        """A session whose clients sign with these credentials."""
        from botocore.credentials import Credentials as Signing
        from botocore.credentials import ReadOnlyCredentials
        from botocore.session import Session

        current = self.credentials

        class OfRole(Signing):
            """Asks anew for each signature."""

            def get_frozen_credentials(self) -> ReadOnlyCredentials:
                found = current()
                return ReadOnlyCredentials(found.access_key_id, found.secret_access_key, found.session_token)

        class Provider:
            """What botocore asks once, when it makes a client."""

            def load_credentials(self) -> OfRole:
                return OfRole("", "", method="assume-role-with-web-identity")

        session = Session()
        session.register_component("credential_provider", Provider())
        return session

    def _renew(self, now: datetime) -> None:
        secret = self._settings.vercel_oidc_token
        token = current_oidc_token.get() or (secret.get_secret_value() if secret else None)
        code = self._exchange(token, now) if token else "NoToken"
        if code is None:
            self.problem = None
            return
        if token:
            self._next_try_at = utc_now() + (RENEWAL_PAUSE if self._good() else RETRY_PAUSE)
        claims = {name: str(value)[:200] for name, value in claims_of(token or "").items()}
        self.problem = {
            "problem": code,
            "check": CHECKS.get(code, OTHER_CHECK),
            "role": self._settings.aws_role_arn,
            "issuer": claims.get("iss"),
            "audience": claims.get("aud"),
            "subject": claims.get("sub"),
        }
        log.warning("oidc", **self.problem)

    def _exchange(self, token: str, now: datetime) -> str | None:
        """Take credentials for a token, or say what is wrong with it."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._sts().assume_role_with_web_identity(
                RoleArn=self._settings.aws_role_arn or "",
                RoleSessionName=SESSION_NAME,
                WebIdentityToken=token,
            )["Credentials"]
        except ClientError as error:
            return str(error.response.get("Error", {}).get("Code"))  # its message may quote the token
        except BotoCoreError as error:
            return type(error).__name__
        ends, self._taken_at = answer["Expiration"], now
        self._known = Credentials(
            answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"], ends
        )
        self._refresh_at = ends - min(self._ahead, (ends - now) / 2)
        return None

    def _sts(self) -> "STSClient":
        # Imported here because it is most of a cold start, and not every function asks S3.
        from botocore import UNSIGNED
        from botocore.config import Config
        from botocore.session import Session

        client = Session().create_client(
            "sts",
            region_name=self._settings.s3_region,
            endpoint_url=self._settings.aws_endpoint_url_sts,
            config=Config(
                signature_version=UNSIGNED,  # the token is all that it asks for
                connect_timeout=3,
                read_timeout=5,
                retries={"mode": "standard", "total_max_attempts": 2},
            ),
        )
        return cast("STSClient", client)
