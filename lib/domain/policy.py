"""What may be uploaded: one table of categories, and what follows from it."""

import hashlib
import re
import string
from collections.abc import Iterable
from dataclasses import dataclass

from lib.domain.errors import ApiError, Reason

MIB = 1024 * 1024
SAFE_IN_KEY = frozenset(string.ascii_letters + string.digits + "-_")

IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp", "image/gif")
PARTS_LIST_TYPES = (
    "text/csv",
    "application/csv",
    "application/xml",
    "text/xml",
    "text/plain",
    "application/vnd.ms-excel",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
)

# Not the `mimetypes` module: it reads the machine's own tables, and a file's category, which is part of its
# object key, must be the same on every machine.
TYPES_BY_EXTENSION = {
    "pdf": "application/pdf",
    "csv": "text/csv",
    "xml": "application/xml",
    "txt": "text/plain",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What files of one category may be."""

    mime_types: tuple[str, ...]
    max_size: int  # bytes
    max_files: int | None = None  # in a session; None: as many as the session takes


@dataclass(frozen=True, slots=True)
class Policy:
    """The rule of each category."""

    rules: dict[str, Rule]

    @classmethod
    def of_sizes(cls, *, instruction: int, parts_list: int, image: int) -> "Policy":
        """The table, with the largest file of each category in MiB."""
        return cls(
            {
                "instruction": Rule(("application/pdf",), instruction * MIB),
                "parts-list": Rule(PARTS_LIST_TYPES, parts_list * MIB, max_files=5),
                "image": Rule(IMAGE_TYPES, image * MIB, max_files=20),
                "thumbnail": Rule(IMAGE_TYPES, image * MIB, max_files=1),
            }
        )

    def category_for(self, mime_type: str, category: str | None, size: int) -> str:
        """The category of a file that may be uploaded.

        Raises `ApiError` `MIME_TYPE_NOT_ALLOWED` and `FILE_TOO_LARGE`.
        """
        chosen = category or category_of(mime_type)
        allowed = self._allowed_types(chosen)
        if chosen is None or essence(mime_type) not in allowed:
            details = {"type": mime_type, "category": chosen, "allowedTypes": allowed}
            raise ApiError(Reason.MIME_TYPE_NOT_ALLOWED, details=details)
        limit = self.rules[chosen].max_size
        if size > limit:
            bounds = {"sizeBytes": size, "maxSizeBytes": limit, "category": chosen}
            raise ApiError(Reason.FILE_TOO_LARGE, details=bounds)
        return chosen

    def check_room(self, category: str, others: Iterable[str]) -> None:
        """Raise `ApiError` `CATEGORY_LIMIT_EXCEEDED` where the other files leave no room for one."""
        limit = self.rules[category].max_files
        if limit is not None and sum(other == category for other in others) >= limit:
            details = {"category": category, "maxFiles": limit}
            raise ApiError(Reason.CATEGORY_LIMIT_EXCEEDED, details=details)

    def _allowed_types(self, category: str | None) -> list[str]:
        rules = [self.rules[category]] if category else self.rules.values()
        return sorted({mime_type for rule in rules for mime_type in rule.mime_types})


def essence(mime_type: str) -> str:
    """A MIME type without its parameters, in lower case (https://mimesniff.spec.whatwg.org/#mime-type-essence)."""
    return mime_type.partition(";")[0].strip().lower()


def category_of(mime_type: str) -> str | None:
    """The category that a file of this type has where none is given."""
    bare = essence(mime_type)
    if bare == "application/pdf":
        return "instruction"
    if bare in IMAGE_TYPES:
        return "image"
    return "parts-list" if bare in PARTS_LIST_TYPES else None


def extension_of(name: str) -> str | None:
    """The extension of a file name, when it could be an `ext`."""
    _, dot, ext = name.rpartition(".")
    return ext if dot and 1 <= len(ext) <= 10 else None


def described_by(file_key: str) -> tuple[str, str]:
    """The category and MIME type of a file of which nothing but its key is known."""
    mime_type = TYPES_BY_EXTENSION.get((extension_of(file_key) or "").lower(), "application/octet-stream")
    return category_of(mime_type) or "instruction", mime_type


def object_key(
    stage: str, user_id: str, session_id: str, category: str, file_id: str, ext: str | None
) -> str:
    """Where a file's bytes go; what came from outside is made safe for a key."""
    safe_ext = re.sub(r"[^a-z0-9]", "", (ext or "").lower())[:10] or "bin"
    return f"{stage}/moc-instructions/{safe_segment(user_id)}/{session_id}/{category}/{file_id}.{safe_ext}"


def safe_segment(text: str) -> str:
    """One segment of a key from S3's safe characters; different texts stay different.

    An identity provider's subjects hold `|`, `:`, `/` and more ("auth0|123"): whatever is not safe becomes
    `=` and two hex digits a UTF-8 byte, `=` itself too. A dot is unsafe here, so no segment can be `..`.
    """
    safe = "".join(
        char if char in SAFE_IN_KEY else "".join(f"={byte:02X}" for byte in char.encode()) for char in text
    )
    # S3 takes keys of up to 1,024 bytes
    return safe if len(safe) <= 255 else hashlib.sha256(text.encode()).hexdigest()
