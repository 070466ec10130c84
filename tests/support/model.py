"""A small model of the contract: what each call answers, and what it leaves behind."""

from dataclasses import dataclass, field

from tests.support.client import MIB
from tests.support.fuzzy import ETAG, TEXT, TIME, UUID, error, presigned

PART_SIZE = 5 * MIB
CATEGORIES = {"application/pdf": "instruction", "image/png": "image", "text/csv": "parts-list"}
LIMITS = {"parts-list": 5, "image": 20, "thumbnail": 1}
CODES = {400: "BAD_REQUEST", 404: "NOT_FOUND", 409: "CONFLICT", 503: "SERVICE_UNAVAILABLE"}


class Refusal(Exception):  # noqa: N818 - an answer like any other
    """What a call is refused with."""

    def __init__(self, status, reason, **details):
        self.status = status
        self.error = error(CODES[status], reason, **details)


def unavailable():
    return Refusal(503, "STORAGE_UNAVAILABLE")


@dataclass(eq=False)
class File:
    """`upload` is what S3 has: "open", "gone", or "assembled" if the object is there instead."""

    id: str
    meta: tuple
    part_size: int
    upload_id: str | None = None
    upload: str = "open"
    lost: bool = False  # S3's answer to a complete
    status: str = "pending"
    put: dict = field(default_factory=dict)  # ETags by part number
    recorded: dict = field(default_factory=dict)
    url: str = ""
    content: dict = field(default_factory=dict)  # bytes by part number

    @property
    def size(self):
        return self.meta[2]

    @property
    def count(self):
        return -(-self.size // self.part_size)

    @property
    def numbers(self):
        return range(1, self.count + 1)

    def size_of(self, number):
        return min(self.part_size, self.size - (number - 1) * self.part_size)

    def urls(self, numbers):
        return [presigned(number, self.size_of(number), self.meta[3]) for number in numbers]

    def restart(self):
        self.status, self.upload, self.put, self.recorded = "pending", "open", {}, {}
        self.upload_id, self.lost = None, False  # the new one is the answer's


@dataclass(eq=False)
class Session:
    id: str
    owner: str
    max_files: int
    cancelled: bool = False
    expired: bool = False
    files: list = field(default_factory=list)

    @property
    def status(self):
        return "expired" if self.expired else "cancelled" if self.cancelled else "active"

    def open_for_writing(self):
        if self.status != "active":
            raise Refusal(400, "SESSION_EXPIRED" if self.expired else "SESSION_NOT_ACTIVE")

    def file(self, file_id):
        found = [file for file in self.files if file.id == file_id]
        if not found:
            raise Refusal(404, "FILE_NOT_FOUND")
        return found[0]

    def shown(self):
        return {
            "sessionId": self.id, "status": self.status, "partSizeBytes": PART_SIZE,
            "maxFiles": self.max_files, "expiresAt": TIME, "metadata": {"maxFiles": self.max_files},
            "files": [_summary(file) for file in self.files],
        }  # fmt: skip


def _summary(file):
    category, name, size, _, _, key = file.meta
    url = {"fileUrl": file.url} if file.status == "completed" else {}
    return {
        "fileId": file.id, "fileKey": key, "name": name, "category": category, "sizeBytes": size,
        "status": file.status, "partCount": file.count, "recordedPartCount": len(file.recorded), **url,
    }  # fmt: skip


def meta_of(item):
    name = item["name"]
    category = item.get("category") or CATEGORIES[item["type"]]
    return category, name, item["size"], item["type"], name.rpartition(".")[2], item.get("fileKey", name)


def part_size_of(item):
    """The part size that a file gets; refused if S3 could not take it."""
    count, size = item.get("partCount"), item["size"]
    if count is None or count == -(-size // PART_SIZE):
        return PART_SIZE
    if count == 1:
        return size
    most = max(1, -(-size // PART_SIZE), -(-size // (PART_SIZE - 1)) - 1)
    raise Refusal(400, "PART_COUNT_INVALID", minPartCount=1, maxPartCount=most)


def register(session, item, foreign_ids, planned=(), store_fails=False):
    """Register one file; answers the status, the file and the body."""
    known = _judge(session, item, foreign_ids, planned)
    new = known is None
    if new:
        known = _new(session, item)
    starts = new or known.status == "failed"
    if starts and store_fails:
        if not new:
            known.recorded, known.put, known.upload_id, known.upload = {}, {}, None, "gone"
        raise unavailable()
    if new:
        session.files.append(known)
    elif starts:
        known.restart()
    return 201 if starts else 200, known, _registered(known, item)


def _judge(session, item, foreign_ids, planned):
    """The file that is meant, if there is one."""
    file_id, meta = item.get("fileId"), meta_of(item)
    if file_id in foreign_ids:
        raise Refusal(409, "FILE_ID_CONFLICT")
    by_id = [file for file in session.files if file.id == file_id]
    if by_id:
        if (by_id[0].meta, by_id[0].count) != (meta, item.get("partCount", by_id[0].count)):
            raise Refusal(409, "FILE_ID_CONFLICT")
        return by_id[0]
    for file in session.files:
        if file.meta[5] == meta[5]:
            same = file.meta == meta and item.get("partCount", file.count) == file.count
            if file_id or file in planned or file.status != "failed" or not same:
                raise Refusal(409, "DUPLICATE_FILE_KEY", fileId=file.id)
            return file
    return None


def _new(session, item):
    meta, part_size = meta_of(item), part_size_of(item)
    category = meta[0]
    limit = LIMITS.get(category)
    if limit is not None and sum(file.meta[0] == category for file in session.files) >= limit:
        raise Refusal(400, "CATEGORY_LIMIT_EXCEEDED", category=category, maxFiles=limit)
    if len(session.files) >= session.max_files:
        raise Refusal(400, "FILE_COUNT_EXCEEDED", maxFiles=session.max_files)
    return File(item.get("fileId"), meta, part_size)


def _registered(file, item):
    body = {"fileId": file.id or UUID, "uploadId": file.upload_id or TEXT}
    if "partCount" in item:
        numbers = () if file.status == "completed" else file.numbers
        body |= {
            "partCount": file.count,
            "partSizeBytes": file.part_size,
            "presignedUrls": file.urls(numbers),
        }
    return body


def query(session, file_id, presign, store_fails=False):
    """What `GET …/parts` answers."""
    if presign:
        session.open_for_writing()
    file = session.file(file_id)
    parts, verified = [_part(number, etag) for number, etag in sorted(file.recorded.items())], False
    if file.status == "completed":
        verified = True
    elif file.status == "pending" and store_fails:
        pass
    elif file.status == "pending" and file.upload == "open":
        file.recorded |= file.put
        parts = [_part(n, etag) | {"sizeBytes": file.size_of(n)} for n, etag in sorted(file.put.items())]
        verified = True
    elif presign:
        _completed_or_failed(file)
        verified = True
    there = {part["partNumber"] for part in parts}
    missing = [] if file.status == "completed" else [n for n in file.numbers if n not in there]
    body = {
        "fileId": file.id, "status": file.status, "partCount": file.count, "partSizeBytes": file.part_size,
        "parts": parts, "missingPartNumbers": missing, "verified": verified,
    }  # fmt: skip
    return body | ({"presignedUrls": file.urls(missing)} if presign else {})


def _part(number, etag):
    return {"partNumber": number, "etag": etag, "uploadedAt": TIME}


def _completed_or_failed(file):
    if file.status == "pending" and file.upload == "assembled":
        file.status = "completed"
    elif file.status == "pending" and file.lost:
        raise unavailable()
    else:
        file.status = "failed"
        raise Refusal(400, "UPLOAD_NOT_FOUND")


def record(session, file_id, etags):
    """What `POST …/parts` answers."""
    session.open_for_writing()
    file = session.file(file_id)
    if file.status == "completed":
        raise Refusal(400, "FILE_COMPLETED")
    if file.status == "failed":
        raise Refusal(400, "UPLOAD_NOT_FOUND")
    outside = sorted(number for number in etags if number not in file.numbers)
    if outside:
        raise Refusal(400, "PART_NUMBER_INVALID", partNumbers=outside, partCount=file.count)
    file.recorded |= etags
    return {"parts": [_part(number, etag) for number, etag in sorted(etags.items())]}


def complete(session, file_id, sent, fault=None):
    """What `complete` answers; `fault` is None, "before" or "after" S3's own completion."""
    found = [file for file in session.files if file.id == file_id]
    if not found or found[0].status != "completed":
        try:
            session.open_for_writing()
        except Refusal:
            if found and found[0].lost and found[0].upload != "assembled":
                raise unavailable() from None
            if not found or found[0].upload_id is None or found[0].upload != "assembled":
                raise  # what was assembled in time is complete
            found[0].status = "completed"
    file = session.file(file_id)
    if file.status != "completed":
        if file.status == "failed" or file.upload != "open":
            _completed_or_failed(file)
        else:
            _assemble(file, sent, fault)
    return {"fileId": file.id, "fileUrl": file.url, "sizeBytes": file.size, "etag": ETAG}


def _assemble(file, sent, fault):
    missing = [number for number in file.numbers if number not in file.put]
    wrong = [n for n, etag in sorted(sent.items()) if n in file.put and file.put[n] != etag]
    if missing or wrong:
        problems = dict.fromkeys(missing, "MISSING") | dict.fromkeys(wrong, "ETAG_MISMATCH")
        raise Refusal(
            400, "PARTS_MISSING" if missing else "ETAG_MISMATCH", expectedPartCount=file.count,
            missingPartNumbers=missing,
            parts=[{"partNumber": n, "problem": problem} for n, problem in sorted(problems.items())],
        )  # fmt: skip
    file.recorded |= file.put  # written down before S3 is told, so that it is not lost if we die in between
    if fault != "before":
        file.upload = "assembled"
    if fault:
        file.lost = True
        raise unavailable()
    file.status, file.recorded = "completed", dict(file.put)


def abort(session, file_id, fault=None):
    """What aborting a file answers: nothing, or why not."""
    file = session.file(file_id)
    if file.status == "completed":
        raise Refusal(400, "FILE_COMPLETED")
    if file.upload_id and fault != "before" and file.upload == "open":
        file.upload = "gone"
    if file.upload_id and fault:
        raise unavailable()
    if file.status == "pending" and file.upload == "assembled":
        file.status = "completed"
        raise Refusal(400, "FILE_COMPLETED")
    session.files.remove(file)


def cancel(session):
    session.cancelled = True
    for file in list(session.files):
        if file.status == "pending" and file.upload == "assembled":
            file.status = "completed"
        elif file.status != "completed":
            session.files.remove(file)
