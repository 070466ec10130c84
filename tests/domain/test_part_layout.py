"""Part arithmetic, at its edges and against its own definition."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lib.domain.part_layout import (
    MAX_OBJECT_SIZE,
    MAX_PART_COUNT,
    MAX_PART_SIZE,
    MIN_PART_SIZE,
    Layout,
    StoredPart,
    count_bounds,
    layout_for,
    newest,
    split_by_size,
)  # fmt: skip

MIB = 1024**2
SIZES = st.one_of(
    st.integers(1, 200 * MIB),
    st.integers(1, MAX_OBJECT_SIZE),
    st.builds(lambda n, d: max(1, n * MIN_PART_SIZE + d), st.integers(0, 20_000), st.integers(-2, 2)),
)
PART_SIZES = st.integers(5, 100).map(lambda mib: mib * MIB)


@given(SIZES, PART_SIZES)
def test_the_parts_cover_the_file(size, part_size):
    layout = Layout(size, part_size)
    count = layout.part_count
    assert (count - 1) * part_size + layout.size_of(count) == size
    assert 0 < layout.size_of(count) <= part_size
    assert layout.size_of(1) == min(size, part_size)


@given(SIZES, PART_SIZES, st.one_of(st.none(), st.integers(1, 12_000)))
def test_s3_takes_every_layout(size, part_size, count):
    layout = layout_for(size, part_size, count)
    if layout is None:
        return
    assert layout.file_size == size
    assert 1 <= layout.part_count <= MAX_PART_COUNT
    assert count in (None, layout.part_count)
    assert layout.part_size <= MAX_PART_SIZE
    assert layout.part_count == 1 or layout.part_size >= MIN_PART_SIZE


@given(SIZES, PART_SIZES)
def test_the_bounds_are_counts_that_are_taken_and_beyond_them_none_is(size, part_size):
    fewest, most = count_bounds(size, part_size)
    assert layout_for(size, part_size, fewest) is not None
    if most < MAX_PART_COUNT:
        assert layout_for(size, part_size, most) is not None
        assert layout_for(size, part_size, most + 1) is None
    if fewest > 1:
        assert layout_for(size, part_size, fewest - 1) is None


def test_five_parts_need_twenty_mebibytes_and_a_byte():
    assert layout_for(20 * MIB, 5 * MIB, 5) is None
    assert layout_for(20 * MIB + 1, 5 * MIB, 5) == Layout(20 * MIB + 1, 5 * MIB)
    assert layout_for(24 * MIB, 5 * MIB, 4) == Layout(24 * MIB, 6 * MIB)


def test_a_file_of_too_many_parts_of_the_sessions_size():
    assert layout_for(10_000 * 5 * MIB, 5 * MIB, None) is not None
    assert layout_for(10_000 * 5 * MIB + 1, 5 * MIB, None) is None


def part(number, etag="e", size=5 * MIB, seconds=0):
    return StoredPart(number, etag, size, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))


LAYOUT = Layout(12 * MIB, 5 * MIB)


def test_the_newest_upload_of_a_part_counts():
    listed = [part(2, "b"), part(1, "new", seconds=2), part(1, "old", seconds=1)]
    assert list(newest(listed, LAYOUT, {}).values()) == [listed[1], listed[0]]


def test_at_a_tie_the_preferred_etag_counts():
    for listed in ([part(1, "a"), part(1, "b")], [part(1, "b"), part(1, "a")]):
        assert newest(listed, LAYOUT, {1: "b"})[1].etag == "b"
        assert newest(listed, LAYOUT, {1: "a"})[1].etag == "a"


def test_at_a_tie_the_right_size_counts_for_more_than_the_preferred_etag():
    right, wrong = part(1, "a", size=5 * MIB), part(1, "b", size=3)
    for listed in ([right, wrong], [wrong, right]):
        assert newest(listed, LAYOUT, {1: "b"}) == {1: right}


def test_parts_of_the_wrong_size_and_extra_parts():
    parts = {n: part(n, size=size) for n, size in [(1, 5 * MIB), (2, 4), (3, 2 * MIB), (4, 9)]}
    good, wrong = split_by_size(parts, LAYOUT)
    assert (list(good), wrong) == ([1, 3], [2])
