"""Sessions, which people never see: full ones, ended ones, and tabs that share one."""

import json

import pytest
from playwright.sync_api import expect

from tests.browser.page import Page
from tests.browser.test_upload import MIB


def count_sessions(page):
    made = []
    page.tab.on(
        "request",
        lambda request: (
            made.append(request.url)
            if request.method == "POST" and request.url.endswith("/sessions")
            else None
        ),
    )
    return made


def test_seventy_instructions_and_seventy_images_go_to_as_few_sessions_as_take_them(page, files, api):
    """50 files a session, 20 images: 50 + (20 + 20) + 20 + 20 + 10."""
    made = count_sessions(page)
    page.upload(
        *(files(f"manual-{n}.pdf", 500) for n in range(70)),
        *(files(f"photo-{n}.png", 500) for n in range(70)),
    )
    expect(page.tab.locator("li.file[data-state=completed]")).to_have_count(140, timeout=120_000)
    assert len(made) == 5
    assert len({file["sessionId"] for file in page.stored()["files"]}) == 5


def test_what_the_page_does_not_know_of_a_session_the_next_one_takes(page, files, api):
    """Another client has filled the session with images: the API's refusal leads to one more session."""
    page.upload(files("first.pdf", 500))
    page.expect_state("first.pdf", "completed")
    session = page.session_id()
    for n in range(18):
        api.ok("POST", f"/{session}/files", json={"name": f"{n}.png", "size": 9, "type": "image/png"})
    made = count_sessions(page)
    page.upload(*(files(f"photo-{n}.png", 500) for n in range(5)))
    expect(page.tab.locator("li.file[data-state=completed]")).to_have_count(6, timeout=30_000)
    assert len(made) == 1


def test_a_session_that_ends_again_and_again_is_not_followed_forever(context, serve, files):
    page = Page(context.new_page(), serve(AUTH_BYPASS="true", DEV_USER_SUB="other")).open()

    def refuse(route):
        count = len(json.loads(route.request.post_data)["files"])
        error = {"code": "BAD_REQUEST", "reason": "CATEGORY_LIMIT_EXCEEDED", "message": "Full.",
                 "details": {"category": "image", "maxFiles": 0}}  # fmt: skip
        results = [{"fileId": None, "uploadId": None, "error": error}] * count
        route.fulfill(status=207, body=json.dumps({"results": results, "succeeded": 0, "failed": count}))

    page.tab.route("**/files/batch", refuse)
    made = count_sessions(page)
    page.upload(files("a.png", 500), files("b.png", 500))
    page.expect_state("a.png", "refused")
    page.expect_state("b.png", "refused")
    assert len(made) == 1


def test_a_session_that_is_cancelled_midway_is_followed_by_a_new_one(page, files, store, api):
    page.upload_until_held(
        store, files("manual.pdf", 30 * MIB), files("second.pdf", 6 * MIB), passing=1, held=4
    )
    session = page.session_id()
    api.ok("DELETE", f"/{session}")
    store.release()
    page.expect_state("manual.pdf", "completed")
    page.expect_state("second.pdf", "completed")
    expect(page.tab.locator("#notice")).to_contain_text(
        "The upload session had ended: 2 files are sent again"
    )
    assert page.session_id() != session
    assert len(api.show(page.session_id())["files"]) == 2
    expect(page.tab.locator("li.file")).to_have_count(2)


def test_failed_files_are_tried_again_together(page, files, store):
    page.tab.route("**/complete", lambda route: route.fulfill(status=400, body="{}"))
    page.upload(files("a.pdf", 500), files("b.pdf", 500), files("c.pdf", 500))
    expect(page.tab.locator("li.file[data-state=failed]")).to_have_count(3)
    expect(page.tab.locator("#summary")).to_contain_text("3 failed")
    page.tab.unroute("**/complete")
    page.tab.get_by_role("button", name="Try all again").click()
    expect(page.tab.locator("li.file[data-state=completed]")).to_have_count(3)
    assert len(store.puts) == 3  # nothing is sent twice


def test_two_tabs_that_start_together_share_a_session(page, context, site, files, api):
    other = Page(context.new_page(), site).open()
    made = count_sessions(page), count_sessions(other)
    pages = {page: ["a.pdf", "same.pdf"], other: ["b.pdf", "same.pdf"]}
    for one, names in pages.items():
        one.drop(*((name, "application/pdf", f"%PDF {name} {id(one)}".encode()) for name in names))
        expect(one.tab.locator("li.file[data-state=ready]")).to_have_count(2)
    for one in pages:
        one.tab.evaluate("setTimeout(() => document.getElementById('start').click(), 100)")
    for one, names in pages.items():
        for name in names:
            expect(one.row(name).and_(one.tab.locator("[data-state=completed]")).first).to_be_visible()
    assert len(made[0]) + len(made[1]) == 1
    assert len(api.show(page.session_id())["files"]) == 4
    other.reload()
    expect(other.tab.locator("li.file[data-state=completed]")).to_have_count(4)


def test_another_tabs_live_file_is_shown_as_live_and_not_cancelled_from_here(
    page, context, site, files, store, api
):
    other = Page(context.new_page(), site).open()
    store.hold(passing=1)
    page.upload(files("theirs.pdf", 20 * MIB))
    page.wait_for(lambda: len(store.puts), 1)
    other.expect_state("theirs.pdf", "elsewhere")
    other.expect_status("theirs.pdf", "Being uploaded in another tab \u00b7 ")
    expect(other.row("theirs.pdf").get_by_role("button")).to_have_count(0)
    other.upload(files("mine.pdf", 500), files("mine-too.pdf", 500))
    other.wait_for(lambda: store.held, 4)
    other.tab.get_by_role("button", name="Cancel all").click()
    other.tab.get_by_role("dialog").get_by_role("button", name="Cancel all").click()
    expect(other.tab.locator("li.file")).to_have_count(1)
    store.release()
    page.expect_state("theirs.pdf", "completed")
    other.expect_state("theirs.pdf", "completed")
    assert [file["name"] for file in api.show(page.session_id())["files"]] == ["theirs.pdf"]


def test_a_file_that_is_paused_in_another_tab_is_that_tabs(page, context, site, files, store):
    page.upload_until_held(store, files("theirs.pdf", 40 * MIB), passing=1, held=4)
    page.press("Pause", "theirs.pdf")
    store.release()
    page.expect_state("theirs.pdf", "paused")
    other = Page(context.new_page(), site).open()
    other.expect_state("theirs.pdf", "elsewhere")
    page.press("Resume", "theirs.pdf")
    other.expect_state("theirs.pdf", "completed")


def test_a_service_that_is_down_after_a_reload_says_so(page, files, store):
    page.upload_until_held(store, files("manual.pdf", 12 * MIB), passing=1, held=2)
    page.tab.route("**/api/mocs/**", lambda route: route.fulfill(status=503, body="{}"))
    page.reload()
    store.release()
    page.expect_state("manual.pdf", "interrupted")  # it is remembered here
    expect(page.tab.locator("#notice")).to_contain_text("The upload service does not answer")
    expect(page.tab.locator("#notice")).to_contain_text("not lost")
    page.tab.unroute("**/api/mocs/**")
    page.expect_status("manual.pdf", "Interrupted at 41%")
    expect(page.tab.locator("#notice")).to_be_hidden()


def test_a_session_that_expires_midway_is_followed_by_a_new_one(page, files, store, api):
    """As the API says it, from a moment on: reports, questions and `complete` alike."""
    page.upload_until_held(store, files("manual.pdf", 30 * MIB), passing=1, held=4)
    session = page.session_id()
    error = {"code": "BAD_REQUEST", "reason": "SESSION_EXPIRED", "message": "The session has expired."}
    body = json.dumps({"error": error, "requestId": "req-7"})
    page.tab.route(f"**/{session}/files/**", lambda route: route.fulfill(status=400, body=body))
    store.release()
    page.expect_state("manual.pdf", "completed")
    assert page.session_id() != session
    expect(page.tab.locator("#notice")).to_contain_text("1 file is sent again")


def test_a_tab_that_watches_asks_the_api_for_nothing(page, context, site, files):
    """The one that sends tells how far it is, and that it is done."""
    other = Page(context.new_page(), site).open()
    calls = []
    other.tab.on("request", lambda request: calls.append(request.url) if "/api/mocs" in request.url else None)
    page.upload(*(files(f"manual-{n}.pdf", 500) for n in range(30)))
    expect(page.tab.locator("li.file[data-state=completed]")).to_have_count(30, timeout=60_000)
    expect(other.tab.locator("li.file[data-state=completed]")).to_have_count(30, timeout=60_000)
    assert len(calls) <= 3  # one that it asks about may have been given back a moment before
    assert other.errors == []


def test_storage_that_the_browser_blocks_stops_nothing(page, files):
    """Chromium refuses the locks with it."""
    page.tab.add_init_script(
        """const refuse = () => Promise.reject(new DOMException("", "SecurityError"));
        LockManager.prototype.request = refuse;
        LockManager.prototype.query = refuse;
        const get = () => { throw new DOMException("", "SecurityError"); };
        window.BroadcastChannel = class { constructor() { get(); } };
        for (const name of ["localStorage", "sessionStorage"])
            Object.defineProperty(window, name, { get });"""
    )
    page.reload()
    page.upload(files("manual.pdf", 500))
    page.expect_state("manual.pdf", "completed")
    expect(page.tab.locator("#notice")).to_contain_text("does not let the page remember anything")
    assert page.errors == []


def test_storage_that_is_full_stops_nothing(page, files):
    page.tab.add_init_script(
        "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); }"
    )
    page.reload()
    page.upload(files("a.pdf", 500), files("b.pdf", 500))
    expect(page.tab.locator("li.file[data-state=completed]")).to_have_count(2)
    page.upload(files("c.pdf", 500))
    expect(page.tab.locator("li.file[data-state=completed]")).to_have_count(3)
    expect(page.tab.locator("#notice")).to_contain_text("does not let the page remember anything")
    assert page.errors == []


def test_what_is_cancelled_while_it_is_registered_stays_cancelled(page, files, api):
    """The answer comes after the cancellation; another session was begun with a file that stays."""
    page.upload(files("first.pdf", 500))
    page.expect_state("first.pdf", "completed")
    waiting = []
    page.tab.route("**/files/batch", lambda route: waiting.append(route))
    page.upload(files("a.pdf", 500), files("b.pdf", 500))
    page.wait_for(lambda: len(waiting), 1)
    session = page.session_id()
    page.tab.get_by_role("button", name="Cancel all").click()
    page.tab.get_by_role("dialog").get_by_role("button", name="Cancel all").click()
    expect(page.tab.locator("li.file")).to_have_count(1)
    page.tab.unroute("**/files/batch")  # it goes on
    page.tab.wait_for_load_state("networkidle")
    page.tab.wait_for_timeout(1500)
    page.wait_for(lambda: [file["name"] for file in page.stored()["files"]], ["first.pdf"])
    for one in {session, (page.stored()["session"] or {}).get("sessionId", session)}:
        page.wait_for(
            lambda one=one: {file["name"] for file in api.show(one)["files"]} - {"first.pdf"}, set()
        )
    expect(page.tab.locator("li.file")).to_have_count(1)


@pytest.mark.parametrize("shared", [False, True])
def test_what_is_complete_when_all_is_cancelled_stays(page, context, site, files, store, api, shared):
    """Its `complete` has not answered. A file of another tab keeps the session from going as a whole."""
    first, last = files("first.pdf", 500), files("last.pdf", 12 * MIB)
    if shared:
        other = Page(context.new_page(), site).open()
        store.hold()
        other.upload(files("theirs.pdf", 12 * MIB))
        other.wait_for(lambda: store.held, 3)
        page.expect_state("theirs.pdf", "elsewhere")
    store.hold(passing=1)
    done = []
    page.tab.route("**/complete", lambda route: done.append(route.fetch().status))
    page.upload(first, last)
    page.wait_for(lambda: done, [200])
    session = page.session_id()
    page.tab.get_by_role("button", name="Cancel all").click()
    page.tab.get_by_role("dialog").get_by_role("button", name="Cancel all").click()
    page.expect_state("first.pdf", "completed")
    expect(page.row("last.pdf")).to_have_count(0)
    states = {file["name"]: file["status"] for file in api.show(session)["files"]}
    assert states.get("first.pdf") == "completed"
    assert "last.pdf" not in states
    assert page.errors == []
