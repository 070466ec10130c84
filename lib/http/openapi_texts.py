"""What the OpenAPI document says in words: of each operation its tag, description and links."""

from typing import Any

from lib.http.routes import (
    ABORT_FILE,
    BATCH_REGISTER_FILES,
    CANCEL_SESSION,
    CHECK_HEALTH,
    COMPLETE_FILE,
    CREATE_SESSION,
    GET_OPENAPI,
    GET_SESSION,
    GET_UPLOADED_PARTS,
    REGISTER_FILE,
    STORE_PART_ETAGS,
    Route,
)

ABOUT = """\
Resumable multipart uploads that go straight to S3. Create a session, register files, PUT each part to its
presigned URL, complete. After an interruption: query the parts, PUT what is missing, complete.

Every answer has an `X-Request-Id`. Errors are a union by `error.reason`; later versions may have more.
"""

TAGS = {
    "Sessions": "A session groups the files of one upload, and ends after a day.",
    "Files": "Registering a file starts its upload at S3; aborting it frees its place.",
    "Parts": "Which parts are there, and where the missing ones go.",
    "Service": "Whether the API works, and what it can do.",
}

DESCRIPTIONS = {
    CREATE_SESSION.name: (
        "Sessions",
        "Declared `files` are checked in advance; nothing is registered. A user may create so many sessions "
        "in 24 hours, and no more.",
    ),
    GET_SESSION.name: (
        "Sessions",
        "Files are in the order of their registration. Expired and cancelled sessions can be read, too.",
    ),
    CANCEL_SESSION.name: (
        "Sessions",
        "Aborts and removes the unfinished files; completed ones and their objects stay. Safe to repeat.",
    ),
    REGISTER_FILE.name: (
        "Files",
        "Send a `fileId` of your own choice, and you can send the request again if its answer is lost: 200 "
        "then answers the same file with fresh URLs.",
    ),
    BATCH_REGISTER_FILES.name: (
        "Files",
        "There is no rollback: what was registered stays registered, even if others fail. 207 says that some "
        "of the files have an `error`.",
    ),
    ABORT_FILE.name: (
        "Files",
        "The file is 404 from then on; its key and its place are free. A completed file cannot be aborted.",
    ),
    GET_UPLOADED_PARTS.name: (
        "Parts",
        "One call is enough to resume: with `presign=true` it has the URLs of the missing parts. `verified` "
        "says whether S3 itself was asked.",
    ),
    STORE_PART_ETAGS.name: (
        "Parts",
        "Optional: S3 is asked which parts it has. A part that is recorded again is overwritten.",
    ),
    COMPLETE_FILE.name: (
        "Files",
        "S3 is asked which parts it has; all must be there with the right size. It is safe to repeat. "
        "The body may be empty.",
    ),
    CHECK_HEALTH.name: ("Service", "Asks the database and the bucket. Needs no token."),
    GET_OPENAPI.name: (
        "Service",
        "`x-upload-policy` has the categories, types and sizes of this deployment. Needs no token.",
    ),
}

OF_SESSION = {"sessionId": "$response.body#/sessionId"}
SAME_SESSION = {"sessionId": "$request.path.sessionId"}
OF_FILE = SAME_SESSION | {"fileId": "$response.body#/fileId"}
OF_FIRST = SAME_SESSION | {"fileId": "$response.body#/results/0/fileId"}
SAME_FILE = SAME_SESSION | {"fileId": "$request.path.fileId"}

WITH_SESSION: tuple[Route[Any], ...] = (REGISTER_FILE, BATCH_REGISTER_FILES, GET_SESSION, CANCEL_SESSION)
WITH_FILE: tuple[Route[Any], ...] = (GET_UPLOADED_PARTS, STORE_PART_ETAGS, COMPLETE_FILE, ABORT_FILE)

# The operations that can follow a success, and the ids that they take from it.
LINKS: dict[str, tuple[tuple[Route[Any], ...], dict[str, str]]] = {
    CREATE_SESSION.name: (WITH_SESSION, OF_SESSION),
    REGISTER_FILE.name: (WITH_FILE, OF_FILE),
    BATCH_REGISTER_FILES.name: (WITH_FILE, OF_FIRST),
    GET_UPLOADED_PARTS.name: ((STORE_PART_ETAGS, COMPLETE_FILE), SAME_FILE),
    STORE_PART_ETAGS.name: ((GET_UPLOADED_PARTS, COMPLETE_FILE), SAME_FILE),
}


def links_of(route: Route[Any]) -> dict[str, Any]:
    """The links of a route's successes."""
    targets, parameters = LINKS.get(route.name, ((), {}))
    return {target.name: {"operationId": target.name, "parameters": parameters} for target in targets}
