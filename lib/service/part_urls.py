"""Presigned URLs of a file's parts: which of them fit into one answer, and how long they live."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lib.domain.errors import ApiError, Reason
from lib.domain.fields import rfc3339
from lib.domain.media_type import stored_as
from lib.domain.models import PresignedPart
from lib.domain.rows import FileRow
from lib.runtime.clock import utc_now
from lib.s3.bucket import Bucket
from lib.s3.presign import presign_upload_parts

# Vercel cuts a response at 4.5 MB. Apart from URLs, an item of a batch takes a kilobyte at most.
ANSWER_BYTES = 4_000_000
ITEM_BYTES = 1_000


@dataclass(slots=True)
class Space:
    """What of one answer is left for URLs; presigning takes from it."""

    urls: int
    size: int  # bytes

    def fitting(self, count: int, size: int) -> int:
        """How many of `count` URLs, of at most `size` bytes each, fit; they are taken off."""
        fits = max(0, min(count, self.urls, self.size // size))
        self.urls -= fits
        self.size -= fits * size
        return fits


@dataclass(frozen=True, slots=True)
class PartUrls:
    """Signs URLs; `ttl` is how long they live when neither the session nor the credentials end earlier."""

    s3: Bucket
    ttl: timedelta
    limit: int  # URLs in one answer
    now: Callable[[], datetime] = utc_now

    def space(self, taken: int) -> Space:
        """The space for URLs in an answer of which other things take so many bytes."""
        return Space(self.limit, ANSWER_BYTES - taken)

    def presign(
        self, file: FileRow, part_numbers: Sequence[int], session_end: datetime, space: Space
    ) -> tuple[list[PresignedPart], int | None]:
        """The URLs of the first of these parts, and the number of the first part that did not fit.

        Raises `ApiError` `SESSION_EXPIRED`, if S3 or another call was waited for until then.
        """
        if not part_numbers:
            return [], None
        if session_end <= self.now():
            raise ApiError(Reason.SESSION_EXPIRED)
        if not space.urls:
            return [], part_numbers[0]
        last = self._signed(file, part_numbers[-1:], session_end)
        count = space.fitting(len(part_numbers), _longest(file, *last))
        if count < len(part_numbers):
            return self._signed(file, part_numbers[:count], session_end), part_numbers[count]
        return [*self._signed(file, part_numbers[:-1], session_end), *last], None

    def _signed(
        self, file: FileRow, part_numbers: Sequence[int], session_end: datetime
    ) -> list[PresignedPart]:
        if not part_numbers:
            return []
        credentials = self.s3.credentials()
        signed_at = self.now().replace(microsecond=0)  # a signature's time is in whole seconds
        ends = (signed_at + self.ttl, session_end, credentials.expires_at)
        expires_in = max(1, int((min(end for end in ends if end) - signed_at).total_seconds()))
        content_type = stored_as(file.mime_type).content_type
        sizes = [file.layout.size_of(number) for number in part_numbers]
        urls = presign_upload_parts(
            credentials=credentials,
            region=self.s3.region,
            bucket_url=self.s3.bucket_url,
            key=file.object_key,
            upload_id=file.upload_id or "",
            parts=zip(part_numbers, sizes, strict=True),
            signed_at=signed_at,
            expires_in=expires_in,
        )
        expires_at = rfc3339(signed_at + timedelta(seconds=expires_in))
        return [
            {
                "partNumber": number,
                "url": url,
                "expiresAt": expires_at,
                "sizeBytes": size,
                "headers": {"Content-Length": str(size), "Content-Type": content_type},
            }
            for number, size, url in zip(part_numbers, sizes, urls, strict=True)
        ]


def _longest(file: FileRow, last: PresignedPart) -> int:
    """At most how many bytes of an answer a URL of the file takes, with all that belongs to it."""
    sizes = 2 * len(str(file.part_size))  # the last part's may have fewer digits
    return len(json.dumps(last, separators=(",", ":"))) + sizes + len(",")
