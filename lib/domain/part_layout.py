"""Part arithmetic and S3's limits."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from lib.domain.errors import ApiError, Reason

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MIN_PART_SIZE = 5 * 1024**2  # bytes; the last part may be smaller
MAX_PART_SIZE = 5 * 1024**3  # bytes
MAX_PART_COUNT = 10_000
MAX_OBJECT_SIZE = MAX_PART_COUNT * MAX_PART_SIZE  # bytes: 48.8 TiB


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file of `file_size` bytes is cut: every part has `part_size` bytes, the last one what is left."""

    file_size: int
    part_size: int

    @property
    def part_count(self) -> int:
        """How many parts there are."""
        return -(-self.file_size // self.part_size)

    def size_of(self, part_number: int) -> int:
        """The bytes of one part, counted from 1."""
        return min(self.part_size, self.file_size - (part_number - 1) * self.part_size)


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part as the store lists it."""

    part_number: int
    etag: str
    size: int | None  # bytes; None: the store does not tell (Supabase Storage lists no sizes)
    last_modified: datetime

    def fits(self, layout: Layout) -> bool:
        """Whether it has the size that it should have. Unknown, it has: URLs are signed for that length."""
        return self.size is None or self.size == layout.size_of(self.part_number)


def bare_etag(etag: str) -> str:
    """An ETag without its quotes, and without the `W/` of a proxy that might pack the answers (RFC 9110)."""
    etag = etag.strip()
    return (etag[2:] if etag.startswith('W/"') else etag).strip('"')


def count_bounds(file_size: int, session_part_size: int) -> tuple[int, int]:
    """The fewest and the most parts that `layout_for` cuts a file of this size into."""
    fewest = max(1, -(-file_size // MAX_PART_SIZE))
    # The largest n for which ceil(file_size / n) is still MIN_PART_SIZE
    most = max(1, -(-file_size // (MIN_PART_SIZE - 1)) - 1, Layout(file_size, session_part_size).part_count)
    return fewest, min(MAX_PART_COUNT, most)


def layout_for(file_size: int, session_part_size: int, part_count: int | None) -> Layout | None:
    """The layout with that many parts, or with the session's part size; None if S3 could not take it."""
    layout = Layout(file_size, session_part_size)
    if part_count is not None and part_count != layout.part_count:
        layout = Layout(file_size, -(-file_size // part_count))
        # Rounding up may fill fewer parts than were asked for (10 bytes in 6 parts are 5 parts of 2).
        if layout.part_count != part_count:
            return None
    several = layout.part_count > 1
    fits = layout.part_size <= MAX_PART_SIZE and (layout.part_size >= MIN_PART_SIZE or not several)
    return layout if fits and layout.part_count <= MAX_PART_COUNT else None


def check_part_count(size: int, session_part_size: int, part_count: int | None) -> int:
    """The part size of a file in bytes; raises `ApiError` `PART_COUNT_INVALID` if S3 could not take it."""
    possible = part_count is None or part_count >= 1
    layout = layout_for(size, session_part_size, part_count) if possible else None
    if layout is None:
        fewest, most = count_bounds(size, session_part_size)
        details = {"minPartCount": fewest, "maxPartCount": most}
        raise ApiError(Reason.PART_COUNT_INVALID, details=details)
    return layout.part_size


def newest(
    listed: Iterable[StoredPart], layout: Layout, preferred: Mapping[int, str]
) -> dict[int, StoredPart]:
    """One entry a part number, in their order: the newest; at a tie the right size, then the preferred ETag.

    S3 lists the newest upload of a part only. SeaweedFS lists all of them, and its times are whole seconds.
    """

    def rank(part: StoredPart) -> tuple[datetime, bool, bool]:
        return part.last_modified, part.fits(layout), preferred.get(part.part_number) == part.etag

    chosen: dict[int, StoredPart] = {}
    for part in listed:
        rival = chosen.get(part.part_number)
        if rival is None or rank(part) > rank(rival):
            chosen[part.part_number] = part
    return dict(sorted(chosen.items()))


def split_by_size(parts: Mapping[int, StoredPart], layout: Layout) -> tuple[dict[int, StoredPart], list[int]]:
    """The parts of the layout that have the size they should have, and the numbers of those that have not."""
    ours = {number: part for number, part in parts.items() if 1 <= number <= layout.part_count}
    good = {number: part for number, part in ours.items() if part.fits(layout)}
    return good, [number for number in ours if number not in good]
