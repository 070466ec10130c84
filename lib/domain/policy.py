"""What may be uploaded: one table, and what follows from it. Another app edits `TABLE` (docs/policy.md)."""

import hashlib
import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lib.domain import media_type
from lib.domain.errors import ApiError, Reason

MIB = 1024 * 1024
SAFE_IN_KEY = frozenset(string.ascii_letters + string.digits + "-_")

# The types of a category with their extensions: the first is the object key's, each stands for its type where
# the client names none. Not the `mimetypes` module, which reads the machine's own tables.
Types = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Category:
    """What files of one category may be."""

    name: str  # part of the object keys: letters, digits, "-" and "_"
    types: Types
    max_mb: int  # MiB of the largest file, unless the environment says otherwise
    setting: str  # the variable that says otherwise: MAX_…_MB; several categories may share one
    max_files: int | None = None  # in a session; None: as many as the session takes
    required: bool = False  # whether a session that declares its files must declare one of these


@dataclass(frozen=True, slots=True)
class Table:
    """What may be uploaded to one app; if a type is in several categories, the first is the default."""

    prefix: str  # of the object keys, behind the stage
    categories: tuple[Category, ...]


IMAGES = {
    "image/jpeg": ("jpg", "jpeg", "jpe", "jfif", "pjpeg"),
    "image/png": ("png",),
    "image/webp": ("webp",),
    "image/gif": ("gif",),
}
LISTS = {
    "text/csv": ("csv",),
    "application/xml": ("xml",),
    "text/plain": ("txt",),
    "application/vnd.ms-excel": ("xls",),
    media_type.XLSX: ("xlsx",),
}
TABLE = Table(
    "moc-instructions",
    (
        Category("instruction", {"application/pdf": ("pdf",)}, 50, "MAX_INSTRUCTION_MB", required=True),
        Category("parts-list", LISTS, 5, "MAX_PARTS_LIST_MB", max_files=5),
        Category("image", IMAGES, 10, "MAX_IMAGE_MB", max_files=20),
        Category("thumbnail", IMAGES, 10, "MAX_IMAGE_MB", max_files=1),
    ),
)


@dataclass(frozen=True, slots=True)
class Policy:
    """The table, with the sizes that the environment sets."""

    sizes_mb: Mapping[str, int]  # MiB by the name of the variable

    def category_for(
        self, mime_type: str, category: str | None, size: int, *, field: str = "category"
    ) -> str:
        """The category of a file that may be uploaded; `field` is where its category stands in the request.

        Raises `ApiError` `VALIDATION_ERROR` (no such category), `MIME_TYPE_NOT_ALLOWED`, `FILE_TOO_LARGE`.
        """
        if category is not None and category not in category_names():
            problem = f"must be one of {', '.join(category_names())}"
            raise ApiError(
                Reason.VALIDATION_ERROR, details={"fields": [{"field": field, "problem": problem}]}
            )
        essence = media_type.essence(mime_type)
        chosen = _named(category or category_of(mime_type))
        allowed = chosen.types if chosen else _all_types()
        if chosen is None or essence not in allowed:
            details = {"type": essence, "allowedTypes": sorted(allowed)}
            details |= {"category": category} if category else {}
            raise ApiError(Reason.MIME_TYPE_NOT_ALLOWED, details=details)
        limit = self.max_size(chosen)
        if size > limit:
            bounds = {"sizeBytes": size, "maxSizeBytes": limit, "category": chosen.name}
            raise ApiError(Reason.FILE_TOO_LARGE, details=bounds)
        return chosen.name

    def max_size(self, category: Category) -> int:
        """The largest file of a category, in bytes."""
        return self.sizes_mb.get(category.setting, category.max_mb) * MIB

    def check_category_limit(self, category: str, others: Iterable[str]) -> None:
        """Raise `ApiError` `CATEGORY_LIMIT_EXCEEDED` if the other files leave no room for one."""
        chosen = _named(category)
        limit = chosen.max_files if chosen else None
        if limit is not None and sum(other == category for other in others) >= limit:
            details = {"category": category, "maxFiles": limit}
            raise ApiError(Reason.CATEGORY_LIMIT_EXCEEDED, details=details)

    def check_required(self, categories: Iterable[str]) -> None:
        """Raise `ApiError` `INSTRUCTION_REQUIRED` if declared files lack a category that must be there."""
        there = set(categories)
        for category in TABLE.categories:
            if category.required and category.name not in there:
                message = f"Declare a file of category '{category.name}' too, or send no files at all."
                raise ApiError(Reason.INSTRUCTION_REQUIRED, message)

    def as_document(self) -> dict[str, Any]:
        """The `x-upload-policy` of the OpenAPI document: the table, the effective sizes, the types' names."""
        return {
            "categories": [
                {
                    "name": category.name,
                    "types": list(category.types),
                    "extensions": [ext for exts in category.types.values() for ext in exts],
                    "maxSizeBytes": self.max_size(category),
                    "maxFiles": category.max_files,
                    "required": category.required,
                }
                for category in TABLE.categories
            ],
            "typesByExtension": {ext: type_of(None, ext) for ext in _extensions()},
            "aliases": media_type.ALIASES,
            "lessExactThan": media_type.LESS_EXACT_THAN,
        }


def category_names() -> list[str]:
    """The categories, in the order of the table."""
    return [category.name for category in TABLE.categories]


def setting_names() -> set[str]:
    """The variables of the environment that limit the sizes of files."""
    return {category.setting for category in TABLE.categories}


def category_of(mime_type: str) -> str | None:
    """The category that a file of this type has if none is given."""
    essence = media_type.essence(mime_type)
    return next((category.name for category in TABLE.categories if essence in category.types), None)


def takes(category: str, mime_type: str) -> bool:
    """Whether there is such a category, and it has this type."""
    chosen = _named(category)
    return chosen is not None and media_type.essence(mime_type) in chosen.types


def type_of(declared: str | None, ext: str | None) -> str:
    """The canonical media type of a file; if the declared one says nothing, that of the extension."""
    if _is_exact(declared, ext):
        return media_type.stored_as(declared or "").content_type
    return _extensions().get((ext or "").lower(), media_type.essence(declared or ""))


def tells_type(declared: str | None, ext: str | None) -> bool:
    """Whether a client says which type a file has, by the type itself or by an extension of the table."""
    return _is_exact(declared, ext) or (ext or "").lower() in _extensions()


def _is_exact(declared: str | None, ext: str | None) -> bool:
    essence = media_type.essence(declared or "")
    less_exact_than = media_type.LESS_EXACT_THAN.get(essence, ())
    return essence != media_type.UNKNOWN and (ext or "").lower() not in less_exact_than


def extension_of(name: str) -> str | None:
    """The extension of a file name, when it could be an `ext`."""
    _, dot, ext = name.rpartition(".")
    return ext if dot and 1 <= len(ext) <= 10 else None


def described_by(file_key: str) -> tuple[str, str]:
    """The category and MIME type of a file of which nothing but its key is known."""
    mime_type = type_of(None, extension_of(file_key))
    return category_of(mime_type) or TABLE.categories[0].name, mime_type


def key_extension(mime_type: str) -> str:
    """The extension that the object key of a file of this type ends with."""
    essence = media_type.essence(mime_type)
    return next((c.types[essence][0] for c in TABLE.categories if essence in c.types), "bin")


def _named(name: str | None) -> Category | None:
    return next((category for category in TABLE.categories if category.name == name), None)


def _all_types() -> set[str]:
    return {mime_type for category in TABLE.categories for mime_type in category.types}


def _extensions() -> dict[str, str]:
    """Types by extension; if two types have one, the first of the table."""
    found: dict[str, str] = {}
    for category in TABLE.categories:
        for mime_type, exts in category.types.items():
            for ext in exts:
                found.setdefault(ext, mime_type)
    return found


def object_key(
    stage: str,
    user_id: str,
    session_id: str,
    category: str,
    file_id: str,
    ext: str | None,
    attempt: str | None,
) -> str:
    """Where a file's bytes go; what came from outside is made safe for a key.

    `attempt` is the id of the registration, so that no key is used twice: S3 may still be assembling the
    upload of an earlier one. None: a row that another program wrote.
    """
    safe_ext = re.sub(r"[^a-z0-9]", "", (ext or "").lower())[:10] or "bin"
    name = f"{file_id}-{attempt[:8]}" if attempt else file_id
    return f"{stage}/{TABLE.prefix}/{safe_segment(user_id)}/{session_id}/{category}/{name}.{safe_ext}"


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
