"""The time of day."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time by the wall clock: others may stand still while an instance is frozen."""
    return datetime.now(UTC)
