"""The page for everybody: by keyboard, with a screen reader, signed in, on a phone, in the dark."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.page import Page
from tests.browser.test_upload import MIB

PHONE = {"width": 390, "height": 780}
DESK = {"width": 1200, "height": 820}


def test_the_keyboard_alone_is_enough(page, files, store):
    def focused():
        return page.tab.evaluate(
            "document.activeElement.getAttribute('aria-label') || document.activeElement.id"
        )

    page.tab.keyboard.press("Tab")
    assert focused() == "input"
    with page.tab.expect_file_chooser() as chooser:
        page.tab.keyboard.press("Space")
    chooser.value.set_files([files("manual.pdf", 30 * MIB), files("cover.png", 100)])
    assert focused() == "start"
    store.hold(passing=1)
    page.tab.keyboard.press("Tab")
    page.tab.keyboard.press("Tab")
    page.tab.keyboard.press("Tab")
    assert focused() == "Category of cover.png"
    page.tab.keyboard.press("t")
    expect(page.tab.get_by_label("Category of cover.png")).to_have_value("thumbnail")
    for _ in range(3):
        page.tab.keyboard.press("Shift+Tab")
    page.tab.keyboard.press("Enter")
    page.wait_for(lambda: store.held, 4)
    assert focused() == "files-title"
    tab_until(page, focused, "Pause manual.pdf")
    page.tab.keyboard.press("Enter")
    page.expect_state("manual.pdf", "pausing")
    assert focused() == "Resume manual.pdf"
    store.release()
    page.expect_state("manual.pdf", "paused")
    store.hold()
    page.tab.keyboard.press("Enter")
    page.expect_state("manual.pdf", "uploading")
    tab_until(page, focused, "Cancel manual.pdf")
    page.tab.keyboard.press("Enter")
    expect(page.row("manual.pdf")).to_have_count(0)
    assert page.tab.evaluate("document.activeElement.closest('li.file') !== null")
    store.release()
    page.expect_state("cover.png", "completed")


def tab_until(page, focused, wanted):
    for _ in range(12):
        page.tab.keyboard.press("Tab")
        if focused() == wanted:
            return
    raise AssertionError(f"{wanted} is not reached by Tab")


def test_a_screen_reader_is_told_what_happens(page, files):
    live = page.tab.get_by_role("status")
    page.choose(files("manual.pdf", 100))
    expect(live).to_have_text("1 file added.")
    page.start()
    expect(live).to_have_text("manual.pdf is uploaded.")
    expect(page.tab.get_by_role("progressbar", name="Upload of manual.pdf")).to_have_attribute(
        "aria-valuetext", "100%, Done"
    )


def test_a_screen_reader_is_not_flooded(page, files):
    """What happens to many files at once is one sentence, and there is time to listen to it."""
    page.tab.evaluate(
        """() => {
            window.said = [];
            const live = document.getElementById("live");
            new MutationObserver(() => said.push(live.textContent)).observe(live, { childList: true });
        }"""
    )
    page.upload(*(files(f"manual-{n}.pdf", 500) for n in range(30)))
    expect(page.tab.locator("li.file[data-state=completed]")).to_have_count(30, timeout=60_000)
    page.wait_for(lambda: sum(map(count_of, page.tab.evaluate("said"))), 30)
    finished = [text for text in page.tab.evaluate("said") if "uploaded" in text]
    assert len(finished) <= 15
    page.tab.route("**/complete", lambda route: route.fulfill(status=400, body="{}"))
    page.upload(*(files(f"other-{n}.pdf", 500) for n in range(20)))
    expect(page.tab.locator("li.file[data-state=failed]")).to_have_count(20)
    page.wait_for(lambda: "Something" in page.tab.evaluate("said.at(-1)"), True)
    assert len([text for text in page.tab.evaluate("said") if "Something" in text]) <= 10


def count_of(sentence):
    """How many files a sentence says are uploaded."""
    if "uploaded" not in sentence:
        return 0
    more = re.search(r"and (\d+) more", sentence)
    return len(re.findall(r"manual-\d+", sentence)) + int(more[1] if more else 0)


def test_while_nothing_moves_no_time_is_promised(page, context, files, store):
    summary = page.tab.locator("#summary")
    store.hold(passing=2)
    page.upload(files("manual.pdf", 40 * MIB))
    expect(summary).to_contain_text("MB/s")
    context.set_offline(True)
    page.expect_state("manual.pdf", "waiting")
    expect(summary).not_to_contain_text("left")
    expect(summary).not_to_contain_text("/s")


def test_what_is_sent_and_not_yet_confirmed_says_so(page, files, store):
    store.hold()
    page.upload(files("manual.pdf", 12 * MIB))
    page.expect_status("manual.pdf", "All 13\u00a0MB are sent: waiting until the store has them")


def test_a_deployed_page_asks_for_a_token_and_keeps_it_in_the_tab(context, serve, files, token):
    page = Page(context.new_page(), serve()).open()
    field = page.tab.get_by_label("Access token")
    expect(field).to_be_focused()
    field.fill("nonsense")
    field.press("Enter")
    words = "This access token is not accepted. Sign in with another one."
    expect(page.tab.get_by_role("status")).to_have_text(words)
    expect(page.tab.locator("#token-problem")).to_have_text(words)
    expect(page.tab.locator("#token-problem")).to_be_visible()
    field.fill(token)
    field.press("Enter")
    expect(field).to_be_hidden()
    page.upload(files("manual.pdf", 6 * MIB))
    page.expect_state("manual.pdf", "completed")
    assert token not in page.tab.evaluate("JSON.stringify(localStorage) + document.cookie")
    page.reload()
    expect(field).to_be_hidden()
    other = Page(context.new_page(), page.site).open()
    expect(other.tab.get_by_label("Access token")).to_be_visible()


def test_a_token_that_expires_on_the_way_is_asked_for_and_the_upload_goes_on(context, serve, files, token):
    page = Page(context.new_page(), serve()).open()
    page.tab.get_by_label("Access token").fill(token)
    page.tab.keyboard.press("Enter")
    page.choose(files("manual.pdf", 100))
    page.tab.evaluate("sessionStorage.setItem('upload-token', 'out.of.date')")
    page.start()
    page.expect_state("manual.pdf", "failed")
    page.tab.get_by_label("Access token").fill(token)
    page.tab.keyboard.press("Enter")
    page.expect_state("manual.pdf", "completed")


def scenes(page, files, store):
    """The states worth looking at, one after another."""
    yield "empty"
    page.tab.evaluate("document.body.classList.add('dropping')")
    yield "dropping"
    page.tab.evaluate("document.body.classList.remove('dropping')")
    manual = files("Lighthouse instructions.pdf", 49 * MIB)
    box = files("box-art.jpg", 9 * MIB)
    page.choose(
        files("parts.csv", 90_000), files("build.exe", 2000), files("cover.png", 8 * MIB), manual, box
    )
    yield "chosen"
    store.hold(passing=6)
    page.start()
    page.wait_for(lambda: (len(store.puts), store.held), (6, 4))
    page.expect_state("build.exe", "refused")
    page.tab.wait_for_timeout(1200)
    yield "uploading"
    page.tab.get_by_role("button", name="Cancel all").click()
    yield "asking"
    page.tab.get_by_role("button", name="Keep uploading").click()
    page.press("Pause", manual.name)
    page.expect_state(manual.name, "pausing")
    yield "pausing"
    store.release()
    page.expect_state(manual.name, "paused")
    yield "paused"
    page.reload()
    page.expect_state(manual.name, "interrupted")
    yield "interrupted"
    store.reset()
    store.hold(passing=1)
    page.choose(manual)
    page.wait_for(lambda: len(store.puts), 1)
    page.tab.wait_for_timeout(1200)
    yield "resumed"
    store.release()
    page.expect_state(manual.name, "completed")
    yield "done"


def troubles(page, files, store):
    """The states that nobody wants to see, and that say what to do."""
    manual, other = files("Lighthouse instructions.pdf", 30 * MIB), files("Second booklet.pdf", 12 * MIB)
    page.upload_until_held(store, manual, other, passing=2, held=4)
    page.tab.context.set_offline(True)
    page.expect_state(manual.name, "waiting")
    yield "offline"
    second = Page(page.tab.context.new_page(), page.site)
    page.tab.context.set_offline(False)
    second.open()
    second.expect_status(manual.name, "Being uploaded in another tab \u00b7")
    second.tab.screenshot(path=page.picture("elsewhere"), full_page=True)
    second.tab.close()
    page.tab.route("**/api/mocs/**", lambda route: route.fulfill(status=503, body="{}"))
    page.reload()
    store.release()
    expect(page.tab.locator("#notice")).to_be_visible()
    yield "unavailable"
    page.tab.unroute("**/api/mocs/**")
    page.expect_status(manual.name, "Interrupted at")
    expect(page.tab.locator("#notice")).to_be_hidden()
    manual.write_bytes(b"another file")
    page.choose(manual)
    page.expect_state(manual.name, "changed")
    page.tab.route("**/complete", lambda route: route.fulfill(status=400, body="{}"))
    page.choose(other)
    page.expect_state(other.name, "failed")
    page.choose(files("nothing.pdf", 0), files("photo album.zip", 900))
    yield "troubled"
    page.tab.locator("#notice").evaluate("(notice) => notice.hidden = false")
    page.tab.locator("#notice-text").evaluate(
        "(text) => text.textContent = 'The upload session had ended: 2 files are sent again in a new one.'"
    )
    page.tab.locator("#sign-in").evaluate("(form) => form.hidden = false")
    yield "told"


@pytest.mark.parametrize("walk", [scenes, troubles])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_every_state_is_accessible_and_pictured(
    browser, site, files, store, screenshots, width, scheme, walk
):
    of_phone = {"viewport": PHONE, "device_scale_factor": 2, "has_touch": True}
    context = browser.new_context(color_scheme=scheme, **({"viewport": DESK} if width > 390 else of_phone))
    try:
        page = Page(context.new_page(), site).open()
        page.picture = lambda scene: screenshots / f"{width}-{scheme}-{scene}.png"
        for scene in walk(page, files, store):
            page.tab.screenshot(path=page.picture(scene), full_page=True)
            assert page.tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), scene
            found = Axe().run(
                page.tab, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}
            )
            assert found.violations_count == 0, f"{scene}: {found.generate_report()}"
        assert page.errors == []
    finally:
        context.close()
        store.reset()


NAMES = (
    "m" * 120 + ".pdf",
    "הוראות הרכבה של המגדלור הגדול.pdf",
    "a name of many words that somebody typed to say everything about it.csv",
    "🏰🧱 Château fort (final) (2) copy.png",
)
# Pairs of what people read or press in a row, of which one covers the other.
COVERED = """() => [...document.querySelectorAll("li.file")].flatMap((row) => {
    const seen = [...row.querySelectorAll(".name, .size, select, button, .status")]
        .filter((one) => one.getClientRects().length && one.textContent);
    const boxes = seen.map((one) => one.getBoundingClientRect());
    return boxes.flatMap((a, i) => boxes.slice(i + 1).flatMap((b, j) =>
        a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1
            ? [seen[i].className + " " + seen[i + 1 + j].className] : []));
})"""


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_long_names_cover_nothing(page, store, width):
    page.tab.set_viewport_size({"width": width, "height": 700})
    page.drop(*((name, "", b"x" * 5000) for name in NAMES), ("setup.exe", "", b"MZ"))

    def check():
        assert page.tab.evaluate(COVERED) == []
        assert page.tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        names = page.tab.locator("li.file h3")
        assert min(names.nth(i).bounding_box()["width"] for i in range(5)) > 60

    check()
    store.hold()
    page.start()
    page.wait_for(lambda: store.held, 4)
    check()
    page.tab.get_by_role("button", name="Cancel all").click()
    box = page.tab.get_by_role("dialog").bounding_box()
    assert box["x"] >= 10
    assert box["x"] + box["width"] <= width - 10
    page.tab.get_by_role("button", name="Keep uploading").click()
    store.release()
    expect(page.tab.locator("li.file[data-state=completed]")).to_have_count(4)
    check()


def test_the_form_to_sign_in_is_accessible(context, serve):
    page = Page(context.new_page(), serve()).open()
    expect(page.tab.get_by_label("Access token")).to_be_visible()
    found = Axe().run(page.tab)
    assert found.violations_count == 0, found.generate_report()


def test_nothing_is_fetched_from_elsewhere(page, site):
    urls = []
    page.tab.on("request", lambda request: urls.append(request.url))
    page.reload()
    assert urls
    assert [url for url in urls if not url.startswith(site)] == []
