"""WebKitGTK's MiniBrowser over WebDriver, on a display that nobody sees."""

import contextlib
import shutil
from glob import glob

import httpx
import pytest

from dev.processes import Child, free_ports
from tests.browsers.patience import PATIENCE
from tests.support.servers import kept_environment

MINIBROWSERS = ("/usr/lib/*/webkit2gtk-4.*/MiniBrowser", "/usr/lib*/webkit2gtk-4.*/MiniBrowser")


class WebKit:
    """A driver that starts one MiniBrowser for each tab, with storage of its own; a context manager."""

    def __init__(self, folder):
        self._folder = folder
        self._exit = contextlib.ExitStack()

    def __enter__(self):
        self._browser = next((path for pattern in MINIBROWSERS for path in glob(pattern)), None)
        if not (self._browser and shutil.which("WebKitWebDriver") and shutil.which("Xvfb")):
            pytest.fail("There is no WebKitGTK to drive: on Debian, apt install webkit2gtk-driver xvfb.")
        with contextlib.ExitStack() as stack:
            env = kept_environment() | {"DISPLAY": self._start_display(stack), "LIBGL_ALWAYS_SOFTWARE": "1"}
            driver = Child("WebKitWebDriver", self._folder / "driver.log")
            [port] = free_ports(1)
            driver.start(["WebKitWebDriver", f"--port={port}"], env)
            stack.callback(driver.stop)
            http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE)
            self._http = stack.enter_context(http)
            driver.wait_until(lambda: self._http.get("/status").raise_for_status(), PATIENCE)
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *exc):
        self._exit.close()

    def _start_display(self, stack):
        """Xvfb's name for the display that it has found free."""
        log = self._folder / "display.log"
        display = Child("Xvfb", log)
        display.start(["Xvfb", "-displayfd", "1", "-screen", "0", "1280x1024x24"], kept_environment())
        stack.callback(display.stop)

        def number():
            return int(log.read_text().splitlines()[-1])

        display.wait_until(number, PATIENCE)
        return f":{number()}"

    def ask(self, method, path, body=None):
        """The value that the driver answers."""
        answer = self._http.request(method, path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["value"]

    @contextlib.contextmanager
    def tab(self):
        """A browser of its own."""
        options = {"binary": self._browser, "args": ["--automation"]}
        wanted = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        session = f"/session/{self.ask('POST', '/session', {'capabilities': wanted})['sessionId']}"
        yield WebKitTab(self, session)
        self.ask("DELETE", session)


class WebKitTab:
    """What `tests/browsers/page.py` needs of a tab."""

    def __init__(self, browser, session):
        self._browser = browser
        self._session = session

    def open(self, url):
        self._browser.ask("POST", f"{self._session}/url", {"url": url})

    def reload(self):
        self._browser.ask("POST", f"{self._session}/refresh", {})

    def run(self, expression):
        """The value of a JavaScript expression."""
        script = {"script": f"return {expression}", "args": []}
        return self._browser.ask("POST", f"{self._session}/execute/sync", script)

    def choose(self, selector, *paths):
        """Put files on an input."""
        query = {"using": "css selector", "value": selector}
        [element] = self._browser.ask("POST", f"{self._session}/element", query).values()
        files = {"text": "\n".join(map(str, paths))}
        self._browser.ask("POST", f"{self._session}/element/{element}/value", files)
