"""Every step of every use case: it fails before it does anything, or after; the process is killed there."""

import ast
import re
import signal
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from lib import service, wiring
from lib.domain.errors import ApiError, Reason
from lib.postgres.database import Database, _ConnectionLostError
from lib.s3.bucket import Bucket
from lib.service import upload_starts
from tests.support.client import Client, put_part
from tests.support.faults import Faults
from tests.support.http_faults import FaultyProxy
from tests.support.open_uploads import uploads_of
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
def store(env):
    """The store behind a proxy, which lets something happen while S3 is asked."""
    with FaultyProxy(env["S3_ENDPOINT_URL"]) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def behind(env, store):
    """The environment of who asks the proxy; its objects are where they are for the others."""
    return env | {"S3_ENDPOINT_URL": store.url, "PUBLIC_BASE_URL": f"{env['S3_ENDPOINT_URL']}/uploads"}


@pytest.fixture(scope="module")
def faulty(behind, faults):
    application = wiring.build(behind, faults.wrap)
    yield application
    application.close()


@pytest.fixture
def new_world(shared_api, sound, s3, db, monkeypatch):
    """Makes one, and prepares it for a use case."""
    monkeypatch.setattr(upload_starts, "PAUSES", (0.05,))  # nobody else is alive to be waited for

    def make(case):
        wiring.use(sound)
        world = World(shared_api, s3, db)
        case.prepare(world)
        return world

    return make


@pytest.fixture
def world(new_world, case):
    return new_world(case)


@contextmanager
def meanwhile(store, case, world):
    """What comes in between does so during the use case only, not when its call is made again."""
    store.fault = lambda method, path: case.meanwhile(world, method, path)
    yield
    store.fault = lambda method, path: None


@pytest.fixture(scope="module")
def mortals(behind, tmp_path_factory):
    with MortalServers(behind, tmp_path_factory.mktemp("mortals") / "log") as mortals:
        yield mortals


@pytest.mark.parametrize("case", USE_CASES, ids=lambda case: case.name)
def test_the_table_has_every_step(world, faulty, faults, store, case):
    wiring.use(faulty)
    faults.calls.clear()
    with meanwhile(store, case, world):
        world.api.call(*case.request(world))
    asked = [name for name in faults.calls if name not in LOCAL]
    assert list(dict.fromkeys(asked)) == list(case.steps)


LOCAL = {
    "Bucket.prepare",
    "Bucket.credentials",
    "Bucket.object_url",
}  # no network: they cannot fail by themselves


def test_every_call_in_the_services_is_a_step(new_world, faulty, faults, store):
    """What the code calls is what the use cases call: a new call needs a use case that makes it."""
    faults.sites.clear()
    for case in USE_CASES:
        world = new_world(case)
        wiring.use(faulty)
        with meanwhile(store, case, world):
            world.api.call(*case.request(world))
    assert faults.sites == calls_in_the_services()


def calls_in_the_services():
    """File, line and method of what the services ask of the stores and S3."""
    calls = set()
    for path in Path(service.__file__).parent.glob("*.py"):
        if path.name == "health.py":
            continue  # it changes nothing: after it there is nothing to be repaired
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and not isinstance(getattr(Bucket, node.attr, None), property):
                owner = ast.unparse(node.value).removeprefix("self.").lstrip("_")
                if owner in ("store", "s3"):
                    calls.add((path.name, node.lineno, node.attr))
    return calls


@pytest.mark.long
@BY_POINT
@BEFORE_AND_AFTER
def test_a_retry_repairs_a_failed_step(world, faulty, faults, store, case, step, after):
    wiring.use(faulty)
    reason = Reason.STORAGE_UNAVAILABLE if step.startswith("Bucket.") else Reason.DATABASE_UNAVAILABLE
    faults.fail(step, after=after, error=lambda: ApiError(reason))
    with meanwhile(store, case, world):
        response = world.api.call(*case.request(world))
    faults.planned.clear()  # one that was not reached must not hit another test
    failure = _failure_of(response)
    assert failure == reason.name or (case.name, step) in ANSWERED_ALL_THE_SAME, response.text
    goes_on(world, case, step, after)


# Querying answers from the table when S3 cannot be asked. A call that was overtaken answers the other call's
# upload, whatever became of its own. The bucket's lifecycle rule removes an upload that no file keeps.
ANSWERED_ALL_THE_SAME = {
    ("query parts", "Bucket.list_parts"),
    ("resume an upload that may be being assembled", "Bucket.list_parts"),
    ("resume an upload that is gone", "Bucket.list_parts"),
    ("resume a file that was assembled", "Bucket.list_parts"),
    ("register while the session is cancelled", "Bucket.abort_upload"),
    ("register while another call is faster", "Bucket.create_upload"),
    ("register while another call is faster", "Bucket.abort_upload"),
}


@pytest.mark.long
@BY_POINT
@BEFORE_AND_AFTER
def test_a_retry_repairs_what_a_killed_process_left(world, mortals, store, case, step, after):
    url = mortals.start(step, "after" if after else "before")
    with (
        httpx.Client(base_url=url, timeout=30) as http,
        meanwhile(store, case, world),
        pytest.raises(httpx.TransportError),
    ):
        Client(http, world.api.token).call(*case.request(world))
    assert mortals.wait() == signal.SIGKILL
    goes_on(world, case, step, after)


@pytest.mark.parametrize("case", USE_CASES, ids=lambda case: case.name)
def test_a_commit_whose_answer_is_lost_is_repeated(new_world, faulty, store, case, monkeypatch):
    """The connection dies under each piece of work in turn, when it is done: the client does not notice."""
    run_once, done, lost = Database._run_once, [], None

    def losing(*args):
        result = run_once(*args)
        done.append(args)
        if len(done) - 1 == lost:
            raise _ConnectionLostError
        return result

    def run():
        world = new_world(case)
        wiring.use(faulty)
        done.clear()
        with meanwhile(store, case, world), monkeypatch.context() as patch:
            patch.setattr(Database, "_run_once", losing)
            response = world.api.call(*case.request(world))
        shown = world.api.call("GET", f"/{world.session}")
        uploads, objects = len(uploads_of(world.s3, world.session, world.prefix())), len(objects_of(world))
        return response.status_code, alike(response), alike(shown), uploads, objects

    expected = run()
    count = len(done)
    assert count
    for lost in range(count):  # noqa: B007 - which `losing` looks at
        assert run() == expected
        assert len(done) in (count + 1, count + 2)  # who finds a registration settled asks what it has become


def alike(response):
    """The body without what no two worlds have in common: ids, ETags of them, signatures and times."""
    return re.sub(r"[0-9a-f-]{32,}|\d{4}-\d\d-\d\dT[\d:.]+Z|\d{8}T\d{6}Z", "…", response.text)


def goes_on(world, case, step, after):
    """The same call again, and then whatever it takes to bring the files to their end."""
    response = world.api.call(*case.request(world))
    problem = _failure_of(response)
    assert (problem or response.status_code) in case.again, response.text
    END[case.end](world, response)
    nothing_acknowledged_is_lost(world)
    orphans = uploads_of(world.s3, world.session, world.prefix())
    assert len(orphans) <= case.uploads * may_leave_an_upload(case, step, after)
    assert objects_of(world) == world.completed_keys()
    assert world.api.call("DELETE", f"/{world.session}").status_code == 204
    assert {file["status"] for file in world.api.show(world.session)["files"]} == {"completed"}
    assert uploads_of(world.s3, world.session, world.prefix()) == orphans
    assert objects_of(world) == world.completed_keys()
    nothing_acknowledged_is_lost(world)


def _failure_of(response):
    if response.status_code in (201, 207) and "results" in response.json():
        failures = [result["error"]["reason"] for result in response.json()["results"] if "error" in result]
        return failures[0] if failures else None
    return response.json()["error"]["reason"] if response.is_error else None


def completed(world, response):
    """The client finds its files, sends what is missing, completes, and the bytes are right."""
    files = unkept(world)
    assert {file["fileKey"] for file in files} == {one["name"] for one in (world.metadata, *world.more)}
    for file in files:
        for entry in world.api.parts(world.session, file["fileId"], "?presign=true")["presignedUrls"]:
            put_part(entry, CONTENT)
        is_complete(world, file)


def restarted(world, response):
    """The client does as it is told: registers the file again, and uploads it."""
    world.register()
    completed(world, response)


def completed_or_cancelled(world, response):
    if response.is_error:
        assert world.api.show(world.session)["status"] == "cancelled"
    else:
        completed(world, response)


def kept(world, response):
    """It is completed already, whatever has become of its session."""
    [file] = unkept(world)
    assert file["status"] == "completed"
    is_complete(world, file)


def gone(world, response):
    assert unkept(world) == []


END = {
    "completed": completed,
    "restarted": restarted,
    "completed or cancelled": completed_or_cancelled,
    "kept": kept,
    "gone": gone,
    "nothing": lambda world, response: None,
}


def unkept(world):
    """The files that the use case is about."""
    return [file for file in world.api.show(world.session)["files"] if file["fileKey"] != "kept.pdf"]


def is_complete(world, file):
    done = world.api.complete(world.session, file["fileId"])
    assert (done["sizeBytes"], stored(world, done)) == (len(CONTENT), CONTENT)


def nothing_acknowledged_is_lost(world):
    assert world.api.complete(world.session, world.kept["fileId"]) == world.kept
    assert stored(world, world.kept) == CONTENT


def stored(world, answer):
    key = answer["fileUrl"].partition("/uploads/")[2]
    return world.s3.get_object(Bucket="uploads", Key=key)["Body"].read()


def objects_of(world):
    listed = world.s3.list_objects_v2(Bucket="uploads", Prefix=world.prefix())
    assert not listed["IsTruncated"]
    return {one["Key"] for one in listed["Contents"]}
