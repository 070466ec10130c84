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
    more: list = field(default_factory=list)  # metadata of further files that the use case is about
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
        return self.row()[0]

    def attempt(self):
        return self.row()[1]

    def row(self):
        return self.db.execute(
            "SELECT object_key, attempt::text FROM upload_session_files WHERE id = %s", [self.file["fileId"]]
        ).fetchone()

    def completed_keys(self):
        rows = self.db.execute(
            "SELECT object_key FROM upload_session_files WHERE session_id = %s AND status = 'completed'",
            [self.session],
        )
        return {key for (key,) in rows}

    def prefix(self):
        """Of the session's keys."""
        return self.completed_keys().pop().partition(self.session)[0] + self.session + "/"

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
    end: str = "nothing"  # what becomes of the files then: see END
    uploads: int = 0  # as many as it starts
    kept: bool = True  # by a file; else what it starts is aborted again
    # What happens to S3 requests while the use case runs: a fault as FaultyProxy has them, or another call.
    meanwhile: Any = lambda world, method, path: None


def nothing(world):
    pass


def unregistered_by_id(world):
    return "POST", f"/{world.session}/files", world.metadata


def unregistered_by_key(world):
    world.name = {}
    return unregistered_by_id(world)


def batch(world):
    return "POST", f"/{world.session}/files/batch", {"files": [world.metadata, *world.more]}


def two(world):
    world.more = [world.metadata | {"name": "more.pdf", "fileId": new_id()}]


def two_uploads(world):
    two(world)
    world.upload()
    world.api.register(world.session, world.more[0])


def reserved(world):
    """A call died between its reservation and S3."""
    world.register()
    world.abort_behind_our_back()
    world.db.execute("UPDATE upload_session_files SET upload_id = NULL WHERE id = %s", [world.file["fileId"]])


def gone(world):
    world.upload()
    world.abort_behind_our_back()


def unanswered(world):
    """S3 may be assembling it, since the answer to a complete was lost a moment ago."""
    gone(world)
    world.db.execute(
        "UPDATE upload_session_files SET complete_unanswered_at = NOW() WHERE id = %s",
        [world.file["fileId"]],
    )


def failed(world):
    gone(world)
    assert world.api.refused("POST", world.path("/complete"))[1]["reason"] == "UPLOAD_NOT_FOUND"


def assembled(world):
    world.upload()
    world.complete_behind_our_back()


def in_a_session_that_expired(world):
    assembled(world)
    world.db.execute("UPDATE upload_sessions SET expires_at = NOW() WHERE id = %s", [world.session])


def done(world):
    world.upload()
    world.api.complete(world.session, world.file["fileId"])


def starts(method, path):
    """Whether this request to S3 starts an upload."""
    return method == "POST" and path.endswith("?uploads")


def cancelled(world, method, path):
    """A cancellation that dies before it does more, or has read the files before they have uploads."""
    if starts(method, path):
        world.db.execute("UPDATE upload_sessions SET status = 'cancelled' WHERE id = %s", [world.session])


def overtaken(world, method, path):
    """Another call that adopted the reservation is faster."""
    if starts(method, path):
        world.file = dict(world.name)
        upload = world.s3.create_multipart_upload(
            Bucket="uploads", Key=world.key(), Metadata={"attempt": world.attempt()}
        )
        world.db.execute(
            "UPDATE upload_session_files SET upload_id = %s WHERE id = %s",
            [upload["UploadId"], world.file["fileId"]],
        )


def refused(world, method, path):
    """S3 answers nonsense, which is not asked for again as a refusal would be."""
    return b"" if starts(method, path) else None


def lost_to_another(world, method, path):
    """Another call completes the file, and S3 knows its upload no more: this store would for a while."""
    if method == "POST" and "uploadId=" in path:
        world.s3.put_object(
            Bucket="uploads", Key=world.key(), Body=CONTENT, Metadata={"attempt": world.attempt()}
        )
        world.abort_behind_our_back()


def answered_with_nonsense(world, method, path):
    """Whatever S3 has made of a complete, nobody here knows."""
    return b"" if method == "POST" and "uploadId=" in path else None


def calls(method, end="", body=None):
    return lambda world: (method, world.path(end), body(world) if body else None)


def reported(world):
    return {"parts": [{"partNumber": 1, "etag": world.etag}]}


def cancel(world):
    return "DELETE", f"/{world.session}", None


RESERVE = ("RegistrationStore.reserve",)
START = ("Bucket.create_upload", "RegistrationStore.settle")
ADOPT = ("RegistrationStore.states", "RegistrationStore.claim_starts")
WITHDRAW = ("Bucket.abort_upload",)
READ = ("FileStore.find",)
LOOK = (*READ, "Bucket.list_parts")
LEARN = ("FileStore.learn_parts",)
FIND = ("Bucket.head_object",)
MARK_COMPLETED = (*FIND, "FileStore.mark_completed")
MARK_FAILED = (*FIND, "FileStore.mark_failed")
LOSE = ("FileStore.mark_asked", "Bucket.complete_upload")
ASSEMBLE = (*LOSE, "FileStore.mark_completed")
REFUSED = (*LOSE, "FileStore.mark_answered")
DELETE = ("FileStore.delete",)
ABORT = ("Bucket.abort_upload", *FIND, *DELETE)
ABORTED_TOO_LATE = ("Bucket.abort_upload", *MARK_COMPLETED)
CANCEL = ("SessionStore.cancel",)

USE_CASES = [
    UseCase("create a session", ("SessionStore.create",), lambda world: ("POST", "", {}), (201,)),
    UseCase("show a session", ("SessionStore.with_files",), lambda world: ("GET", f"/{world.session}", None),
            (200,)),
    UseCase("register by fileId", RESERVE + START, unregistered_by_id, (201, 200), nothing, "completed", 1),
    UseCase("register by fileKey", RESERVE + START, unregistered_by_key, (201, "DUPLICATE_FILE_KEY"), nothing,
            "completed", 1),
    UseCase("register in a batch", RESERVE + START, batch, (201,), nothing, "completed", 1),
    UseCase("register several in a batch", RESERVE + START, batch, (201,), two, "completed", 2),
    UseCase("register once more", RESERVE, unregistered_by_id, (200,), World.register, "completed"),
    UseCase("register while the session is cancelled", RESERVE + START + WITHDRAW, unregistered_by_id,
            (201, "SESSION_NOT_ACTIVE"), nothing, "completed or cancelled", 1, False, cancelled),
    UseCase("register while another call is faster", RESERVE + START + WITHDRAW, unregistered_by_id,
            (201, 200), nothing, "completed", 1, False, overtaken),
    UseCase("register while S3 fails", RESERVE + START, unregistered_by_id, (201,), nothing, "completed",
            meanwhile=refused),
    UseCase("adopt a reservation", (*RESERVE, *ADOPT, *START), unregistered_by_id,
            (201, 200), reserved, "completed", 1),
    UseCase("restart a failed file", RESERVE + START, unregistered_by_id, (201, 200), failed, "completed", 1),
    UseCase("restart a failed file while S3 fails", RESERVE + START, unregistered_by_id, (201,), failed,
            "completed", meanwhile=refused),
    UseCase("record parts", (*READ, "FileStore.record_parts"), calls("POST", "/parts", reported), (200,),
            World.upload, "completed"),
    UseCase("query parts", LOOK + LEARN, calls("GET", "/parts"), (200,), World.upload, "completed"),
    UseCase("resume an upload that is gone", LOOK + MARK_FAILED, calls("GET", "/parts?presign=true"),
            ("UPLOAD_NOT_FOUND",), gone, "restarted"),
    UseCase("resume a file that was assembled", LOOK + MARK_COMPLETED, calls("GET", "/parts?presign=true"),
            (200,), assembled, "completed"),
    UseCase("complete", LOOK + ASSEMBLE, calls("POST", "/complete"), (200,), World.upload,
            "completed"),
    UseCase("complete while another call is faster", LOOK + REFUSED + MARK_COMPLETED,
            calls("POST", "/complete"), (200,), World.upload, "completed", meanwhile=lost_to_another),
    UseCase("complete with parts missing", LOOK + FIND, calls("POST", "/complete"), ("PARTS_MISSING",),
            World.register, "completed"),
    UseCase("complete a completed file", READ, calls("POST", "/complete"), (200,), done, "completed"),
    UseCase("complete a file that was assembled", LOOK + MARK_COMPLETED, calls("POST", "/complete"), (200,),
            assembled, "completed"),
    UseCase("complete a file that was assembled, its session expired", READ + MARK_COMPLETED,
            calls("POST", "/complete"), (200,), in_a_session_that_expired, "kept"),
    UseCase("complete an upload that is gone", LOOK + MARK_FAILED, calls("POST", "/complete"),
            ("UPLOAD_NOT_FOUND",), gone, "restarted"),
    UseCase("complete while S3's answer is lost", LOOK + LOSE, calls("POST", "/complete"), (200,),
            World.upload, "completed", meanwhile=answered_with_nonsense),
    UseCase("complete an upload that may be being assembled", LOOK + MARK_FAILED, calls("POST", "/complete"),
            ("STORAGE_UNAVAILABLE",), unanswered),
    UseCase("resume an upload that may be being assembled", LOOK + MARK_FAILED,
            calls("GET", "/parts?presign=true"), ("STORAGE_UNAVAILABLE",), unanswered),
    UseCase("abort", READ + ABORT, calls("DELETE"), (204, "FILE_NOT_FOUND"), World.upload, "gone"),
    UseCase("abort a reservation", READ + DELETE, calls("DELETE"), (204, "FILE_NOT_FOUND"), reserved, "gone"),
    UseCase("abort a failed file", READ + ABORT, calls("DELETE"), (204, "FILE_NOT_FOUND"), failed, "gone"),
    UseCase("abort a file that was assembled", (*READ, *ABORTED_TOO_LATE), calls("DELETE"),
            ("FILE_COMPLETED",), assembled, "completed"),
    UseCase("cancel", CANCEL + ABORT, cancel, (204,), World.upload, "gone"),
    UseCase("cancel with several files", CANCEL + ABORT, cancel, (204,), two_uploads, "gone"),
    UseCase("cancel with a reservation", CANCEL + DELETE, cancel, (204,), reserved, "gone"),
    UseCase("cancel with a file that was assembled", (*CANCEL, *ABORTED_TOO_LATE), cancel,
            (204,), assembled, "kept"),
]  # fmt: skip

POINTS = [(case, step) for case in USE_CASES for step in case.steps]


def may_leave_an_upload(case, step, after):
    """Whether S3 may keep an upload that nobody knows of, until the bucket's lifecycle rule takes it."""
    made = (step == "Bucket.create_upload" and after) or (step == "RegistrationStore.settle" and not after)
    not_kept = (step == "RegistrationStore.settle" and after) or (step == "Bucket.abort_upload" and not after)
    return case.uploads > 0 and (made or (not_kept and not case.kept))


def rows():
    """The table of docs/reliability.md."""
    yield "| Use case | Step | The same call again answers | May leave an upload |"
    yield "|---|---|---|---|"
    for case, step in POINTS:
        again = ", ".join(f"`{one}`" if isinstance(one, str) else str(one) for one in case.again)
        leaves = [word for word, after in (("before", False), ("after", True))
                  if may_leave_an_upload(case, step, after)]  # fmt: skip
        yield f"| {case.name} | `{step}` | {again} | {', '.join(leaves) or 'no'} |"
