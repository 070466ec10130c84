"""Reloads, crashes, networks that go, URLs that expire, and tabs that want the same file."""

import json
import os

import pytest
from playwright.sync_api import expect

from tests.browser.page import Page
from tests.browser.test_upload import MIB
from tests.support.short_urls import shorten


def test_after_a_reload_only_what_is_missing_is_sent(page, files, store):
    manual = files("manual.pdf", 40 * MIB)
    page.upload_until_held(store, manual, passing=3, held=4)
    page.reload_while_held(store)
    page.expect_state("manual.pdf", "interrupted")
    page.expect_status("manual.pdf", "Interrupted at 37%")  # 3 of 8 parts
    expect(page.tab.locator("#interrupted-text")).to_contain_text("manual.pdf was interrupted.")
    page.choose(manual)
    page.expect_state("manual.pdf", "completed")
    page.expect_status("manual.pdf", "3 of 8 parts were there already")
    assert sorted(store.stored()) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_after_a_reload_every_interrupted_upload_is_counted(page, files, store):
    page.upload_until_held(store, files("manual.pdf", 10 * MIB), files("cover.png", 2000), held=3)
    page.reload_while_held(store)
    expect(page.tab.locator("#interrupted-text")).to_contain_text("2 uploads were interrupted.")
    page.expect_state("manual.pdf", "interrupted")
    page.expect_state("cover.png", "interrupted")


def test_after_a_crash_another_tab_goes_on(page, context, site, files, store):
    manual = files("manual.pdf", 30 * MIB)
    page.upload_until_held(store, manual, passing=2, held=4)
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
    page.upload_until_held(store, manual, passing=1, held=2)
    page.reload_while_held(store)
    page.expect_state("manual.pdf", "interrupted")
    manual.write_bytes(os.urandom(12 * MIB))
    os.utime(manual, (1_000_000_000, 1_000_000_000))
    page.choose(manual)
    page.expect_state("manual.pdf", "changed")
    page.expect_status("manual.pdf", "This is another file than the one that was interrupted.")
    assert len(store.puts) == 1
    page.press("Start over", "manual.pdf")
    page.expect_state("manual.pdf", "completed")
    expect(page.tab.locator("li.file")).to_have_count(1)
    assert sorted(store.stored()) == [1, 1, 2, 3]


def test_a_file_that_was_only_touched_goes_on(page, files, store):
    manual = interrupt(page, files, store)
    os.utime(manual, (1_000_000_000, 1_000_000_000))
    page.choose(manual)
    page.expect_state("manual.pdf", "completed")
    assert sorted(store.stored()) == [1, 2, 3]


def test_a_file_without_a_checksum_is_asked_about(page, files, store):
    """As it was remembered by an earlier version of the page."""
    manual = interrupt(page, files, store)
    page.tab.evaluate(
        """() => {
            const state = JSON.parse(localStorage.uploads);
            for (const file of state.files) { delete file.fingerprint; delete file.sessionId; }
            localStorage.uploads = JSON.stringify(state);
        }"""
    )
    page.reload()
    page.expect_state("manual.pdf", "interrupted")
    page.choose(manual)
    page.expect_state("manual.pdf", "unsure")
    page.press("Resume", "manual.pdf")
    page.expect_state("manual.pdf", "completed")
    assert sorted(store.stored()) == [1, 2, 3]


def test_a_file_of_the_same_name_and_another_size_is_one_row(page, files, store):
    manual = interrupt(page, files, store)
    manual.write_bytes(os.urandom(7 * MIB))
    page.choose(manual)
    page.expect_state("manual.pdf", "changed")
    expect(page.tab.locator("li.file")).to_have_count(1)
    page.press("Cancel", "manual.pdf")
    expect(page.tab.locator("li.file")).to_have_count(0)


def test_a_file_that_changes_on_disk_is_one_row_and_one_sentence(page, files, store, api, s3, env):
    manual = files("manual.pdf", 40 * MIB)
    page.upload_until_held(store, manual, passing=1, held=4)
    manual.write_bytes(new := os.urandom(6 * MIB))
    store.release()
    page.expect_state("manual.pdf", "failed")
    page.expect_status("manual.pdf", "The file has changed, or is no longer where it was. Choose it again")
    expect(page.tab.get_by_role("button", name="Try again manual.pdf")).to_be_hidden()
    page.choose(manual)
    page.expect_state("manual.pdf", "completed")
    expect(page.tab.locator("li.file")).to_have_count(1)
    assert object_of(page, api, s3, env) == new


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: os.truncate(path, 7 * MIB)])
def test_a_file_that_goes_or_shrinks_says_so_at_once(page, files, store, harm):
    store.hold(passing=1)
    manual = files("manual.pdf", 40 * MIB)
    page.upload(manual)
    page.wait_for(lambda: (len(store.puts), store.held), (1, 4))
    harm(manual)
    store.release()
    page.expect_state("manual.pdf", "failed")
    page.expect_status("manual.pdf", "The file has changed, or is no longer where it was.")
    assert page.errors == []


def test_the_right_file_after_a_wrong_one_is_sent_to_its_end(page, files, store, tmp_path, api, s3, env):
    """Also when it is paused and resumed: of the wrong one, nothing goes."""
    manual = interrupt(page, files, store, parts=8)
    wrong = tmp_path / "other" / "manual.pdf"
    wrong.parent.mkdir()
    wrong.write_bytes(os.urandom(40 * MIB))
    page.choose(wrong)
    page.expect_state("manual.pdf", "changed")
    store.hold()
    page.choose(manual)
    page.wait_for(lambda: store.held, 4)
    page.press("Pause", "manual.pdf")
    store.release()
    page.expect_state("manual.pdf", "paused")
    page.press("Resume", "manual.pdf")
    page.expect_state("manual.pdf", "completed")
    assert object_of(page, api, s3, env) == manual.read_bytes()


def test_of_two_interrupted_files_of_one_name_each_is_known_again(page, store, tmp_path):
    """Chosen in another order."""
    paths = [tmp_path / folder / "manual.pdf" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(os.urandom(6 * MIB))
    page.upload_until_held(store, *paths, held=4)
    page.reload_while_held(store)
    expect(page.tab.locator("li.file[data-state=interrupted]")).to_have_count(2)
    page.choose(*reversed(paths))
    expect(page.tab.locator("li.file[data-state=completed]")).to_have_count(2)


def test_a_file_whose_parts_are_all_there_is_completed_without_it(page, files, store, api):
    """The page was closed before the store had assembled it."""
    page.tab.route("**/complete", lambda route: None)  # no answer
    page.upload(files("manual.pdf", 12 * MIB))
    page.expect_state("manual.pdf", "completing")
    page.tab.unroute("**/complete")
    page.reload()
    page.expect_state("manual.pdf", "completed")
    assert [file["status"] for file in api.show(page.session_id())["files"]] == ["completed"]
    assert len(store.puts) == 3


def test_a_complete_whose_answer_the_page_did_not_see_is_done(page, files, store):
    page.tab.route("**/complete", lambda route: route.fetch() and None)
    page.upload(files("manual.pdf", 12 * MIB))
    page.expect_state("manual.pdf", "completing")
    page.reload()
    page.expect_state("manual.pdf", "completed")


def test_a_network_that_goes_before_the_end_is_waited_for(page, context, files, store):
    page.upload_until_held(store, files("manual.pdf", 12 * MIB), passing=2, held=1)
    context.set_offline(True)
    store.release()
    page.wait_for(lambda: len(store.puts), 3)
    page.expect_status("manual.pdf", "Offline at 13\u00a0MB of 13\u00a0MB")
    context.set_offline(False)
    page.expect_state("manual.pdf", "completed")
    assert sorted(store.stored()) == [1, 2, 3]


def test_a_cancelled_upload_says_so_while_the_network_is_away(page, context, files, store, api):
    page.upload_until_held(store, files("manual.pdf", 20 * MIB), passing=1, held=3)
    session = page.session_id()
    context.set_offline(True)
    page.press("Cancel", "manual.pdf")
    page.expect_status("manual.pdf", "Offline: it is cancelled when the network is back")
    expect(page.row("manual.pdf").get_by_role("button")).to_have_count(0)
    context.set_offline(False)
    expect(page.row("manual.pdf")).to_have_count(0)
    assert api.show(session)["files"] == []


def test_a_cancel_that_fails_leaves_the_file_and_says_so(page, files, store):
    interrupt(page, files, store)
    page.tab.route("**/files/*", lambda route: route.fulfill(status=400, body="{}"))
    page.press("Cancel", "manual.pdf")
    page.expect_state("manual.pdf", "interrupted")
    expect(page.tab.locator("#notice")).to_contain_text("manual.pdf is not cancelled.")


def object_of(page, api, s3, env):
    """The bytes of the one file of the session."""
    [file] = api.show(page.session_id())["files"]
    key = file["fileUrl"].partition(f"/{env['MOC_BUCKET']}/")[2]
    return s3.get_object(Bucket=env["MOC_BUCKET"], Key=key)["Body"].read()


def interrupt(page, files, store, parts=3):
    """Upload manual.pdf, of which one part arrives, and reload."""
    manual = files("manual.pdf", parts * 5 * MIB if parts > 3 else 12 * MIB)
    page.upload_until_held(store, manual, passing=1, held=min(4, parts - 1))
    page.reload_while_held(store)
    page.expect_state("manual.pdf", "interrupted")
    return manual


def test_a_url_that_expires_on_the_way_is_replaced_unnoticed(page, files, store, env):
    """The first URLs are signed again, validly, for five seconds; four parts arrive after seven."""
    resign(page, env, seconds=5)
    page.upload_until_held(store, files("manual.pdf", 30 * MIB), held=4)
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


def test_a_store_that_refuses_every_url_is_named_and_tried_again_by_hand(page, files, store):
    asked = presign_questions(page)
    page.spoil_urls("**/files/batch", "**/parts?presign=true**")
    page.upload(files("manual.pdf", 2 * MIB))
    page.expect_state("manual.pdf", "failed")
    page.expect_status("manual.pdf", "The store refused a part")
    assert "SignatureDoesNotMatch" not in page.status("manual.pdf")
    assert len(asked) == 1
    page.tab.unroute("**/parts?presign=true**")
    page.press("Try again", "manual.pdf")  # asks for other URLs
    page.expect_state("manual.pdf", "completed")


def test_a_cut_network_is_waited_for(page, context, files, store):
    page.upload_until_held(store, files("manual.pdf", 40 * MIB), passing=2, held=4)
    context.set_offline(True)
    page.expect_state("manual.pdf", "waiting")
    page.expect_status("manual.pdf", "goes on when the network is back")
    store.release()  # what is under way may finish; nothing else begins
    page.wait_for(lambda: len(store.puts), 6)
    page.tab.wait_for_timeout(1500)
    assert len(store.puts) == 6
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
    page.upload_until_held(store, manual, passing=1, held=3)
    other = Page(context.new_page(), site).open()
    other.choose(manual)
    other.expect_state("manual.pdf", "elsewhere")
    page.tab.close()
    other.wait_for(lambda: store.dropped, 3)
    store.release()
    other.expect_state("manual.pdf", "completed")
    assert sorted(store.stored()) == [1, 2, 3, 4]


def test_an_upload_that_the_store_has_forgotten_starts_over(page, files, store, s3, env):
    manual = files("manual.pdf", 12 * MIB)
    page.upload_until_held(store, manual, passing=1, held=2)
    page.reload_while_held(store)
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
    page.upload_until_held(store, files("manual.pdf", 12 * MIB), held=3)
    api.ok("DELETE", f"/{page.session_id()}")
    page.reload()
    store.release()
    expect(page.tab.locator("#notice")).to_be_visible()
    expect(page.tab.locator("#notice")).to_contain_text("The last upload session is over")
    expect(page.tab.locator("#notice")).to_contain_text("manual.pdf")
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
    signed = []

    def shortened(route):
        body = (answer := route.fetch()).json()
        signed.extend(shorten(body, env, seconds))
        route.fulfill(response=answer, body=json.dumps(body))

    page.tab.route("**/files/batch", shortened)
    return signed
