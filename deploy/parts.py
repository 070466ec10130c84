"""Parts that the doctor uploads, with URLs as clients get them."""

import re
from datetime import UTC, datetime

import httpx

from deploy.deployment import Deployment
from lib.s3.presign import presign_upload_parts

PART = b"sixteen bytes :)"


def presigned(deployment: Deployment, key: str, upload_id: str, count: int) -> list[str]:
    """URLs of an upload's first parts, each of the length of `PART`."""
    return presign_upload_parts(
        credentials=deployment.s3.credentials(),
        region=deployment.s3.region,
        bucket_url=deployment.s3.bucket_url,
        key=key,
        upload_id=upload_id,
        parts=[(number + 1, len(PART)) for number in range(count)],
        signed_at=datetime.now(UTC).replace(microsecond=0),
        expires_in=300,
    )


def s3_code(answer: httpx.Response) -> str:
    """The code in an error of S3's; nothing else of it, since it quotes what was signed."""
    found = re.search(r"<Code>\s*([A-Za-z0-9.]{1,64})\s*</Code>", answer.text)
    return found[1] if found else ""
