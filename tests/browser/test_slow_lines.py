"""Lines on which nothing seems to move, and all the same it does."""

import threading

import pytest

from tests.browser.page import Page
from tests.browser.test_transport import answers_after_minutes, outcome, start, upload
from tests.browser.test_upload import MIB
from tests.support.http_server import Handler, HttpServer

# What many an app has, so that it opens offline.
WORKER = """
    addEventListener("install", () => skipWaiting());
    addEventListener("activate", (event) => event.waitUntil(clients.claim()));
    addEventListener("fetch", (event) => event.respondWith(fetch(event.request)));
"""


@pytest.fixture
def leaping(env):
    """A store behind a buffer that takes some megabytes at once, and no more until `flows` is set."""

    class Leaping(Handler):
        def serve(self):
            if self.command == "PUT":
                proxy.puts += 1
                proxy.flows.wait(60)
            self.answer(*self.forward(env["S3_ENDPOINT_URL"], self.body()))

    with HttpServer(Leaping) as proxy:
        proxy.puts, proxy.flows = 0, threading.Event()
        yield proxy
        proxy.flows.set()


def test_a_line_that_is_silent_for_minutes_between_leaps_gets_a_part_through(context, serve, leaping):
    site = serve(AUTH_BYPASS="true", S3_ENDPOINT_URL=leaping.url, MULTIPART_PART_SIZE_MB="20")
    page = Page(context.new_page(), site).open()
    page.tab.clock.install()
    start(page, 20 * MIB)
    for tries, seconds in ((1, 61), (2, 90)):  # the first one is given up, the second one not yet
        page.wait_for(lambda: leaping.puts, tries)
        page.wait_for(lambda: page.tab.evaluate("progress.at(-1)?.sentBytes > 0"), True)
        page.tab.clock.run_for(seconds * 1000)
        for _ in range(20):
            if tries == 1 and leaping.puts == 1:
                page.tab.clock.run_for(1000)
            page.tab.wait_for_timeout(50)
    assert leaping.puts == 2
    leaping.flows.set()
    page.tab.clock.resume()
    assert outcome(page)["sizeBytes"] == 20 * MIB


def test_behind_a_service_worker_that_shows_no_progress_a_part_may_take_minutes(context, site, store):
    class Site(Handler):
        def serve(self):
            if self.path == "/worker.js":
                return self.answer(200, [("Content-Type", "text/javascript")], WORKER.encode())
            return self.answer(*self.forward(site, self.body()))

    with HttpServer(Site) as proxy:
        page = Page(context.new_page(), proxy.url)
        page.tab.goto(proxy.url + "/robots.txt")
        page.tab.evaluate("navigator.serviceWorker.register('/worker.js')")
        page.wait_for(lambda: page.tab.evaluate("!!navigator.serviceWorker.controller"), True)
        page.tab.clock.install()
        store.hold()
        start(page, 1000)
        page.wait_for(lambda: store.held, 1)
        answers_after_minutes(page, store, parts=1)
        assert outcome(page)["sizeBytes"] == 1000


def test_a_server_on_this_computer_that_is_busy_for_a_moment_needs_no_network_either(page):
    """A browser calls itself offline without a network, and sometimes with one."""
    page.tab.evaluate("Object.defineProperty(navigator, 'onLine', { value: false })")
    answers = [503, 503]
    page.tab.route(
        "**/uploads/sessions",
        lambda route: route.fulfill(status=answers.pop(), body="{}") if answers else route.continue_(),
    )
    assert upload(page, 1000)["sizeBytes"] == 1000


def test_a_gateway_that_answers_for_a_busy_api_elsewhere_is_no_cors_failure(page, serve):
    """Its page has no headers of CORS, and nothing of that origin was heard before."""
    api = serve(AUTH_BYPASS="true", ALLOWED_ORIGINS=page.site)

    class Gateway(Handler):
        def serve(self):
            gateway.asked += 1
            if gateway.asked <= 4:  # two tries, and a look after each
                return self.answer(503, [("Content-Type", "text/html")], b"<h1>Service Unavailable</h1>")
            return self.answer(*self.forward(api, self.body()))

    with HttpServer(Gateway) as gateway:
        gateway.asked = 0
        assert upload(page, 1000, client={"baseUrl": gateway.url})["sizeBytes"] == 1000
