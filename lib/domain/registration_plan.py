"""What registering files into a session means: which are new, which are there, which are refused, and why."""

import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from lib.domain import media_type
from lib.domain.errors import ApiError, Reason, Refused
from lib.domain.fields import nfc, plain_extension
from lib.domain.models import FileMetadata
from lib.domain.part_layout import check_part_count
from lib.domain.policy import (
    Policy,
    category_of,
    extension_of,
    key_extension,
    object_key,
    takes,
    tells_type,
    type_of,
)
from lib.domain.rows import FileRow, SessionRow, open_for_writing
from lib.domain.upload_limits import STARTS_PER_FILE, SessionVolume, UploadLimits


class Step(Enum):
    """What is to be done for a file that is not refused."""

    START = "a new row, and an upload"
    RESTART = "a failed file gets another upload"
    ADOPT = "reserved, but without an upload: another call is at it, or died"
    REPLAY = "there already, nothing to do"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A file that may be registered, and how."""

    step: Step
    file: FileRow
    item: FileMetadata


Verdict = Accepted | Refused


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every registration of this deployment."""

    stage: str
    policy: Policy
    max_files: int  # of a session whose metadata has no such number
    max_bytes_per_day: int | None = None  # that a user may declare; None: any number


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a plan has decided for a session: a verdict for each file, and which rows are to be written."""

    session: SessionRow
    attempt: str
    verdicts: Sequence[Verdict] = ()
    written: frozenset[str] = frozenset()  # ids of files that this very registration wrote before
    max_starts: int = 0  # S3 uploads that the session may start in all its life

    @property
    def accepted(self) -> list[Accepted]:
        """The files that may be registered, in the order of the request."""
        return [verdict for verdict in self.verdicts if isinstance(verdict, Accepted)]

    @property
    def new_files(self) -> list[FileRow]:
        """The rows to be inserted."""
        return [] if self.written else self._files(Step.START)

    @property
    def restarted_files(self) -> list[FileRow]:
        """The failed files that get another upload."""
        return [] if self.written else self._files(Step.RESTART)

    def after_writing(self, inserted: Collection[str]) -> "Reservation":
        """The same, if another session took the id of a new file in that very moment: it is refused."""
        there = self.written | set(inserted)
        verdicts = [
            Refused(ApiError(Reason.FILE_ID_CONFLICT))
            if isinstance(verdict, Accepted) and verdict.step is Step.START and verdict.file.id not in there
            else verdict
            for verdict in self.verdicts
        ]
        return replace(self, verdicts=verdicts)

    def _files(self, step: Step) -> list[FileRow]:
        """The files to which this happens, each once."""
        return list({one.file.id: one.file for one in self.accepted if one.step is step}.values())


@dataclass(slots=True)
class RegistrationPlan:
    """The files of one registration, to be judged under their session's lock.

    `attempt` is the registration's id, which is kept in the rows that it writes.
    """

    rules: Rules
    user_id: str
    items: Sequence[FileMetadata | Refused]
    now: Callable[[], datetime]  # called once the lock is held
    attempt: str = field(default_factory=lambda: str(uuid.uuid4()))
    _decided: Reservation | None = None

    @property
    def limits_volume(self) -> bool:
        """Whether the user's sessions of the last 24 hours are looked at."""
        return self.rules.max_bytes_per_day is not None

    @property
    def sent_ids(self) -> list[str]:
        """The ids that the client has chosen."""
        return [item.file_id for item in self.items if isinstance(item, FileMetadata) and item.file_id]

    def reserve(
        self,
        session: SessionRow,
        files: Sequence[FileRow],
        foreign_ids: set[str],
        volumes: Sequence[SessionVolume],
    ) -> Reservation:
        """Judge the files in a session as it is; `foreign_ids` are files of other sessions.

        The transaction around this may run again. If rows of this attempt are there, it was committed
        before and only its answer was lost: what was decided then stands, and nothing is written twice.
        Raises `ApiError`: `SESSION_EXPIRED`, `SESSION_NOT_ACTIVE`.
        """
        written = frozenset(file.id for file in files if file.attempt == self.attempt)
        if written and self._decided:
            return replace(self._decided, written=written)
        open_for_writing(session, self.now())
        limits = self._limits(session, volumes)
        judge = Judge(self.rules, self.user_id, session, files, foreign_ids, self.attempt, limits)
        verdicts = [item if isinstance(item, Refused) else judge.verdict(item) for item in self.items]
        self._decided = Reservation(session, self.attempt, verdicts, max_starts=limits.max_starts)
        return self._decided

    def _limits(self, session: SessionRow, volumes: Sequence[SessionVolume]) -> UploadLimits:
        return UploadLimits(
            session.id,
            session.started_uploads,
            session.max_files(self.rules.max_files) * STARTS_PER_FILE,
            self.rules.max_bytes_per_day,
            volumes,
            self.now(),
        )


class Judge:
    """Judges files one after another, each as if those before it were registered."""

    def __init__(
        self,
        rules: Rules,
        user_id: str,
        session: SessionRow,
        files: Sequence[FileRow],
        foreign_ids: set[str],
        attempt: str,
        limits: UploadLimits,
    ) -> None:
        self._rules = rules
        self._user_id = user_id
        self._session = session
        self._max_files = session.max_files(rules.max_files)
        self._foreign_ids = foreign_ids
        self._attempt = attempt
        self._limits = limits
        self._by_id = {file.id: file for file in files}
        # Old rows may have a key in another form of Unicode; a row with exactly this key comes first.
        self._by_key = {nfc(file.file_key): file for file in files} | {file.file_key: file for file in files}
        self._accepted: dict[str, Accepted] = {}

    def verdict(self, item: FileMetadata) -> Verdict:
        """Whether a file may be registered, and how; if not, why not."""
        try:
            return self._accept(item)
        except ApiError as error:
            return Refused(error)

    def _accept(self, item: FileMetadata) -> Accepted:
        """Accept a file.

        Raises `ApiError`: `FILE_ID_CONFLICT`, `DUPLICATE_FILE_KEY`, `MIME_TYPE_NOT_ALLOWED`,
        `FILE_TOO_LARGE`, `PART_COUNT_INVALID`, `CATEGORY_LIMIT_EXCEEDED`, `FILE_COUNT_EXCEEDED`,
        `REGISTRATION_LIMIT`, `UPLOAD_VOLUME_LIMIT`.
        """
        if item.file_id in self._foreign_ids:
            raise ApiError(Reason.FILE_ID_CONFLICT)
        known = self._by_id.get(item.file_id) if item.file_id else None
        accepted = self._again(item, known) if known else self._by_its_key(item) or self._new(item)
        self._by_id[accepted.file.id] = self._by_key[nfc(accepted.file.file_key)] = accepted.file
        self._accepted[accepted.file.id] = accepted
        return accepted

    def _again(self, item: FileMetadata, known: FileRow) -> Accepted:
        """The known file with this id, if its metadata is the same."""
        if not _same(item, known):
            raise ApiError(Reason.FILE_ID_CONFLICT)
        if known.id in self._accepted:
            return replace(self._accepted[known.id], item=item)  # an earlier file of this very batch
        if known.status == "failed":
            return self._restarted(item, known)
        there = known.upload_id or known.status == "completed"
        return Accepted(Step.REPLAY if there else Step.ADOPT, known, item)

    def _restarted(self, item: FileMetadata, known: FileRow) -> Accepted:
        self._limits.count(known.size)
        key = self._object_key(known.category, known.id, known.mime_type)
        return Accepted(Step.RESTART, replace(known, attempt=self._attempt, object_key=key), item)

    def _by_its_key(self, item: FileMetadata) -> Accepted | None:
        """The unfinished file with this key, if no id was sent; a file that has an upload is a duplicate."""
        known = self._by_key.get(item.key)
        if known is None:
            return None
        resumable = known.status == "failed" or (known.status == "pending" and known.upload_id is None)
        if item.file_id or known.id in self._accepted or not resumable or not _same(item, known):
            raise ApiError(Reason.DUPLICATE_FILE_KEY, details={"fileId": known.id})
        return self._again(item, known)

    def _new(self, item: FileMetadata) -> Accepted:
        category = self._rules.policy.category_for(item.media_type, item.category, item.size)
        part_size = check_part_count(item.size, self._session.part_size_bytes, item.part_count)
        self._rules.policy.check_category_limit(category, (file.category for file in self._by_id.values()))
        if len(self._by_id) >= self._max_files:
            raise ApiError(Reason.FILE_COUNT_EXCEEDED, details={"maxFiles": self._max_files})
        self._limits.count(item.size)
        file_id = item.file_id or str(uuid.uuid4())
        file = FileRow(
            id=file_id,
            session_id=self._session.id,
            file_key=item.key,
            name=item.name,
            category=category,
            mime_type=item.media_type,
            ext=item.extension,
            size=item.size,
            part_size=part_size,
            object_key=self._object_key(category, file_id, item.media_type),
            status="pending",
            upload_id=None,
            attempt=self._attempt,
            etag=None,
        )
        return Accepted(Step.START, file, item)

    def _object_key(self, category: str, file_id: str, mime_type: str) -> str:
        ext, stage = key_extension(mime_type), self._rules.stage
        return object_key(stage, self._user_id, self._session.id, category, file_id, ext, self._attempt)


def _same(item: FileMetadata, file: FileRow) -> bool:
    """Whether a request describes this file, cut into as many parts as it is; both sides in one form."""
    count = file.layout.part_count
    asked_count = count if item.part_count is None else item.part_count
    ext = plain_extension(file.ext) if file.ext else extension_of(nfc(file.name))
    kind = media_type.essence(type_of(file.mime_type, ext))
    # What left the table since says nothing: neither an extension of a type, nor a type of a category.
    asked_kind = media_type.essence(item.media_type) if tells_type(item.type, item.extension) else kind
    derived = category_of(kind) if takes(file.category, kind) else file.category
    asked = (item.name, item.size, item.extension, item.key, asked_count, asked_kind)
    known = (nfc(file.name), file.size, ext, nfc(file.file_key), count, kind)
    return asked == known and (item.category or derived) == file.category
