"""No answer exceeds what Vercel lets through, whatever the settings and however long a URL is."""

import pytest

from lib import wiring
from lib.s3.presign import Credentials
from tests.support.client import MIB, pdf
from tests.support.faults import unavailable

VERCELS_LIMIT = 4_500_000  # bytes (https://vercel.com/docs/functions/limitations#request-body-size)
SIZE = 10_000 * 5 * MIB


@pytest.fixture(params=[0, 4000], ids="session token of {} characters".format)
def api(in_process, env, faults, request):
    """The longest answers that the settings allow."""

    def temporary(credentials):
        found = credentials()
        return Credentials(found.access_key_id, found.secret_access_key, "+" * request.param or None, None)

    faults.instead("Bucket.credentials", temporary)
    most = {"MAX_PRESIGNED_URLS": "10000", "MAX_BATCH_SIZE": "1000", "MAX_INSTRUCTION_MB": "100000"}
    return in_process(wiring.build(env | most | {"MULTIPART_PART_SIZE_MB": "5"}, faults.wrap))


def checked(response):
    """The body of a response that goes through."""
    assert response.is_success, response.text[:500]
    assert len(response.content) <= VERCELS_LIMIT
    return response.json()


def numbers_of(answer):
    return [entry["partNumber"] for entry in answer["presignedUrls"]]


def rest_of(api, session, answer):
    """The numbers of the parts whose URLs come in the next answers, and how many those are."""
    numbers, count = [], 0
    while "nextPartNumber" in answer:
        query = f"?presign=true&fromPart={answer['nextPartNumber']}"
        answer = checked(api.call("GET", f"/{session}/files/{answer['fileId']}/parts{query}"))
        assert numbers_of(answer)  # each goes on
        numbers, count = numbers + numbers_of(answer), count + 1
    return numbers, count


def test_registering_10000_parts_answers_as_many_urls_as_fit(api, session):
    response = api.call("POST", f"/{session}/files", pdf(size=SIZE, partCount=10_000))
    first = checked(response)
    assert len(response.content) > 3_900_000  # as many as fit
    assert numbers_of(first) + rest_of(api, session, first)[0] == list(range(1, 10_001))


def test_a_batch_answers_as_many_urls_as_fit(api, session):
    files = [pdf(f"{number}.pdf", size=SIZE // 4, partCount=2500) for number in range(6)]
    for answer in checked(api.call("POST", f"/{session}/files/batch", {"files": files}))["results"]:
        assert numbers_of(answer) + rest_of(api, session, answer)[0] == list(range(1, 2501))


def test_a_batch_of_which_most_is_refused(api, session):
    """What is refused takes room, too."""
    refused = [pdf(f"{'x' * 200}{number}.exe", type="application/x-msdownload") for number in range(900)]
    files = [pdf("a.pdf", size=SIZE, partCount=10_000), *refused]
    answers = checked(api.call("POST", f"/{session}/files/batch", {"files": files}))
    assert answers["failed"] == 900


def test_a_batch_of_what_is_malformed(api, session):
    fields = ", ".join(f'"{number}{chr(0x1F3F0) * 51}": "\\u0000"' for number in range(20))
    body = f'{{"files": [{", ".join([f"{{{fields}}}"] * 920)}]}}'.encode()
    assert checked(api.call("POST", f"/{session}/files/batch", content=body))["failed"] == 920


def test_a_resume_answers_as_many_urls_as_fit(api, session):
    file = api.register(session, pdf(size=SIZE))
    first = checked(api.call("GET", f"/{session}/files/{file['fileId']}/parts?presign=true"))
    assert numbers_of(first) + rest_of(api, session, first)[0] == list(range(1, 10_001))


@pytest.mark.parametrize("etag", ["\U0001f3f0" * 250, "\\" * 255, "é", "\n"], ids=ascii)
def test_an_etag_is_what_a_store_may_send(api, session, etag):
    """Ten thousand that take more than a byte a character would not fit into an answer."""
    path = f"/{session}/files/{api.register(session, pdf())['fileId']}"
    for action in ("parts", "complete"):
        parts = {"parts": [{"partNumber": 1, "etag": etag}]}
        assert api.refused("POST", f"{path}/{action}", parts)[0] == 422


def test_resume_with_thousands_of_recorded_parts(api, session, faults):
    """The parts that are there take room, too."""
    file = api.register(session, pdf(size=SIZE))["fileId"]
    for start in range(1, 7001, 1000):
        etags = [{"partNumber": number, "etag": "e" * 255} for number in range(start, start + 1000)]
        api.record(session, file, etags)
    faults.fail("Bucket.list_parts", error=unavailable, times=100)
    first = checked(api.call("GET", f"/{session}/files/{file}/parts?presign=true"))
    assert len(first["parts"]) == 7000
    assert numbers_of(first) + rest_of(api, session, first)[0] == list(range(7001, 10_001))
