"""Tabs that come, go, freeze and come back while a file is on its way."""

import time

from playwright.sync_api import expect

from tests.browser.conftest import FLAGS, chromium
from tests.browser.page import Page
from tests.browser.test_upload import MIB
from tests.conftest import token_for


def test_of_three_tabs_each_goes_on_when_the_one_before_it_ends(page, context, site, files, store):
    """The first one is closed; the second one, which has the file, is reloaded; the third one finishes."""
    manual = files("manual.pdf", 30 * MIB)
    second, third = (Page(context.new_page(), site).open() for _ in range(2))
    store.hold(passing=1)
    page.upload(manual)
    page.wait_for(lambda: (len(store.puts), store.held), (1, 4))
    for tab in (second, third):
        tab.expect_state("manual.pdf", "elsewhere")
    second.choose(manual)
    page.tab.close()
    second.wait_for(lambda: (store.dropped, store.held), (4, 4))
    third.expect_state("manual.pdf", "elsewhere")
    second.reload()
    third.expect_state("manual.pdf", "interrupted")
    third.choose(manual)
    third.wait_for(lambda: store.dropped, 8)
    store.release()
    third.expect_state("manual.pdf", "completed")
    second.expect_state("manual.pdf", "completed")
    assert sorted(store.stored()) == [1, 2, 3, 4, 5, 6]
    assert second.errors == third.errors == []


def test_what_one_tab_cancels_leaves_the_others_list(page, context, site, files, store):
    store.hold(passing=1)
    page.upload(files("manual.pdf", 20 * MIB), files("other.pdf", 500))
    page.wait_for(lambda: (len(store.puts), store.held), (1, 4))
    other = Page(context.new_page(), site).open()
    other.expect_state("manual.pdf", "elsewhere")
    page.tab.get_by_role("button", name="Cancel all").click()
    page.tab.get_by_role("dialog").get_by_role("button", name="Cancel all").click()
    for tab in (page, other):
        expect(tab.tab.locator("li.file")).to_have_count(0)
    store.release()
    other.upload(files("third.pdf", 500))
    other.expect_state("third.pdf", "completed")
    assert page.errors == other.errors == []


def test_a_frozen_tab_goes_on_when_it_thaws(page, files, store):
    devtools = page.tab.context.new_cdp_session(page.tab)
    store.hold(passing=1)
    page.upload(files("manual.pdf", 30 * MIB))
    page.wait_for(lambda: (len(store.puts), store.held), (1, 4))
    devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    store.release()
    time.sleep(2)
    devtools.send("Page.setWebLifecycleState", {"state": "active"})
    page.expect_state("manual.pdf", "completed")
    assert sorted(store.stored()) == [1, 2, 3, 4, 5, 6]


def test_a_page_that_the_browser_kept_goes_on_after_back(browser, site, files, store):
    """Playwright turns that cache off unless told otherwise."""
    keeping = browser.browser_type.launch(
        executable_path=chromium(), args=FLAGS, ignore_default_args=["--disable-back-forward-cache"]
    )
    try:
        page = Page(keeping.new_context().new_page(), site).open()
        store.hold(passing=1)
        page.upload(files("manual.pdf", 20 * MIB))
        page.wait_for(lambda: (len(store.puts), store.held), (1, 3))
        page.tab.evaluate("addEventListener('pageshow', ({ persisted }) => (window.persisted = persisted))")
        page.tab.goto(site + "/robots.txt")
        store.release()
        page.tab.evaluate("history.back()")
        page.wait_for(lambda: page.tab.url, site + "/")
        page.expect_state("manual.pdf", "completed")
        assert page.tab.evaluate("window.persisted")
        assert sorted(store.stored()) == [1, 2, 3, 4]
    finally:
        keeping.close()
        store.reset()


def test_what_another_user_of_this_browser_uploads_is_left_for_them(context, serve, files, store):
    site = serve()

    def opened(user):
        tab = Page(context.new_page(), site).open()
        tab.tab.get_by_label("Access token").fill(token_for(user))
        tab.tab.get_by_label("Access token").press("Enter")
        expect(tab.tab.get_by_label("Access token")).to_be_hidden()
        return tab

    manual = files("manual.pdf", 12 * MIB)
    first = opened("ada")
    first.upload_until_held(store, manual, passing=1, held=2)
    first.tab.close()
    second = opened("grace")
    store.release()
    second.tab.wait_for_load_state("networkidle")
    expect(second.tab.locator("li.file")).to_have_count(0)
    expect(second.tab.locator("#notice")).to_be_hidden()
    second.upload(files("other.pdf", 500))
    second.expect_state("other.pdf", "completed")
    second.press("Remove", "other.pdf")
    second.tab.close()
    third = opened("ada")
    third.expect_state("manual.pdf", "interrupted")
    third.choose(manual)
    third.expect_state("manual.pdf", "completed")
    third.expect_status("manual.pdf", "1 of 3 parts were there already")
