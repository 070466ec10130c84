"""Firefox over WebDriver BiDi, which it speaks itself: no driver is needed."""

import contextlib
import json
import shutil

import pytest
from websockets.sync.client import connect

from dev.processes import Child
from tests.browsers.patience import PATIENCE
from tests.support.servers import kept_environment

NAMES = ("firefox-esr", "firefox")


class Firefox:
    """One Firefox without a window; a context manager. `tab()` has storage of its own."""

    def __init__(self, folder):
        self._profile = folder / "profile"
        self._profile.mkdir()
        self._process = Child("Firefox", folder / "firefox.log")
        self._exit = contextlib.ExitStack()
        self._asked = 0

    def __enter__(self):
        program = next(filter(None, map(shutil.which, NAMES)), None)
        if program is None:
            pytest.fail("There is no Firefox: install it (Debian: apt install firefox-esr).")
        command = [program, "--headless", "--no-remote", "--profile", str(self._profile)]
        with contextlib.ExitStack() as stack:
            self._process.start([*command, "--remote-debugging-port=0"], kept_environment())
            stack.callback(self._process.stop)
            self._process.wait_until(self._address, PATIENCE)
            # No pings: on a busy machine Firefox answers them late, and it is no less alive for that.
            options = {"open_timeout": PATIENCE, "ping_interval": None, "max_size": None}
            self._socket = stack.enter_context(connect(self._address(), **options))
            self.ask("session.new", capabilities={})
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *exc):
        self._exit.close()

    def _address(self):
        """Where it listens; it writes that into its profile."""
        server = json.loads((self._profile / "WebDriverBiDiServer.json").read_text())
        return f"ws://{server['ws_host']}:{server['ws_port']}/session"

    def ask(self, method, **params):
        """The result of a command; events and what else comes meanwhile is passed over."""
        self._asked += 1
        self._socket.send(json.dumps({"id": self._asked, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(PATIENCE))
            if message.get("id") == self._asked:
                assert message["type"] == "success", message
                return message["result"]

    @contextlib.contextmanager
    def tab(self):
        """A tab of a user of its own."""
        user = self.ask("browser.createUserContext")["userContext"]
        yield FirefoxTab(self, self.ask("browsingContext.create", type="tab", userContext=user)["context"])
        self.ask("browser.removeUserContext", userContext=user)


class FirefoxTab:
    """What `tests/browsers/page.py` needs of a tab."""

    def __init__(self, browser, context):
        self._browser = browser
        self._context = context

    def open(self, url):
        self._browser.ask("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def reload(self):
        self._browser.ask("browsingContext.reload", context=self._context, wait="complete")

    def run(self, expression):
        """The value of a JavaScript expression."""
        return json.loads(self._evaluate(f"JSON.stringify(({expression}) ?? null)")["value"])

    def choose(self, selector, *paths):
        """Put files on an input."""
        element = {"sharedId": self._evaluate(f"document.querySelector('{selector}')")["sharedId"]}
        files = [str(path) for path in paths]
        self._browser.ask("input.setFiles", context=self._context, element=element, files=files)

    def _evaluate(self, expression):
        answer = self._browser.ask(
            "script.evaluate", expression=expression, target={"context": self._context}, awaitPromise=False
        )
        assert answer["type"] == "success", answer
        return answer["result"]
