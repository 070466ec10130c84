"""Reloads, crashes, networks that go, URLs that expire, and tabs that want the same file."""

import json
import os
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

from playwright.sync_api import expect

from lib.s3.presign import Credentials, presign_upload_parts
from tests.browser.page import Page
from tests.browser.test_upload import MIB


def test_after_a_reload_only_what_is_missing_is_sent(page, files, store):
    manual = files("manual.pdf", 40 * MIB)
    store.hold(passing=3)
    page.upload(manual, files("cover.png", 2000))
    page.wait_for(lambda: (len(store.puts), store.held), (3, 4))
    page.reload()
    page.wait_for(lambda: store.dropped, 4)
    store.release()
    page.expect_state("manual.pdf", "interrupted")
    page.expect_status("manual.pdf", "Interrupted at 37%")  # 3 of 8 parts
    expect(page.tab.locator("#interrupted-text")).to_contain_text("2 uploads were interrupted.")
    page.choose(manual)
    page.expect_state("manual.pdf", "completed")
    page.expect_status("manual.pdf", "3 of 8 parts were there already")
    assert sorted(store.stored()) == [1, 2, 3, 4, 5, 6, 7, 8]
    page.expect_state("cover.png", "interrupted")


def test_after_a_crash_another_tab_goes_on(page, context, site, files, store):
    manual = files("manual.pdf", 30 * MIB)
    store.hold(passing=2)
    page.upload(manual)
    page.wait_for(lambda: (len(store.puts), store.held), (2, 4))
    page.tab.close()
    again = Page(context.new_page(), site).open()
    again.wait_for(lambda: store.dropped, 4)
    store.release()
    again.choose(manual)
    again.expect_state("manual.pdf", "completed")
    assert sorted(store.stored()) == [1, 2, 3, 4, 5, 6]


def test_a_registration_whose_answer_was_lost_is_asked_for_again(page, files, store, api):
    manual = files("manual.pdf", 12 * MIB)
    lost = []

    def lose(route):
        if lost:
            return route.continue_()
        lost.append(route.fetch().status)  # the server has done it
        route.abort()

    page.tab.route("**/files/batch", lose)
    page.upload(manual)
    page.expect_state("manual.pdf", "completed")
    assert lost == [201]
    assert len(api.show(page.session_id())["files"]) == 1
    assert sorted(store.stored()) == [1, 2, 3]


def test_a_file_that_has_changed_is_not_mixed_with_what_was_sent(page, files, store):
    manual = files("manual.pdf", 12 * MIB)
    store.hold(passing=1)
    page.upload(manual)
    page.wait_for(lambda: (len(store.puts), store.held), (1, 2))
    page.reload()
    page.wait_for(lambda: store.dropped, 2)
    store.release()
    page.expect_state("manual.pdf", "interrupted")
    manual.write_bytes(os.urandom(12 * MIB))
    os.utime(manual, (1_000_000_000, 1_000_000_000))
    page.choose(manual)
    page.expect_status("manual.pdf", "This file has changed since")
    assert len(store.puts) == 1


def test_a_url_that_expires_on_the_way_is_replaced_unnoticed(page, files, store, env):
    """The first URLs are signed anew for five seconds, honestly; four parts arrive after seven."""
    resign(page, env, seconds=5)
    store.hold()
    page.upload(files("manual.pdf", 30 * MIB))
    page.wait_for(lambda: store.held, 4)
    page.tab.wait_for_timeout(7000)
    store.release()
    page.expect_state("manual.pdf", "completed")
    assert sorted(put.part for put in store.puts if put.status == 403) == [1, 2, 3, 4]
    assert sorted(store.stored()) == [1, 2, 3, 4, 5, 6]


def test_a_url_past_its_time_is_replaced_before_it_is_used(page, files, store, env):
    asked = presign_questions(page)
    resign(page, env, seconds=1)
    page.upload(files("manual.pdf", 12 * MIB))
    page.expect_state("manual.pdf", "completed")
    assert len(asked) == 1
    assert sorted((put.part, put.status) for put in store.puts) == [(1, 200), (2, 200), (3, 200)]


def test_a_403_before_expires_at_is_shown(page, files, store):
    asked = []
    page.tab.on(
        "request", lambda request: asked.append(request.url) if "presign=true" in request.url else None
    )

    def spoil(route):
        route.fulfill(
            response=(answer := route.fetch()),
            body=answer.text().replace("X-Amz-Signature=", "X-Amz-Signature=0"),
        )

    page.tab.route("**/files/batch", spoil)
    page.upload(files("manual.pdf", 12 * MIB))
    page.expect_state("manual.pdf", "failed")
    page.expect_status("manual.pdf", "The store refused a part (403, SignatureDoesNotMatch)")
    assert asked == []
    page.press("Try again", "manual.pdf")  # asks for other URLs
    page.expect_state("manual.pdf", "completed")


def test_a_cut_network_is_waited_for(page, context, files, store):
    store.hold(passing=2)
    page.upload(files("manual.pdf", 40 * MIB))
    page.wait_for(lambda: (len(store.puts), store.held), (2, 4))
    context.set_offline(True)
    page.expect_state("manual.pdf", "waiting")
    page.expect_status("manual.pdf", "goes on when the network is back")
    page.wait_for(lambda: store.dropped, 4)
    store.release()
    page.tab.wait_for_timeout(1500)
    assert len(store.puts) == 2
    context.set_offline(False)
    page.expect_state("manual.pdf", "completed")
    assert sorted(store.stored()) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_connections_that_break_are_made_again(page, files, store):
    store.break_next(3)
    page.upload(files("manual.pdf", 20 * MIB))
    page.expect_state("manual.pdf", "completed")
    assert sorted(store.stored()) == [1, 2, 3, 4]


def test_one_tab_sends_a_file_and_the_other_says_so(page, context, site, files, store):
    manual = files("manual.pdf", 20 * MIB)
    store.hold(passing=1)
    page.upload(manual)
    page.wait_for(lambda: len(store.puts), 1)
    other = Page(context.new_page(), site).open()
    other.expect_state("manual.pdf", "elsewhere")
    other.choose(manual)
    other.expect_status("manual.pdf", "Being uploaded in another tab")
    store.release()
    page.expect_state("manual.pdf", "completed")
    other.expect_state("manual.pdf", "completed")
    assert sorted(store.stored()) == [1, 2, 3, 4]


def test_a_tab_goes_on_when_the_one_that_sent_is_closed(page, context, site, files, store):
    manual = files("manual.pdf", 20 * MIB)
    store.hold(passing=1)
    page.upload(manual)
    page.wait_for(lambda: (len(store.puts), store.held), (1, 3))
    other = Page(context.new_page(), site).open()
    other.choose(manual)
    other.expect_state("manual.pdf", "elsewhere")
    page.tab.close()
    other.wait_for(lambda: store.dropped, 3)
    store.release()
    other.expect_state("manual.pdf", "completed")
    assert sorted(store.stored()) == [1, 2, 3, 4]


def test_an_upload_that_the_store_has_forgotten_begins_anew(page, files, store, s3, env):
    manual = files("manual.pdf", 12 * MIB)
    store.hold(passing=1)
    page.upload(manual)
    page.wait_for(lambda: (len(store.puts), store.held), (1, 2))
    page.reload()
    page.wait_for(lambda: store.dropped, 2)
    store.release()
    for upload in s3.list_multipart_uploads(Bucket=env["MOC_BUCKET"]).get("Uploads", []):
        if page.file_id("manual.pdf") in upload["Key"]:
            s3.abort_multipart_upload(
                Bucket=env["MOC_BUCKET"], Key=upload["Key"], UploadId=upload["UploadId"]
            )
    page.choose(manual)
    page.expect_state("manual.pdf", "completed")
    assert len(store.stored()) == 4  # one of them into the upload that is gone
    assert set(store.stored()) == {1, 2, 3}


def test_a_session_that_is_over_says_so_after_a_reload(page, files, store, api):
    store.hold()
    page.upload(files("manual.pdf", 12 * MIB))
    page.wait_for(lambda: store.held, 3)
    api.ok("DELETE", f"/{page.session_id()}")
    page.reload()
    store.release()
    expect(page.tab.locator("#live")).to_contain_text("The last upload session is over")
    expect(page.tab.locator("li.file")).to_have_count(0)
    assert page.stored() is None


def presign_questions(page):
    """The page's requests for fresh URLs, as they come."""
    asked = []
    page.tab.on(
        "request", lambda request: asked.append(request.url) if "presign=true" in request.url else None
    )
    return asked


def resign(page, env, seconds):
    """Have the registration's URLs replaced by ones that the same credentials sign for some seconds only."""
    credentials = Credentials(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
    signed = []

    def shorten(route):
        answer = route.fetch()
        body = answer.json()
        now = datetime.now(UTC)
        for entry in (entry for result in body["results"] for entry in result["presignedUrls"]):
            url = urlsplit(entry["url"])
            bucket, _, key = url.path.lstrip("/").partition("/")
            [entry["url"]] = presign_upload_parts(
                credentials=credentials, region=env["S3_REGION"], signed_at=now, expires_in=seconds,
                bucket_url=f"{url.scheme}://{url.netloc}/{bucket}", key=unquote(key),
                upload_id=parse_qs(url.query)["uploadId"][0],
                parts=[(entry["partNumber"], entry["sizeBytes"])],
            )  # fmt: skip
            entry["expiresAt"] = (now + timedelta(seconds=seconds)).isoformat()
            signed.append(entry["url"])
        route.fulfill(response=answer, body=json.dumps(body))

    page.tab.route("**/files/batch", shorten)
    return signed
