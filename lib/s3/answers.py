"""What goes to and comes from S3 in the calls that take the fast path.

Reading answers None wherever one is not plainly a success: botocore asks once more then, and says what is
wrong. Its own reading goes through the model of each answer with all that it may hold.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from lib.domain.part_layout import StoredPart, bare_etag

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Page = tuple[list[StoredPart], str | None]  # parts, and the marker that the next page begins after, if any

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_UPLOAD_ID = re.compile(rb"<UploadId>([^<&]+)</UploadId>\s*</InitiateMultipartUploadResult>\s*$")
TRUTH = {"true": True, "1": True, "false": False, "0": False}  # as XML Schema writes it
_CODE = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<Error[\s>].*?<Code>\s*([A-Za-z.]+)\s*</Code>", re.DOTALL)


def code_of(content: bytes) -> str | None:
    """The code of an error."""
    found = _CODE.match(content)
    return found[1].decode() if found else None


def upload_id_of(content: bytes) -> str | None:
    """What CreateMultipartUpload answers; unread, botocore would start a second upload."""
    if found := _UPLOAD_ID.search(content):  # as nearly every store writes it
        return found[1].decode()
    root = _root(content, "InitiateMultipartUploadResult")
    return None if root is None else _texts(root).get("UploadId") or None


def assembly_of(parts: Iterable[StoredPart]) -> bytes:
    """What CompleteMultipartUpload is sent, as by botocore; the parts in the order of their numbers."""
    listed = "".join(
        f'<Part><PartNumber>{part.part_number}</PartNumber><ETag>"{escape(part.etag)}"</ETag></Part>'
        for part in parts
    )
    return f'<CompleteMultipartUpload xmlns="{NAMESPACE}">{listed}</CompleteMultipartUpload>'.encode()


def assembled_etag_of(content: bytes) -> str | None:
    """What CompleteMultipartUpload answers; an error inside of a 200 has another root."""
    root = _root(content, "CompleteMultipartUploadResult")
    etag = "" if root is None else _texts(root).get("ETag", "")
    return bare_etag(etag) or None


def page_of(content: bytes) -> Page | None:
    """A page of ListParts."""
    root = _root(content, "ListPartsResult", "ListPartsResponse")  # the latter is moto's
    if root is None:
        return None
    try:
        told = _texts(root)
        parts = [_part(_texts(child)) for child in root if _name(child) == "Part"]
        is_last = not TRUTH[told["IsTruncated"].strip().lower()]
        return page(parts, is_last=is_last, marker=int(told.get("NextPartNumberMarker") or 0))
    except (LookupError, ValueError):
        return None


def page(parts: list[StoredPart], *, is_last: bool, marker: int) -> Page:
    """A page of parts, and where the next one begins if a store does not tell, as older SeaweedFS (0).

    https://github.com/seaweedfs/seaweedfs/issues/1914
    """
    following = marker or max((part.part_number for part in parts), default=0)
    return parts, None if is_last else str(following)


def all_parts(ask: Callable[[str | None], Page | None]) -> list[StoredPart] | None:
    """The parts of all pages; `ask` is given the marker that each begins after. None if one is missing."""
    found: list[StoredPart] = []
    marker = None
    while (page := ask(marker)) is not None:
        parts, following = page
        found += parts
        if following is None:
            return found
        if int(following) <= int(marker or 0):  # such a list would have no end
            return None
        marker = following
    return None


def _part(texts: dict[str, str]) -> StoredPart:
    """Raises `LookupError` and `ValueError`."""
    at = datetime.fromisoformat(texts["LastModified"])
    etag = bare_etag(texts["ETag"])
    if not etag:
        raise ValueError("a part without an ETag")
    size = int(texts["Size"]) if "Size" in texts else None
    return StoredPart(int(texts["PartNumber"]), etag, size, at if at.tzinfo else at.replace(tzinfo=UTC))


def _root(content: bytes, *names: str) -> "Element | None":
    """The document's root, if it has one of these names; the parser is the one that botocore uses."""
    from xml.etree.ElementTree import ParseError, fromstring

    if b"<!" in content:  # no answer of S3's declares types or entities, which can be bombs
        return None
    try:
        root = fromstring(content.lstrip())  # noqa: S314 - of the store that we sign for, and without entities
    except ParseError:
        return None
    return root if _name(root) in names else None


def _name(element: "Element") -> str:
    """Its name without the namespace, which some stores leave out."""
    return element.tag.rpartition("}")[2]


def _texts(element: "Element") -> dict[str, str]:
    return {_name(child): child.text or "" for child in element}
