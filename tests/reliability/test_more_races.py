"""Calls at once that change what the others are looking at; it must end in one of the states there are."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest

from lib import wiring
from lib.domain.part_layout import StoredPart
from lib.domain.registration_plan import Accepted, Reservation, Step
from lib.postgres.database import Database
from lib.postgres.files import COMPLETE_FILE, FileStore
from lib.postgres.registrations import RegistrationStore
from lib.postgres.sessions import CANCEL_SESSION
from lib.service import upload_starts
from tests.support.client import new_id, pdf, put_part
from tests.support.faults import unavailable
from tests.support.fuzzy import error
from tests.support.open_uploads import abort, uploads_of
from tests.support.together import at_once


@pytest.fixture
def database(env):
    database = Database(env["DATABASE_URL"], max_size=2)
    yield database
    database.close()


@pytest.fixture
def files(database):
    """The store of files, for writes that were decided when a file was still another."""
    return FileStore(database, "dev")


def as_it_is(files, user, session, file):
    """What a call has read that is then overtaken."""
    return files.find(user, session, file["fileId"], with_parts=False).file


def restart(api, session, file, db):
    """Its upload is gone, and it gets another."""
    db.execute("UPDATE upload_session_files SET status = 'failed' WHERE id = %s", [file["fileId"]])
    again = api.register(session, pdf(size=3, fileId=file["fileId"]))
    assert again["uploadId"] != file["uploadId"]
    return again


def waits_for(transaction, call):
    """What a call answers that has to wait until another's transaction is over."""
    with ThreadPoolExecutor(1) as executor:
        task = executor.submit(call)
        with pytest.raises(TimeoutError):
            task.result(0.3)
        transaction.commit()
        return task.result()


def test_a_failed_file_that_many_restart_ends_with_one_upload(shared_api, s3):
    api, session = shared_api, shared_api.session()
    file = api.register(session, pdf())
    abort(s3, file)
    path = f"/{session}/files/{file['fileId']}"
    assert api.refused("POST", f"{path}/complete")[1]["reason"] == "UPLOAD_NOT_FOUND"
    again = pdf(fileId=file["fileId"], partCount=3)
    answers = at_once([lambda: api.call("POST", f"/{session}/files", again)] * 8)
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert [{answer.json()["uploadId"]} for answer in answers] == [set(uploads_of(s3, session))] * 8


@pytest.mark.parametrize("end", ["file", "session"] * 3)
def test_everything_at_once_ends_with_the_file_completed_or_gone(shared_api, s3, end):
    api = shared_api
    session = api.session()
    registered = api.register(session, pdf(size=3, partCount=1))
    etag = put_part(registered["presignedUrls"][0], b"abc")
    path = f"/{session}/files/{registered['fileId']}"
    parts = {"parts": [{"partNumber": 1, "etag": etag}]}
    calls = [
        lambda: api.patient_call("POST", f"{path}/parts", parts),
        lambda: api.patient_call("POST", f"{path}/complete", parts),
        lambda: api.patient_call("DELETE", path if end == "file" else f"/{session}"),
        lambda: api.patient_call("GET", f"{path}/parts?presign=true"),
        lambda: api.patient_call("POST", f"/{session}/files", pdf(size=3, fileId=registered["fileId"])),
        lambda: api.patient_call("POST", f"{path}/complete"),
    ]
    answers = at_once(calls)
    assert all(answer.status_code < 500 for answer in answers), [answer.text for answer in answers]
    completed = [answer.json() for answer in (answers[1], answers[5]) if answer.is_success]
    if completed:  # acknowledged: it stays
        [file] = api.show(session)["files"]
        assert file["status"] == "completed"
        assert api.complete(session, registered["fileId"]) == completed[0]
    assert api.call("DELETE", f"/{session}").status_code == 204
    assert uploads_of(s3, session) == []


class Late:
    """A plan that takes every file for a failed one: it was, a moment ago."""

    def __init__(self, user):
        self.user_id, self.sent_ids, self.limits_volume = user, [], False

    def reserve(self, session, files, foreign_ids, volumes):
        return Reservation(session, new_id(), [Accepted(Step.RESTART, file, None) for file in files])


def test_a_restart_that_a_slow_completion_overtakes_forgets_no_parts(shared_api, database, user):
    api, session = shared_api, shared_api.session()
    file, _ = api.upload(session, pdf(), b"abc")
    api.complete(session, file["fileId"])
    RegistrationStore(database, "dev").reserve(session, Late(user))
    assert len(api.parts(session, file["fileId"])["parts"]) == 1
    assert api.show(session)["files"][0]["status"] == "completed"


def test_a_file_that_is_completed_while_it_is_restarted_gets_no_urls(in_process, env, db, faults):
    def overtaken(settle, *args, **options):
        columns = "status = 'completed', upload_id = 'old'"
        db.execute(f"UPDATE upload_session_files SET {columns} WHERE id = %s", [file["fileId"]])
        return settle(*args, **options)

    api = in_process(wiring.build(env, faults.wrap))
    session = api.session()
    file = api.register(session, pdf())
    db.execute("UPDATE upload_session_files SET status = 'failed' WHERE id = %s", [file["fileId"]])
    faults.instead("RegistrationStore.settle", overtaken)
    again = api.register(session, pdf(fileId=file["fileId"], partCount=3))
    assert (again["uploadId"], again["presignedUrls"]) == ("old", [])


def test_who_waits_for_a_restart_that_fails_is_told_to_try_again(in_process, env, db, faults):
    def failing(*_):
        time.sleep(0.4)
        raise unavailable()

    api = in_process(wiring.build(env, faults.wrap))
    session = api.session()
    file = api.register(session, pdf())
    db.execute("UPDATE upload_session_files SET status = 'failed' WHERE id = %s", [file["fileId"]])
    faults.instead("Bucket.create_upload", failing)
    again = pdf(fileId=file["fileId"])
    answers = at_once([lambda: api.call("POST", f"/{session}/files", again)] * 3)
    assert {answer.json()["error"]["reason"] for answer in answers} == {"STORAGE_UNAVAILABLE"}
    faults.replaced.clear()
    assert api.register(session, again)["fileId"] == file["fileId"]


def test_of_those_who_name_no_id_one_has_the_file_however_slow_the_store_is(
    in_process, env, s3, faults, monkeypatch
):
    """Each takes the others for dead, and starts an upload."""

    def slow(create, *args):
        started.wait(60)
        return create(*args)

    monkeypatch.setattr(upload_starts, "PAUSES", (0.01,))
    started = threading.Barrier(4)
    faults.instead("Bucket.create_upload", slow)
    api = in_process(wiring.build(env, faults.wrap))
    session = api.session()
    answers = at_once([lambda: api.call("POST", f"/{session}/files", pdf())] * 4)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 3
    [file] = api.show(session)["files"]
    duplicate = error("CONFLICT", "DUPLICATE_FILE_KEY", fileId=file["fileId"])
    assert [answer.json()["error"] for answer in answers if answer.is_error] == [duplicate] * 3
    assert len(uploads_of(s3, session)) == 1


def test_a_late_failure_does_not_undo_a_completion(shared_api, files, user):
    api, session = shared_api, shared_api.session()
    file, _ = api.upload(session, pdf(), b"abc")
    pending = as_it_is(files, user, session, file)
    done = api.complete(session, file["fileId"])
    files.mark_failed(pending)
    assert api.show(session)["files"][0]["status"] == "completed"
    assert api.complete(session, file["fileId"]) == done


def test_a_late_abort_does_not_remove_a_completed_file(shared_api, files, user):
    api, session = shared_api, shared_api.session()
    file, _ = api.upload(session, pdf(), b"abc")
    pending = as_it_is(files, user, session, file)
    done = api.complete(session, file["fileId"])
    assert files.delete([pending]) == {file["fileId"]}
    assert api.complete(session, file["fileId"]) == done


def test_a_late_abort_does_not_hit_the_next_upload(shared_api, files, user, db):
    api, session = shared_api, shared_api.session()
    file = api.register(session, pdf(size=3))
    old = as_it_is(files, user, session, file)
    again = restart(api, session, file, db)
    assert files.delete([old]) == {file["fileId"]}
    assert as_it_is(files, user, session, file).upload_id == again["uploadId"]


def test_a_late_abort_does_not_hit_the_next_reservation(shared_api, files, user, db):
    """It may be in another session by then, and of another user."""
    api, session = shared_api, shared_api.session()
    file = api.register(session, pdf(size=3))
    db.execute("UPDATE upload_session_files SET upload_id = NULL WHERE id = %s", [file["fileId"]])
    old = as_it_is(files, user, session, file)
    db.execute("UPDATE upload_session_files SET attempt = %s WHERE id = %s", [new_id(), file["fileId"]])
    assert files.delete([old]) == {file["fileId"]}
    assert files.delete([as_it_is(files, user, session, file)]) == set()


def test_a_late_completion_does_not_complete_the_next_upload(shared_api, files, user, db):
    api, session = shared_api, shared_api.session()
    file = api.register(session, pdf(size=3))
    old = as_it_is(files, user, session, file)
    again = restart(api, session, file, db)
    assert files.mark_completed(old, "etag", ()) is False
    now = as_it_is(files, user, session, file)
    assert (now.status, now.upload_id, now.etag) == ("pending", again["uploadId"], None)


@pytest.mark.parametrize("call", ["record_parts", "learn_parts"])
def test_parts_that_come_during_a_completion_wait_for_it_and_are_not_recorded(
    shared_api, files, env, user, call
):
    api, session = shared_api, shared_api.session()
    file = api.register(session, pdf(size=3))
    pending = as_it_is(files, user, session, file)
    late = {
        "record_parts": lambda: files.record_parts(pending, {1: "late"}),
        "learn_parts": lambda: files.learn_parts(pending, [StoredPart(1, "late", 3, datetime.now(UTC))]),
    }
    values = {"file_id": pending.id, "upload_id": pending.upload_id, "etag": "etag"}
    with psycopg.connect(env["DATABASE_URL"]) as other:
        other.execute(COMPLETE_FILE, values)  # as `mark_completed` does it, before its COMMIT
        assert not waits_for(other, late[call])
    assert api.show(session)["files"][0]["recordedPartCount"] == 0


def test_an_upload_that_starts_while_its_session_is_cancelled_waits_and_is_not_kept(
    shared_api, database, files, env, user, db
):
    """Else a cancellation that has read its files would leave one open that was none then."""
    api, session = shared_api, shared_api.session()
    file = api.register(session, pdf(size=3))
    db.execute("UPDATE upload_session_files SET upload_id = NULL WHERE id = %s", [file["fileId"]])
    store, started = RegistrationStore(database, "dev"), {file["fileId"]: "started"}
    reserved = as_it_is(files, user, session, file)
    with psycopg.connect(env["DATABASE_URL"]) as other:
        other.execute(CANCEL_SESSION, {"session_id": session, "user_id": user})
        states = waits_for(
            other, lambda: store.settle(session, [reserved], started=started, withdrawn=[], failed=[])
        )
    assert states.session_status == "cancelled"
    assert as_it_is(files, user, session, file).upload_id is None


@pytest.mark.parametrize("late", ["started", "withdrawn", "failed"])
def test_a_slow_registration_does_not_settle_the_next_of_the_same_id(
    shared_api, database, files, user, db, late
):
    api, session = shared_api, shared_api.session()
    file = api.register(session, pdf(size=3))
    db.execute("UPDATE upload_session_files SET upload_id = NULL WHERE id = %s", [file["fileId"]])
    slow = as_it_is(files, user, session, file)
    db.execute("UPDATE upload_session_files SET attempt = %s WHERE id = %s", [new_id(), file["fileId"]])
    next_one = as_it_is(files, user, session, file)
    settled = {"started": {}, "withdrawn": [], "failed": []} | {
        late: {slow.id: "late"} if late == "started" else [slow.id]
    }
    states = RegistrationStore(database, "dev").settle(session, [slow], **settled)
    assert as_it_is(files, user, session, file) == next_one
    assert states.files[slow.id].upload_id is None
