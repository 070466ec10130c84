"""The upload page in any browser, driven by expressions that are evaluated in it."""

import json

from tests.browsers.patience import PATIENCE
from tests.support.servers import wait_for

ROW = "[...document.querySelectorAll('li.file')].find((row) => row.querySelector('.name').textContent === {})"


class UploadPage:
    """The page in one tab; whatever it is to show is waited for."""

    def __init__(self, tab, site):
        self._tab = tab
        self._site = site

    def open(self):
        self._tab.open(self._site + "/")
        self._accept_all_files()
        return self

    def reload(self):
        self._tab.reload()
        self._accept_all_files()

    def _accept_all_files(self):
        """Once the policy has come: WebKit's driver takes no file that `accept` leaves out, as people can."""
        self.expect(lambda: self._tab.run("document.querySelector('#input').accept !== ''"), True)
        self._tab.run("document.querySelector('#input').removeAttribute('accept')")

    def choose(self, *paths):
        self._tab.choose("#input", *paths)

    def start(self):
        self._click("#start")

    def upload(self, *paths):
        self.choose(*paths)
        self.start()

    def press(self, action, name):
        self._click(f'button[aria-label="{action} {name}"]')

    def _click(self, selector):
        found = f"document.querySelector({json.dumps(selector)})"
        visible = f"{found} !== null && {found}.checkVisibility()"
        self.expect(lambda: self._tab.run(visible), True)
        self._tab.run(f"{found}.click()")

    def expect(self, read, wanted):
        """Wait until something has a value."""

        def probe():
            value = read()
            assert value == wanted, f"{value!r} is not {wanted!r}"

        wait_for(probe, PATIENCE)

    def expect_state(self, name, state):
        """The state of a file's row; None: there is no row."""
        row = ROW.format(json.dumps(name))
        self.expect(lambda: self._tab.run(f"{row}?.dataset.state"), state)

    def status(self, name):
        return self._tab.run(f"{ROW.format(json.dumps(name))}.querySelector('.status').textContent")

    def _stored(self):
        """What the page keeps for a reload."""
        return json.loads(self._tab.run("localStorage.getItem('uploads')"))

    def session_id(self):
        return self._stored()["session"]["sessionId"]

    def file_id(self, name):
        return next(file["fileId"] for file in self._stored()["files"] if file["name"] == name)
