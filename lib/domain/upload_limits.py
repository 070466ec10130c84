"""What one user may cost: S3 uploads started in a session, and bytes declared in a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lib.domain.errors import ApiError, Reason
from lib.domain.fields import rfc3339

STARTS_PER_FILE = 10  # S3 uploads that a session may start, for each file that it may hold
WINDOW = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class SessionVolume:
    """What was declared in one of a user's sessions of the last 24 hours."""

    id: str
    created_at: datetime
    declared_bytes: int


@dataclass(slots=True)
class UploadLimits:
    """The limits of a session, while its files are judged one after another."""

    session_id: str
    started: int  # S3 uploads so far
    max_starts: int
    max_bytes: int | None  # in 24 hours; None: any number
    volumes: Sequence[SessionVolume]  # the user's, the oldest first
    now: datetime
    declared: int = 0  # bytes, by the files that were counted here

    def count(self, size: int) -> None:
        """Count a file that is to start an upload.

        Raises `ApiError` `REGISTRATION_LIMIT`, `UPLOAD_VOLUME_LIMIT`.
        """
        if self.started >= self.max_starts:
            raise registration_limit(self.max_starts)
        allowed_at = self._allowed_at(size)
        if allowed_at is not None:
            raise limited_until(Reason.UPLOAD_VOLUME_LIMIT, allowed_at, self.now)
        self.started += 1
        self.declared += size

    def _allowed_at(self, size: int) -> datetime | None:
        """When enough sessions have left the window for so many bytes more; None: now."""
        if self.max_bytes is None:
            return None
        left = sum(volume.declared_bytes for volume in self.volumes) + self.declared + size
        allowed_at = None
        for volume in self.volumes:
            if left <= self.max_bytes:
                break
            left -= volume.declared_bytes + (self.declared if volume.id == self.session_id else 0)
            allowed_at = volume.created_at + WINDOW
        if allowed_at is None and left > self.max_bytes:
            return self.now + WINDOW  # too large for any day: told to wait for an empty one
        return allowed_at


def registration_limit(max_starts: int) -> ApiError:
    """The session has started as many uploads as it may."""
    return ApiError(Reason.REGISTRATION_LIMIT, details={"maxStartedUploads": max_starts})


def limited_until(reason: Reason, allowed_at: datetime, now: datetime) -> ApiError:
    """A limit that holds until then."""
    # Rounded up: a client that comes back exactly then must not be a moment early.
    seconds = max(1, int((allowed_at - now).total_seconds()) + 1)
    details: dict[str, Any] = {
        "nextAllowedAt": rfc3339(allowed_at + timedelta(seconds=1)),
        "retryAfterSeconds": seconds,
    }
    return ApiError(reason, details=details, retry_after=seconds)
