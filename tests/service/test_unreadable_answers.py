"""Something between the API and the store answers 200 with what nobody can read."""

import pytest

from tests.support.client import pdf
from tests.support.fuzzy import NO_STORE
from tests.support.http_faults import FaultyProxy
from tests.support.tampering import TamperingProxy
from tests.support.use_cases import World

PART = {"PartNumber": "1", "LastModified": "2026-11-25T02:34:58.000Z", "ETag": "x", "Size": "3"}


def listing(part=PART, more="<IsTruncated>false</IsTruncated>"):
    fields = "".join(f"<{name}>{value}</{name}>" for name, value in part.items())
    return f"<ListPartsResult>{more}<Part>{fields}</Part></ListPartsResult>".encode()


MARKER = "<IsTruncated>true</IsTruncated><NextPartNumberMarker>x</NextPartNumberMarker>"
LISTS = {
    "a number that is none": listing(PART | {"PartNumber": "one"}),
    "a time that is none": listing(PART | {"LastModified": "yesterday"}),
    "a size that is none": listing(PART | {"Size": "big"}),
    "a next page that is none": listing(more=MARKER),
    "a page of another program": b"<html><body>Welcome</body></html>",
    "nothing": b"",
}


@pytest.mark.parametrize("answer", LISTS.values(), ids=LISTS)
def test_a_list_that_cannot_be_read_is_503_and_not_an_empty_one(in_process, env, answer):
    with FaultyProxy(env["S3_ENDPOINT_URL"]) as proxy:
        api = in_process(S3_ENDPOINT_URL=proxy.url)
        session = api.session()
        file, _ = api.upload(session, pdf(), b"abc")
        proxy.fault = lambda method, path: answer if method == "GET" else None
        assert api.refused("POST", f"/{session}/files/{file['fileId']}/complete") == NO_STORE
        assert api.parts(session, file["fileId"], "?presign=true")["verified"] is False
        proxy.fault = lambda method, path: None
        assert api.complete(session, file["fileId"])["sizeBytes"] == 3


HEADERS = [
    {"Last-Modified": "yesterday"},
    {"Content-Length": "big"},
    {"x-amz-mp-parts-count": "x"},
    {"x-amz-missing-meta": "z"},
]


@pytest.mark.parametrize("headers", HEADERS, ids=str)
def test_an_object_whose_headers_cannot_be_read_is_503(in_process, env, s3, db, headers):
    with TamperingProxy(env["S3_ENDPOINT_URL"], headers=headers) as proxy:
        world = World(in_process(), s3, db)
        world.upload()
        world.complete_behind_our_back()
        api = in_process(S3_ENDPOINT_URL=proxy.url)
        api.token = world.api.token
        assert api.refused("POST", world.path("/complete")) == NO_STORE
