"""`/api.html`, where people read the OpenAPI document: with nothing from any other host."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from lib.http.routes import ROUTES


@pytest.fixture
def tab(context):
    """A tab that remembers what it asked for, and what went wrong."""
    tab = context.new_page()
    tab.asked, tab.problems = [], []
    tab.on("request", lambda request: tab.asked.append(request.url))
    tab.on("console", lambda said: tab.problems.append(said.text) if said.type == "error" else None)
    tab.on("pageerror", lambda error: tab.problems.append(str(error)))
    return tab


def read(tab, site):
    tab.goto(f"{site}/api.html")
    for route in ROUTES:
        heading = tab.get_by_role("heading", name=route.summary, exact=False)
        expect(heading.first).to_be_attached()


def test_it_shows_every_operation_and_asks_no_other_host(tab, site, screenshots):
    read(tab, site)
    tab.screenshot(path=screenshots / "api.png")
    tab.wait_for_load_state("networkidle")
    hosts = {urlsplit(url.removeprefix("blob:")).netloc for url in tab.asked if not url.startswith("data:")}
    assert hosts == {urlsplit(site).netloc}
    assert tab.problems == []


def test_reasons_and_their_details_are_shown(tab, site):
    read(tab, site)
    refusal = tab.get_by_role("button", name="409").first
    expect(refusal).to_contain_text("DUPLICATE_FILE_KEY")
    refusal.click()
    shown = refusal.locator("xpath=..")
    shown.get_by_role("button", name="error").click()
    assert set(shown.get_by_role("option").all_inner_texts()) == {"FILE_ID_CONFLICT", "DUPLICATE_FILE_KEY"}
    shown.get_by_role("button", name="details").click()
    expect(shown.locator("td[title=fileId]")).to_be_visible()


def test_its_search_finds_an_operation(tab, site):
    read(tab, site)
    tab.get_by_placeholder("Search").fill("presign")
    expect(tab.get_by_role("menuitem", name="Which parts are there").first).to_be_visible()
    assert tab.problems == []


def test_a_phone_shows_it_without_scrolling_sideways(tab, site, screenshots):
    tab.set_viewport_size({"width": 360, "height": 740})
    read(tab, site)
    tab.screenshot(path=screenshots / "api-phone.png")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
