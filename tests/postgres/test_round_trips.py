"""How often each route crosses the network, counted on the wire."""

import threading
from urllib.parse import urlsplit

import boto3
import pytest
from moto import mock_aws

from lib import wiring
from lib.runtime.config import Settings
from lib.s3.bucket import Bucket
from tests.conftest import SECRET
from tests.support.client import MIB, pdf, put_all
from tests.support.faults import Faults
from tests.support.proxy import Proxy


@pytest.fixture
def proxy(env):
    url = urlsplit(env["DATABASE_URL"])
    with Proxy(url.hostname, url.port, delay=0.02) as proxy:
        yield proxy


@pytest.fixture
def count(in_process, env, proxy, request):
    """A function that makes a call and answers its SQL round trips and its S3 calls, and the client."""
    url = urlsplit(env["DATABASE_URL"])
    through = env["DATABASE_URL"].replace(f":{url.port}/", f":{proxy.port}/")
    faults = Faults()
    settings = {"DATABASE_URL": through, "AUTH_JWT_SECRET": SECRET, "RATE_LIMIT_BYPASS": "false",
                "MAX_INSTRUCTION_MB": "100000"} | getattr(request, "param", {})  # fmt: skip
    api = in_process(wiring.build(env | settings, faults.wrap))
    api.session()  # connects

    def measure(call):
        turns, calls = proxy.turns, len(faults.calls)
        result = call()
        s3_calls = [name for name in faults.calls[calls:] if name in S3_CALLS]
        return (proxy.turns - turns, len(s3_calls)), result

    return measure, api


S3_CALLS = {
    f"Bucket.{name}"
    for name in (
        "create_upload",
        "list_parts",
        "complete_upload",
        "abort_upload",
        "head_object",
        "head_bucket",
    )
}


def test_round_trips_of_creating_showing_and_cancelling_a_session(count):
    measure, api = count
    assert measure(lambda: api.session())[0] == (2, 0)
    session = api.session()
    assert measure(lambda: api.show(session))[0] == (1, 0)
    api.batch(session, [pdf(f"{number}.pdf") for number in range(3)])
    assert measure(lambda: api.call("DELETE", f"/{session}"))[0] == (2, 6)  # abort and look, for each


@pytest.mark.parametrize("count", [{}, {"MAX_UPLOAD_GB_PER_DAY": "1"}], indirect=True)
def test_a_batch_takes_as_many_round_trips_as_one_file(count):
    measure, api = count
    session = api.session()
    assert measure(lambda: api.register(session, pdf("one.pdf", partCount=3)))[0] == (3, 1)
    files = [pdf(f"{number}.pdf", partCount=3) for number in range(10)]
    (sql, s3_calls), _ = measure(lambda: api.batch(session, files))
    assert (sql, s3_calls) == (3, 10)


def test_round_trips_of_recording_querying_and_completing(count):
    measure, api = count
    session = api.session()
    file = api.register(session, pdf(size=6 * MIB, partCount=2))
    etags = put_all(file["presignedUrls"], bytes(6 * MIB), 5 * MIB)
    parts = [{"partNumber": number, "etag": etag} for number, etag in etags.items()]
    assert measure(lambda: api.record(session, file["fileId"], parts))[0] == (2, 0)
    assert measure(lambda: api.parts(session, file["fileId"]))[0] == (1, 1)
    assert measure(lambda: api.parts(session, file["fileId"], "?presign=true"))[0] == (1, 1)
    assert measure(lambda: api.complete(session, file["fileId"]))[0] == (3, 2)
    assert measure(lambda: api.complete(session, file["fileId"]))[0] == (1, 0)
    assert measure(lambda: api.parts(session, file["fileId"]))[0] == (1, 0)


def test_a_query_that_records_new_parts_takes_one_round_trip_more(count):
    measure, api = count
    session = api.session()
    file = api.register(session, pdf(size=6 * MIB, partCount=2))
    put_all(file["presignedUrls"], bytes(6 * MIB), 5 * MIB)
    assert measure(lambda: api.parts(session, file["fileId"]))[0] == (2, 1)


def test_completing_with_parts_that_are_news(count):
    measure, api = count
    session = api.session()
    file = api.register(session, pdf(size=6 * MIB, partCount=2))
    put_all(file["presignedUrls"], bytes(6 * MIB), 5 * MIB)
    assert measure(lambda: api.complete(session, file["fileId"]))[0] == (3, 2)


def test_round_trips_of_aborting_a_file(count):
    measure, api = count
    session = api.session()
    file = api.register(session, pdf())
    assert measure(lambda: api.call("DELETE", f"/{session}/files/{file['fileId']}"))[0] == (2, 2)


def test_health_asks_the_database_and_the_store_once(count):
    measure, api = count
    assert measure(lambda: api.call("GET", "/api/health"))[0] == (1, 1)


def test_the_uploads_of_a_batch_are_started_at_once(in_process, env, faults):
    """So ten files take hardly longer than one, with a store that is far away; `make bench` says how much."""
    all_ten = threading.Barrier(10)

    def start(create_upload, *args):
        all_ten.wait(60)  # breaks if one of them waits for another
        return create_upload(*args)

    faults.instead("Bucket.create_upload", start)
    api = in_process(wiring.build(env, faults.wrap))
    batch = api.batch(api.session(), [pdf(f"{number}.pdf") for number in range(10)])
    assert batch["succeeded"] == 10


def test_a_list_of_parts_costs_one_s3_call_a_thousand(env):
    """AWS sends a thousand parts a page; moto stands in, because the other stores send more."""
    calls = []
    with mock_aws():
        bucket = Bucket(
            Settings.from_env(env | {"S3_ENDPOINT_URL": "", "AUTH_BYPASS": "true", "AUTH_JWT_SECRET": ""})
        )
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=env["MOC_BUCKET"])
        upload_id = bucket.create_upload("key", "application/pdf")
        for number in range(1, 2502):
            client.upload_part(
                Bucket=env["MOC_BUCKET"], Key="key", UploadId=upload_id, PartNumber=number, Body=b"1"
            )
        bucket._client.s3().meta.events.register(
            "before-send.s3.ListParts", lambda **_: calls.append(1), unique_id="n"
        )
        listed = bucket.list_parts("key", upload_id)
    assert [part.part_number for part in listed] == list(range(1, 2502))
    assert len(calls) == 3
