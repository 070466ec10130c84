"""The prose between the evidence of `docs/proof.md`."""

HEAD = """
# Proof: STORY-01722, upload enhancements

Written by `make proof` from real requests to the API, its real responses, a real S3 store (SeaweedFS) and the
rows of a real PostgreSQL; only the sentences are typed by hand. Each request to the API was sent with
`Authorization: Bearer <JWT>`; a PUT to S3 needs nothing but its URL and the headers shown.

What differs from run to run is replaced by a placeholder: ids (`{session-1}`, the same name wherever the same
id stands), times (`{now + 15 min}`, seen from the response) and ports. So running `make proof` again changes
nothing as long as the page is true. Credentials and signatures are redacted, though their store is gone.

| Evidence that the story requires | Where |
|---|---|
| Happy path requests with responses | PU-HP-001, BR-HP-001, BR-HP-002, UR-HP-001, UR-HP-002 |
| Partial failure of a batch, with specific errors | [AC-24](#ac-24-batch-file-registration), BR-HP-002 |
| Errors: batch size, missing parts, expired URL | BR-ERR-001, UR-ERR-001, PU-ERR-001 |
| Rows of `upload_session_parts` | [AC-25](#ac-25-upload-resume), [table](#the-table-upload_session_parts) |
| Presigned URLs: structure, headers, TTL | [AC-19](#ac-19-presigned-url-batch-generation) |
| Resume: query parts → upload missing → complete | [AC-25](#ac-25-upload-resume) |

**One deviation from the story's DDL:** its `TIMESTAMP` columns are `TIMESTAMP WITH TIME ZONE` (`timestamptz`)
here. A timestamp without a zone means another moment in every session's time zone.

`make http` sends the requests of the story's tables from `__http__/`, and `make test` has a scenario of the
same id for each.
"""

PRESIGNED = "## AC-19: Presigned URL batch generation"

ANATOMY = "One of these URLs, taken apart:"

MEANINGS = {
    "`PUT` to": "the bucket, and the object's key: stage, user, session, category, file",
    "`uploadId`": "which multipart upload of S3's",
    "`partNumber`": "which part; signed, so the URL is good for this part alone",
    "`X-Amz-Algorithm`": "Signature Version 4",
    "`X-Amz-Credential`": "the access key, day, region and service it was signed with",
    "`X-Amz-Date`": "when it was signed",
    "`X-Amz-Expires`": "how many seconds it lives from then on",
    "`X-Amz-SignedHeaders`": "which headers are signed too: another length is 403",
    "`X-Amz-Signature`": "the signature",
}

HEADERS = """
TTL: `X-Amz-Expires` is {expires} s, the {minutes} minutes of `PRESIGNED_URL_TTL_MINUTES`, and `expiresAt`
is when they end. It comes earlier where the session, or the credentials that sign, end earlier.

Headers to send with the PUT: {headers}.
The length is signed, the type is not.
"""

EXPIRED = """
**PU-ERR-001**: a client uses an expired URL, and gets 403 from S3 itself. A URL ends with its session at the
latest, so the session of this one ends a few seconds after it began.
"""

BATCH = "## AC-24: Batch file registration"

PARTIAL = """
**BR-HP-002**: of these five the session has room for two. Each failure says why, and what can be registered
is registered all the same: 207.
"""

RESUME = """
## AC-25: Upload resume

Query parts → upload the missing ones → complete.
"""

DATABASE = "## The table `upload_session_parts`"

SEED = """
The story's seed data, loaded by `make seed`, and what the API says of it. S3 has never heard of the upload
`s3-upload-id-12345`, so the answer comes from the table and says so: `verified` is false.
"""
