"""Calls at once that change what the others are looking at; it must end in one of the states there are."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import wiring
from lib.store.database import Database
from lib.store.registrations import RegistrationStore, Reservation
from tests.support.client import new_id, pdf, put_part
from tests.support.faults import unavailable


def at_once(calls):
    with ThreadPoolExecutor(len(calls)) as executor:
        return [task.result() for task in [executor.submit(call) for call in calls]]


def uploads_of(s3, session):
    uploads = s3.list_multipart_uploads(Bucket="uploads", MaxUploads=1000).get("Uploads", [])
    return [upload["UploadId"] for upload in uploads if session in upload["Key"]]


def test_a_failed_file_that_many_restart_ends_with_one_upload(shared_api, s3):
    api, session = shared_api, shared_api.session()
    file = api.register(session, pdf())
    uploads = s3.list_multipart_uploads(Bucket="uploads", MaxUploads=1000)["Uploads"]
    [key] = [one["Key"] for one in uploads if one["UploadId"] == file["uploadId"]]
    s3.abort_multipart_upload(Bucket="uploads", Key=key, UploadId=file["uploadId"])
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
        lambda: api.call("POST", f"{path}/parts", parts),
        lambda: api.call("POST", f"{path}/complete", parts),
        lambda: api.call("DELETE", path if end == "file" else f"/{session}"),
        lambda: api.call("GET", f"{path}/parts?presign=true"),
        lambda: api.call("POST", f"/{session}/files", pdf(size=3, fileId=registered["fileId"])),
        lambda: api.call("POST", f"{path}/complete"),
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


def test_a_restart_that_a_slow_completion_overtakes_forgets_no_parts(shared_api, env, user):
    api, session = shared_api, shared_api.session()
    file, _ = api.upload(session, pdf(), b"abc")
    api.complete(session, file["fileId"])
    database = Database(env["DATABASE_URL"], max_size=2)
    try:
        store = RegistrationStore(database, "dev")
        store.reserve(user, session, [], lambda _, files, __: Reservation(new_id(), restarted=files))
    finally:
        database.close()
    assert len(api.parts(session, file["fileId"])["parts"]) == 1
    assert api.show(session)["files"][0]["status"] == "completed"


def test_a_file_that_is_completed_while_it_is_restarted_gets_no_urls(in_process, env, db):
    class Overtaken:
        def __init__(self, made):
            self._made = made

        def __getattr__(self, name):
            return getattr(self._made, name)

        def settle(self, *args, **options):
            columns = "status = 'completed', upload_id = 'old'"
            db.execute(f"UPDATE upload_session_files SET {columns} WHERE id = %s", [file["fileId"]])
            return self._made.settle(*args, **options)

    application = wiring.build(env)
    api = in_process(application)
    session = api.session()
    file = api.register(session, pdf())
    db.execute("UPDATE upload_session_files SET status = 'failed' WHERE id = %s", [file["fileId"]])
    application.registration._store = Overtaken(application.registration._store)
    again = api.register(session, pdf(fileId=file["fileId"], partCount=3))
    assert (again["uploadId"], again["presignedUrls"]) == ("old", [])


def test_who_waits_for_a_restart_that_fails_is_told_to_try_again(in_process, env, db):
    failing = threading.Event()

    class Failing:
        def __init__(self, made):
            self._made = made

        def __getattr__(self, name):
            return getattr(self._made, name)

        def create_upload(self, *args):
            if not failing.is_set():
                return self._made.create_upload(*args)
            time.sleep(0.4)
            raise unavailable()

    wrap = lambda made: Failing(made) if type(made).__name__ == "S3" else made  # noqa: E731
    api = in_process(wiring.build(env, wrap))
    session = api.session()
    file = api.register(session, pdf())
    db.execute("UPDATE upload_session_files SET status = 'failed' WHERE id = %s", [file["fileId"]])
    failing.set()
    again = pdf(fileId=file["fileId"])
    answers = at_once([lambda: api.call("POST", f"/{session}/files", again)] * 3)
    assert {answer.json()["error"]["reason"] for answer in answers} == {"STORAGE_UNAVAILABLE"}
    failing.clear()
    assert api.register(session, again)["fileId"] == file["fileId"]
