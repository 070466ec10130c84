"""The table of reasons: what an error says by default, and what its raiser may override."""

from lib.domain.errors import RETRY_SOON, ApiError, Reason


def test_every_reason_that_time_alone_resolves_says_after_how_many_seconds():
    assert {reason.retry_after is not None for reason in Reason if reason.status == 503} == {True}
    assert {reason.retry_after for reason in Reason if reason.status < 500} == {None}


def test_a_computed_time_overrides_that_of_the_table():
    assert ApiError(Reason.STORAGE_UNAVAILABLE).headers == {"Retry-After": "5"}
    assert ApiError(Reason.STORAGE_UNAVAILABLE, retry_after=RETRY_SOON).headers == {"Retry-After": "1"}
    assert ApiError(Reason.SESSION_RATE_LIMIT, retry_after=77).headers == {"Retry-After": "77"}
    assert ApiError(Reason.FILE_NOT_FOUND).headers == {}
