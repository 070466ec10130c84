"""What everybody does on the page, in the browsers that Playwright does not drive here."""

import json
import time

import pytest

from tests.browser.test_upload import MIB, open_uploads
from tests.browsers.page import UploadPage
from tests.support.http_server import Handler, HttpServer
from tests.support.short_urls import shorten

pytestmark = pytest.mark.timeout(900)
SECONDS = 5  # that a URL is good for


def expect_object(s3, env, api, page, path):
    """The object at the store is the file, byte by byte."""
    [url] = [file["fileUrl"] for file in api.show(page.session_id())["files"] if file["name"] == path.name]
    key = url.partition(f"/{env['MOC_BUCKET']}/")[2]
    assert s3.get_object(Bucket=env["MOC_BUCKET"], Key=key)["Body"].read() == path.read_bytes()


def hold_after_one(page, store, path, held):
    """Upload a file of which one part arrives, and so many are under way."""
    store.hold(passing=1)
    page.upload(path)
    page.expect(lambda: (len(store.puts), store.held), (1, held))


def test_of_three_files_the_refused_one_says_why_and_the_others_go_on(page, files, s3, env, api):
    manual, cover = files("manual.pdf", 12 * MIB), files("cover.png", 2000)
    page.upload(manual, cover, files("setup.exe", 10))
    page.expect_state("manual.pdf", "completed")
    page.expect_state("cover.png", "completed")
    page.expect_state("setup.exe", "refused")
    assert "Files of the kind .exe are not accepted." in page.status("setup.exe")
    expect_object(s3, env, api, page, manual)
    expect_object(s3, env, api, page, cover)


def test_after_a_reload_what_is_missing_is_sent(page, files, store, s3, env, api):
    manual = files("manual.pdf", 20 * MIB)
    hold_after_one(page, store, manual, held=3)
    page.reload()
    page.expect(lambda: store.dropped, 3)
    store.release()
    page.expect_state("manual.pdf", "interrupted")
    page.choose(manual)
    page.expect_state("manual.pdf", "completed")
    assert sorted(store.stored()) == [1, 2, 3, 4]
    expect_object(s3, env, api, page, manual)


def test_a_url_that_expires_on_the_way_is_replaced(tab, site, files, store, s3, env, api):
    with ShortLived(site, env) as service:
        page = UploadPage(tab, service.url).open()
        manual = files("manual.pdf", 12 * MIB)
        store.hold()
        page.upload(manual)
        page.expect(lambda: store.held, 3)
        page.expect(lambda: time.time() > service.signed_at + SECONDS + 1, True)
        store.release()
        page.expect_state("manual.pdf", "completed")
        assert sorted(put.part for put in store.puts if put.status == 403) == [1, 2, 3]
        assert sorted(store.stored()) == [1, 2, 3]
        expect_object(s3, env, api, page, manual)


def test_pause_lets_parts_arrive_and_resume_sends_the_others(page, files, store, s3, env, api):
    manual = files("manual.pdf", 40 * MIB)
    hold_after_one(page, store, manual, held=4)
    page.press("Pause", "manual.pdf")
    store.release()
    page.expect_state("manual.pdf", "paused")
    assert len(store.puts) == 5
    page.press("Resume", "manual.pdf")
    page.expect_state("manual.pdf", "completed")
    assert sorted(store.stored()) == [1, 2, 3, 4, 5, 6, 7, 8]
    expect_object(s3, env, api, page, manual)


def test_cancel_aborts_the_upload_at_the_store(page, files, store, s3, env, api):
    hold_after_one(page, store, files("manual.pdf", 20 * MIB), held=3)
    session, file = page.session_id(), page.file_id("manual.pdf")
    assert file in open_uploads(s3, env)
    page.press("Cancel", "manual.pdf")
    page.expect_state("manual.pdf", None)
    assert file not in open_uploads(s3, env)
    assert api.show(session)["files"] == []
    page.expect(lambda: store.dropped, 3)


class ShortLived(HttpServer):
    """The service, with registrations whose URLs are good for `SECONDS`."""

    def __init__(self, site, env):
        self.signed_at = None
        super().__init__(self._handler(site, env))

    def _handler(self, site, env):
        service = self

        class Shortening(Handler):
            def serve(self):
                status, headers, content = self.forward(site, self.body())
                if self.path.endswith("/files/batch"):
                    service.signed_at = time.time()
                    shorten(body := json.loads(content), env, SECONDS)
                    content = json.dumps(body).encode()
                self.answer(status, headers, content)

        return Shortening
