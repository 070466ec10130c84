"""A real upload, as a browser makes it, which is aborted at the end."""

import time
from collections.abc import Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime

import httpx
import psycopg

from deploy.causes import FORBIDDEN, fix_of, refusal
from deploy.check_complete import check_complete
from deploy.check_database import clock_difference
from deploy.deployment import Deployment, code_of
from deploy.parts import PART, presigned, s3_code
from deploy.report import Finding, ok, warning, wrong
from lib.domain.errors import ApiError, Reason
from lib.runtime.origins import ANY
from lib.s3.refusals import UploadGoneError

HOST_CHANGED = (
    "The secret is right: an upload could be started with it. So something before the store changes what the "
    "URL is\nsigned for: pass on the Host header (nginx: proxy_set_header Host $http_host), the path and the "
    "query as they are."
)
CLOCKS_MAY_DIFFER = 30.0  # seconds; S3 refuses a signature that is 15 minutes off


def check_upload(deployment: Deployment) -> Iterator[Finding]:
    """Create, presign, PUT, list and abort; then what needs no upload."""
    key = deployment.new_key()
    try:
        upload_id = deployment.s3.create_upload(key, "application/pdf")
    except ApiError as error:
        yield refusal(deployment, "upload", "no multipart upload can be started", error)
        return
    try:
        yield from _check_parts(deployment, key, upload_id)
    finally:
        with suppress(ApiError):
            deployment.s3.abort_upload(key, upload_id)
    yield _check_abort(deployment, key, upload_id)
    yield from check_complete(deployment)
    yield _check_absent_key(deployment)
    yield from _check_reach(deployment)


def _check_parts(deployment: Deployment, key: str, upload_id: str) -> Iterator[Finding]:
    # In place of any origin, one that nobody has listed
    origins = sorted("https://any.example.com" if one == ANY else one for one in deployment.settings.origins)
    url, *urls = presigned(deployment, key, upload_id, 1 + len(origins))
    try:
        # The right length before and after the wrong one: what is refused is the length, and nothing else
        bodies = (PART, PART + b"!", PART)
        answer, longer, again = (deployment.http.put(url, content=body) for body in bodies)
        is_taken = answer.status_code == again.status_code == 200 and "ETag" in answer.headers
        unserved = [
            origin
            for origin, one in zip(origins, urls, strict=True)
            if not _served(deployment.http, one, origin, put=is_taken)
        ]
    except httpx.HTTPError as error:
        yield wrong("upload", f"the store does not take a part ({type(error).__name__})", "Try again.")
        return
    if is_taken:
        yield ok("upload", "a presigned part of the signed length is taken, and has an ETag")
        yield _signed_length(longer)
    else:
        yield _refused_part(deployment, answer if answer.status_code != 200 else again)
    if unserved:
        fix = deployment.aws("put-bucket-cors", ("cors-configuration", deployment.document("cors")))
        text = f"a browser cannot upload, or cannot read ETag, from {', '.join(unserved)}"
        yield wrong("browsers", text, fix)
    elif origins and is_taken:
        yield ok("browsers", f"preflight, PUT and ETag work from {len(origins)} origins")
    yield _check_list(deployment, key, upload_id)


def _signed_length(longer: httpx.Response) -> Finding:
    if longer.status_code == 200:
        text = "another length than the signed one is taken"
        return wrong("signed length", text, "Use a store that checks it.")
    if longer.is_client_error:
        return ok("signed length", f"another length is refused ({longer.status_code})")
    return warning("signed length", f"could not be asked for: the store failed ({longer.status_code})")


def _refused_part(deployment: Deployment, answer: httpx.Response) -> Finding:
    code = s3_code(answer) or str(answer.status_code)
    if answer.status_code == 200:
        text, fix = "a part is taken, and its ETag is not told", "Use a store that answers with an ETag."
    elif answer.is_server_error:
        text = f"the store fails at a presigned part: {answer.status_code} {s3_code(answer)}".rstrip()
        fix = "Run it again. If it fails each time and S3_SSE is set: has the store a KMS?"
    else:
        text = f"a presigned part is refused: {answer.status_code} {s3_code(answer)}".rstrip()
        fix = HOST_CHANGED if code == "SignatureDoesNotMatch" else fix_of(deployment, code)
        if deployment.settings.s3_public_endpoint_url:
            fix += "\nParts go to S3_PUBLIC_ENDPOINT_URL, the API's own calls do not: the two may differ."
    return wrong("upload", text, fix)


def _served(http: httpx.Client, url: str, origin: str, *, put: bool) -> bool:
    """Whether a page of this origin could PUT to the URL and read the ETag (the Fetch standard's CORS).

    Without `put` the preflight has to do: the store takes parts from nobody.
    """
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
    if not put:
        return True
    sent = {"Origin": origin, "Content-Type": "application/pdf"}
    answer = http.put(url, content=PART, headers=sent)
    exposed = _words(answer, "access-control-expose-headers")
    return answer.is_success and _lets_in(answer, origin) and bool(exposed & {"etag", "*"})


def _lets_in(answer: httpx.Response, origin: str) -> bool:
    return answer.headers.get("access-control-allow-origin") in (origin, "*")


def _words(answer: httpx.Response, header: str) -> set[str]:
    return {word.strip().lower() for word in answer.headers.get(header, "").split(",")}


def _check_list(deployment: Deployment, key: str, upload_id: str) -> Finding:
    try:
        deployment.s3.list_parts(key, upload_id)
    except (ApiError, UploadGoneError) as error:
        what = "the parts cannot be listed, so nothing can be resumed or completed"
        return refusal(deployment, "list parts", what, error)
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
        if code_of(error) in FORBIDDEN:
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
    """This machine's clock, the store's and the database's: signatures and expiry depend on them."""
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
