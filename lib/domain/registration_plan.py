"""What registering files into a session means: which are new, which are there, which are refused, and why."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from lib.domain.errors import ApiError, Reason
from lib.domain.models import FileMetadata
from lib.domain.part_layout import check_part_count
from lib.domain.policy import Policy, category_of, extension_of, object_key
from lib.domain.rows import FileRow, SessionRow


class Step(Enum):
    """What is to be done for a file that is not refused."""

    START = "a new row, and an upload"
    RESTART = "a failed file gets another upload"
    ADOPT = "reserved, but without an upload: another call is at it, or died"
    REPLAY = "there already, nothing to do"


@dataclass(frozen=True, slots=True)
class Decision:
    """A file that may be registered, and how."""

    step: Step
    file: FileRow
    item: FileMetadata


class Plan:
    """Judges files one after another, each as if those before it were registered."""

    def __init__(
        self,
        user_id: str,
        stage: str,
        policy: Policy,
        session: SessionRow,
        files: Sequence[FileRow],
        max_files: int,
        attempt: str,
    ) -> None:
        self._user_id = user_id
        self._stage = stage
        self._policy = policy
        self._session = session
        self._max_files = max_files
        self._attempt = attempt
        self._by_id = {file.id: file for file in files}
        self._by_key = {file.file_key: file for file in files}
        self._planned: dict[str, Decision] = {}

    def judge(self, item: FileMetadata, foreign_ids: set[str]) -> Decision:
        """Decide about one file.

        Raises `ApiError`: `FILE_ID_CONFLICT`, `DUPLICATE_FILE_KEY`, `MIME_TYPE_NOT_ALLOWED`,
        `FILE_TOO_LARGE`, `PART_COUNT_INVALID`, `CATEGORY_LIMIT_EXCEEDED`, `FILE_COUNT_EXCEEDED`.
        """
        if item.file_id in foreign_ids:
            raise ApiError(Reason.FILE_ID_CONFLICT)
        known = self._by_id.get(item.file_id) if item.file_id else None
        decision = self._again(item, known) if known else self._by_its_key(item) or self._new(item)
        self._by_id[decision.file.id] = self._by_key[decision.file.file_key] = decision.file
        self._planned[decision.file.id] = decision
        return decision

    def _again(self, item: FileMetadata, known: FileRow) -> Decision:
        """The file with this id, if it is the one that is meant."""
        if not _same(item, known):
            raise ApiError(Reason.FILE_ID_CONFLICT)
        if known.id in self._planned:
            return replace(self._planned[known.id], item=item)  # an earlier file of this very batch
        if known.status == "failed":
            return Decision(Step.RESTART, replace(known, attempt=self._attempt), item)
        there = known.upload_id or known.status == "completed"
        return Decision(Step.REPLAY if there else Step.ADOPT, known, item)

    def _by_its_key(self, item: FileMetadata) -> Decision | None:
        """Unfinished business with this key, where no id was sent; a file with an upload is a duplicate."""
        known = self._by_key.get(item.file_key or item.name)
        if known is None:
            return None
        resumable = known.status == "failed" or (known.status == "pending" and known.upload_id is None)
        if item.file_id or known.id in self._planned or not resumable or not _same(item, known):
            raise ApiError(Reason.DUPLICATE_FILE_KEY, details={"fileId": known.id})
        return self._again(item, known)

    def _new(self, item: FileMetadata) -> Decision:
        category = self._policy.category_for(item.type, item.category, item.size)
        part_size = check_part_count(item.size, self._session.part_size_bytes, item.part_count)
        self._policy.check_room(category, (file.category for file in self._by_id.values()))
        if len(self._by_id) >= self._max_files:
            raise ApiError(Reason.FILE_COUNT_EXCEEDED, details={"maxFiles": self._max_files})
        file_id = item.file_id or str(uuid.uuid4())
        ext = item.ext or extension_of(item.name)
        file = FileRow(
            id=file_id,
            session_id=self._session.id,
            file_key=item.file_key or item.name,
            name=item.name,
            category=category,
            mime_type=item.type,
            ext=ext,
            size=item.size,
            part_size=part_size,
            object_key=object_key(self._stage, self._user_id, self._session.id, category, file_id, ext),
            status="pending",
            upload_id=None,
            attempt=self._attempt,
            etag=None,
        )
        return Decision(Step.START, file, item)


def _same(item: FileMetadata, file: FileRow) -> bool:
    """Whether a request describes this file, cut into as many parts as it is."""
    asked = (
        item.category or category_of(item.type),
        item.name,
        item.size,
        item.type,
        item.ext or extension_of(item.name),
        item.file_key or item.name,
        file.layout.part_count if item.part_count is None else item.part_count,
    )
    known = (file.category, file.name, file.size, file.mime_type, file.ext, file.file_key)
    return asked == (*known, file.layout.part_count)
