"""What may be uploaded, and where it goes."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from lib.domain.media_type import canonical
from lib.domain.policy import TABLE, category_of, described_by, extension_of, safe_segment

# Each `|` is three characters of a key: the first two beginnings stay below its 255, the last is hashed.
USERS = st.tuples(
    st.sampled_from(["", "|" * 80, "|" * 84, "|" * 90]),
    st.text(alphabet="ab=/.%é|26F5E", min_size=1, max_size=8),
).map("".join)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(USERS, USERS)
def test_different_users_have_different_keys(one, other):
    assert (safe_segment(one) == safe_segment(other)) == (one == other)


def test_users_that_differ_in_the_end_only_have_different_keys_however_long_they_are():
    long = [safe_segment("|" * count + end) for count in (80, 84, 85, 86, 254) for end in "ab"]
    assert len(set(long)) == len(long)
    assert max(map(len, long)) == 253
    assert sum(len(one) == 64 for one in long) == 6  # hashed


def test_a_readable_user_stays_readable():
    assert safe_segment("user-1_A") == "user-1_A"
    assert safe_segment("auth0|7") == "auth0=7C7"


def test_an_extension_is_what_follows_the_last_dot():
    assert extension_of("a.tar.gz") == "gz"
    assert extension_of("a") is None
    assert extension_of("a.") is None
    assert extension_of("a.waytoolongforone") is None


def test_what_follows_from_a_type():
    assert category_of("application/pdf; v=1") == "instruction"
    assert category_of("IMAGE/PNG") == "image"
    assert category_of("text/csv") == "parts-list"
    assert category_of("video/mp4") is None


def test_what_follows_from_a_key():
    assert described_by("resume-test.pdf") == ("instruction", "application/pdf")
    assert described_by("a.png") == ("image", "image/png")
    assert described_by("a.WEBP") == ("image", "image/webp")  # which Python's own table lacks before 3.13
    assert described_by("a.xlsx")[0] == "parts-list"
    assert described_by("a.xyzzy") == ("instruction", "application/octet-stream")


def test_the_table_is_valid():
    """Whoever edits it (docs/policy.md) is told here what does not work."""
    assert re.fullmatch(r"[A-Za-z0-9_-]+", TABLE.prefix)
    assert len({category.name for category in TABLE.categories}) == len(TABLE.categories) > 0
    sizes = {}
    for category in TABLE.categories:
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", category.name)
        assert re.fullmatch(r"MAX_[A-Z0-9_]+_MB", category.setting)
        assert sizes.setdefault(category.setting, category.max_mb) == category.max_mb
        assert category.types
        assert type(category.max_mb) is int
        assert category.max_mb > 0
        assert category.max_files is None or category.max_files > 0
        for mime_type, extensions in category.types.items():
            assert canonical(mime_type) == mime_type, "an alias, or with parameters"
            assert isinstance(extensions, tuple), "a comma is missing: ('mp4') is no tuple"
            assert extensions
            assert all(re.fullmatch(r"[a-z0-9]{1,10}", ext) for ext in extensions)
