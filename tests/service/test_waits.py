"""A registration waits for the call that had reserved its file, and that comes to another end."""

import time

import pytest

from lib import wiring
from tests.support.client import new_id, pdf
from tests.support.faults import unavailable


@pytest.fixture
def api(in_process, env, faults):
    return in_process(wiring.build(env, faults.wrap))


@pytest.fixture
def file():
    return pdf(size=3, fileId=new_id())


@pytest.fixture
def reserved(api, session, file, s3, db):
    """Its call has started no upload yet."""
    api.register(session, file)
    db.execute("UPDATE upload_session_files SET upload_id = NULL WHERE id = %s", [file["fileId"]])


@pytest.fixture
def meanwhile(faults):
    """What another call does while ours waits."""

    def meanwhile(change):
        changes = [change]

        def states(ask, *args):
            if changes:
                changes.pop()()
            return ask(*args)

        faults.instead("RegistrationStore.states", states)

    return meanwhile


@pytest.fixture
def changes(api, session, file, db):
    def aborts():
        api.ok("DELETE", f"/{session}/files/{file['fileId']}")

    def withdraws():
        db.execute("DELETE FROM upload_session_files WHERE id = %s", [file["fileId"]])

    def fails():
        db.execute("UPDATE upload_session_files SET status = 'failed' WHERE id = %s", [file["fileId"]])

    def registers_anew():
        aborts()
        api.register(session, file)

    def cancels():
        api.ok("DELETE", f"/{session}")

    def expires():
        aborts()
        db.execute("UPDATE upload_sessions SET expires_at = NOW() WHERE id = %s", [session])

    def is_done():
        db.execute("UPDATE upload_session_files SET upload_id = 'its own' WHERE id = %s", [file["fileId"]])

    return locals()


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [("aborts", 201, None), ("withdraws", 201, None), ("fails", 201, None), ("registers_anew", 200, None),
     ("is_done", 200, None), ("cancels", 400, "SESSION_NOT_ACTIVE"), ("expires", 400, "SESSION_EXPIRED")],
)  # fmt: skip
@pytest.mark.usefixtures("reserved")
def test_who_waits_is_answered_by_what_is_there_then(
    api, session, file, changes, meanwhile, change, status, reason
):
    meanwhile(changes[change])
    response = api.call("POST", f"/{session}/files", file)
    assert response.status_code == status, response.text
    assert response.json().get("error", {}).get("reason") == reason
    if reason is None:
        assert response.json()["fileId"] == file["fileId"]
        assert [one["status"] for one in api.show(session)["files"]] == ["pending"]


SECONDS = 2


@pytest.mark.usefixtures("reserved")
def test_who_waits_until_the_session_is_over_gets_no_urls_that_are_over_too(
    api, session, file, changes, meanwhile, db
):
    def is_done_later():
        time.sleep(SECONDS)
        changes["is_done"]()

    meanwhile(is_done_later)
    end = "UPDATE upload_sessions SET expires_at = NOW() + %s * INTERVAL '1 second' WHERE id = %s"
    db.execute(end, [SECONDS, session])
    status, error = api.refused("POST", f"/{session}/files", file | {"partCount": 1})
    assert (status, error["reason"]) == (400, "SESSION_EXPIRED")


@pytest.mark.parametrize("change", ["aborts", "withdraws", "cancels", "expires"])
@pytest.mark.usefixtures("reserved")
def test_a_batch_that_waits_keeps_what_it_has(api, session, file, changes, meanwhile, change):
    meanwhile(changes[change])
    files = [file, pdf("other.pdf"), file]
    response = api.call("POST", f"/{session}/files/batch", {"files": files})
    results = response.json()["results"]
    ended = change in ("cancels", "expires")
    assert response.status_code == (207 if ended else 201)
    assert all(result.get("error", {}).get("code") != "SERVICE_UNAVAILABLE" for result in results)
    assert ("error" in results[0]) == ("error" in results[2]) == ended
    if not ended:
        assert results[0] == results[2]


@pytest.mark.usefixtures("reserved")
def test_who_waits_without_an_id_gets_a_new_file(api, session, file, changes, meanwhile):
    meanwhile(changes["withdraws"])
    response = api.call("POST", f"/{session}/files", {**file, "fileId": None})
    assert response.status_code == 201
    assert response.json()["fileId"] != file["fileId"]


@pytest.mark.usefixtures("reserved")
def test_a_file_is_judged_again_only_once(api, session, file, changes, faults, db):
    """Another call reserves it, and S3 fails that one, each time that we look."""

    def states(ask, *args):
        changes["withdraws"]()
        return ask(*args)

    def reserved_by_another(reserve, session_id, plan):
        db.execute(
            "INSERT INTO upload_session_files (id, session_id, file_key, name, category, mime_type, ext, "
            "file_size_bytes) VALUES (%s, %s, %s, %s, 'instruction', 'application/pdf', 'pdf', 3) "
            "ON CONFLICT DO NOTHING",
            [file["fileId"], session, file["name"], file["name"]],
        )
        return reserve(session_id, plan)

    faults.instead("RegistrationStore.states", states)
    faults.instead("RegistrationStore.reserve", reserved_by_another)
    status, error = api.refused("POST", f"/{session}/files", file)
    assert (status, error["reason"]) == (503, "STORAGE_UNAVAILABLE")
    assert faults.calls.count("RegistrationStore.reserve") == 3  # the first is the fixture's


@pytest.mark.usefixtures("reserved")
def test_s3s_own_failure_is_503(api, session, file, changes, meanwhile, faults):
    meanwhile(changes["withdraws"])
    faults.fail("Bucket.create_upload", error=unavailable)
    assert api.refused("POST", f"/{session}/files", file)[0] == 503
