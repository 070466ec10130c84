"""The uploader for Uppy, with both majors from npm, Dashboard and Golden Retriever."""

import pytest

from tests.browser.test_resume import resign
from tests.browser.test_sessions import count_sessions
from tests.browser.test_upload import MIB, open_uploads
from tests.browser.uppy_page import bundle, expect_bytes, page

__all__ = ["bundle", "page"]  # fixtures


def test_a_batch_with_a_refused_file(page, s3, env):
    batches = []
    page.tab.on("request", lambda one: batches.append(one) if one.url.endswith("/batch") else None)
    page.add("manual.pdf", 12 * MIB)
    page.add("cover.png", 2000, "image/png")
    page.add("setup.exe", 10, "application/x-msdownload")
    page.go()
    page.expect("manual.pdf", "done")
    page.expect("cover.png", "done")
    page.expect("setup.exe", "failed")
    assert len(batches) == 1
    expect_bytes(page, s3, env, "manual.pdf", 12 * MIB)
    expect_bytes(page, s3, env, "cover.png", 2000)


@pytest.mark.parametrize("how", ["pauseAll", "pauseResume"])
def test_pause_and_resume(page, store, s3, env, how):
    file = page.add("manual.pdf", 40 * MIB)
    page.go_until_held(store)
    page.tab.evaluate(f"(id) => uppy.{how}(id)", file)
    store.release()
    page.wait_for(lambda: len(store.stored()), 5)
    page.tab.wait_for_timeout(500)
    assert (page.ask("stateOf('manual.pdf')"), len(store.puts)) == ("paused", 5)
    page.tab.evaluate(f"(id) => uppy.{how.replace('pauseAll', 'resumeAll')}(id)", file)
    page.expect("manual.pdf", "done")
    assert sorted(store.stored()) == [1, 2, 3, 4, 5, 6, 7, 8]
    expect_bytes(page, s3, env, "manual.pdf", 40 * MIB)


def test_resumed_while_its_parts_still_arrive(page, store):
    page.add("manual.pdf", 40 * MIB)
    page.go_until_held(store)
    page.ask("uppy.pauseAll(); uppy.resumeAll()")
    store.release()
    page.expect("manual.pdf", "done")
    assert sorted(store.stored()) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_reload_goes_on_with_what_is_missing(page, store, s3, env):
    page.add("manual.pdf", 20 * MIB)
    page.tab.wait_for_timeout(1500)  # Golden Retriever writes the file to IndexedDB
    page.go_until_held(store, 3)
    page.tab.wait_for_timeout(1500)  # and the state, now and then
    page.open()
    page.wait_for(lambda: store.dropped, 3)
    store.release()
    page.tab.wait_for_function("uppy.getState().recoveredState && uppy.getFiles().length === 1")
    page.ask("uppy.emit('restore-confirmed')")
    page.expect("manual.pdf", "done")
    assert sorted(store.stored()) == [1, 2, 3, 4]
    expect_bytes(page, s3, env, "manual.pdf", 20 * MIB)


def test_an_expired_url_that_says_so(page, store, env):
    resign(page, env, seconds=1)
    page.add("manual.pdf", 12 * MIB)
    page.go()
    page.expect("manual.pdf", "done")
    assert [put.status for put in store.puts] == [200, 200, 200]


def test_an_expired_url_that_does_not_say_so(page, store):
    page.spoil_urls("**/files/batch")
    page.add("manual.pdf", 12 * MIB)
    page.go()
    page.expect("manual.pdf", "done")
    assert sorted(store.stored()) == [1, 2, 3]


def test_a_file_that_is_removed_is_aborted(page, store, s3, env):
    file = page.add("manual.pdf", 20 * MIB)
    page.add("other.pdf", 20 * MIB)  # waits for its turn
    other = page.ask("uppy.getFiles()[1].id")
    page.go_until_held(store)
    ids = page.ask("uppy.getFiles().map((one) => one.uploadSession.fileId)")
    for one in (other, file):
        page.tab.evaluate("(id) => uppy.removeFile(id)", one)
    page.wait_for(lambda: [name in open_uploads(s3, env) for name in ids], [False, False])
    page.wait_for(lambda: store.held, 0)
    assert page.errors == []


def test_a_file_that_is_removed_while_it_is_registered_is_aborted(page, s3, env, api):
    file = page.add("manual.pdf", 2000)

    def slow(route):
        answer = route.fetch()
        page.tab.evaluate("(id) => uppy.removeFile(id)", file)
        route.fulfill(response=answer)

    with page.tab.expect_request(lambda one: one.method == "DELETE"):
        page.tab.route("**/files/batch", slow)
        page.go()


def test_seventy_files_take_two_sessions(page):
    """Of 50 files each, with 20 images at most."""
    made = count_sessions(page)
    for n in range(70):
        page.add(*((f"{n}.png", 500, "image/png") if n < 25 else (f"{n}.pdf", 500)))
    page.go()
    page.wait_for(
        lambda: page.ask("uppy.getFiles().filter((one) => one.progress.uploadComplete).length"), 70, 90
    )
    assert len(made) == 2


def test_a_service_that_is_away_for_a_while(page, store):
    failures = []

    def fail(route):
        if len(failures) >= 3:
            return route.continue_()
        failures.append(route.request.url)
        route.fulfill(status=503, body="{}", headers={"Retry-After": "0"})

    page.tab.route("**/api/mocs/**", fail)
    page.add("manual.pdf", 12 * MIB)
    page.go()
    page.expect("manual.pdf", "done")
    assert len(failures) == 3


def test_a_session_that_is_cancelled_midway(page, store, api, s3, env):
    page.add("manual.pdf", 30 * MIB)
    page.go_until_held(store)
    session = page.ask("uppy.getFiles()[0].uploadSession.sessionId")
    api.ok("DELETE", f"/{session}")
    store.release()
    page.expect("manual.pdf", "done")
    assert page.ask("uppy.getFiles()[0].uploadSession.sessionId") != session
    expect_bytes(page, s3, env, "manual.pdf", 30 * MIB)
