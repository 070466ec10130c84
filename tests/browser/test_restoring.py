"""Coming back to the page while something else than the API answers, or storage holds something else."""

import pytest
from playwright.sync_api import expect

from tests.browser.page import Page
from tests.browser.test_resume import interrupt
from tests.browser.test_upload import MIB

SOONER = "const later = window.setTimeout; window.setTimeout = (act, ms) => later(act, ms / 50);"


def test_what_was_sent_is_not_sent_again_when_the_service_was_away_meanwhile(page, files, store):
    """It is chosen again while nothing is known of it, fails, and is tried again."""
    manual = files("manual.pdf", 40 * MIB)
    store.hold(passing=3)
    page.upload(manual)
    page.wait_for(lambda: (len(store.puts), store.held), (3, 4))
    page.tab.add_init_script(SOONER)
    page.tab.route("**/api/mocs/**", lambda route: route.fulfill(status=503, body="{}"))
    page.tab.reload()
    page.wait_for(lambda: store.dropped, 4)
    store.release()
    page.expect_state("manual.pdf", "interrupted")
    page.choose(manual)
    page.expect_state("manual.pdf", "failed")
    page.tab.unroute("**/api/mocs/**")
    page.press("Try again", "manual.pdf")
    page.expect_state("manual.pdf", "completed")
    assert sorted(store.stored()) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_proxys_404_is_no_end_of_a_session(page, files, store):
    manual = interrupt(page, files, store)
    page.tab.route("**/sessions/**", lambda route: route.fulfill(status=404, body="<h1>Not found</h1>"))
    page.reload()
    expect(page.tab.locator("#notice")).to_contain_text("Something else than the upload service answered.")
    page.expect_state("manual.pdf", "interrupted")
    page.tab.unroute("**/sessions/**")
    page.tab.locator("#notice-act").click()
    expect(page.tab.locator("#notice")).to_be_hidden()
    page.choose(manual)
    page.expect_state("manual.pdf", "completed")
    assert sorted(store.stored()) == [1, 2, 3]


def test_a_file_that_is_cancelled_elsewhere_meanwhile_takes_no_other_with_it(page, files, store, api):
    """Between the question for the session and that for its parts."""
    one, other = files("one.pdf", 12 * MIB), files("other.pdf", 12 * MIB)
    store.hold()
    page.upload(one, other)
    page.wait_for(lambda: store.held, 4)
    address = f"/{page.session_id()}/files/{page.file_id('one.pdf')}"
    cancelled = []

    def cancel(route):
        if address in route.request.url and not cancelled:
            cancelled.append(api.ok("DELETE", address))
        route.continue_()

    page.tab.route("**/parts", cancel)
    page.reload()
    store.release()
    page.wait_for(lambda: len(cancelled), 1)
    page.tab.wait_for_load_state("networkidle")
    page.expect_state("other.pdf", "interrupted")
    page.choose(one, other)
    page.expect_state("other.pdf", "completed")
    page.expect_state("one.pdf", "completed")


@pytest.mark.parametrize(
    "text",
    [
        "[1",
        "null",
        "[]",
        '{"files": {"a": 1}}',
        '{"files": [null, {}, {"name": "x"}]}',
        '{"session": "x"}',
        '{"session": {"sessionId": 7}}',
    ],
)
def test_what_another_app_of_this_origin_has_stored_stops_nothing(page, files, text):
    """As happens on localhost."""
    page.tab.evaluate("(text) => { localStorage.uploads = text; }", text)
    page.reload()
    page.upload(files("manual.pdf", 500))
    page.expect_state("manual.pdf", "completed")
    assert page.errors == []


@pytest.mark.parametrize("step", ["**/uploads/sessions", "**/files/batch", "**/complete", "PUT"])
def test_at_each_step_the_network_may_go_and_come_back(page, context, files, store, step):
    gone = []

    def cut(route):
        if gone or (step == "PUT" and route.request.method != "PUT"):
            return route.continue_()
        gone.append(route.request.url)
        context.set_offline(True)
        route.abort("internetdisconnected")

    page.tab.route(store.url + "/**" if step == "PUT" else step, cut)
    page.upload(files("manual.pdf", 500))
    page.expect_status("manual.pdf", "Offline")
    context.set_offline(False)
    page.expect_state("manual.pdf", "completed")


def test_a_token_is_taken_as_it_is_pasted_and_where_nothing_can_be_stored(context, serve, token):
    page = Page(context.new_page(), serve()).open()
    field = page.tab.get_by_label("Access token")

    def enter(text):
        field.fill(text)
        field.press("Enter")

    for wrong in ("old", "eyJ\u2026"):  # no header takes the second one
        enter(wrong)
        expect(field).to_be_visible()
        expect(page.tab.locator("#token-problem")).to_contain_text("not accepted")
    page.tab.evaluate(
        "void (Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); })"
    )
    enter("Bearer " + token)
    expect(field).to_be_hidden()
    page.tab.wait_for_load_state("networkidle")
    expect(field).to_be_hidden()


@pytest.mark.parametrize("is_reloaded", [False, True])
def test_what_was_cancelled_without_a_good_token_is_cancelled_with_one(
    context, serve, files, store, token, is_reloaded
):
    page = Page(context.new_page(), serve()).open()
    field = page.tab.get_by_label("Access token")

    def sign_in():
        field.fill(token)
        field.press("Enter")

    sign_in()
    page.upload_until_held(store, files("manual.pdf", 12 * MIB), passing=1, held=2)
    if is_reloaded:
        page.reload_while_held(store)
        page.expect_state("manual.pdf", "interrupted")
    page.tab.evaluate("sessionStorage.setItem('upload-token', 'out.of.date')")
    page.press("Cancel", "manual.pdf")
    expect(field).to_be_visible()
    expect(page.row("manual.pdf")).to_be_visible()
    store.release()
    sign_in()
    expect(page.row("manual.pdf")).to_have_count(0)
