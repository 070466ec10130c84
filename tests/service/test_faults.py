"""What a client sees, and what is left, when a step between S3 and the database fails."""

import pytest

from lib import wiring
from lib.domain import policy, registration_plan
from lib.s3.refusals import PartsChangedError
from lib.service import upload_starts
from tests.conftest import SECRET
from tests.support.client import MIB, new_id, pdf, put_all
from tests.support.faults import Crash, unavailable
from tests.support.fuzzy import NO_STORE, TEXT, UUID, error
from tests.support.open_uploads import assemble, uploads_of


@pytest.fixture
def api(in_process, env, faults):
    return in_process(wiring.build(env | {"AUTH_JWT_SECRET": SECRET}, faults.wrap))


def crash(call):
    with pytest.raises(Crash):
        call()


def again(api, session, file, s3, *, status=201, orphans=0):
    """Register once more, as a client does that never saw an answer; everything is as it should be then."""
    response = api.call("POST", f"/{session}/files", file)
    assert response.status_code == status, response.text
    registered = response.json()
    [shown] = api.show(session)["files"]
    assert shown["fileId"] == registered["fileId"]
    uploads = uploads_of(s3, session)
    assert registered["uploadId"] in uploads
    assert len(uploads) == 1 + orphans
    count = registered["partCount"]
    put_all(registered["presignedUrls"], bytes(file["size"]), registered["partSizeBytes"])
    assert len(api.parts(session, registered["fileId"])["parts"]) == count
    assert api.complete(session, registered["fileId"])["sizeBytes"] == file["size"]


FILE_BY_ID = pdf(size=6 * MIB, partCount=2)


@pytest.fixture(params=["fileId", "fileKey"])
def file(request):
    """A file that the client names by an id of its own, or just by its key."""
    return FILE_BY_ID | ({"fileId": new_id()} if request.param == "fileId" else {})


def test_register_when_s3_fails_before_it_did_anything(api, faults, file, s3):
    session = api.session(maxFiles=1)
    faults.fail("Bucket.create_upload", error=unavailable)
    assert api.refused("POST", f"/{session}/files", file) == NO_STORE
    assert api.show(session)["files"] == []
    again(api, session, file, s3)


def test_register_when_s3_did_it_and_its_answer_was_lost(api, faults, file, s3):
    session = api.session(maxFiles=1)
    faults.fail("Bucket.create_upload", error=unavailable, after=True)
    assert api.refused("POST", f"/{session}/files", file) == NO_STORE
    assert api.show(session)["files"] == []
    again(api, session, file, s3, orphans=1)  # the bucket's lifecycle rule takes the orphan away


def test_register_when_the_process_dies_before_s3(api, faults, file, s3):
    session = api.session(maxFiles=1)
    faults.fail("Bucket.create_upload")
    crash(lambda: api.call("POST", f"/{session}/files", file))
    assert [one["status"] for one in api.show(session)["files"]] == ["pending"]
    again(api, session, file, s3)


@pytest.mark.parametrize("place", ["Bucket.create_upload", "RegistrationStore.settle"])
def test_register_when_the_process_dies_after_s3(api, faults, file, s3, place):
    session = api.session(maxFiles=1)
    faults.fail(place, after=place == "Bucket.create_upload")
    crash(lambda: api.call("POST", f"/{session}/files", file))
    again(api, session, file, s3, orphans=1)


def test_register_when_only_the_answer_is_lost(api, faults, s3):
    session, file = api.session(maxFiles=1), FILE_BY_ID | {"fileId": new_id()}
    faults.fail("RegistrationStore.settle", after=True)
    crash(lambda: api.call("POST", f"/{session}/files", file))
    again(api, session, file, s3, status=200)


def test_register_when_only_the_answer_is_lost_and_the_client_chose_no_id(api, faults):
    session = api.session(maxFiles=1)
    faults.fail("RegistrationStore.settle", after=True)
    crash(lambda: api.call("POST", f"/{session}/files", FILE_BY_ID))
    [shown] = api.show(session)["files"]
    duplicate = error("CONFLICT", "DUPLICATE_FILE_KEY", fileId=shown["fileId"])
    assert api.refused("POST", f"/{session}/files", FILE_BY_ID) == (409, duplicate)
    resumed = api.parts(session, shown["fileId"], "?presign=true")
    assert [entry["partNumber"] for entry in resumed["presignedUrls"]] == [1, 2]


def test_a_reservation_that_nobody_asks_for_again_can_be_aborted(api, faults):
    session = api.session(maxFiles=1)
    faults.fail("Bucket.create_upload")
    crash(lambda: api.call("POST", f"/{session}/files", FILE_BY_ID))
    [shown] = api.show(session)["files"]
    path = f"/{session}/files/{shown['fileId']}"
    assert api.parts(session, shown["fileId"])["verified"] is False
    assert api.refused("POST", f"{path}/parts", {"parts": [{"partNumber": 1, "etag": "e"}]})[0] == 400
    assert api.call("DELETE", path).status_code == 204
    assert api.show(session)["files"] == []


def test_restart_when_s3_fails_leaves_the_file_failed(api, faults, db):
    session = api.session()
    file = api.register(session, pdf())
    db.execute("UPDATE upload_session_files SET status = 'failed' WHERE id = %s", [file["fileId"]])
    faults.fail("Bucket.create_upload", error=unavailable)
    again = pdf(fileId=file["fileId"])
    assert api.refused("POST", f"/{session}/files", again) == NO_STORE
    assert [one["status"] for one in api.show(session)["files"]] == ["failed"]
    assert api.call("POST", f"/{session}/files", again).status_code == 201


def test_adopting_when_s3_fails_leaves_the_reservation_to_the_call_that_made_it(api, faults, db, monkeypatch):
    monkeypatch.setattr(upload_starts, "PAUSES", (0.05,))  # nobody else is alive to be waited for
    session = api.session()
    file = api.register(session, pdf())
    db.execute("UPDATE upload_session_files SET upload_id = NULL WHERE id = %s", [file["fileId"]])
    faults.fail("Bucket.create_upload", error=unavailable)
    assert api.refused("POST", f"/{session}/files", pdf(fileId=file["fileId"])) == NO_STORE
    assert [one["status"] for one in api.show(session)["files"]] == ["pending"]


def test_a_batch_in_which_one_upload_cannot_be_started(api, faults):
    session = api.session()
    faults.fail("Bucket.create_upload", error=unavailable)
    response = api.call(
        "POST", f"/{session}/files/batch", {"files": [pdf(f"{number}.pdf") for number in range(3)]}
    )
    assert response.status_code == 207
    results = response.json()["results"]
    failed = [result for result in results if "error" in result]
    assert failed == [{"fileId": None, "uploadId": None, "error": NO_STORE[1]}]
    assert [r for r in results if r not in failed] == [{"fileId": UUID, "uploadId": TEXT}] * 2
    assert len(api.show(session)["files"]) == 2


def complete_path(session, file):
    return f"/{session}/files/{file['fileId']}/complete"


@pytest.mark.parametrize("after", [False, True])
def test_complete_when_s3s_answer_is_lost(api, faults, after):
    session = api.session()
    file, parts = api.upload(session, pdf(), bytes(6 * MIB))
    faults.fail("Bucket.complete_upload", error=unavailable, after=after)
    assert api.refused("POST", complete_path(session, file), {"parts": parts}) == NO_STORE
    assert api.complete(session, file["fileId"], {"parts": parts})["sizeBytes"] == 6 * MIB


@pytest.mark.parametrize(
    ("place", "after"),
    [("Bucket.complete_upload", False), ("Bucket.complete_upload", True), ("FileStore.mark_completed", False),
     ("FileStore.mark_completed", True)],
)  # fmt: skip
def test_complete_when_the_process_dies(api, faults, place, after):
    session = api.session()
    file, parts = api.upload(session, pdf(), bytes(6 * MIB))
    faults.fail(place, after=after)
    crash(lambda: api.call("POST", complete_path(session, file), {"parts": parts}))
    completed = api.complete(session, file["fileId"], {"parts": parts})
    assert completed["sizeBytes"] == 6 * MIB
    assert completed["etag"].endswith("-2")
    found = api.parts(session, file["fileId"])
    assert [{"partNumber": p["partNumber"], "etag": f'"{p["etag"]}"'} for p in found["parts"]] == parts
    assert found["missingPartNumbers"] == []


@pytest.mark.parametrize(
    ("place", "after"),
    [("Bucket.abort_upload", False), ("Bucket.abort_upload", True), ("FileStore.delete", False)],
)
def test_abort_when_the_process_dies(api, faults, s3, place, after):
    session = api.session()
    file, _ = api.upload(session, pdf(), b"abc")
    path = f"/{session}/files/{file['fileId']}"
    faults.fail(place, after=after)
    crash(lambda: api.call("DELETE", path))
    assert api.call("DELETE", path).status_code == 204
    assert (api.show(session)["files"], uploads_of(s3, session)) == ([], [])


def test_abort_when_s3_does_not_answer_changes_nothing(api, faults):
    session = api.session()
    file, _ = api.upload(session, pdf(), b"abc")
    faults.fail("Bucket.abort_upload", error=unavailable)
    assert api.refused("DELETE", f"/{session}/files/{file['fileId']}") == NO_STORE
    assert api.complete(session, file["fileId"])["sizeBytes"] == 3


def test_cancel_when_s3_fails_for_one_file_can_be_repeated(api, faults, s3):
    session = api.session()
    for number in range(3):
        api.register(session, pdf(f"{number}.pdf"))
    faults.fail("Bucket.abort_upload", error=unavailable)
    assert api.refused("DELETE", f"/{session}") == NO_STORE
    assert api.show(session)["status"] == "cancelled"
    assert len(api.show(session)["files"]) == 1
    assert api.call("DELETE", f"/{session}").status_code == 204
    assert (api.show(session)["files"], uploads_of(s3, session)) == ([], [])


def test_query_when_s3_does_not_answer(api, faults):
    session = api.session()
    file, parts = api.upload(session, pdf(), bytes(6 * MIB))
    api.record(session, file["fileId"], parts[:1])
    faults.fail("Bucket.list_parts", error=unavailable, times=2)
    found = api.parts(session, file["fileId"])
    assert (found["verified"], found["missingPartNumbers"]) == (False, [2])
    resumed = api.parts(session, file["fileId"], "?presign=true")
    assert [entry["partNumber"] for entry in resumed["presignedUrls"]] == [2]


def test_what_was_reported_and_is_not_listed_yet_is_asked_for_again(api, faults):
    """Some stores are eventually consistent: here the first two lists come too early."""
    early = iter([True, True])
    faults.instead("Bucket.list_parts", lambda real, *args: real(*args)[: 1 if next(early, False) else None])
    session = api.session()
    file, parts = api.upload(session, pdf(), bytes(6 * MIB))
    api.record(session, file["fileId"], parts)
    assert api.complete(session, file["fileId"])["sizeBytes"] == 6 * MIB
    assert faults.calls.count("Bucket.list_parts") == 3


def test_an_empty_list_of_a_completed_object_is_a_success(api, faults, s3):
    """What some stores list of an upload while, or after, another call completes it."""

    faults.instead("Bucket.list_parts", lambda *_: [])
    session = api.session()
    file, parts = api.upload(session, pdf(), b"abc")
    assemble(s3, file, parts)
    assert api.complete(session, file["fileId"])["sizeBytes"] == 3
    assert api.show(session)["files"][0]["status"] == "completed"


def test_parts_that_change_while_they_are_assembled_are_listed_again(api, faults):
    session = api.session()
    file, _ = api.upload(session, pdf(), b"abc")
    faults.fail("Bucket.complete_upload", error=PartsChangedError)
    assert api.complete(session, file["fileId"])["sizeBytes"] == 3
    assert faults.calls.count("Bucket.list_parts") == 2


def test_parts_that_never_stop_changing_are_503(api, faults):
    session = api.session()
    file, _ = api.upload(session, pdf(), b"abc")
    faults.fail("Bucket.complete_upload", error=PartsChangedError, times=10)
    response = api.call("POST", complete_path(session, file))
    assert (response.status_code, response.json()["error"]) == NO_STORE
    assert int(response.headers["Retry-After"]) >= 1
    faults.planned.clear()
    assert api.complete(session, file["fileId"])["sizeBytes"] == 3


def test_nothing_is_asked_for_again_when_nothing_says_it_should_be_there(api, faults):
    session = api.session()
    file = api.register(session, pdf(partCount=3))
    assert api.refused("POST", complete_path(session, file))[1]["reason"] == "PARTS_MISSING"
    assert faults.calls.count("Bucket.list_parts") == 1


def test_the_object_of_a_given_up_upload_is_not_taken_for_that_of_the_next(api, s3, db, monkeypatch):
    """It came to be when its file was aborted while S3 assembled it; before 0.2.0 the next had its key."""
    of_before = lambda *args: policy.object_key(*args[:-1], None)  # noqa: E731
    monkeypatch.setattr(registration_plan, "object_key", of_before)
    session, file = api.session(), pdf(fileId=new_id())
    old, parts = api.upload(session, file, b"old")
    db.execute("DELETE FROM upload_session_files WHERE id = %s", [old["fileId"]])
    key = assemble(s3, old, parts)

    api.upload(session, file, b"new")
    path = f"/{session}/files/{file['fileId']}"
    assert api.call("DELETE", path).status_code == 204
    assert api.show(session)["files"] == []

    api.register(session, file | {"size": 3})
    assert api.refused("POST", f"{path}/complete")[1]["reason"] == "PARTS_MISSING"
    again = api.parts(session, file["fileId"], "?presign=true")
    put_all(again["presignedUrls"], b"new", 5 * MIB)
    assert api.complete(session, file["fileId"])["sizeBytes"] == 3
    assert s3.get_object(Bucket="uploads", Key=key)["Body"].read() == b"new"


def test_nothing_is_acknowledged_that_the_table_does_not_say(api, s3, db):
    """A reservation under whose key there is an object: it has no upload that could have become it."""
    session = api.session()
    file, parts = api.upload(session, pdf(fileId=new_id()), b"abc")
    assemble(s3, file, parts)
    db.execute("UPDATE upload_session_files SET upload_id = NULL WHERE id = %s", [file["fileId"]])
    assert api.refused("POST", complete_path(session, file))[1]["reason"] == "UPLOAD_NOT_FOUND"
    assert [one["status"] for one in api.show(session)["files"]] == ["pending"]


def test_a_file_that_was_assembled_before_its_session_expired_is_complete(api, faults, db):
    session = api.session()
    file, parts = api.upload(session, pdf(), b"abc")
    unfinished = api.register(session, pdf("other.pdf"))
    faults.fail("Bucket.complete_upload", error=unavailable, after=True)
    assert api.refused("POST", complete_path(session, file), {"parts": parts}) == NO_STORE
    db.execute("UPDATE upload_sessions SET expires_at = NOW() WHERE id = %s", [session])
    assert api.complete(session, file["fileId"])["sizeBytes"] == 3
    assert api.refused("POST", complete_path(session, unfinished))[1]["reason"] == "SESSION_EXPIRED"
    assert [one["status"] for one in api.show(session)["files"]] == ["completed", "pending"]


def test_the_database_restarts_between_two_requests(api, stack):
    session = api.session()
    stack.restart_postgres()
    assert api.show(session)["status"] == "active"


def test_a_database_that_is_down_is_503_and_health_says_so(in_process):
    api = in_process(DATABASE_URL="postgresql://postgres@127.0.0.1:9/postgres?connect_timeout=1")
    response = api.call("POST", "", {})
    assert response.status_code == 503
    assert response.json()["error"] == error("SERVICE_UNAVAILABLE", "DATABASE_UNAVAILABLE")
    assert response.headers["Retry-After"] == "5"
    health = api.call("GET", "/api/health")
    assert (health.status_code, health.json()) == (
        503, {"status": "unavailable", "database": "unavailable", "bucket": "ok"},
    )  # fmt: skip
    assert health.headers["Retry-After"] == "5"


def test_the_database_was_never_migrated(in_process, env, db):
    db.execute("CREATE DATABASE never_migrated")
    api = in_process(DATABASE_URL=env["DATABASE_URL"].rpartition("/")[0] + "/never_migrated")
    health = api.call("GET", "/api/health")
    assert (health.status_code, health.json()["database"]) == (503, "unavailable")


def test_the_bucket_is_not_there(in_process):
    api = in_process(MOC_BUCKET="no-such-bucket")
    assert api.call("GET", "/api/health").json()["bucket"] == "unavailable"
    session = api.session()
    refused = (500, error("INTERNAL_ERROR", "STORAGE_REFUSED"))
    assert api.refused("POST", f"/{session}/files", pdf()) == refused
    assert api.show(session)["files"] == []
