"""What several calls at once end with."""

import pytest

from tests.support.client import MIB, new_id, pdf, put_part
from tests.support.open_uploads import uploads_of
from tests.support.together import times_at_once


def test_parallel_registrations_never_pass_max_files(api, s3):
    session = api.session(maxFiles=7)

    def register(number):
        if number % 2:
            return api.call("POST", f"/{session}/files", pdf(f"{number}.pdf")).status_code
        files = [pdf(f"{number}-{n}.pdf") for n in range(3)]
        return api.call("POST", f"/{session}/files/batch", {"files": files}).status_code

    assert set(times_at_once(16, register)) <= {201, 207, 400}
    assert len(api.show(session)["files"]) == 7
    assert len(uploads_of(s3, session)) == 7


def test_eight_calls_with_one_file_id_end_with_one_file_and_one_open_upload(api, s3):
    session, file_id = api.session(), new_id()
    responses = times_at_once(
        8, lambda _: api.call("POST", f"/{session}/files", pdf(fileId=file_id, partCount=3))
    )
    assert sorted(response.status_code for response in responses) == [200] * 7 + [201]
    assert {response.json()["fileId"] for response in responses} == {file_id}
    assert [{response.json()["uploadId"]} for response in responses] == [
        {u} for u in uploads_of(s3, session)
    ] * 8
    assert len(api.show(session)["files"]) == 1


def test_eight_calls_with_one_file_key_end_with_one_file(api, s3):
    session = api.session()
    responses = times_at_once(8, lambda _: api.call("POST", f"/{session}/files", pdf()))
    assert sorted(response.status_code for response in responses) == [201] + [409] * 7
    [file] = api.show(session)["files"]
    refused = [response.json()["error"] for response in responses if response.status_code == 409]
    assert all(one["details"]["fileId"] == file["fileId"] for one in refused)
    assert len(uploads_of(s3, session)) == 1


def test_six_completes_at_once_are_six_times_200(api, pytestconfig):
    if pytestconfig.getoption("store") == "localstack":
        pytest.skip("LocalStack assembles one upload twice at once and may leave it empty; AWS does it once")
    session = api.session()
    file, parts = api.upload(session, pdf(), bytes(6 * MIB))
    path = f"/{session}/files/{file['fileId']}/complete"
    responses = times_at_once(6, lambda n: api.call("POST", path, {"parts": parts} if n % 2 else {}))
    assert [response.status_code for response in responses] == [200] * 6
    assert [response.json() for response in responses] == [api.complete(session, file["fileId"])] * 6


def test_complete_and_abort_at_once_end_with_one_of_the_two(api):
    for _ in range(5):
        session = api.session()
        file, _ = api.upload(session, pdf(), b"abc")
        path = f"/{session}/files/{file['fileId']}"

        def race(number, path=path):
            call = ("DELETE", path) if number % 2 else ("POST", f"{path}/complete")
            return api.patient_call(*call)

        responses = times_at_once(4, race)
        assert all(response.status_code < 500 for response in responses), [r.text for r in responses]
        files = api.show(session)["files"]
        if files:
            assert files[0]["status"] == "completed"
            assert api.complete(session, file["fileId"])["sizeBytes"] == 3


def test_cancel_and_register_at_once_leave_no_upload_open(api, s3):
    for _ in range(5):
        session = api.session()

        def race(number, session=session):
            if number == 3:
                return api.call("DELETE", f"/{session}")
            return api.call("POST", f"/{session}/files", pdf(f"{number}.pdf"))

        responses = times_at_once(6, race)
        assert all(response.status_code < 500 for response in responses), [r.text for r in responses]
        # Before it is cancelled again, which would hide what the first time has left.
        assert (api.show(session)["files"], uploads_of(s3, session)) == ([], [])
        assert api.call("DELETE", f"/{session}").status_code == 204


def test_reports_at_once_do_not_disturb_each_other(api):
    session = api.session()
    file = api.register(session, pdf(partCount=3))
    etag = put_part(file["presignedUrls"][0], bytes(5 * MIB))

    def report(number):
        parts = [{"partNumber": n, "etag": etag} for n in ((1, 2, 3) if number % 2 else (3, 2, 1))]
        return api.call("POST", f"/{session}/files/{file['fileId']}/parts", {"parts": parts}).status_code

    assert times_at_once(12, report) == [200] * 12
    assert [part["partNumber"] for part in api.parts(session, file["fileId"])["parts"]] == [1]
