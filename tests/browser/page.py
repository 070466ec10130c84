"""The upload page, as a person uses it."""

import base64
import json
import time

from playwright.sync_api import expect


class Page:
    """One tab."""

    def __init__(self, tab, site):
        self.tab = tab
        self.site = site
        self.errors = []
        tab.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self):
        self.tab.goto(self.site + "/")
        self.tab.wait_for_load_state("networkidle")
        return self

    def reload(self):
        self.tab.reload()
        self.tab.wait_for_load_state("networkidle")

    def wait_for(self, read, wanted, seconds=40):
        """Wait until something has a value; the browser's events are handled meanwhile."""
        deadline = time.monotonic() + seconds
        while (value := read()) != wanted:
            assert time.monotonic() < deadline, f"{value!r} is not {wanted!r}"
            self.tab.wait_for_timeout(50)

    def choose(self, *paths):
        self.tab.set_input_files("#input", list(paths))

    def drop(self, *files):
        """Drop files, given as (name, type, content), on the page."""
        items = [
            {"name": name, "type": kind, "content": base64.b64encode(content).decode()}
            for name, kind, content in files
        ]
        transfer = self.tab.evaluate_handle(
            """async (items) => {
                const transfer = new DataTransfer();
                for (const { name, type, content } of items) {
                    const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
                    transfer.items.add(new File([bytes], name, { type }));
                }
                return transfer;
            }""",
            items,
        )
        for event in ("dragenter", "dragover", "drop"):
            self.tab.dispatch_event("#drop", event, {"dataTransfer": transfer})

    def start(self):
        self.tab.click("#start")

    def upload(self, *paths):
        self.choose(*paths)
        self.start()

    def upload_until_held(self, store, *paths, held, passing=0):
        """Upload until so many more parts have passed the store's proxy, and so many are held there."""
        before = len(store.puts)
        store.hold(passing=passing)
        self.upload(*paths)
        self.wait_for(lambda: (len(store.puts), store.held), (before + passing, held))

    def reload_while_held(self, store):
        """Reload; the browser drops the parts that are held, and later ones pass."""
        dropped = store.dropped + store.held
        self.reload()
        self.wait_for(lambda: store.dropped, dropped)
        store.release()

    def spoil_urls(self, *patterns):
        """Have the URLs in the answers to these requests spoilt: their signatures do not match."""

        def spoil(route):
            text = (answer := route.fetch()).text()
            route.fulfill(response=answer, body=text.replace("X-Amz-Signature=", "X-Amz-Signature=0"))

        for pattern in patterns:
            self.tab.route(pattern, spoil)

    def row(self, name):
        return self.tab.locator("li.file").filter(has=self.tab.get_by_role("heading", name=name, exact=True))

    def press(self, action, name):
        self.tab.get_by_role("button", name=f"{action} {name}", exact=True).click()

    def expect_state(self, name, state):
        expect(self.row(name)).to_have_attribute("data-state", state)

    def expect_status(self, name, text):
        expect(self.row(name).locator(".status")).to_contain_text(text)

    def status(self, name):
        return self.row(name).locator(".status").inner_text()

    def stored(self):
        """What the page keeps for a reload."""
        return json.loads(self.tab.evaluate("localStorage.getItem('uploads')") or "null")

    def session_id(self):
        return self.stored()["session"]["sessionId"]

    def file_id(self, name):
        return next(file["fileId"] for file in self.stored()["files"] if file["name"] == name)
