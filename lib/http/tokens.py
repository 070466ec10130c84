"""Who calls: bearer tokens, verified against a JWKS or with a shared secret."""

import threading
import time
from typing import TYPE_CHECKING, Any

from lib.domain.errors import ApiError, Reason
from lib.runtime import log
from lib.runtime.config import Settings

if TYPE_CHECKING:
    from jwt import PyJWK

# Pinned: the token's own header never chooses between a public key and a secret (RFC 8725, 3.1).
ASYMMETRIC = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
SYMMETRIC = ["HS256"]

LEEWAY = 10  # seconds that clocks may differ
MAX_TOKEN_SIZE = 16 * 1024  # characters
MAX_SUB_LENGTH = 255  # OpenID Connect Core 1.0, 2: sub must not exceed 255 ASCII characters


class Authenticator:
    """Tells the user by the Authorization header; safe under threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = KeySet(settings.auth_jwks_url) if settings.auth_jwks_url else None

    def user_id(self, authorization: str | None) -> str:
        """The `sub` of a valid token.

        Raises `ApiError`: `TOKEN_MISSING`, `TOKEN_INVALID`, `TOKEN_EXPIRED`, `AUTH_UNAVAILABLE`.
        """
        if self._settings.auth_bypass:
            return self._settings.dev_user_sub
        return _subject(self._claims(_bearer_token(authorization)))

    def _claims(self, token: str) -> dict[str, Any]:
        import jwt

        try:
            key, algorithms = self._key(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=algorithms,
                issuer=self._settings.auth_issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "sub"], "verify_aud": False},
            )
        except jwt.ExpiredSignatureError:
            raise _refused(Reason.TOKEN_EXPIRED, "The access token expired") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            # What exactly is wrong helps attackers more than it helps users, and may hold parts of the token.
            raise _invalid() from None
        if not self._is_for_us(claims):
            raise _invalid()
        return claims

    def _key(self, token: str) -> "tuple[PyJWK | bytes, list[str]]":
        import jwt

        if self._keys is None:
            secret = self._settings.auth_jwt_secret
            return (secret.get_secret_value().encode() if secret else b""), SYMMETRIC
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ASYMMETRIC:
            raise _invalid()
        return self._keys.key(header.get("kid")), ASYMMETRIC

    def _is_for_us(self, claims: dict[str, Any]) -> bool:
        """Whether the audience is ours; Cognito's access tokens have a `client_id` in place of an `aud`."""
        wanted = self._settings.auth_audience
        if wanted is None:
            return True
        audience = claims.get("aud", claims.get("client_id"))
        return wanted == audience or (isinstance(audience, list) and wanted in audience)


class KeySet:
    """The keys of a JWKS endpoint, fetched when they are needed and kept while the endpoint is down."""

    LIFESPAN = 300.0  # seconds until known keys are fetched again
    STALE_LIFESPAN = 24 * 3600.0  # seconds that known keys are good for while they cannot be fetched
    COOLDOWN = 10.0  # seconds between fetches, however many unknown key ids are sent
    RETRY_PAUSE = 1.0  # seconds after a fetch that failed, where no key is known
    TIMEOUT = 3.0  # seconds

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._keys: dict[str | None, PyJWK] = {}
        self._fetched_at = 0.0
        self._next_fetch_at = 0.0

    def key(self, key_id: object) -> "PyJWK":
        """The key with this id; a token without one means the only key there is.

        Raises `ApiError`: `TOKEN_INVALID` where there is no such key, `AUTH_UNAVAILABLE`.
        """
        if self._is_fetch_due(key_id):
            # One fetch for all who wait. Who has a key does not wait for an issuer that hangs.
            has_key = self._find(key_id) is not None and self._age() <= self.STALE_LIFESPAN
            if self._lock.acquire(blocking=not has_key):
                try:
                    if self._is_fetch_due(key_id):  # still, now that it is our turn
                        self._fetch()
                finally:
                    self._lock.release()
        found, age = self._find(key_id), self._age()
        if age > self.STALE_LIFESPAN or (found is None and age > self.LIFESPAN):
            raise ApiError(Reason.AUTH_UNAVAILABLE)
        if found is None:
            raise _invalid()
        return found

    def _is_fetch_due(self, key_id: object) -> bool:
        wanted = self._age() > self.LIFESPAN or self._find(key_id) is None
        return wanted and time.time() >= self._next_fetch_at

    def _age(self) -> float:
        # By the wall clock: others may stand still while an instance is frozen.
        return time.time() - self._fetched_at

    def _find(self, key_id: object) -> "PyJWK | None":
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id) if isinstance(key_id, str) else None

    def _fetch(self) -> None:
        import jwt

        now = time.time()
        try:
            document = jwt.PyJWKClient(self._url, cache_jwk_set=False, timeout=self.TIMEOUT).fetch_data()
            keys = jwt.PyJWKSet.from_dict(document).keys
        except (jwt.PyJWTError, OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
            log.warning("jwks", problem=type(error).__name__, url=self._url)
            self._next_fetch_at = time.time() + (self.COOLDOWN if self._keys else self.RETRY_PAUSE)
            return
        self._keys = {key.key_id: key for key in keys if key.public_key_use in ("sig", None)}
        self._fetched_at = now
        self._next_fetch_at = now + self.COOLDOWN


def _bearer_token(authorization: str | None) -> str:
    """The token of a header `Bearer <token>` (RFC 6750, 2.1)."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise ApiError(Reason.TOKEN_MISSING, headers={"WWW-Authenticate": "Bearer"})
    if len(token) > MAX_TOKEN_SIZE or not token.isascii():
        raise _invalid()
    return token


def _subject(claims: dict[str, Any]) -> str:
    sub = claims["sub"]
    if not isinstance(sub, str) or not 1 <= len(sub) <= MAX_SUB_LENGTH or not sub.isprintable():
        raise _invalid()
    return sub


def _invalid() -> ApiError:
    return _refused(Reason.TOKEN_INVALID, "The access token is invalid")


def _refused(reason: Reason, description: str) -> ApiError:
    """A 401 with the challenge of RFC 6750, 3."""
    challenge = f'Bearer error="invalid_token", error_description="{description}"'
    return ApiError(reason, headers={"WWW-Authenticate": challenge})
