"""S3's answer to a complete is lost, and for a while S3 shows neither the upload nor the object."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import wiring
from lib.postgres.database import Database
from tests.support.client import pdf
from tests.support.faults import Crash
from tests.support.fuzzy import NO_STORE
from tests.support.http_faults import GONE, FaultyProxy

STILL_ASSEMBLING = NO_STORE
FAILED_INSIDE_OF_200 = b"<Error><Code>InternalError</Code></Error>"
REFUSED = (400, b"<Error><Code>InvalidPart</Code></Error>")
DENIED = (403, b"<Error><Code>AccessDenied</Code></Error>")
NO_PARTS = b"<ListPartsResult><IsTruncated>false</IsTruncated></ListPartsResult>"


class Store:
    """What a store shows while it assembles; the test assembles behind its back."""

    def __init__(self, proxy):
        self._proxy = proxy

    def loses(self, *answers):
        """Completes are answered so; then as the last time."""
        rest = list(answers)
        self._proxy.fault = lambda method, path: (
            (rest.pop(0) if len(rest) > 1 else rest[0]) if _completes(method, path) else None
        )

    def assembles(self, listed=GONE):
        def fault(method, path):
            if method == "HEAD":
                return (404, b"")
            return listed if method == "GET" else GONE if _completes(method, path) else None

        self._proxy.fault = fault

    def is_done(self):
        self._proxy.fault = lambda method, path: None


def _completes(method, path):
    return method == "POST" and "uploadId=" in path


@pytest.fixture
def store(env):
    with FaultyProxy(env["S3_ENDPOINT_URL"]) as proxy:
        store = Store(proxy)
        store.url = proxy.url
        yield store


@pytest.fixture
def api(in_process, store):
    return in_process(S3_ENDPOINT_URL=store.url)


@pytest.fixture
def file(api, session):
    file, _ = api.upload(session, pdf(), b"abc")
    return file


def complete(api, session, file):
    return api.refused("POST", f"/{session}/files/{file['fileId']}/complete")


def status(api, session):
    [file] = api.show(session)["files"]
    return file["status"]


LOST_AGO = """
UPDATE upload_session_files SET complete_unanswered_at = NOW() - %s * INTERVAL '1 minute' WHERE id = %s
"""


def lost_ago(db, file, minutes):
    db.execute(LOST_AGO, [minutes, file["fileId"]])


LOSSES = {
    "nonsense": [b""],
    "an error inside of a 200": [FAILED_INSIDE_OF_200],
    "500": [500],
    "cut": ["cut"],
    "cut, and then busy": ["cut", 503],
    "cut, and when asked again it knows of no upload": ["cut", GONE],
    "500, and when asked again it knows of no upload": [500, GONE],
    "cut, and when asked again it refuses": ["cut", DENIED],
    "500, and when asked again it has no such parts": [500, REFUSED],
}


@pytest.fixture
def lose(api, session, file, store):
    """A complete whose answer is lost; then the store assembles."""

    def lose(*answers):
        store.loses(*answers)
        answer = complete(api, session, file)
        store.assembles()
        return answer

    return lose


@pytest.mark.parametrize("answers", LOSSES.values(), ids=LOSSES)
def test_a_file_is_not_failed_while_it_may_be_being_assembled(
    api, session, file, store, s3, db, lose, answers
):
    assert lose(*answers)[0] in (500, 503)
    assert complete(api, session, file) == STILL_ASSEMBLING
    path = f"/{session}/files/{file['fileId']}"
    assert api.refused("GET", f"{path}/parts?presign=true") == STILL_ASSEMBLING
    assert api.parts(session, file["fileId"])["verified"] is False
    again = api.call("POST", f"/{session}/files", pdf(size=3, fileId=file["fileId"]))
    assert (again.status_code, again.json()["uploadId"]) == (200, file["uploadId"])
    assert status(api, session) == "pending"
    store.is_done()
    assert api.complete(session, file["fileId"])["sizeBytes"] == 3


@pytest.mark.parametrize("lists", [True, False], ids=["listed still", "listed no more"])
def test_a_call_that_comes_while_another_waits_for_s3_does_not_fail_the_file(
    api, session, file, store, lists
):
    """Its own complete is refused; that is no answer to the other's."""
    asked, done = threading.Event(), threading.Event()

    def assembling(method, path):
        if _completes(method, path) and not asked.is_set():
            asked.set()
            assert done.wait(60)
            return None
        if done.is_set() or not asked.is_set() or (method == "GET" and lists):
            return None
        return (404, b"") if method == "HEAD" else GONE

    store._proxy.fault = assembling
    with ThreadPoolExecutor(1) as executor:
        first = executor.submit(api.complete, session, file["fileId"])
        assert asked.wait(60)
        try:
            assert complete(api, session, file) == STILL_ASSEMBLING
            assert status(api, session) == "pending"
        finally:
            done.set()
        assert first.result()["sizeBytes"] == 3


def test_a_file_whose_process_died_during_the_assembly_is_not_failed(in_process, env, store, faults, user):
    api = in_process(wiring.build(env | {"S3_ENDPOINT_URL": store.url}, faults.wrap))
    session = api.session()
    file, _ = api.upload(session, pdf(), b"abc")
    faults.fail("Bucket.complete_upload")
    with pytest.raises(Crash):
        api.complete(session, file["fileId"])
    store.assembles()
    assert complete(api, session, file) == STILL_ASSEMBLING


def test_after_fifteen_minutes_it_is_failed(api, session, file, db, lose):
    lose(b"")
    lost_ago(db, file, 14)
    assert complete(api, session, file) == STILL_ASSEMBLING
    lost_ago(db, file, 16)
    assert complete(api, session, file)[1]["reason"] == "UPLOAD_NOT_FOUND"
    assert status(api, session) == "failed"


def test_a_new_upload_of_a_failed_file_bears_no_mark(api, session, file, store, db, lose):
    lose(b"")
    db.execute("UPDATE upload_session_files SET status = 'failed' WHERE id = %s", [file["fileId"]])
    api.register(session, pdf(size=3, fileId=file["fileId"]))
    assert complete(api, session, file)[1]["reason"] == "UPLOAD_NOT_FOUND"


@pytest.mark.parametrize("answer", [GONE, REFUSED, DENIED])
def test_what_s3_did_answer_is_no_loss(api, session, file, store, answer):
    store.loses(answer)
    complete(api, session, file)
    store.assembles()
    assert complete(api, session, file)[1]["reason"] == "UPLOAD_NOT_FOUND"
    assert status(api, session) == "failed"


@pytest.fixture
def run_marks_twice(monkeypatch):
    """A mark's connection is lost just after COMMIT: the work runs again."""
    run = Database.run

    def twice(database, work):
        if "mark_asked" in work.__qualname__:
            run(database, work)
        return run(database, work)

    monkeypatch.setattr(Database, "run", twice)


@pytest.mark.usefixtures("run_marks_twice")
def test_a_call_that_repeats_its_mark_takes_it_back(api, session, file, store):
    store.loses(REFUSED)
    complete(api, session, file)
    store.assembles()
    assert complete(api, session, file)[1]["reason"] == "UPLOAD_NOT_FOUND"


@pytest.mark.usefixtures("run_marks_twice")
def test_a_call_that_repeats_its_mark_leaves_that_of_another(api, session, file, store):
    store.loses(b"")
    complete(api, session, file)
    store.loses(REFUSED)
    complete(api, session, file)
    store.assembles()
    assert complete(api, session, file) == STILL_ASSEMBLING


def test_an_empty_list_of_parts_is_no_answer_while_s3_may_be_assembling(api, session, file, store, lose):
    lose(b"")
    store.assembles(listed=NO_PARTS)
    assert complete(api, session, file) == STILL_ASSEMBLING
    path = f"/{session}/files/{file['fileId']}/parts?presign=true"
    assert api.refused("GET", path) == STILL_ASSEMBLING  # and no URLs for parts that are there
    known = api.parts(session, file["fileId"])
    assert (known["verified"], known["missingPartNumbers"]) == (False, [])


def test_a_session_that_ends_while_s3_may_be_assembling_is_503_first(api, session, file, store, db, lose):
    lose(b"")
    db.execute("UPDATE upload_sessions SET expires_at = NOW() WHERE id = %s", [session])
    assert complete(api, session, file) == STILL_ASSEMBLING
    lost_ago(db, file, 16)
    assert complete(api, session, file)[1]["reason"] == "SESSION_EXPIRED"


def test_a_loss_that_another_call_notes_is_seen_by_one_that_has_read_before(
    api, session, file, db, store, lose
):
    """The judgement is the statement's own, not that of a row that was read earlier."""
    store.loses(b"")
    complete(api, session, file)
    mark = "UPDATE upload_session_files SET complete_unanswered_at = %s WHERE id = %s"
    db.execute(mark, [None, file["fileId"]])
    noted = []

    def fault(method, path):
        if method == "HEAD":
            noted.append(db.execute(mark, ["now", file["fileId"]]))
        return GONE

    store._proxy.fault = fault
    assert complete(api, session, file) == STILL_ASSEMBLING
    assert noted
