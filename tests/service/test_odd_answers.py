"""Stores and proxies before them that answer in another way than AWS: a file is uploaded all the same."""

import gzip
import re

import pytest

from tests.support.client import MIB, pdf
from tests.support.http_server import HOP_BY_HOP, Handler, HttpServer
from tests.support.tampering import TamperingProxy
from tests.support.use_cases import World


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


@pytest.mark.parametrize("by_botocore", [False, True], ids=["fast path", "botocore"])
@pytest.mark.parametrize("change", STORES.values(), ids=STORES)
def test_a_file_is_uploaded_all_the_same(in_process, env, change, by_botocore, monkeypatch):
    if by_botocore:
        monkeypatch.setattr("lib.s3.fast_path.send", lambda *_: None)
    with TamperingProxy(env["S3_ENDPOINT_URL"], **change) as proxy:
        api = in_process(S3_ENDPOINT_URL=proxy.url)
        session = api.session()
        file, parts = api.upload(session, pdf(size=5 * MIB + 1, partCount=2), bytes(5 * MIB + 1))
        listed = api.parts(session, file["fileId"])
        assert [f'"{part["etag"]}"' for part in listed["parts"]] == [part["etag"] for part in parts]
        assert (listed["verified"], listed["missingPartNumbers"]) == (True, [])
        sent = {"parts": [part | {"etag": f"W/{part['etag']}"} for part in parts]}
        assert api.complete(session, file["fileId"], sent)["sizeBytes"] == 5 * MIB + 1


class WithoutLength(HttpServer):
    """A CDN that leaves the Content-Length out of answers to HEAD."""

    def __init__(self, target):
        class Handling(Handler):
            def serve(self):
                status, headers, content = self.forward(target, self.body())
                if self.command != "HEAD":
                    self.answer(status, headers, content)
                    return
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in HOP_BY_HOP | {"content-length"}:
                        self.send_header(name, value)
                self.end_headers()

        super().__init__(Handling)


def test_the_size_of_an_object_is_asked_for_in_another_way(in_process, env, s3, db):
    """Else a file that was assembled while the API could not say so is 503 for ever."""
    world = World(in_process(), s3, db)
    world.upload()
    world.complete_behind_our_back()
    with WithoutLength(env["S3_ENDPOINT_URL"]) as proxy:
        api = in_process(S3_ENDPOINT_URL=proxy.url)
        api.token = world.api.token
        assert api.ok("POST", world.path("/complete"))["sizeBytes"] > 0
