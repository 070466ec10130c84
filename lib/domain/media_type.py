"""Media types: how they are parsed, which of them are the same, and how an object of one is stored."""

import re
from dataclasses import dataclass
from functools import lru_cache

# https://www.rfc-editor.org/rfc/rfc9110#section-5.6 and #section-8.3.1
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_ESSENCE = re.compile(f"{_WORD}/{_WORD}")
_PARAMETER = re.compile(f"[\t ]*;[\t ]*(?:({_WORD})=({_WORD}|{_QUOTED}))?")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

UNKNOWN = "application/octet-stream"  # says nothing
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# Other names of a type, as browsers, systems and old programs send them. Sources: [1] the RFC that
# registers the type; [2] https://mime-type.com, one page a name; [3] what
# Windows keeps below HKEY_CLASSES_ROOT, which browsers read (https://stackoverflow.com/q/1201945), and other
# office programs write their own names there; [4] shared-mime-info, which browsers on Linux read; [5] what
# users of CodeIgniter's sites have sent (https://github.com/codeigniter4/CodeIgniter4, app/Config/Mimes.php).
ALIASES = {
    "binary/octet-stream": UNKNOWN,  # what S3 gives to objects without a type
    "unknown/unknown": UNKNOWN,  # these three by https://mimesniff.spec.whatwg.org/#mime-type-sniffing-algorithm
    "application/unknown": UNKNOWN,
    "*/*": UNKNOWN,
    "application/force-download": UNKNOWN,  # [5]; these say what to do with a file, not what it is
    "application/x-download": UNKNOWN,  # [5]
    "application/download": UNKNOWN,  # [5]
    "image/jpg": "image/jpeg",  # [2]
    "image/pjpeg": "image/jpeg",  # [3], Internet Explorer's progressive JPEG
    "image/x-png": "image/png",  # [3], likewise
    "application/x-pdf": "application/pdf",  # [1] RFC 8118, "Deprecated alias names"
    "application/acrobat": "application/pdf",  # [2]
    "text/pdf": "application/pdf",  # [2]
    "application/nappdf": "application/pdf",  # [4]
    "image/pdf": "application/pdf",  # [4]
    "application/wps-office.pdf": "application/pdf",  # [3] WPS Office
    "application/csv": "text/csv",  # [2], and what libmagic says
    "application/x-csv": "text/csv",  # [2]
    "text/x-csv": "text/csv",  # [2]
    "text/comma-separated-values": "text/csv",  # [2], Android
    "text/x-comma-separated-values": "text/csv",  # [2]
    "text/xml": "application/xml",  # [1] RFC 7303, 9.2: an alias
    "application/excel": "application/vnd.ms-excel",  # [2]
    "application/msexcel": "application/vnd.ms-excel",  # [2]
    "application/x-excel": "application/vnd.ms-excel",  # [2]
    "application/x-msexcel": "application/vnd.ms-excel",  # [2]
    "application/x-ms-excel": "application/vnd.ms-excel",  # [2]
    "application/x-dos_ms_excel": "application/vnd.ms-excel",  # [2]
    "application/xls": "application/vnd.ms-excel",  # [2]
    "application/x-xls": "application/vnd.ms-excel",  # [2]
    "application/vnd.msexcel": "application/vnd.ms-excel",  # [5]
    "zz-application/zz-winassoc-xls": "application/vnd.ms-excel",  # [4]
    "application/wps-office.xls": "application/vnd.ms-excel",  # [3] WPS Office
    "application/haansoftxls": "application/vnd.ms-excel",  # [3] Hancom Office
    "application/x-zip-compressed": "application/zip",  # [3], [4]
    "application/x-zip": "application/zip",  # [4]
    "application/wps-office.xlsx": XLSX,  # [3] WPS Office
    "application/haansoftxlsx": XLSX,  # [3] Hancom Office
}
# The system's type for the program that opens a file, or for its container, not for the file: with Excel
# installed, Windows says the first of a CSV file [3], and with WPS Office the second. Older Linux systems say
# the third of all Office files (https://github.com/THU-MAIC/OpenMAIC/pull/1498). The extension knows better.
LESS_EXACT_THAN = {
    "application/vnd.ms-excel": ("csv", "xlsx"),
    "application/kset": ("csv", "xls", "xlsx"),
    "application/vnd.ms-office": ("xls", "xlsx"),
    "application/x-ole-storage": ("xls",),  # [4]
    "application/cdfv2": ("xls",),  # what libmagic says
    "application/zip": ("xlsx",),
}

# What a browser shows and never executes. All else is stored as an attachment: XML and SVG run script, and of
# a type that somebody adds to the table later nobody knows.
SAFE_INLINE = frozenset(
    {"application/pdf", "image/jpeg", "image/png", "image/webp", "image/gif", "text/plain", "text/csv"}
)
# Not UTF-7 nor ISO-2022-JP, in which harmless bytes become tags; UTF-16 files say so by their BOM.
CHARSETS = frozenset({"utf-8", "us-ascii", "iso-8859-1", "windows-1252"})


@dataclass(frozen=True, slots=True)
class StoredAs:
    """What an object is stored with: its Content-Type, and its Content-Disposition if it needs one."""

    content_type: str
    disposition: str | None


def parse(text: str) -> tuple[str, dict[str, str]]:
    """The essence of a media type, in lower case, and its parameters by their names in lower case.

    Of a parameter that stands there twice the first counts, as it does in browsers
    (https://mimesniff.spec.whatwg.org/#parsing-a-mime-type). Raises `ValueError` if it is no media type.
    """
    text = text.strip("\t ")
    essence = _ESSENCE.match(text)
    end = essence.end() if essence else 0
    parameters: dict[str, str] = {}
    while essence and (found := _PARAMETER.match(text, end)):
        end = found.end()
        if found[1]:
            parameters.setdefault(found[1].lower(), _unquoted(found[2]))
    if essence is None or end < len(text):
        raise ValueError("must be a media type such as application/pdf, or absent")
    return essence[0].lower(), parameters


def canonical(text: str) -> str:
    """A media type by the name it has here: no alias; of the parameters only a known `charset` of a text.

    Raises `ValueError` if it is no media type.
    """
    essence, parameters = parse(text)
    essence = ALIASES.get(essence, essence)
    charset = parameters.get("charset", "").lower()
    return f"{essence}; charset={charset}" if essence.startswith("text/") and charset in CHARSETS else essence


def essence(text: str) -> str:
    """The canonical essence of a media type; of a text that is none, as old rows may have it, `UNKNOWN`."""
    return stored_as(text).content_type.partition(";")[0]


@lru_cache(maxsize=256)  # asked a dozen times for a file, and most files are of a few types
def stored_as(text: str) -> StoredAs:
    """How an object of this type is stored, so that no browser executes it from its own address."""
    try:
        content_type = canonical(text)
    except ValueError:
        content_type = UNKNOWN
    inline = content_type.partition(";")[0] in SAFE_INLINE
    return StoredAs(content_type, None if inline else "attachment")


def _unquoted(value: str) -> str:
    return _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value
