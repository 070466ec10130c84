"""Who calls: bearer tokens, verified against a JWKS or with a shared secret."""

import re
from typing import Any

from lib.domain.errors import ApiError, Reason
from lib.runtime.config import Settings
from lib.runtime.jwks import ASYMMETRIC, KeySet, KeysUnavailableError, UnknownKeyError

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

        Raises `ApiError`: `TOKEN_MISSING`, `TOKEN_INVALID`, `TOKEN_EXPIRED`, `AUTH_UNAVAILABLE`. What is
        wrong with a token is in the error's `logged` and not for its sender: as `claim`, or else `problem`.
        """
        if self._settings.auth_bypass:
            return self._settings.dev_user_sub
        return str(self._claims(_bearer_token(authorization))["sub"])

    def _claims(self, token: str) -> dict[str, Any]:
        if self._keys is None:
            secret = self._settings.auth_jwt_secret
            return self._decoded(token, secret.get_secret_value().encode() if secret else b"", SYMMETRIC)
        # Before a key is looked for: a token that cannot be good must not make us ask the issuer.
        self._decoded(token)
        algorithm, key_id = _named_in(token)
        try:
            return self._verified(token, _keys_for(self._keys, key_id, algorithm), algorithm)
        except ApiError as error:
            is_for_another_key = error.logged.get("problem") in ("signature", "algorithm")
            if not (is_for_another_key and self._keys.renew(key_id)):
                raise
        return self._verified(token, _keys_for(self._keys, key_id, algorithm), algorithm)

    def _verified(self, token: str, keys: list[Any], algorithm: str) -> dict[str, Any]:
        """The claims, by whichever of these keys has signed them."""
        *others, last = keys
        for key in others:
            try:
                return self._decoded(token, key, [algorithm])
            except ApiError as error:
                if error.logged.get("problem") != "signature":
                    raise
        return self._decoded(token, last, [algorithm])

    def _decoded(self, token: str, key: Any = None, algorithms: list[str] | None = None) -> dict[str, Any]:
        """The claims, which are as they should be; without a key the signature is not looked at."""
        import jwt

        options: jwt.types.Options = {
            "require": ["exp", "sub"],
            "verify_signature": key is not None,
            "verify_exp": True,
            "verify_nbf": True,
            "verify_iat": True,
            "verify_iss": True,
            "verify_aud": False,  # see `_is_for_us`
            "verify_jti": False,  # of no use here
        }
        try:
            claims = jwt.decode(
                token,
                "" if key is None else key,
                algorithms=algorithms,
                issuer=self._settings.auth_issuer,
                leeway=LEEWAY,
                options=options,
            )
        except jwt.ExpiredSignatureError:
            raise _refused(Reason.TOKEN_EXPIRED, "The access token expired", {"claim": "exp"}) from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            # What exactly is wrong helps attackers more than it helps users, and may hold parts of the token.
            raise _invalid(**_what_failed(error)) from None
        if not _is_user_id(claims["sub"]):
            raise _invalid(claim="sub")
        if not self._is_for_us(claims):
            raise _invalid(claim="aud")
        return claims

    def _is_for_us(self, claims: dict[str, Any]) -> bool:
        """Whether the audience is ours; Cognito's access tokens have a `client_id` in place of an `aud`."""
        wanted = self._settings.auth_audience
        if wanted is None:
            return True
        audience = claims.get("aud", claims.get("client_id"))
        return wanted == audience or (isinstance(audience, list) and wanted in audience)


def _named_in(token: str) -> tuple[str, str | None]:
    """The algorithm and the key's id, as the token has them."""
    import jwt

    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise _invalid(problem="malformed") from None
    if header.get("alg") not in ASYMMETRIC:
        raise _invalid(problem="algorithm")
    return header["alg"], header.get("kid")


def _keys_for(keys: KeySet, key_id: str | None, algorithm: str) -> list[Any]:
    """The keys of which one should have signed a token."""
    try:
        found = keys.key(key_id)
    except UnknownKeyError:
        raise _invalid(problem="unknown key") from None
    except KeysUnavailableError as error:
        seconds = max(Reason.AUTH_UNAVAILABLE.retry_after or 0, error.retry_after)
        raise ApiError(Reason.AUTH_UNAVAILABLE, retry_after=seconds) from None
    if algorithm not in found:
        raise _invalid(problem="algorithm")
    return found[algorithm]


def _bearer_token(authorization: str | None) -> str:
    """The token of a header `Bearer <token>` (RFC 6750, 2.1)."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise ApiError(Reason.TOKEN_MISSING, headers={"WWW-Authenticate": "Bearer"})
    if len(token) > MAX_TOKEN_SIZE or not token.isascii():
        raise _invalid(problem="malformed")
    pieces = token.count(".") + 1
    if pieces != 3:  # RFC 7516, 3.1: one that is encrypted has five; who issues no JWT may send anything
        raise _invalid(problem="encrypted" if pieces == 5 else "no JWT")
    return token


def _is_user_id(sub: object) -> bool:
    return isinstance(sub, str) and 1 <= len(sub) <= MAX_SUB_LENGTH and sub.isprintable()


def _what_failed(error: Exception) -> dict[str, str]:
    """The name of the claim that PyJWT refused, or what else was wrong; never a value."""
    import jwt

    if isinstance(error, jwt.MissingRequiredClaimError):
        return {"claim": error.claim}
    if isinstance(error, jwt.exceptions.InvalidSubjectError):
        return {"claim": "sub"}
    if isinstance(error, jwt.InvalidIssuerError):
        return {"claim": "iss"}
    if isinstance(error, jwt.InvalidAlgorithmError):
        return {"problem": "algorithm"}
    if isinstance(error, jwt.InvalidSignatureError):
        return {"problem": "signature"}
    named = re.search(r"\((exp|nbf|iat)\)", str(error))  # PyJWT's own texts, which hold no value
    return {"claim": named[1]} if named else {"problem": "malformed"}


def _invalid(**logged: str) -> ApiError:
    return _refused(Reason.TOKEN_INVALID, "The access token is invalid", logged)


def _refused(reason: Reason, description: str, logged: dict[str, str]) -> ApiError:
    """A 401 with the challenge of RFC 6750, 3."""
    challenge = f'Bearer error="invalid_token", error_description="{description}"'
    return ApiError(reason, headers={"WWW-Authenticate": challenge}, logged=logged)
