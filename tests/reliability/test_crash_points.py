"""Every step of every use case: it fails before it does anything, or after; the process is killed there."""

import signal

import httpx
import pytest

from lib import wiring
from lib.errors import ApiError, Reason
from lib.service import registration
from tests.support.client import Client, put_part
from tests.support.faults import Faults
from tests.support.servers import MortalServers
from tests.support.use_cases import CONTENT, POINTS, USE_CASES, World, may_leave_an_upload

BY_POINT = pytest.mark.parametrize(
    ("case", "step"), POINTS, ids=[f"{case.name}: {step}" for case, step in POINTS]
)
BEFORE_AND_AFTER = pytest.mark.parametrize("after", [False, True], ids=["before", "after"])


@pytest.fixture(scope="module")
def faults():
    return Faults()


@pytest.fixture(scope="module")
def faulty(env, faults):
    application = wiring.build(env, faults.wrap)
    yield application
    application.close()


@pytest.fixture
def world(shared_api, s3, db, monkeypatch):
    monkeypatch.setattr(registration, "PAUSES", (0.05,))  # nobody else is alive to be waited for
    return World(shared_api, s3, db)


@pytest.fixture(scope="module")
def mortals(env, tmp_path_factory):
    with MortalServers(env, tmp_path_factory.mktemp("mortals") / "log") as mortals:
        yield mortals


@pytest.mark.parametrize("case", USE_CASES, ids=lambda case: case.name)
def test_the_table_has_every_step(world, faulty, faults, case):
    case.prepare(world)
    wiring.use(faulty)
    faults.calls.clear()
    world.api.call(*case.request(world))
    asked = [name for name in faults.calls if name not in LOCAL]
    assert list(dict.fromkeys(asked)) == list(case.steps)


LOCAL = {"S3.prepare", "S3.credentials", "S3.object_url"}  # no network: they cannot fail by themselves


@pytest.mark.long
@BY_POINT
@BEFORE_AND_AFTER
def test_a_step_fails(world, faulty, faults, case, step, after):
    case.prepare(world)
    wiring.use(faulty)
    reason = Reason.STORAGE_UNAVAILABLE if step.startswith("S3.") else Reason.DATABASE_UNAVAILABLE
    faults.fail(step, after=after, error=lambda: ApiError(reason))
    response = world.api.call(*case.request(world))
    failure = _failure_of(response)
    assert failure == reason.name or (case.name, step) in ANSWERED_ALL_THE_SAME, response.text
    goes_on(world, case, step, after)


# Querying answers from the table when S3 cannot be asked.
ANSWERED_ALL_THE_SAME = {
    ("query parts", "S3.list_parts"),
    ("resume an upload that is gone", "S3.list_parts"),
    ("resume a file that was assembled", "S3.list_parts"),
}


@pytest.mark.long
@BY_POINT
@BEFORE_AND_AFTER
def test_the_process_is_killed(world, mortals, case, step, after):
    case.prepare(world)
    url = mortals.start(step, "after" if after else "before")
    with httpx.Client(base_url=url, timeout=30) as http, pytest.raises(httpx.TransportError):
        Client(http, world.api.token).call(*case.request(world))
    assert mortals.wait() == signal.SIGKILL
    goes_on(world, case, step, after)


def goes_on(world, case, step, after):
    """The same call again, and then whatever it takes to bring the file to its end."""
    response = world.api.call(*case.request(world))
    problem = _failure_of(response)
    assert (problem or response.status_code) in case.again, response.text
    END[case.end](world, response)
    nothing_acknowledged_is_lost(world)
    orphans = uploads_of(world)
    assert len(orphans) <= may_leave_an_upload(case, step, after)
    if case.name != "cancel":
        assert world.api.call("DELETE", f"/{world.session}").status_code == 204
    assert uploads_of(world) == orphans
    nothing_acknowledged_is_lost(world)


def _failure_of(response):
    if response.status_code in (201, 207) and "results" in response.json():
        [result] = response.json()["results"]
        return result["error"]["reason"] if "error" in result else None
    return response.json()["error"]["reason"] if response.is_error else None


def completed(world, response):
    """The client finds its file, sends what is missing, completes, and the bytes are right."""
    listed = world.api.show(world.session)["files"]
    [file] = [file for file in listed if file["fileKey"] == world.metadata["name"]]
    world.file = {"fileId": file["fileId"]}
    for entry in world.api.parts(world.session, file["fileId"], "?presign=true")["presignedUrls"]:
        put_part(entry, CONTENT)
    done = world.api.complete(world.session, file["fileId"])
    assert (done["sizeBytes"], stored(world, done)) == (len(CONTENT), CONTENT)


def restarted(world, response):
    """The client does as it is told: registers the file again, and uploads it."""
    world.register()
    completed(world, response)


def gone(world, response):
    assert [file["fileKey"] for file in world.api.show(world.session)["files"]] == ["kept.pdf"]


END = {"completed": completed, "restarted": restarted, "gone": gone, "nothing": lambda world, response: None}


def nothing_acknowledged_is_lost(world):
    assert world.api.complete(world.session, world.kept["fileId"]) == world.kept
    assert stored(world, world.kept) == CONTENT


def stored(world, answer):
    key = answer["fileUrl"].partition("/uploads/")[2]
    return world.s3.get_object(Bucket="uploads", Key=key)["Body"].read()


def uploads_of(world):
    uploads = world.s3.list_multipart_uploads(Bucket="uploads", MaxUploads=1000).get("Uploads", [])
    return [upload["UploadId"] for upload in uploads if world.session in upload["Key"]]
