"""Registrations whose URLs are signed again, validly, for some seconds only."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

from lib.s3.presign import Credentials, presign_upload_parts


def shorten(body, env, seconds):
    """Replace the URLs in the answer to a batch by ones that are good for so long; answer them."""
    credentials = Credentials(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
    now = datetime.now(UTC)
    entries = [entry for result in body["results"] for entry in result.get("presignedUrls", ())]
    for entry in entries:
        url = urlsplit(entry["url"])
        bucket, _, key = url.path.lstrip("/").partition("/")
        [entry["url"]] = presign_upload_parts(
            credentials=credentials, region=env["S3_REGION"], signed_at=now, expires_in=seconds,
            bucket_url=f"{url.scheme}://{url.netloc}/{bucket}", key=unquote(key),
            upload_id=parse_qs(url.query)["uploadId"][0],
            parts=[(entry["partNumber"], entry["sizeBytes"])],
        )  # fmt: skip
        entry["expiresAt"] = (now + timedelta(seconds=seconds)).isoformat()
    return [entry["url"] for entry in entries]
