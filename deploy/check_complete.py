"""A whole upload: completed as the API completes one, looked at, and removed."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import httpx

from deploy.causes import refusal
from deploy.deployment import Deployment, code_of
from deploy.parts import PART, presigned
from deploy.report import Finding, ok, warning, wrong
from lib.domain.errors import ApiError
from lib.domain.media_type import stored_as
from lib.domain.part_layout import StoredPart, bare_etag
from lib.s3.refusals import NotFoundError, PartsChangedError, UploadGoneError

TYPE = "application/xml"  # which a browser could run, so it is stored as an attachment


def check_complete(deployment: Deployment) -> Iterator[Finding]:
    """What a policy or a KMS key may forbid although parts are taken."""
    key = deployment.new_key()
    try:
        etag = _upload(deployment, key)
    except (ApiError, PartsChangedError, UploadGoneError) as error:
        yield refusal(deployment, "complete", "an upload cannot be completed", error)
        return
    except httpx.HTTPError as error:
        yield warning("complete", f"the store does not take a part ({type(error).__name__})", "Run it again.")
        return
    if etag is None:
        yield warning("complete", "not checked, because this failed: upload")
        return
    yield _look(deployment, key)
    yield from _check_headers(deployment, key)
    yield _remove(deployment, key)


def _upload(deployment: Deployment, key: str) -> str | None:
    """The ETag of an object of one part; None if the store takes no part, which is said elsewhere."""
    upload_id = deployment.s3.create_upload(key, TYPE)
    try:
        [url] = presigned(deployment, key, upload_id, 1)
        answer = deployment.http.put(url, content=PART)
        if answer.status_code != 200 or "ETag" not in answer.headers:
            return None
        part = StoredPart(1, bare_etag(answer.headers["ETag"]), len(PART), datetime.now(UTC))
        return deployment.s3.complete_upload(key, upload_id, [part])
    finally:
        with suppress(ApiError):  # of a completed one nothing is left to abort
            deployment.s3.abort_upload(key, upload_id)


def _look(deployment: Deployment, key: str) -> Finding:
    try:
        found = deployment.s3.head_object(key)
    except ApiError:  # "missing object" says so
        return ok("complete", "an upload is completed")
    if found is None or found.size != len(PART):
        return wrong(
            "complete", "what was completed is not there", "Use a store that is strongly consistent."
        )
    return ok("complete", "an upload is completed, and its object is there")


def _check_headers(deployment: Deployment, key: str) -> Iterator[Finding]:
    """Some stores forget what an upload was started with, and keep it for objects that are put at once."""
    try:
        told = deployment.asking.ask(lambda s3: s3.head_object(Bucket=deployment.bucket, Key=key))
    except (ApiError, NotFoundError):  # which is said elsewhere
        return
    kept = {
        "Content-Type": told.get("ContentType", "").startswith(TYPE),
        "Content-Disposition": told.get("ContentDisposition") == stored_as(TYPE).disposition,
    }
    lost = [name for name, is_kept in kept.items() if not is_kept]
    if lost:
        yield warning(
            "object headers",
            f"the store forgets an upload's {' and '.join(lost)}: a browser may run what is stored",
            "Serve the objects from a host of their own that sets them, or use another store.",
        )


def _remove(deployment: Deployment, key: str) -> Finding:
    try:
        deployment.asking.ask(lambda s3: s3.delete_object(Bucket=deployment.bucket, Key=key))
    except ApiError as error:
        text = f"the object of this check is left ({code_of(error)}): {key}"
        return warning("removal", text, deployment.iam_policy())
    return ok("removal", "the object of this check is gone again")
