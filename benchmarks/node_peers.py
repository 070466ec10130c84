"""Uppy's Companion and better-upload, from npm (dev/npm/peers), each a server of its own."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

from benchmarks.api import PART, body
from benchmarks.measure import Http
from dev import npm
from dev.processes import free_ports
from tests.support.servers import wait_for

HERE = Path(__file__).resolve().parent
PAGE = 1000  # URLs that Companion signs in one request


class NodePeer:
    """A script that serves on a port of its choosing; a context manager."""

    script = ""

    def __init__(self, folder, env):
        self._folder, self._env = folder, env
        self.process = None

    def __enter__(self):
        packages = npm.tool("peers", "").parent.parent
        shutil.copy(HERE / self.script, packages)  # where its imports are found
        [port] = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "STORE": self._env["S3_ENDPOINT_URL"], "KEY": self._env["AWS_ACCESS_KEY_ID"],
            "SECRET": self._env["AWS_SECRET_ACCESS_KEY"], "BUCKET": self._env["MOC_BUCKET"],
            "PORT": str(port), "FOLDER": str(self._folder / "files"), "PATH": os.environ["PATH"],
            "NODE_ENV": "production",
        }  # fmt: skip
        with (self._folder / f"{self.script}.log").open("wb") as log:
            self.process = subprocess.Popen(
                ["node", self.script], cwd=packages, env=settings, stdout=log, stderr=log
            )
        wait_for(lambda: self.urls(Http(self.url), 1))
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait(10)


class Companion(NodePeer):
    """Starts an upload in one request, and signs URLs in others."""

    script = "companion.mjs"

    def urls(self, http, count):
        """Start an upload of so many parts, and get their URLs."""
        request = body(filename="a.pdf", type="application/pdf", metadata={})
        upload = json.loads(http("POST", "/s3/multipart", request))
        found = 0
        for start in range(1, count + 1, PAGE):
            numbers = ",".join(map(str, range(start, min(count, start + PAGE - 1) + 1)))
            path = f"/s3/multipart/{upload['uploadId']}/batch?key={quote(upload['key'], safe='')}"
            found += len(json.loads(http("GET", f"{path}&partNumbers={numbers}"))["presignedUrls"])
        assert found == count, f"{found} URLs"


class BetterUpload(NodePeer):
    """Starts an upload and signs its URLs in one request."""

    script = "better-upload.mjs"

    def urls(self, http, count):
        """Start an upload of so many parts, and get their URLs."""
        file = {"name": "a.pdf", "size": count * PART, "type": "application/pdf"}
        answer = json.loads(http("POST", "/", body(route="big", files=[file])))
        [upload] = answer["multipart"]["files"]
        assert len(upload["parts"]) == count, f"{len(upload['parts'])} URLs"
