"""What people and networks do to an app with Uppy beyond the usual."""

import json

import pytest

from tests.browser.test_sessions import count_sessions
from tests.browser.test_upload import MIB, open_uploads
from tests.browser.uppy_page import bundle, expect_bytes, page

__all__ = ["bundle", "page"]  # fixtures


def error_of(page, name):
    return page.tab.evaluate("(name) => uppy.getFiles().find((one) => one.name === name).error", name)


def test_a_refusal_is_shown_in_words(page):
    page.add("setup.exe", 10, "application/x-msdownload")
    page.ask("uppy.on('upload-error', (file, error) => (window.reason = error.cause.reason))")
    page.go()
    page.expect("setup.exe", "failed")
    assert "[object" not in error_of(page, "setup.exe")
    assert page.ask("reason") == "MIME_TYPE_NOT_ALLOWED"


def test_a_file_that_is_not_here_fails_and_the_others_go_on(page):
    page.ask(
        """uppy.addFile({ name: "far.pdf", type: "application/pdf", isRemote: true, data: { size: 10 },
             remote: { companionUrl: "", url: "", body: {}, provider: "far", requestClientId: "far" } })"""
    )
    page.add("near.pdf", 500)
    page.go()
    page.expect("near.pdf", "done")
    page.expect("far.pdf", "failed")
    assert "is not on this device" in error_of(page, "far.pdf")


def test_uploads_that_start_together_share_a_session(page):
    made = count_sessions(page)
    page.ask("add('one.pdf', 500, 'application/pdf'), void uppy.upload()")
    page.ask("add('two.pdf', 500, 'application/pdf'), void uppy.upload()")
    page.expect("one.pdf", "done")
    page.expect("two.pdf", "done")
    assert len(made) == 1


def test_a_file_that_is_removed_and_added_again_while_it_is_registered_is_sent_once(page, store, api):
    file = page.add("manual.pdf", 12 * MIB)
    again = """(id) => {
        const { name, type, data } = uppy.getFile(id);
        uppy.removeFile(id);
        uppy.addFile({ name, type, data });
        void uppy.upload();
    }"""
    answers = []

    def answer_late(route):
        answers.append(route.fetch())
        if len(answers) == 1:
            page.tab.evaluate(again, file)
        route.fulfill(response=answers[-1])

    page.tab.route("**/files/batch", answer_late)
    with page.tab.expect_request(lambda one: one.method == "DELETE"):
        page.go()
    page.expect("manual.pdf", "done")
    assert sorted(store.stored()) == [1, 2, 3]
    session = page.ask("uppy.getFiles()[0].uploadSession.sessionId")
    page.wait_for(lambda: [one["status"] for one in api.show(session)["files"]], ["completed"])


def test_what_failed_is_tried_again_with_what_is_missing(page, store, s3, env):
    error = {"code": "UNAUTHORIZED", "reason": "TOKEN_EXPIRED", "message": "Sign in again."}
    page.tab.route("**/complete", lambda route: route.fulfill(status=401, body=json.dumps({"error": error})))
    page.add("manual.pdf", 12 * MIB)
    page.go()
    page.expect("manual.pdf", "failed")
    page.tab.unroute("**/complete")
    page.ask("void uppy.retryAll()")
    page.expect("manual.pdf", "done")
    assert sorted(store.stored()) == [1, 2, 3]
    expect_bytes(page, s3, env, "manual.pdf", 12 * MIB)


def test_an_app_that_is_taken_down_aborts_its_uploads(page, store, s3, env):
    page.add("manual.pdf", 20 * MIB)
    page.add("other.pdf", 20 * MIB)
    page.go_until_held(store)
    ids = page.ask("uppy.getFiles().map((one) => one.uploadSession.fileId)")
    page.ask("uppy.destroy()")
    page.wait_for(lambda: [name in open_uploads(s3, env) for name in ids], [False, False])
    page.wait_for(lambda: store.held, 0)
    assert page.errors == []


def test_a_pause_while_files_are_registered_holds_them_all(page, store):
    def pause(route):
        answer = route.fetch()
        page.ask("uppy.pauseAll()")
        route.fulfill(response=answer)

    page.tab.route("**/files/batch", pause)
    page.add("manual.pdf", 12 * MIB)
    page.add("other.pdf", 500)
    page.go()
    page.wait_for(lambda: page.ask("uppy.getFiles().every((one) => one.uploadSession)"), True)
    page.tab.wait_for_timeout(500)
    assert (page.ask("stateOf('manual.pdf')"), store.puts) == ("paused", [])
    page.ask("uppy.resumeAll()")
    page.expect("manual.pdf", "done")
    page.expect("other.pdf", "done")
    assert sorted(store.stored()) == [1, 1, 2, 3]


def test_a_reload_while_it_is_paused_goes_on_when_it_is_resumed(page, store, s3, env):
    page.add("manual.pdf", 20 * MIB)
    page.tab.wait_for_timeout(1500)  # Golden Retriever writes the file to IndexedDB
    page.go_until_held(store, 3)
    page.ask("uppy.pauseAll()")
    store.release()
    page.wait_for(lambda: len(store.stored()), 4)
    page.tab.wait_for_timeout(1500)  # and the state, now and then
    page.open()
    page.tab.wait_for_function("uppy.getState().recoveredState && uppy.getFiles().length === 1")
    page.ask("uppy.emit('restore-confirmed')")
    if page.ask("uppy.getFiles()[0].isPaused"):
        page.ask("uppy.resumeAll()")
    page.expect("manual.pdf", "done")
    assert sorted(store.stored()) == [1, 2, 3, 4]
    expect_bytes(page, s3, env, "manual.pdf", 20 * MIB)


def test_files_whose_session_is_cancelled_midway_share_the_next_one(page, store, api):
    for name in ("one.pdf", "two.pdf", "three.pdf"):
        page.add(name, 12 * MIB)
    made = count_sessions(page)
    page.go_until_held(store)
    api.ok("DELETE", f"/{page.ask('uppy.getFiles()[0].uploadSession.sessionId')}")
    store.release()
    for name in ("one.pdf", "two.pdf", "three.pdf"):
        page.expect(name, "done")
    assert len(made) == 2


def test_no_listener_stays_behind(page, store):
    page.ask(
        """() => {
            window.listeners = 0;
            const { on, off } = uppy;
            uppy.on = (event, react) => (window.listeners++, on.call(uppy, event, react));
            uppy.off = (event, react) => (window.listeners--, off.call(uppy, event, react));
        }"""
    )
    page.add("manual.pdf", 12 * MIB)
    page.go_until_held(store, 2)
    page.ask("uppy.pauseAll(); uppy.resumeAll()")
    store.release()
    page.expect("manual.pdf", "done")
    page.wait_for(lambda: page.ask("listeners"), 0)


@pytest.mark.parametrize(("given", "kept"), [("lighthouse.pdf", "lighthouse.pdf"), ("", "manual.pdf")])
def test_a_file_has_the_name_that_people_give_it(page, api, given, kept):
    """As the Dashboard edits it."""
    file = page.add("manual.pdf", 500)
    page.tab.evaluate("([id, name]) => uppy.setFileMeta(id, { name })", [file, given])
    page.go()
    page.expect("manual.pdf", "done")
    session = page.ask("uppy.getFiles()[0].uploadSession.sessionId")
    assert [one["name"] for one in api.show(session)["files"]] == [kept]


def test_words_for_programs_are_not_for_people(page):
    page.add("parts.csv", 6 * MIB, "text/csv")
    page.add("setup.exe", 10, "application/x-msdownload")
    page.go()
    page.expect("parts.csv", "failed")
    page.expect("setup.exe", "failed")
    assert error_of(page, "parts.csv") == "The file is larger than its category allows (at most 5.2 MB)."
    assert error_of(page, "setup.exe") == "This type is not allowed."


def test_everything_is_cancelled_and_pressed_once_more(page, store, s3, env):
    for name in ("one.pdf", "two.pdf", "three.pdf"):
        page.add(name, 12 * MIB)
    page.go_until_held(store)
    ids = page.ask("uppy.getFiles().map((one) => one.uploadSession.fileId)")
    page.ask("uppy.cancelAll(); uppy.cancelAll(); uppy.resumeAll(); uppy.pauseAll(); void uppy.retryAll()")
    page.wait_for(lambda: [name in open_uploads(s3, env) for name in ids], [False] * 3)
    store.release()
    page.add("one.pdf", 12 * MIB)
    page.go()
    page.expect("one.pdf", "done")
    expect_bytes(page, s3, env, "one.pdf", 12 * MIB)
    assert page.errors == []


def test_a_reload_after_the_session_has_ended_starts_over(page, store, api, s3, env):
    page.add("manual.pdf", 12 * MIB)
    page.tab.wait_for_timeout(1500)  # Golden Retriever writes the file to IndexedDB
    page.go_until_held(store, 2)
    page.tab.wait_for_timeout(1500)  # and the state, now and then
    session = page.ask("uppy.getFiles()[0].uploadSession.sessionId")
    page.open()
    page.wait_for(lambda: store.dropped, 2)
    api.ok("DELETE", f"/{session}")
    store.release()
    page.tab.wait_for_function("uppy.getState().recoveredState && uppy.getFiles().length === 1")
    page.ask("uppy.emit('restore-confirmed')")
    page.expect("manual.pdf", "done")
    expect_bytes(page, s3, env, "manual.pdf", 12 * MIB)
