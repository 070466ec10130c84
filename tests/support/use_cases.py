"""Every use case as the steps it takes between S3 and the database, and how a client goes on after it."""

from dataclasses import dataclass, field
from typing import Any

from tests.support.client import new_id, pdf, put_part

CONTENT = b"abc"


@dataclass
class World:
    """A session with one file that was acknowledged, and with the one that a use case is about."""

    api: Any
    s3: Any
    db: Any
    session: str = ""
    kept: dict = field(default_factory=dict)
    file: dict = field(default_factory=dict)
    name: dict = field(default_factory=lambda: {"fileId": new_id()})

    def __post_init__(self):
        self.session = self.api.session()
        registered, _ = self.api.upload(self.session, pdf("kept.pdf"), CONTENT)
        self.kept = self.api.complete(self.session, registered["fileId"])

    @property
    def metadata(self):
        return pdf(size=len(CONTENT), partCount=1, **self.name)

    def path(self, end=""):
        return f"/{self.session}/files/{self.file['fileId']}{end}"

    def register(self):
        self.file = self.api.register(self.session, self.metadata)

    def upload(self):
        self.register()
        self.etag = put_part(self.file["presignedUrls"][0], CONTENT)

    def key(self):
        return self.db.execute(
            "SELECT object_key FROM upload_session_files WHERE id = %s", [self.file["fileId"]]
        ).fetchone()[0]

    def abort_behind_our_back(self):
        self.s3.abort_multipart_upload(Bucket="uploads", Key=self.key(), UploadId=self.file["uploadId"])

    def complete_behind_our_back(self):
        self.s3.complete_multipart_upload(
            Bucket="uploads", Key=self.key(), UploadId=self.file["uploadId"],
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": self.etag}]},
        )  # fmt: skip


@dataclass(frozen=True)
class UseCase:
    """`again` is what the same call may answer after the failure, as statuses or reasons."""

    name: str
    steps: tuple[str, ...]
    request: Any  # World -> method, path, body
    again: tuple
    prepare: Any = lambda world: None
    end: str = "nothing"  # what becomes of the file then: completed, gone or nothing
    starts_upload: bool = False


def nothing(world):
    pass


def unregistered_by_id(world):
    return "POST", f"/{world.session}/files", world.metadata


def unregistered_by_key(world):
    world.name = {}
    return unregistered_by_id(world)


def batch(world):
    return "POST", f"/{world.session}/files/batch", {"files": [world.metadata]}


def reserved(world):
    """A call died between its reservation and S3."""
    world.register()
    world.abort_behind_our_back()
    world.db.execute("UPDATE upload_session_files SET upload_id = NULL WHERE id = %s", [world.file["fileId"]])


def gone(world):
    world.upload()
    world.abort_behind_our_back()


def failed(world):
    gone(world)
    assert world.api.refused("POST", world.path("/complete"))[1]["reason"] == "UPLOAD_NOT_FOUND"


def assembled(world):
    world.upload()
    world.complete_behind_our_back()


def calls(method, end="", body=None):
    return lambda world: (method, world.path(end), body(world) if body else None)


def reported(world):
    return {"parts": [{"partNumber": 1, "etag": world.etag}]}


LOOK = ("FileStore.record", "S3.list_parts")
MARK_COMPLETED = ("S3.head_object", "FileStore.mark_completed")
MARK_FAILED = ("S3.head_object", "FileStore.mark_failed")
START = ("S3.create_upload", "RegistrationStore.settle")
RESERVE = ("RegistrationStore.reserve",)
ABORT = ("S3.abort_upload", "S3.head_object", "FileStore.delete")

USE_CASES = [
    UseCase("create a session", ("SessionStore.create",), lambda world: ("POST", "", {}), (201,)),
    UseCase("show a session", ("SessionStore.with_files",), lambda world: ("GET", f"/{world.session}", None),
            (200,)),
    UseCase("register by fileId", RESERVE + START, unregistered_by_id, (201, 200), nothing, "completed",
            True),
    UseCase("register by fileKey", RESERVE + START, unregistered_by_key, (201, "DUPLICATE_FILE_KEY"), nothing,
            "completed", True),
    UseCase("register in a batch", RESERVE + START, batch, (201,), nothing, "completed", True),
    UseCase("adopt a reservation", (*RESERVE, "RegistrationStore.states", *START), unregistered_by_id,
            (201, 200), reserved, "completed", True),
    UseCase("restart a failed file", RESERVE + START, unregistered_by_id, (201, 200), failed, "completed",
            True),
    UseCase("record parts", ("FileStore.record", "FileStore.record_parts"), calls("POST", "/parts", reported),
            (200,), World.upload, "completed"),
    UseCase("query parts", (*LOOK, "FileStore.learn_parts"), calls("GET", "/parts"), (200,), World.upload,
            "completed"),
    UseCase("resume an upload that is gone", LOOK + MARK_FAILED, calls("GET", "/parts?presign=true"),
            ("UPLOAD_NOT_FOUND",), gone, "restarted"),
    UseCase("resume a file that was assembled", LOOK + MARK_COMPLETED, calls("GET", "/parts?presign=true"),
            (200,), assembled, "completed"),
    UseCase("complete", (*LOOK, "FileStore.learn_parts", "S3.complete_upload", "FileStore.mark_completed"),
            calls("POST", "/complete"), (200,), World.upload, "completed"),
    UseCase("complete a file that was assembled", LOOK + MARK_COMPLETED, calls("POST", "/complete"), (200,),
            assembled, "completed"),
    UseCase("complete an upload that is gone", LOOK + MARK_FAILED, calls("POST", "/complete"),
            ("UPLOAD_NOT_FOUND",), gone, "restarted"),
    UseCase("abort", ("FileStore.record", *ABORT), calls("DELETE"), (204, "FILE_NOT_FOUND"), World.upload,
            "gone"),
    UseCase("abort a file that was assembled", ("FileStore.record", "S3.abort_upload", *MARK_COMPLETED),
            calls("DELETE"), ("FILE_COMPLETED",), assembled, "completed"),
    UseCase("cancel", ("SessionStore.cancel", *ABORT), lambda world: ("DELETE", f"/{world.session}", None),
            (204,), World.upload, "gone"),
]  # fmt: skip

POINTS = [(case, step) for case in USE_CASES for step in case.steps]


def may_leave_an_upload(case, step, after):
    """Whether S3 may keep an upload that nobody knows of, until the bucket's lifecycle rule takes it."""
    made = (step == "S3.create_upload" and after) or (step == "RegistrationStore.settle" and not after)
    return case.starts_upload and made


def rows():
    """The table of docs/reliability.md."""
    yield "| Use case | Step | The same call again answers | May leave an upload |"
    yield "|---|---|---|---|"
    for case, step in POINTS:
        again = ", ".join(f"`{one}`" if isinstance(one, str) else str(one) for one in case.again)
        leaves = [word for word, after in (("before", False), ("after", True))
                  if may_leave_an_upload(case, step, after)]  # fmt: skip
        yield f"| {case.name} | `{step}` | {again} | {', '.join(leaves) or 'no'} |"
