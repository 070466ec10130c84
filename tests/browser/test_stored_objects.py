"""What users upload, opened in Chromium as it is stored: no script runs, with `nosniff` or without."""

import html
import re
from collections import Counter
from functools import partial
from urllib.parse import quote, unquote, urlsplit

import pytest
from playwright.sync_api import Error

from lib.domain.policy import TABLE
from tests.support.client import put_part
from tests.support.http_server import Handler, HttpServer
from tests.support.servers import wait_for

SCRIPT = "new Image().src = '/ran?' + encodeURIComponent(location.pathname)"
MARKUP = f'<html><head><script>{SCRIPT}</script></head><body><img src=x onerror="{SCRIPT}"></body></html>'
PAYLOADS = {
    "html": f"<!doctype html>{MARKUP}".encode(),
    "html-after-space": b"\n\t " * 50 + MARKUP.encode(),
    "html-with-bom": b"\xef\xbb\xbf" + MARKUP.encode(),
    "html-in-utf-16": MARKUP.encode("utf-16"),
    "html-in-utf-7": MARKUP.replace("<", "+ADw-").replace(">", "+AD4-").encode(),
    "xhtml": f'<html xmlns="http://www.w3.org/1999/xhtml"><script>{SCRIPT}</script></html>'.encode(),
    "svg": f'<svg xmlns="http://www.w3.org/2000/svg"><script>{SCRIPT}</script></svg>'.encode(),
    "gif-and-html": b"GIF89a" + MARKUP.encode(),
    "png-and-html": b"\x89PNG\r\n\x1a\n" + MARKUP.encode(),
    "pdf-and-html": b"%PDF-1.4\n" + MARKUP.encode(),
    "zip-and-html": b"PK\x03\x04" + MARKUP.encode(),
}  # fmt: skip
TOP_LEVEL = ("html", "xhtml", "svg")  # these also as a page of their own, which takes longer than a frame

TYPES = [{"type": name} for name in {name: 0 for category in TABLE.categories for name in category.types}]
TRICKS = [
    {"type": "text/plain;,text/html"},
    {"type": "text/plain,text/html"},
    {"type": "text/plain; x=y, text/html"},
    {"type": 'text/plain; x="y, text/html"'},
    {"type": 'text/plain; x="\\", text/html'},
    {"type": "text/plain;charset=utf-7"},
    {"type": "text/plain;charset=utf-8,text/html"},
    {"type": "text/plain; charset=utf-8; charset=utf-7"},
    {"type": "text/plain\ttext/html"},
    {"type": "text/html"},
    {"type": "image/svg+xml", "ext": "svg"},
    {"type": "application/xhtml+xml"},
    {"type": "text/xml"},
    {"type": "text/csv; header=present, text/html"},
    {"type": "image/png, text/html"},
    {"type": "application/pdf;,text/html"},
    {"type": "multipart/x-mixed-replace; boundary=x"},
    {"type": "*/*"},
    {"type": "text/plain", "ext": "html"},
    {"type": "application/octet-stream", "name": "a.html"},
    {"type": "", "name": "a.svg"},
    {"name": "a.xml"},
    {"name": "a.png.html", "ext": "png"},
    {"name": "a.html", "ext": "xml", "type": "application/octet-stream"},
]
WAYS = ('<iframe src="{0}"></iframe>', '<object data="{0}"></object>', '<embed src="{0}">')
# What was stored before, and is served here to see that the test would notice.
DANGEROUS = ["text/html", "text/plain;,text/html", "application/xml", "text/xml", "image/svg+xml"]


class Bucket(HttpServer):
    """Answers `/<mode>/<number>/<payload>/<last segment of a key>` with stored headers and a payload."""

    def __init__(self):
        self.stored = []  # Content-Type, Content-Disposition, the key's last segment
        self.ran = set()
        self.asked = Counter()
        super().__init__(_handler(self))

    def add(self, content_type, disposition, name="object"):
        self.stored.append((content_type, disposition, name))
        return len(self.stored) - 1

    def paths(self, mode, number, payloads=tuple(PAYLOADS)):
        return [f"/{mode}/{number}/{payload}/{quote(self.stored[number][2])}" for payload in payloads]


def _handler(bucket):
    class Objects(Handler):
        def serve(self):
            path, _, query = self.path.partition("?")
            if path == "/ran":
                bucket.ran.add(unquote(query))
                return self.answer(200, [("Content-Type", "image/gif")], b"")
            if path.startswith("/frames"):
                return self.answer(200, [("Content-Type", "text/html")], _frames(unquote(query).split(",")))
            if path.count("/") != 4:
                return self.answer(404, [], b"")
            bucket.asked[path] += 1
            mode, number, payload = urlsplit(self.path).path.split("/")[1:4]
            content_type, disposition, _ = bucket.stored[int(number)]
            headers = [("Content-Type", content_type)]
            headers += [("Content-Disposition", disposition)] if disposition else []
            headers += [("X-Content-Type-Options", "nosniff")] if mode == "nosniff" else []
            return self.answer(200, headers, PAYLOADS[payload])

    return Objects


def _frames(paths):
    """A page that embeds each path in every way that makes a document of it."""
    return "".join(way.format(html.escape(path)) for path in paths for way in WAYS).encode()


@pytest.fixture
def bucket():
    with Bucket() as bucket:
        yield bucket


def opened(page, bucket, paths):
    """Open each as a page of its own; one that is saved instead makes no page."""
    for path in paths:
        try:
            page.goto(bucket.url + path, wait_until="load")
        except Error as error:
            if not re.search("Download is starting|ERR_ABORTED", str(error)):
                raise


def embedded(page, bucket, paths):
    for start in range(0, len(paths), 20):
        some = paths[start : start + 20]
        bucket.asked.clear()
        # Not until it has loaded: a frame whose document is saved instead never has.
        page.goto(f"{bucket.url}/frames?{quote(','.join(some))}", wait_until="commit")
        wait_for(partial(_all_asked, page, bucket, some))


def _all_asked(page, bucket, paths):
    page.wait_for_timeout(50)  # lets Playwright's own loop go on
    left = [path for path in paths if not bucket.asked[path]]
    assert not left, left


def stored(api, s3, file):
    """The headers and the key of an object that was uploaded so; None where it is refused."""
    session = api.session()
    response = api.call("POST", f"/{session}/files", {"name": "a", "size": 3, "partCount": 1} | file)
    if response.status_code in (415, 422):
        return None
    assert response.status_code == 201, response.text
    put_part(response.json()["presignedUrls"][0], b"abc")
    url = api.complete(session, response.json()["fileId"])["fileUrl"]
    key = url.partition("/uploads/")[2]
    head = s3.head_object(Bucket="uploads", Key=key)
    return head["ContentType"], head.get("ContentDisposition"), key.rpartition("/")[2]


@pytest.mark.parametrize("mode", ["nosniff", "sniffed"])
def test_no_script_of_an_uploaded_object_runs(browser, in_process, s3, bucket, mode):
    api = in_process()
    objects = {str(file): stored(api, s3, file) for file in TYPES + TRICKS}
    assert all(objects[str(file)] for file in TYPES)
    numbers = [bucket.add(*headers) for headers in dict.fromkeys(filter(None, objects.values()))]
    page = browser.new_context().new_page()
    opened(page, bucket, [path for number in numbers for path in bucket.paths(mode, number, TOP_LEVEL)])
    embedded(page, bucket, [path for number in numbers for path in bucket.paths(mode, number)])
    # Afterwards, so that what ran before it has been seen.
    control = bucket.paths(mode, bucket.add("text/html", None))[0]
    opened(page, bucket, [control])
    page.wait_for_load_state("networkidle")
    page.context.close()
    assert bucket.ran == {control}


@pytest.mark.parametrize("content_type", DANGEROUS)
def test_what_was_stored_before_would_be_noticed(browser, bucket, content_type):
    number = bucket.add(content_type, None)
    page = browser.new_context().new_page()
    opened(page, bucket, bucket.paths("nosniff", number, TOP_LEVEL))
    page.wait_for_load_state("networkidle")
    page.context.close()
    assert bucket.ran
