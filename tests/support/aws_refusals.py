"""Refusals as AWS S3 answers them: status, code in XML, headers; and which operation a request is.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html (an error inside of a 200)
"""

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

SECRET_WORDS = "words-of-the-body"  # no log may have them


@dataclass(frozen=True)
class Refusal:
    """What S3 answers in place of doing it; a HEAD is answered without the body."""

    status: int
    code: str
    headers: tuple[tuple[str, str], ...] = ()
    more: str = ""  # further elements of the XML

    def body(self):
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{self.code}</Code><Message>{SECRET_WORDS}</Message>{self.more}"
            f"<RequestId>{SECRET_WORDS}</RequestId><HostId>{SECRET_WORDS}</HostId></Error>"
        ).encode()


def another_region(region):
    """AWS, asked at one region's endpoint for a bucket of another's."""
    return Refusal(
        400, "AuthorizationHeaderMalformed", (("x-amz-bucket-region", region),), f"<Region>{region}</Region>"
    )


QUERIES = {
    ("POST", "uploads"): "CreateMultipartUpload",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("GET", "uploadId"): "ListParts",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("PUT", "partNumber"): "UploadPart",
}


def operation_of(method, path):
    """S3's name for a request to a bucket that is addressed by path; None if no test asks for it."""
    parts = urlsplit(path)
    query = parse_qs(parts.query, keep_blank_values=True)
    for (asked, name), operation in QUERIES.items():
        if method == asked and name in query:
            return operation
    if method == "HEAD":
        return "HeadObject" if parts.path.strip("/").count("/") else "HeadBucket"
    plain = {"GET": "GetObject", "DELETE": "DeleteObject", "PUT": "PutObject"}
    return None if query else plain.get(method)


def refusing(refusals):
    """A fault of `FaultyProxy`: these refusals, by operation; `*` stands for every other one."""
    return lambda method, path: refusals.get(operation_of(method, path), refusals.get("*"))
