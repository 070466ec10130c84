"""Start the uploads of files that are reserved, or wait for the call that is about to, and settle."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lib.domain.errors import ApiError, Reason, Refused
from lib.domain.registration_plan import Accepted, Reservation, Step
from lib.domain.rows import FileRow
from lib.domain.upload_limits import registration_limit
from lib.postgres.registrations import FileState, RegistrationStore, States
from lib.runtime.parallel import Parallel
from lib.s3.bucket import Bucket

# How long a call waits for the one that reserved a file before it; it then starts the upload itself.
PAUSES = (0.05, 0.1, 0.2, 0.4, 0.6, 0.7)  # seconds


@dataclass(frozen=True, slots=True)
class Upload:
    """The upload that a file has, whether this call started it, and whether it takes parts no more."""

    id: str
    started: bool = False
    completed: bool = False


@dataclass(frozen=True, slots=True)
class Overtaken:
    """The file that another call had reserved was removed, has failed or was replaced: judge it again."""


Uploads = dict[str, Upload | Refused | Overtaken]  # by file id


class UploadStarts:
    """Gives each reserved file the one upload that it keeps."""

    def __init__(
        self,
        store: RegistrationStore,
        s3: Bucket,
        parallel: Parallel,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._s3 = s3
        self._parallel = parallel
        self._sleep = sleep

    def uploads_of(self, reservation: Reservation) -> Uploads:
        """The upload of each file: the one that is there, another call's, or one started now; or `Overtaken`.

        `Refused` says why a file has none: `STORAGE_UNAVAILABLE`, `SESSION_NOT_ACTIVE`, `FILE_NOT_FOUND`,
        `DUPLICATE_FILE_KEY`, `REGISTRATION_LIMIT`. Raises `ApiError` `DATABASE_UNAVAILABLE`.
        """
        session_id, accepted = reservation.session.id, reservation.accepted
        uploads: Uploads = {
            one.file.id: Upload(one.file.upload_id or "", completed=one.file.status == "completed")
            for one in accepted
            if one.step is Step.REPLAY
        }
        adopted = [one for one in accepted if one.step is Step.ADOPT]
        if adopted:
            uploads |= self._wait_for_others(session_id, adopted)
            uploads |= self._refused_by_limit(
                reservation, [one for one in adopted if one.file.id not in uploads]
            )
        missing = {one.file.id: one for one in accepted if one.file.id not in uploads}
        return uploads | self._start(session_id, list(missing.values())) if missing else uploads

    def _wait_for_others(self, session_id: str, adopted: Sequence[Accepted]) -> Uploads:
        """What became of files that other calls reserved; files that no call has finished are left out."""
        ends: Uploads = {}
        for pause in PAUSES:
            self._sleep(pause)
            states = self._store.states(session_id, [one.file for one in adopted])
            ends |= {one.file.id: end for one in adopted if (end := _end_of(one, states))}
            if all(one.file.id in ends for one in adopted):
                break
        return ends

    def _refused_by_limit(self, reservation: Reservation, adopted: Sequence[Accepted]) -> Uploads:
        """Count the uploads that this call starts in place of others; those beyond the limit are refused."""
        ids = list(dict.fromkeys(one.file.id for one in adopted))
        if not ids:
            return {}
        most = reservation.max_starts
        granted = self._store.claim_starts(reservation.session.id, len(ids), most)
        return {file_id: Refused(registration_limit(most)) for file_id in ids[granted:]}

    def _start(self, session_id: str, accepted: Sequence[Accepted]) -> Uploads:
        """Start an upload for each file, and settle which of them the files keep."""
        files = {one.file.id: one.file for one in accepted}
        created = dict(zip(files, self._parallel.outcomes(self._create_upload, files.values()), strict=True))
        failed = [one for one in accepted if isinstance(created[one.file.id], Refused)]
        started = {id_: one for id_, one in created.items() if not isinstance(one, Refused)}
        states = self._store.settle(
            session_id,
            list(files.values()),
            started=started,
            # A reservation that was adopted is left: the call that made it may still need it.
            withdrawn=[one.file.id for one in failed if one.step is Step.START],
            failed=[one.file.id for one in failed if one.step is Step.RESTART],
        )
        uploads = {one.file.id: _settled(one, created[one.file.id], states) for one in accepted}
        self._abort_superfluous(files, started, uploads)
        return uploads

    def _create_upload(self, file: FileRow) -> str:
        return self._s3.create_upload(file.object_key, file.mime_type, file.attempt)

    def _abort_superfluous(
        self, files: Mapping[str, FileRow], started: Mapping[str, str], uploads: Uploads
    ) -> None:
        """Abort the uploads that no file kept; what fails here is left to the bucket's lifecycle rule."""
        superfluous = [
            (files[file_id].object_key, upload_id)
            for file_id, upload_id in started.items()
            if not _keeps(uploads[file_id])
        ]
        self._parallel.outcomes(lambda upload: self._s3.abort_upload(*upload), superfluous)


def _upload(state: FileState, started: bool = False) -> Upload:
    return Upload(state.upload_id or "", started, completed=state.status == "completed")


def _end_of(accepted: Accepted, states: States) -> Upload | Refused | Overtaken | None:
    """What became of a file that another call reserved; None: that call is still at work, or died."""
    state = states.files.get(accepted.file.id)
    if state is not None and state.upload_id:
        return _found_by(accepted, state)
    if states.session_status != "active":
        return Refused(ApiError(Reason.SESSION_NOT_ACTIVE))
    # Aborted, or withdrawn or failed because S3 failed that call.
    return Overtaken() if state is None or not state.is_ours or state.status == "failed" else None


def _found_by(accepted: Accepted, state: FileState) -> Upload | Refused:
    """A file that the other call finished: a replay if this client sent its id, else a duplicate."""
    if accepted.item.file_id is None:
        return Refused(ApiError(Reason.DUPLICATE_FILE_KEY, details={"fileId": accepted.file.id}))
    return _upload(state)


def _settled(accepted: Accepted, created: str | Refused, states: States) -> Upload | Refused | Overtaken:
    """The upload that a file has now: this call's, a faster one's, or none and why."""
    state = states.files.get(accepted.file.id)
    if state is not None and state.upload_id:
        return _upload(state, started=True) if state.upload_id == created else _found_by(accepted, state)
    if isinstance(created, Refused):
        return created
    # Started, and then there was no file to keep it.
    if states.session_status != "active":
        return Refused(ApiError(Reason.SESSION_NOT_ACTIVE))
    if state is None and accepted.step is not Step.ADOPT:
        return Refused(ApiError(Reason.FILE_NOT_FOUND))  # the client has aborted what it was registering
    return Overtaken()


def _keeps(upload: Upload | Refused | Overtaken) -> bool:
    """Whether the file has the upload that this call started."""
    return isinstance(upload, Upload) and upload.started
