"""What may be uploaded, and where it goes."""

import re

from hypothesis import given
from hypothesis import strategies as st

from lib.domain.media_type import canonical
from lib.domain.policy import TABLE, category_of, described_by, extension_of, object_key, safe_segment

TEXT = st.text(st.characters(blacklist_categories=("Cs",)), max_size=400)


@given(TEXT, TEXT, st.one_of(st.none(), TEXT))
def test_keys_cannot_be_steered(user, file_id, ext):
    key = object_key("dev", user, "session", "image", "file", ext, "01234567-89ab")
    stage, folder, user_part, *rest = key.split("/")
    assert (stage, folder, rest[:2]) == ("dev", "moc-instructions", ["session", "image"])
    assert len(rest) == 3
    name, dot, extension = rest[2].partition(".")
    assert (name, dot) == ("file-01234567", ".")
    assert extension.isascii()
    assert extension.isalnum()
    assert user_part not in (".", "..") or user == ""
    assert len(key.encode()) <= 1024


@given(TEXT, TEXT)
def test_different_users_have_different_folders(one, other):
    assert (safe_segment(one) == safe_segment(other)) == (one == other)


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
