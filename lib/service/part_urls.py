"""Presigned URLs of a file's parts: which of them fit into one answer, and how long they live."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lib.domain.media_type import stored_as
from lib.domain.models import PresignedPart
from lib.domain.rows import FileRow
from lib.s3.bucket import Bucket
from lib.s3.presign import presign_upload_parts


def utc_now() -> datetime:
    """The time by this machine's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class PartUrls:
    """Signs URLs; `ttl` is how long they live when neither the session nor the credentials end earlier."""

    s3: Bucket
    ttl: timedelta
    limit: int  # URLs in one answer
    now: Callable[[], datetime] = utc_now

    def presign(
        self, file: FileRow, part_numbers: Sequence[int], session_end: datetime, taken: int = 0
    ) -> tuple[list[PresignedPart], int | None]:
        """The URLs of the first of these parts, and the number of the first part that did not fit.

        `taken` is how much of the answer's limit earlier files have used up.
        """
        fitting = part_numbers[: max(0, self.limit - taken)]
        rest = part_numbers[len(fitting) :]
        urls = self._signed(file, fitting, session_end) if fitting else []
        return urls, rest[0] if rest else None

    def _signed(
        self, file: FileRow, part_numbers: Sequence[int], session_end: datetime
    ) -> list[PresignedPart]:
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
        expires_at = signed_at + timedelta(seconds=expires_in)
        return [
            PresignedPart(
                part_number=number,
                url=url,
                expires_at=expires_at,
                size_bytes=size,
                headers={"Content-Length": str(size), "Content-Type": content_type},
            )
            for number, size, url in zip(part_numbers, sizes, urls, strict=True)
        ]
