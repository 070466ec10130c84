"""Register files: judge, reserve, start the uploads at S3, settle. One file is a batch of one."""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lib.domain.errors import RETRY_SOON, ApiError, Reason
from lib.domain.models import (
    BatchResult,
    BatchResults,
    ErrorObject,
    FileMetadata,
    RegisterBatch,
    RegisteredFile,
)
from lib.domain.policy import Policy
from lib.domain.registration_plan import Decision, Plan, Step
from lib.domain.rows import FileRow, SessionRow, open_for_writing
from lib.domain.validation import validated
from lib.postgres.registrations import FileState, RegistrationStore, Reservation, States
from lib.runtime import log
from lib.runtime.config import Settings
from lib.runtime.parallel import Parallel
from lib.s3.bucket import Bucket
from lib.service.part_urls import PartUrls, utc_now

Outcome = RegisteredFile | ApiError

# How long a call waits for the one that reserved a file before it; it then starts the upload itself.
PAUSES = (0.05, 0.1, 0.2, 0.4, 0.6, 0.7)  # seconds


@dataclass(frozen=True, slots=True)
class Upload:
    """The upload that a file has, whether this call started it, and whether it takes parts no more."""

    id: str
    started: bool = False
    completed: bool = False


class Registration:
    """The use cases of registering files."""

    def __init__(
        self,
        store: RegistrationStore,
        s3: Bucket,
        parallel: Parallel,
        urls: PartUrls,
        policy: Policy,
        settings: Settings,
        now: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._s3 = s3
        self._parallel = parallel
        self._urls = urls
        self._policy = policy
        self._settings = settings
        self._now = now
        self._sleep = sleep

    def register_file(self, user_id: str, session_id: str, file: FileMetadata) -> tuple[RegisteredFile, bool]:
        """Register one file; also say whether its upload was started now, or was there already.

        Raises `ApiError`: `SESSION_NOT_FOUND`, `SESSION_EXPIRED`, `SESSION_NOT_ACTIVE`, and what is wrong
        with the file: `FILE_ID_CONFLICT`, `DUPLICATE_FILE_KEY`, `MIME_TYPE_NOT_ALLOWED`, `FILE_TOO_LARGE`,
        `PART_COUNT_INVALID`, `CATEGORY_LIMIT_EXCEEDED`, `FILE_COUNT_EXCEEDED`, `STORAGE_UNAVAILABLE`.
        """
        [(outcome, started)] = self._register(user_id, session_id, [file])
        if isinstance(outcome, ApiError):
            raise outcome
        return outcome, started

    def batch_register_files(self, user_id: str, session_id: str, batch: RegisterBatch) -> BatchResults:
        """Register many files, each judged alone: what succeeded stays, whatever became of the others.

        Raises `ApiError`: `BATCH_TOO_LARGE`, `SESSION_NOT_FOUND`, `SESSION_EXPIRED`, `SESSION_NOT_ACTIVE`.
        """
        most = self._settings.max_batch_size
        if len(batch.files) > most:
            message = f"At most {most} files in one batch: split it."
            raise ApiError(Reason.BATCH_TOO_LARGE, message, details={"maxBatchSize": most})
        registered = self._register(user_id, session_id, [_parsed(file) for file in batch.files])
        outcomes = [outcome for outcome, _ in registered]
        failed = sum(isinstance(outcome, ApiError) for outcome in outcomes)
        _log_failed(user_id, session_id, outcomes)
        results = [_result(outcome) for outcome in outcomes]
        return BatchResults(results=results, succeeded=len(results) - failed, failed=failed)

    def _register(
        self, user_id: str, session_id: str, items: Sequence[FileMetadata | ApiError]
    ) -> list[tuple[Outcome, bool]]:
        """What became of each file, and whether this call started its upload."""
        self._s3.prepare()
        session, decisions = self._reserve(user_id, session_id, items)
        uploads = self._uploads(session_id, [d for d in decisions if isinstance(d, Decision)])
        outcomes: list[tuple[Outcome, bool]] = []
        taken = 0  # of the URLs that fit into one answer
        for decision in decisions:
            upload = decision if isinstance(decision, ApiError) else uploads[decision.file.id]
            if isinstance(decision, ApiError) or isinstance(upload, ApiError):
                outcomes.append((upload, False))  # type: ignore[arg-type]
                continue
            registered = self._answer(decision, upload, session, taken)
            taken += len(registered.presigned_urls or ())
            outcomes.append((registered, upload.started))
        return outcomes

    def _reserve(
        self, user_id: str, session_id: str, items: Sequence[FileMetadata | ApiError]
    ) -> tuple[SessionRow, list[Decision | ApiError]]:
        """Judge the files under the session's lock, and write the rows of those that are new."""
        judged: tuple[SessionRow, list[Decision | ApiError]] | None = None
        attempt = str(uuid.uuid4())
        ours: set[str] = set()

        def plan(session: SessionRow, files: list[FileRow], foreign_ids: set[str]) -> Reservation:
            nonlocal judged
            ours.update(file.id for file in files if file.attempt == attempt)
            if ours:  # written when this work ran before, and only the answer was lost
                return Reservation(attempt)
            open_for_writing(session, self._now())
            max_files = session.max_files(self._settings.max_files_per_session)
            plan = Plan(user_id, self._settings.stage, self._policy, session, files, max_files, attempt)
            decisions = [_decision(plan, item, foreign_ids) for item in items]
            judged = session, decisions
            return Reservation(attempt, _files(decisions, Step.START), _files(decisions, Step.RESTART))

        sent_ids = [item.file_id for item in items if isinstance(item, FileMetadata) and item.file_id]
        written = self._store.reserve(user_id, session_id, sent_ids, plan)
        if written is None or judged is None:
            raise ApiError(Reason.SESSION_NOT_FOUND)
        session, decisions = judged
        return session, [_unless_taken(decision, written | ours) for decision in decisions]

    def _uploads(self, session_id: str, decisions: Sequence[Decision]) -> dict[str, Upload | ApiError]:
        """The upload of each file: the one that is there, another call's, or one started now."""
        uploads: dict[str, Upload | ApiError] = {
            decision.file.id: Upload(
                decision.file.upload_id or "", completed=decision.file.status == "completed"
            )
            for decision in decisions
            if decision.step is Step.REPLAY
        }
        adopted = [decision for decision in decisions if decision.step is Step.ADOPT]
        if adopted:
            uploads |= self._wait_for_others(session_id, adopted)
        missing = {d.file.id: d for d in decisions if d.file.id not in uploads}
        return uploads | self._start(session_id, list(missing.values())) if missing else uploads

    def _wait_for_others(self, session_id: str, adopted: Sequence[Decision]) -> dict[str, Upload | ApiError]:
        """What other calls make of files they reserved; those that none brings to an end are left out."""
        ends: dict[str, Upload | ApiError] = {}
        for pause in PAUSES:
            self._sleep(pause)
            states = self._store.states(session_id, [decision.file for decision in adopted]).files
            for decision in adopted:
                state = states.get(decision.file.id)
                if state is None or state.status == "failed":  # S3 failed the call that had reserved it
                    ends[decision.file.id] = ApiError(Reason.STORAGE_UNAVAILABLE, retry_after=RETRY_SOON)
                elif state.upload_id:
                    ends[decision.file.id] = _found_by(decision, _upload(state))
            if all(decision.file.id in ends for decision in adopted):
                break
        return ends

    def _start(self, session_id: str, decisions: Sequence[Decision]) -> dict[str, Upload | ApiError]:
        """Start an upload for each file, and settle which of them the files keep."""
        files = {decision.file.id: decision.file for decision in decisions}
        outcomes = dict(zip(files, self._parallel.outcomes(self._create_upload, files.values()), strict=True))
        failed = [d for d in decisions if isinstance(outcomes[d.file.id], ApiError)]
        states = self._store.settle(
            session_id,
            list(files.values()),
            started={id_: outcome for id_, outcome in outcomes.items() if isinstance(outcome, str)},
            # A reservation that was adopted is left: the call that made it may still need it.
            withdrawn=[decision.file.id for decision in failed if decision.step is Step.START],
            failed=[decision.file.id for decision in failed if decision.step is Step.RESTART],
        )
        uploads = {id_: _settled(outcome, states, id_) for id_, outcome in outcomes.items()}
        self._abort_superfluous(files, outcomes, uploads)
        return uploads

    def _create_upload(self, file: FileRow) -> str:
        return self._s3.create_upload(file.object_key, file.mime_type, file.attempt)

    def _abort_superfluous(
        self,
        files: Mapping[str, FileRow],
        outcomes: Mapping[str, str | ApiError],
        uploads: Mapping[str, Upload | ApiError],
    ) -> None:
        """Abort the uploads that no file kept; what fails here is left to the bucket's lifecycle rule."""
        superfluous = [
            (files[file_id].object_key, outcome)
            for file_id, outcome in outcomes.items()
            if isinstance(outcome, str) and not _keeps(uploads[file_id])
        ]
        self._parallel.outcomes(lambda upload: self._s3.abort_upload(*upload), superfluous)

    def _answer(self, decision: Decision, upload: Upload, session: SessionRow, taken: int) -> RegisteredFile:
        file = replace(decision.file, upload_id=upload.id)
        if decision.item.part_count is None:
            return RegisteredFile(file_id=file.id, upload_id=upload.id)
        count = file.layout.part_count
        numbers = range(0) if upload.completed else range(1, count + 1)
        urls, next_part_number = self._urls.presign(file, numbers, session.expires_at, taken)
        return RegisteredFile(
            file_id=file.id,
            upload_id=upload.id,
            part_count=count,
            part_size_bytes=file.part_size,
            presigned_urls=urls,
            next_part_number=next_part_number,
        )


def _parsed(value: Any) -> FileMetadata | ApiError:
    try:
        return validated(FileMetadata, value)
    except ApiError as error:
        return error


def _decision(plan: Plan, item: FileMetadata | ApiError, foreign_ids: set[str]) -> Decision | ApiError:
    try:
        return item if isinstance(item, ApiError) else plan.judge(item, foreign_ids)
    except ApiError as error:
        return error


def _files(decisions: Sequence[Decision | ApiError], step: Step) -> list[FileRow]:
    """The files to which this happens, each once."""
    files = {d.file.id: d.file for d in decisions if isinstance(d, Decision) and d.step is step}
    return list(files.values())


def _unless_taken(decision: Decision | ApiError, written: set[str]) -> Decision | ApiError:
    """A decision whose new row could not be written: another session took the id in that very moment."""
    is_new = isinstance(decision, Decision) and decision.step is Step.START
    if is_new and decision.file.id not in written:  # type: ignore[union-attr]
        return ApiError(Reason.FILE_ID_CONFLICT)
    return decision


def _upload(state: FileState, outcome: str | ApiError | None = None) -> Upload:
    """The upload of a file that has one; `outcome` is what became of the one that this call started."""
    upload_id = state.upload_id or ""
    return Upload(upload_id, started=upload_id == outcome, completed=state.status == "completed")


def _found_by(decision: Decision, upload: Upload) -> Upload | ApiError:
    """A file whose other call was alive after all: the same file to who knows its id, else a duplicate."""
    if decision.item.file_id is None:
        return ApiError(Reason.DUPLICATE_FILE_KEY, details={"fileId": decision.file.id})
    return upload


def _settled(outcome: str | ApiError, states: States, file_id: str) -> Upload | ApiError:
    """The upload that a file has now: this call's, a faster one's, or none and why."""
    state = states.files.get(file_id)
    if state is not None and state.upload_id:
        return _upload(state, outcome)
    if isinstance(outcome, ApiError):
        return outcome
    # Started, and then there was no file to keep it: it or its session was given up meanwhile, or S3 failed
    # another call for the same file.
    if states.session_status != "active":
        return ApiError(Reason.SESSION_NOT_ACTIVE)
    if state is not None:
        return ApiError(Reason.STORAGE_UNAVAILABLE, retry_after=RETRY_SOON)
    return ApiError(Reason.FILE_NOT_FOUND)


def _keeps(upload: Upload | ApiError) -> bool:
    """Whether the file has the upload that this call started."""
    return isinstance(upload, Upload) and upload.started


def _log_failed(user_id: str, session_id: str, outcomes: Sequence[Outcome]) -> None:
    """One line for each file of a batch that failed; what is not the client's doing is an error."""
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, ApiError):
            fields = {"user_id": user_id, "session_id": session_id, "index": index}
            log.refused("file of a batch", outcome, **fields)


def _result(outcome: Outcome) -> BatchResult:
    if isinstance(outcome, ApiError):
        return BatchResult(error=ErrorObject.model_validate(outcome.as_object()))
    return BatchResult(**dict(outcome))
