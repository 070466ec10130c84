"""What one user can start and declare has a limit, exact whoever calls at once."""

from datetime import UTC, datetime, timedelta

import pytest

from lib import wiring
from lib.domain.errors import ApiError
from lib.domain.models import FileMetadata
from lib.domain.upload_limits import SessionVolume, UploadLimits
from lib.postgres.database import Database, _ConnectionLostError
from lib.service import upload_starts
from tests.conftest import token_for
from tests.support.client import MIB, Client, new_id, pdf
from tests.support.faults import unavailable
from tests.support.fuzzy import error
from tests.support.together import at_once

LIMIT = ("TOO_MANY_REQUESTS", "REGISTRATION_LIMIT")
BIG = 300 * MIB
VOLUME = {"MAX_UPLOAD_GB_PER_DAY": "1", "MAX_INSTRUCTION_MB": "2000"}


@pytest.fixture
def api(in_process):
    return in_process()


@pytest.fixture
def limited(in_process):
    """Three files of 300 MiB a day."""
    return in_process(**VOLUME)


def abort(api, session, file):
    api.ok("DELETE", f"/{session}/files/{file['fileId']}")


def counts(db, session):
    return db.execute(
        "SELECT started_uploads, declared_bytes FROM upload_sessions WHERE id = %s", [session]
    ).fetchone()


def use_up(db, session, left, max_files=1):
    """As if all but so many uploads had been started."""
    values = [10 * max_files - left, session]
    db.execute("UPDATE upload_sessions SET started_uploads = %s WHERE id = %s", values)


def test_a_loop_of_registering_and_aborting_ends(api, db):
    session = api.session(maxFiles=1)
    for _ in range(10):
        abort(api, session, api.register(session, pdf(size=3)))
    response = api.call("POST", f"/{session}/files", pdf(size=3))
    assert response.status_code == 429
    assert response.json()["error"] == error(*LIMIT, maxStartedUploads=10)
    assert "Retry-After" not in response.headers
    assert counts(db, session) == (10, 30)
    assert api.register(api.session(maxFiles=1), pdf())


def test_replays_do_not_count(api, db):
    session, file = api.session(maxFiles=1), pdf(size=3, fileId=new_id())
    for _ in range(15):
        api.register(session, file)
    at_once([lambda: api.call("POST", f"/{session}/files", file)] * 8)
    assert api.batch(session, [file] * 5)["succeeded"] == 5
    assert api.refused("POST", f"/{session}/files", pdf("another.pdf"))[1]["reason"] == "FILE_COUNT_EXCEEDED"
    assert counts(db, session) == (1, 3)


def test_a_restart_counts(api, db):
    session, file = api.session(maxFiles=1), pdf(size=3, fileId=new_id())
    api.register(session, file)
    use_up(db, session, 1)
    for status in (201, 429):
        db.execute("UPDATE upload_session_files SET status = 'failed' WHERE id = %s", [file["fileId"]])
        assert api.call("POST", f"/{session}/files", file).status_code == status
    assert api.show(session)["files"][0]["status"] == "failed"


def test_an_upload_that_s3_fails_to_start_counts(api, in_process, env, faults, db):
    """It may have started it. And asking S3 for what it refuses costs, too."""
    api = in_process(wiring.build(env, faults.wrap))
    session = api.session(maxFiles=1)
    faults.fail("Bucket.create_upload", error=unavailable)
    assert api.refused("POST", f"/{session}/files", pdf(size=3))[0] == 503
    assert counts(db, session) == (1, 3)


@pytest.mark.parametrize(("left", "status"), [(1, 201), (0, 429)])
def test_a_reservation_that_is_adopted_counts_when_its_upload_starts(api, db, monkeypatch, left, status):
    monkeypatch.setattr(upload_starts, "PAUSES", (0.05,))  # nobody else is alive to be waited for
    session, file = api.session(maxFiles=1), pdf(size=3, fileId=new_id())
    api.register(session, file)
    db.execute("UPDATE upload_session_files SET upload_id = NULL WHERE id = %s", [file["fileId"]])
    use_up(db, session, left)
    assert api.call("POST", f"/{session}/files", file).status_code == status
    assert counts(db, session) == (10, 3)


def test_each_item_of_a_batch_is_judged_alone(api, db):
    session = api.session(maxFiles=3)
    known = pdf("known.pdf", fileId=new_id())
    api.register(session, known)
    use_up(db, session, 1, max_files=3)
    files = [pdf("wrong.pdf", type="application/zip"), pdf("one.pdf"), known, pdf("two.pdf"), known]
    results = api.call("POST", f"/{session}/files/batch", {"files": files}).json()["results"]
    reasons = [result.get("error", {}).get("reason") for result in results]
    assert reasons == ["MIME_TYPE_NOT_ALLOWED", None, None, "REGISTRATION_LIMIT", None]


@pytest.fixture
def processes(env):
    """Clients of one user in two applications, each with connections of its own."""
    return [wiring.build(env | VOLUME) for _ in range(2)]


def outcomes(processes, user, calls):
    """The reasons of registrations at once, by turns in each process; `calls` are a session and a file."""

    def call(index, session, file):
        application = processes[index % len(processes)]
        try:
            application.registration.register_file(user, session, file)
        except ApiError as refusal:
            return refusal.reason.name
        return None

    parsed = [(session, FileMetadata.model_validate(file)) for session, file in calls]
    return at_once([lambda n=n, one=one: call(n, *one) for n, one in enumerate(parsed)])


@pytest.fixture
def closing(processes):
    yield
    for application in processes:
        application.close()


@pytest.mark.usefixtures("closing")
def test_the_limit_of_starts_is_exact_under_parallel_calls(api, db, user, processes):
    session = api.session(maxFiles=20)
    use_up(db, session, 5, max_files=20)
    calls = [(session, pdf(f"{number}.pdf")) for number in range(16)]
    assert sorted(map(str, outcomes(processes, user, calls))) == ["None"] * 5 + ["REGISTRATION_LIMIT"] * 11
    assert counts(db, session)[0] == 200


@pytest.mark.usefixtures("closing")
def test_the_limit_of_bytes_is_exact_under_parallel_calls_in_many_sessions(api, db, user, processes):
    calls = [(api.session(), pdf(size=BIG)) for _ in range(12)]
    assert sorted(map(str, outcomes(processes, user, calls))) == ["None"] * 3 + ["UPLOAD_VOLUME_LIMIT"] * 9
    assert sum(counts(db, session)[1] for session, _ in calls) == 3 * BIG


def test_more_bytes_than_the_days_limit_are_429(limited, db, http_of_another):
    first, second = limited.session(), limited.session()
    file = limited.register(first, pdf(size=BIG))
    limited.batch(second, [pdf("1.pdf", size=BIG), pdf("2.pdf", size=BIG)])
    abort(limited, first, file)  # which gives nothing back
    response = limited.call("POST", f"/{first}/files", pdf("4.pdf", size=BIG))
    assert response.status_code == 429
    refusal = response.json()["error"]
    assert refusal["reason"] == "UPLOAD_VOLUME_LIMIT"
    assert refusal["details"].keys() == {"nextAllowedAt", "retryAfterSeconds"}
    assert 86_000 < refusal["details"]["retryAfterSeconds"] <= 86_401
    assert response.headers["Retry-After"] == str(refusal["details"]["retryAfterSeconds"])
    assert limited.register(first, pdf("small.pdf", size=100 * MIB))
    assert limited.register(second, pdf("1.pdf", size=BIG, fileId=replayed(limited, second)))
    assert http_of_another.register(http_of_another.session(), pdf(size=BIG))
    yesterday = "UPDATE upload_sessions SET created_at = created_at - INTERVAL '1 day' WHERE id = %s"
    db.execute(yesterday, [first])
    assert limited.register(second, pdf("4.pdf", size=BIG))


def replayed(api, session):
    return next(file["fileId"] for file in api.show(session)["files"] if file["name"] == "1.pdf")


@pytest.fixture
def http_of_another(limited):
    return Client(limited.http, token_for(new_id()))


def test_a_batch_goes_on_with_what_still_fits(limited):
    session = limited.session()
    files = [
        pdf("1.pdf", size=900 * MIB),
        pdf("2.pdf", size=BIG),
        pdf("3.pdf", size=100 * MIB),
        pdf("4.pdf", size=BIG),
    ]
    results = limited.call("POST", f"/{session}/files/batch", {"files": files}).json()["results"]
    reasons = [result.get("error", {}).get("reason") for result in results]
    assert reasons == [None, "UPLOAD_VOLUME_LIMIT", None, "UPLOAD_VOLUME_LIMIT"]


def test_nothing_is_counted_twice_when_an_answer_is_lost(api, db, monkeypatch):
    session, run_once, lost = api.session(), Database._run_once, []

    def losing(*args):
        result = run_once(*args)
        if not lost:
            lost.append(args)
            raise _ConnectionLostError
        return result

    with monkeypatch.context() as patch:
        patch.setattr(Database, "_run_once", losing)
        api.batch(session, [pdf("1.pdf", size=3), pdf("2.pdf", size=4)])
    assert lost
    assert counts(db, session) == (2, 7)


NOW = datetime(2026, 1, 25, 12, tzinfo=UTC)


def hours_ago(hours):
    return NOW - timedelta(hours=hours)


@pytest.mark.parametrize(
    ("volumes", "declared", "size", "wait"),
    [([], 0, 10, None), ([], 0, 11, 24), ([], 5, 6, 24),
     ([(20, 4), (10, 6)], 0, 4, 4), ([(20, 4), (10, 6)], 0, 5, 14), ([(20, 4), (10, 6)], 0, 11, 14),
     ([(20, 4), (10, 5)], 0, 1, None), ([(20, 4), (1, 0)], 6, 5, 23), ([(20, 4), (1, 0)], 6, 4, 4)],
)  # fmt: skip
def test_when_so_many_bytes_are_allowed(volumes, declared, size, wait):
    rows = [SessionVolume(str(index), hours_ago(hours), used) for index, (hours, used) in enumerate(volumes)]
    limits = UploadLimits("1", 0, 10, 10, rows, NOW, declared)
    if wait is None:
        limits.count(size)
        assert limits.declared == declared + size
    else:
        with pytest.raises(ApiError) as caught:
            limits.count(size)
        assert caught.value.details["retryAfterSeconds"] == wait * 3600 + 1
