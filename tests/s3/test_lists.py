"""Lists of parts as stores other than AWS write them, however many pages they have."""

import pytest

from lib.domain.errors import ApiError
from lib.runtime.config import Settings
from lib.s3.bucket import Bucket
from tests.s3.test_fast_path import BASE, store

PART = (
    "<Part><PartNumber>%d</PartNumber><LastModified>2026-11-25T02:34:58Z</LastModified><ETag>e</ETag></Part>"
)


def page(numbers, end):
    parts = "".join(PART % number for number in numbers)
    return 200, f"<ListPartsResult><UploadId>u</UploadId>{end}{parts}</ListPartsResult>".encode()


LAST = "<IsTruncated>false</IsTruncated>"


def truncated(flag="true", marker="<NextPartNumberMarker>2</NextPartNumberMarker>"):
    return f"<IsTruncated>{flag}</IsTruncated>{marker}"


def numbers_of(url):
    listed = Bucket(Settings.from_env(BASE | {"S3_ENDPOINT_URL": url})).list_parts("k", "u")
    assert {part.size for part in listed} == {None}
    return [part.part_number for part in listed]


@pytest.mark.parametrize("by_botocore", [False, True], ids=["fast path", "botocore"])
@pytest.mark.parametrize(
    "end",
    [truncated(), truncated(marker=""), truncated(marker="<NextPartNumberMarker>0</NextPartNumberMarker>")],
)
def test_the_next_page_is_found_if_the_list_does_not_tell_where_it_begins(end, by_botocore, monkeypatch):
    """As SeaweedFS 2.31 did not; the rest of the parts seemed to be missing."""
    if by_botocore:
        monkeypatch.setattr("lib.s3.fast_path.send", lambda *_: None)
    with store([page([1, 2], end), page([4], LAST)]) as (url, asked):
        assert numbers_of(url) == [1, 2, 4]
        assert asked["/bucket/k?uploadId=u&part-number-marker=2"] == 1


@pytest.mark.parametrize("flag", ["true", "True", "TRUE", "1", " true\n"])
def test_a_list_goes_on_however_that_is_written(flag):
    with store([page([1, 2], truncated(flag)), page([4], LAST.replace("false", "False"))]) as (url, _):
        assert numbers_of(url) == [1, 2, 4]


@pytest.mark.parametrize("end", [truncated(), truncated(marker="")])
def test_a_store_that_repeats_the_first_page_is_503(end):
    with store([page([1, 2], end)]) as (url, _), pytest.raises(ApiError) as refusal:
        numbers_of(url)
    assert refusal.value.reason.name == "STORAGE_UNAVAILABLE"
