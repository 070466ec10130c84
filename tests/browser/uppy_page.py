"""An app with Uppy in a tab, for both majors from npm."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from dev.npm import tool
from tests.browser.page import Page

APP = Path(__file__).parent / "uppy_app.js"


def bundled(app, folder, major="uppy-6"):
    """An app with one major of Uppy, in one script."""
    esbuild = tool(major, "esbuild")
    env = os.environ | {"NODE_PATH": str(esbuild.parent.parent)}
    command = [esbuild, app, "--bundle", "--jsx=automatic", f"--outfile={folder / 'bundle.js'}"]
    subprocess.run([*command, "--log-level=error"], check=True, env=env)
    return (folder / "bundle.js").read_text()


@pytest.fixture(scope="module", params=["uppy-5", "uppy-6"])
def bundle(request, tmp_path_factory):
    return bundled(APP, tmp_path_factory.mktemp("uppy"), request.param)


class UppyPage(Page):
    """A tab with the app."""

    def open(self):
        self.tab.goto(self.site + "/robots.txt")  # a page of the site, without a policy of its own
        self.tab.evaluate("document.body.innerHTML = '<div id=app></div>'")
        self.tab.add_script_tag(content=self.script)
        return self

    def add(self, name, size, kind="application/pdf"):
        return self.tab.evaluate("(file) => add(...file)", [name, size, kind])

    def go(self):
        self.tab.evaluate("void uppy.upload()")

    def go_until_held(self, store, held=4):
        """Start; one part is stored, and the store holds so many."""
        store.hold(passing=1)
        self.go()
        self.wait_for(lambda: (len(store.puts), store.held), (1, held))

    def expect(self, name, state, seconds=30):
        self.wait_for(lambda: self.tab.evaluate("(name) => stateOf(name)", name), state, seconds)

    def ask(self, script):
        return self.tab.evaluate(script)


@pytest.fixture
def page(context, site, bundle):
    """The app in a tab, in place of the upload page."""
    tab = UppyPage(context.new_page(), site)
    tab.script = bundle
    return tab.open()


def content(name, size):
    return bytes(((i * 4096) >> 12) & 0xFF ^ ord(name[0]) for i in range(-(-size // 4096)))


def expect_bytes(page, s3, env, name, size):
    """The object at the store is the file, byte by byte."""
    url = page.tab.evaluate("(name) => uppy.getFiles().find((one) => one.name === name).uploadURL", name)
    key = url.partition(f"/{env['MOC_BUCKET']}/")[2]
    body = s3.get_object(Bucket=env["MOC_BUCKET"], Key=key)["Body"].read()
    whole = b"".join(bytes([byte]) * 4096 for byte in content(name, size))[:size]
    assert hashlib.sha256(body).digest() == hashlib.sha256(whole).digest()
