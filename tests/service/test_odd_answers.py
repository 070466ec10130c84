"""Stores and proxies before them that answer in another way than AWS: a file is uploaded all the same."""

import gzip
import re

import pytest

from tests.support.client import MIB, pdf
from tests.support.tampering import TamperingProxy


def without_sizes(content):
    return re.sub(rb"<Size>\d+</Size>", b"", content)


def weak(content):
    return re.sub(rb"<ETag>(.*?)</ETag>", rb"<ETag>\n  W/\1\n</ETag>", content)


STORES = {
    # As Supabase Storage: https://github.com/supabase/storage/blob/master/src/storage/protocols/s3/s3-handler.ts
    "no sizes in a list": {"rewrite": without_sizes},
    "weak ETags": {"rewrite": weak},
    "gzip that nobody asked for": {"rewrite": gzip.compress, "headers": {"Content-Encoding": "gzip"}},
}


@pytest.mark.parametrize("change", STORES.values(), ids=STORES)
def test_a_file_is_uploaded_all_the_same(in_process, env, change):
    with TamperingProxy(env["S3_ENDPOINT_URL"], **change) as proxy:
        api = in_process(S3_ENDPOINT_URL=proxy.url)
        session = api.session()
        file, parts = api.upload(session, pdf(size=5 * MIB + 1, partCount=2), bytes(5 * MIB + 1))
        listed = api.parts(session, file["fileId"])
        assert [f'"{part["etag"]}"' for part in listed["parts"]] == [part["etag"] for part in parts]
        assert (listed["verified"], listed["missingPartNumbers"]) == (True, [])
        sent = {"parts": [part | {"etag": f"W/{part['etag']}"} for part in parts]}
        assert api.complete(session, file["fileId"], sent)["sizeBytes"] == 5 * MIB + 1
