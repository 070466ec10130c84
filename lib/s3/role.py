"""Keyless production: the credentials of an IAM role, in exchange for Vercel's OIDC token."""

import hashlib
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from lib.domain.errors import ApiError, Reason
from lib.runtime import log
from lib.runtime.clock import utc_now
from lib.runtime.config import Settings
from lib.runtime.oidc_token import (
    Deployment,
    RefusedTokenError,
    Verifier,
    claims_of,
    current_oidc_token,
)
from lib.s3.presign import Credentials
from lib.s3.sts import NO_KEY, ExchangeError, Sts

if TYPE_CHECKING:
    from botocore.session import Session

RETRY_PAUSE = timedelta(seconds=1)  # after an exchange that failed
RENEWAL_PAUSE = timedelta(seconds=30)  # the same, while the old credentials are still good
SHORTEST_AHEAD = timedelta(minutes=5)
MAX_EXCHANGES = 4  # at once, each with another token
TURN_SECONDS = 3.0  # that a token waits for its turn
REFUSED_LIFE = timedelta(minutes=1)  # that a token which STS refused is not sent there again
MAX_REFUSED = 1000  # tokens that are remembered

CHECKS = {
    "NoToken": "no OIDC token came with the request: enable 'Secure Backend Access with OIDC Federation' in "
    "the Vercel project's settings; locally, run 'vercel env pull' for a VERCEL_OIDC_TOKEN",
    "AccessDenied": "AWS_ROLE_ARN must name a role whose trust policy has this issuer, audience and subject "
    "(deploy/oidc-trust-policy.json)",
    "InvalidIdentityToken": "the AWS account needs an IAM identity provider with this issuer and audience",
    "TokenRefused": "the X-Vercel-OIDC-Token of this request was not made by Vercel for this project and "
    "environment: `failed` names the claim or rule. Others may send what they like; if good requests fail, "
    "compare with VERCEL_PROJECT_ID, VERCEL_TARGET_ENV and VERCEL_ENV",
    "IDPCommunicationError": "AWS could not fetch the issuer's keys; it will be asked again",
    "ExpiredCredentials": "by this machine's clock what AWS STS gave is over already: set the clock",
    "RegionDisabledException": "AWS STS must be active in S3_REGION (IAM, Account settings)",
    "ExpiredTokenException": "the OIDC token has expired: locally, run 'vercel env pull' again",
}
OTHER_CHECK = (
    "the IAM identity provider and the role's trust policy must have this issuer, audience and subject "
    "(deploy/oidc-trust-policy.json), and AWS STS must be reachable in S3_REGION"
)


@dataclass(frozen=True, slots=True)
class Token:
    """An OIDC token to exchange; `trusted` if nobody else can have made it."""

    text: str
    trusted: bool

    @property
    def digest(self) -> bytes:
        """What it is remembered by."""
        return hashlib.sha256(self.text.encode()).digest()


class Role:
    """Credentials of `AWS_ROLE_ARN`, kept until shortly before they expire; safe under threads.

    A few exchanges with different tokens may run at once, so that a bad token never keeps a good one waiting.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sts = Sts(settings)
        environment = settings.vercel_target_env or settings.vercel_env or None
        self._verifier = Verifier(Deployment(settings.vercel_project_id, environment))
        # So early that a URL signed just before still lives as long as it should.
        self._ahead = max(SHORTEST_AHEAD, timedelta(minutes=settings.presigned_url_ttl_minutes))
        self._changed = threading.Condition()  # guards what follows, and tells of each exchange that ended
        self._running: set[bytes] = set()
        self._refused: dict[bytes, datetime] = {}  # until when, by a token's digest; the oldest first
        self._known: Credentials | None = None
        self._refresh_at = self._taken_at = datetime.min.replace(tzinfo=UTC)
        self._next_try_at = self._refresh_at
        self.problem: dict[str, str | None] | None = None  # why the last exchange failed, and what to check

    def credentials(self) -> Credentials:
        """The credentials that sign, as they are now.

        They serve until their end when they cannot be renewed. Raises `ApiError` `STORAGE_UNAVAILABLE`.
        """
        if self._is_renewal_due() and (token := self._token()) and self._begins(token.digest):
            self._renew(token)
        good = self._good()
        if good is None:
            raise ApiError(Reason.STORAGE_UNAVAILABLE)
        return good

    def replace(self, expired: Credentials) -> bool:
        """Whether there are other credentials than these, which S3 says have expired; one exchange for all.

        None is made for credentials that are quite new: then it is something else that S3 refuses.
        """
        with self._changed:
            if self._known is expired:
                if utc_now() < max(self._taken_at + RENEWAL_PAUSE, self._next_try_at):
                    return False
                self._known, self._refresh_at = None, utc_now()
        try:
            return self.credentials() is not expired
        except ApiError:
            return False

    def _is_renewal_due(self) -> bool:
        return utc_now() >= max(self._refresh_at, self._next_try_at)

    def _good(self) -> Credentials | None:
        """The credentials, if they have not expired."""
        known = self._known
        return known if known and known.expires_at and known.expires_at > utc_now() else None

    def botocore_session(self) -> "Session":
        """A session whose clients sign with these credentials."""
        from botocore.credentials import Credentials as Signing
        from botocore.credentials import ReadOnlyCredentials
        from botocore.session import Session

        current = self.credentials

        class OfRole(Signing):
            """Asks for the present ones at each signature."""

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

    def _token(self) -> Token | None:
        """The request's token, if Vercel made it for us; else that of the environment."""
        sent = current_oidc_token.get() if self._settings.vercel == "1" else None
        failed = None
        if sent:
            try:
                return Token(sent, self._verifier.verify(sent))
            except RefusedTokenError as error:
                failed = str(error)
        secret = self._settings.vercel_oidc_token
        if secret:
            return Token(secret.get_secret_value(), trusted=True)
        self._tell("TokenRefused" if sent else "NoToken", failed=failed)
        return None

    def _begins(self, digest: bytes) -> bool:
        """Whether this call is the one to exchange this token, now that it is its turn.

        Nobody waits while the old credentials are good, nor for longer than `TURN_SECONDS`.
        """
        patience = time.monotonic() + TURN_SECONDS
        with self._changed:
            while self._is_renewal_due() and not self._is_refused(digest):
                good = self._good() is not None
                if digest not in self._running and len(self._running) < (1 if good else MAX_EXCHANGES):
                    self._running.add(digest)
                    return True
                if good or not self._changed.wait(patience - time.monotonic()):
                    return False
        return False

    def _is_refused(self, digest: bytes) -> bool:
        until = self._refused.get(digest)
        return until is not None and utc_now() < until

    def _renew(self, token: Token) -> None:
        started = utc_now()
        try:
            found = self._exchange(token.text)
        except ExchangeError as error:
            self._failed(token, error)
        else:
            ends = found.expires_at or started
            with self._changed:
                self._known, self._taken_at, self.problem = found, started, None
                self._refresh_at = ends - min(self._ahead, (ends - started) / 2)
        finally:
            with self._changed:
                self._running.discard(token.digest)
                self._changed.notify_all()

    def _exchange(self, token: str) -> Credentials:
        found = self._sts.exchange(token)
        if found.expires_at is not None and found.expires_at <= utc_now():
            raise ExchangeError("ExpiredCredentials", refused=False)
        return found

    def _failed(self, token: Token, error: ExchangeError) -> None:
        now = utc_now()
        with self._changed:
            if error.refused:
                # A key that AWS has not found may be there in a moment; or it is made up, as the token is.
                life = RETRY_PAUSE if error.code == NO_KEY else REFUSED_LIFE
                self._refused[token.digest] = now + life
                if len(self._refused) > MAX_REFUSED:
                    del self._refused[next(iter(self._refused))]
            if token.trusted or not error.refused:  # the same will become of every other token
                self._next_try_at = now + (RENEWAL_PAUSE if self._good() else RETRY_PAUSE)
        # Claims are worth logging if they are Vercel's, and not what a stranger likes to read there.
        claims = claims_of(token.text) if token.trusted else {}
        issuer, audience, subject = (_short(claims.get(name)) for name in ("iss", "aud", "sub"))
        self._tell(error.code, issuer=issuer, audience=audience, subject=subject)

    def _tell(self, code: str, **more: str | None) -> None:
        check = CHECKS.get(code, OTHER_CHECK)
        self.problem = {"problem": code, "check": check, "role": self._settings.aws_role_arn, **more}
        log.seldom("oidc", code, more.get("failed"), **self.problem)


def _short(claim: object) -> str | None:
    return None if claim is None else str(claim)[:200]
