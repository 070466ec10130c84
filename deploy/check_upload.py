"""A real upload, as a browser makes it, which is aborted at the end."""

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import psycopg

from deploy.check_database import clock_difference
from deploy.deployment import Deployment, code_of
from deploy.report import Finding, ok, warning, wrong
from lib.domain.errors import ApiError, Reason
from lib.http.cors import ANY
from lib.s3.presign import presign_upload_parts
from lib.s3.refusals import UploadGoneError

PART = b"sixteen bytes :)"
CLOCKS_MAY_DIFFER = 30.0  # seconds; S3 refuses a signature that is 15 minutes off


def check_upload(deployment: Deployment) -> Iterator[Finding]:
    """Create, presign, PUT, list and abort; then what needs no upload."""
    key = deployment.new_key()
    try:
        upload_id = deployment.s3.create_upload(key, "application/pdf")
    except ApiError as error:
        text = f"no multipart upload can be started ({code_of(error)})"
        yield wrong("upload", text, deployment.iam_policy())
        return
    try:
        yield from _check_parts(deployment, key, upload_id)
    finally:
        with suppress(ApiError):
            deployment.s3.abort_upload(key, upload_id)
    yield _check_abort(deployment, key, upload_id)
    yield _check_absent_key(deployment)
    yield from _check_reach(deployment)


def _check_parts(deployment: Deployment, key: str, upload_id: str) -> Iterator[Finding]:
    # In place of any origin, one that nobody has listed
    origins = sorted("https://any.example.com" if one == ANY else one for one in deployment.settings.origins)
    urls = _presigned(deployment, key, upload_id, 1 + len(origins))
    try:
        answer = deployment.http.put(urls[0], content=PART)
        longer = deployment.http.put(urls[0], content=PART + b"!")
        unserved = [
            origin
            for origin, url in zip(origins, urls[1:], strict=True)
            if not _served(deployment.http, url, origin)
        ]
    except httpx.HTTPError as error:
        yield wrong("upload", f"the store does not take a part ({type(error).__name__})", "Try again.")
        return
    if answer.status_code != 200 or "ETag" not in answer.headers:
        fix = deployment.iam_policy()
        yield wrong("upload", f"a presigned part is refused: {answer.status_code} {_s3_code(answer)}", fix)
    else:
        yield ok("upload", "a presigned part of the signed length is taken, and has an ETag")
    if longer.status_code == 200:
        yield wrong(
            "signed length", "another length than the signed one is taken", "Use a store that checks it."
        )
    elif longer.is_client_error:
        yield ok("signed length", f"another length is refused ({longer.status_code})")
    else:
        yield warning("signed length", f"could not be asked for: the store failed ({longer.status_code})")
    if unserved:
        fix = deployment.aws("put-bucket-cors", ("cors-configuration", deployment.document("cors")))
        text = f"a browser cannot upload, or cannot read ETag, from {', '.join(unserved)}"
        yield wrong("browsers", text, fix)
    elif origins:
        yield ok("browsers", f"preflight, PUT and ETag work from {len(origins)} origins")
    yield _check_list(deployment, key, upload_id)


def _presigned(deployment: Deployment, key: str, upload_id: str, count: int) -> list[str]:
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


def _served(http: httpx.Client, url: str, origin: str) -> bool:
    """Whether a page of this origin could PUT to the URL and read the ETag (the Fetch standard's CORS)."""
    asks = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type",
    }
    preflight = http.options(url, headers=asks)
    if not preflight.is_success or not _lets_in(preflight, origin):
        return False
    methods, headers = (_words(preflight, f"access-control-allow-{name}") for name in ("methods", "headers"))
    if not methods & {"put", "*"} or not headers & {"content-type", "*"}:
        return False
    sent = {"Origin": origin, "Content-Type": "application/pdf"}
    answer = http.put(url, content=PART, headers=sent)
    exposed = _words(answer, "access-control-expose-headers")
    return answer.is_success and _lets_in(answer, origin) and bool(exposed & {"etag", "*"})


def _lets_in(answer: httpx.Response, origin: str) -> bool:
    return answer.headers.get("access-control-allow-origin") in (origin, "*")


def _words(answer: httpx.Response, header: str) -> set[str]:
    return {word.strip().lower() for word in answer.headers.get(header, "").split(",")}


def _s3_code(answer: httpx.Response) -> str:
    """The code in an error of S3's; nothing else of it, since it quotes what was signed."""
    return answer.text.partition("<Code>")[2].partition("</Code>")[0]


def _check_list(deployment: Deployment, key: str, upload_id: str) -> Finding:
    try:
        deployment.s3.list_parts(key, upload_id)
    except (ApiError, UploadGoneError) as error:
        text = f"the parts cannot be listed ({code_of(error)}): nothing can be resumed or completed"
        return wrong("list parts", text, deployment.iam_policy())
    return ok("list parts", "the store tells which parts it has")


def _check_abort(deployment: Deployment, key: str, upload_id: str) -> Finding:
    try:
        deployment.s3.list_parts(key, upload_id)
    except UploadGoneError:
        return ok("abort", "the upload of this check is gone again")
    except ApiError as error:
        if error.reason is Reason.STORAGE_UNAVAILABLE:
            return _failed("abort", error)
    fix = f"{deployment.iam_policy()}\nThen: aws s3api abort-multipart-upload --key {key} …"
    return wrong("abort", "an upload cannot be aborted (s3:AbortMultipartUpload)", fix)


def _check_absent_key(deployment: Deployment) -> Finding:
    try:
        deployment.s3.head_object(deployment.new_key())
    except ApiError as error:
        if error.reason is Reason.STORAGE_UNAVAILABLE:
            return _failed("missing object", error)
        text = f"a missing object is {code_of(error)}, not 404: 'the upload is gone' cannot be told"
        return wrong("missing object", text, f"s3:ListBucket is missing. {deployment.iam_policy()}")
    return ok("missing object", "is 404")


def _check_reach(deployment: Deployment) -> Iterator[Finding]:
    """The credentials should reach no further than deploy/iam-policy.json lets them."""
    key = f"doctor-outside-of-{deployment.new_key()}"
    try:
        upload_id = deployment.s3.create_upload(key, "application/pdf")
    except ApiError as error:
        if code_of(error) == "AccessDenied":
            yield ok("least privilege", f"nothing can be written outside of {deployment.prefix}")
        else:
            yield _failed("least privilege", error)
        return
    with suppress(ApiError):  # that this does not work is said above
        deployment.s3.abort_upload(key, upload_id)
    if deployment.is_local:
        yield ok("least privilege", "not asked for: the store is on this machine")
    else:
        text = f"the credentials may write outside of {deployment.prefix}"
        yield warning("least privilege", text, deployment.iam_policy())


def _failed(check: str, error: ApiError) -> Finding:
    """Nothing is known: the store did not say yes or no."""
    return warning(check, f"could not be asked for: the store failed ({code_of(error)})", "Run it again.")


def check_clocks(deployment: Deployment) -> Iterator[Finding]:
    """This machine's clock, the store's and the database's: signatures and expiry hang on them."""
    fix = "Set the clock: timedatectl set-ntp true"
    try:
        before = time.time()
        answer = deployment.http.get(deployment.s3.bucket_url)
        date = parsedate_to_datetime(answer.headers["Date"]).timestamp()
        store = date + 0.5 - (before + time.time()) / 2  # a Date has whole seconds
    except (httpx.HTTPError, KeyError, ValueError, TypeError) as error:
        yield warning("clock", f"the store does not tell the time ({type(error).__name__})")
        return
    if abs(store) > CLOCKS_MAY_DIFFER:
        yield wrong("clock", f"the store's is {store:+.0f} s from this machine's", fix)
    else:
        yield ok("clock", f"the store's is within {abs(store) + 0.5:.0f} s of this machine's")
    try:
        database = clock_difference(deployment) - store
    except psycopg.Error:
        return  # that it does not connect is said elsewhere
    if abs(database) > CLOCKS_MAY_DIFFER:
        text = f"the database's is {database:+.0f} s from the store's: sessions and URLs end at odd times"
        yield wrong("database clock", text, "Ask the database's host.")
    else:
        yield ok("database clock", f"within {abs(database) + 0.5:.0f} s of the store's")
