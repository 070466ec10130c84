"""The apps with Uppy that the documentation shows, and the example, each used by its Dashboard."""

import re
import shutil
import signal
import sys

import pytest
from playwright.sync_api import expect

from dev.processes import Child, free_ports
from tests.browser.test_module import DOCUMENT
from tests.browser.test_upload import MIB
from tests.browser.uppy_page import bundled
from tests.support.servers import ROOT, kept_environment

# What an app has around the lines that are shown.
AROUND = {
    "js": "globalThis.auth = { token: () => null };\n{}",
    "jsx": 'import { createRoot } from "react-dom/client";\n{}\n'
    'createRoot(document.querySelector("#app")).render(<Uploads />);',
}


def upload_by_dashboard(tab, store, path):
    """Choose a file, press the button, and see it done."""
    tab.locator(".uppy-Dashboard-input").first.set_input_files(path)
    tab.locator(".uppy-StatusBar-actionBtn--upload").click()
    expect(tab.locator(".uppy-StatusBar.is-complete")).to_be_visible()
    assert sorted(store.stored()) == [1, 2, 3]


@pytest.mark.parametrize("language", ["js", "jsx"])
def test_the_app_in_the_documentation_uploads(context, site, files, store, tmp_path, language):
    section = DOCUMENT.read_text().partition("\n## With Uppy\n")[2]
    code = re.search(rf"^```{language}\n(.*?)^```", section, re.M | re.S)[1]
    assert "https://uploads.example.com" in code
    app = tmp_path / f"app.{language}"
    app.write_text(AROUND[language].replace("{}", code.replace("https://uploads.example.com", site)))
    for name in ("uppy-upload-sessions.js", "upload-client.js"):
        shutil.copy(ROOT / "public" / name, tmp_path)
    shutil.copytree(ROOT / "public" / "upload-client", tmp_path / "upload-client")
    script = bundled(app, tmp_path)
    tab = context.new_page()
    tab.goto(site + "/robots.txt")
    tab.evaluate("document.body.innerHTML = '<div id=app></div>'")
    tab.add_script_tag(content=script)
    upload_by_dashboard(tab, store, files("manual.pdf", 12 * MIB))


def test_the_example_uploads_from_an_origin_of_its_own(context, serve, files, store, tmp_path):
    [port] = free_ports(1)
    origin = f"http://localhost:{port}"
    api = serve(AUTH_BYPASS="true", ALLOWED_ORIGINS=origin)
    example = Child(
        "the example", tmp_path / "log", stop_signal=signal.SIGINT
    )  # as Ctrl-C, after which it tidies up
    example.start(
        [sys.executable, "-m", "examples.uppy.serve"],
        kept_environment() | {"API_URL": api, "PORT": str(port)},
        cwd=ROOT,
    )
    try:
        tab = context.new_page()
        example.wait_until(lambda: tab.goto(origin))
        upload_by_dashboard(tab, store, files("manual.pdf", 12 * MIB))
    finally:
        example.stop()
    assert example.exit_code() == 0
