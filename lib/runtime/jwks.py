"""The public keys of an issuer of tokens, fetched when they are needed."""

import copy
import json
import math
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from lib.runtime import log
from lib.runtime.fetch import Answer, FetchError, fetch

RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
# Pinned: the token's own header never chooses between a public key and a secret (RFC 8725, 3.1).
ASYMMETRIC = [*RSA, "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448"]

MAX_BYTES = 512 * 1024  # of a JWKS; the largest known ones are a tenth of that


class NoKeysError(Exception):
    """An answer without a key that signs; the text is a word for the log."""


class UnknownKeyError(Exception):
    """The issuer has no key with that id."""


class KeysUnavailableError(Exception):
    """Whether the issuer has that key cannot be said before `retry_after` seconds have passed."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after


# Public keys by the algorithm that a signature has, as PyJWT's `decode` takes them. Some issuers show several
# under one id, or none: of different kinds, or an old one and a new one.
Keys = dict[str, list[Any]]


class KeySet:
    """The keys of a JWKS endpoint, kept while it is down; safe under threads.

    One call at a time fetches, for `seconds` at most. A caller whose key is known never waits for a fetch
    that another one started.
    """

    LIFESPAN = 300.0  # seconds until known keys are fetched again
    STALE_LIFESPAN = 24 * 3600.0  # seconds that known keys are good for while they cannot be fetched
    COOLDOWN = 10.0  # seconds between fetches, however many unknown key ids are sent
    RETRY_PAUSE = 1.0  # seconds after a fetch that failed, if no key is known
    SECONDS = 3.0

    def __init__(self, url: str, *, seconds: float | None = None, cooldown: float = COOLDOWN) -> None:
        self._url = url
        self._seconds = seconds or self.SECONDS
        self._cooldown = cooldown
        self._lock = threading.Lock()
        self._keys: dict[str | None, Keys] = {}
        self._absent: frozenset[str | None] = frozenset()  # ids that the last fetch has proved wrong
        self._fetched_at = 0.0
        self._next_fetch_at = 0.0

    def key(self, key_id: str | None) -> Keys:
        """The keys with this id, by algorithm; a token without one means the only key there is.

        Raises `UnknownKeyError` only after a fetch that was made since this id was first seen: until then
        the issuer may have changed its keys, and `KeysUnavailableError` is raised.
        """
        # With no key, all wait for the one fetch; with keys, an unknown id is not worth a thread.
        patience = 0 if self.is_usable() else self._seconds
        self._fetch_if(lambda: self._is_fetch_due(key_id), key_id, patience)
        found = self._find(key_id)
        if found and self.is_usable():
            return found
        if key_id in self._absent and self.is_usable():
            raise UnknownKeyError
        raise KeysUnavailableError(max(1, math.ceil(self._next_fetch_at - time.time())))

    def renew(self, key_id: str | None) -> bool:
        """Ask again, unless that was a moment ago: a new key may have the id of the one before, or none.

        Answers whether the issuer was asked.
        """
        return self._fetch_if(lambda: time.time() >= self._next_fetch_at, key_id, 0)

    def _fetch_if(self, is_due: Callable[[], bool], key_id: str | None, patience: float) -> bool:
        if not (is_due() and self._lock.acquire(timeout=patience)):
            return False
        try:
            still_due = is_due()  # now that it is our turn
            if still_due:
                self._fetch(key_id)
            return still_due
        finally:
            self._lock.release()

    def _is_fetch_due(self, key_id: str | None) -> bool:
        wanted = self._age() > self.LIFESPAN or self._find(key_id) is None
        return wanted and time.time() >= self._next_fetch_at

    def is_usable(self) -> bool:
        """Whether there are keys, fetched not too long ago."""
        return bool(self._keys) and self._age() <= self.STALE_LIFESPAN

    def _age(self) -> float:
        # By the wall clock: others may stand still while an instance is frozen.
        return time.time() - self._fetched_at

    def _find(self, key_id: str | None) -> Keys | None:
        keys = self._keys
        if key_id is None and len(keys) == 1:
            return next(iter(keys.values()))
        return keys.get(key_id)

    def _fetch(self, key_id: str | None) -> None:
        started = time.time()
        try:
            answer = fetch(
                self._url, seconds=self._seconds, max_bytes=MAX_BYTES, headers={"Accept": "application/json"}
            )
            keys = keys_of(answer)
        except NoKeysError as error:
            self._failed(str(error), answer.status)
        except FetchError as error:
            self._failed(str(error), None)
        else:
            self._absent = frozenset({key_id, *self._keys} - keys.keys())
            self._keys = keys
            self._fetched_at = started
            self._next_fetch_at = started + self._cooldown

    def _failed(self, problem: str, status: int | None) -> None:
        # The host alone: the rest of an address may hold a secret.
        log.warning("jwks", problem=problem, status=status, host=urlsplit(self._url).hostname)
        self._absent = frozenset()
        self._next_fetch_at = time.time() + (self._cooldown if self._keys else self.RETRY_PAUSE)


def keys_of(answer: Answer) -> dict[str | None, Keys]:
    """Keys by their id; those that `_verifying` does not take are left out. Raises `NoKeysError`."""
    if answer.status != 200:
        raise NoKeysError("HttpStatus")
    keys: dict[str | None, Keys] = {}
    try:
        for jwk in json.loads(answer.content)["keys"]:
            if _has_id(jwk):
                for algorithm, key in _verifying(jwk).items():
                    keys.setdefault(jwk.get("kid"), {}).setdefault(algorithm, []).append(key)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NoKeysError(type(error).__name__) from None
    if not keys:
        raise NoKeysError("NoSigningKey")
    return keys


def _has_id(jwk: object) -> bool:
    """Whether it is a key that a token can name, or the one that needs no name."""
    return isinstance(jwk, dict) and isinstance(jwk.get("kid"), str | None)


def _verifying(jwk: dict[str, Any]) -> dict[str, Any]:
    """By algorithm; none if its kind is unknown, it is not for signatures, or private: anybody could sign."""
    import jwt

    curve = str(jwk.get("crv"))
    is_edwards = curve in ("Ed25519", "Ed448") and jwk.get("alg") in (curve, "EdDSA", None)
    try:
        key = jwt.PyJWK(jwk, "EdDSA" if is_edwards else None)
    except (jwt.PyJWTError, ValueError, KeyError, AttributeError, TypeError, NotImplementedError):
        return {}
    if key.public_key_use not in ("sig", None) or key.algorithm_name not in ASYMMETRIC or "d" in jwk:
        return {}
    if key.key_type == "RSA" and not jwk.get("alg"):
        return dict.fromkeys(RSA, key.key)  # RFC 7517, 4.4: `alg` may be left out, and RSA has several
    keys = {key.algorithm_name: key}
    if is_edwards:  # RFC 9864, 2.2: the same by the name of the curve, which PyJWT does not know
        keys[curve] = copy.copy(key)
        keys[curve].algorithm_name = curve
    return keys
