"""A thousand URLs over HTTP, from the API and from a peer, on one store and in one run."""

import json
import os
import socket
import subprocess
import venv
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.api import Api, body, metadata
from benchmarks.measure import Http, side_by_side
from benchmarks.signing import boto3s
from dev.seaweedfs import store_client
from tests.support.client import MIB, SESSIONS
from tests.support.servers import wait_for

PEER = ("django-s3-file-field[s3]==1.1.0", "Django==5.2.19", "waitress==3.0.2")
COUNT = 1000

# The least Django project that serves it; waitress with as many threads as serve ours.
PROJECT = """
import os
import sys

import waitress
from django.conf import settings

env = os.environ
settings.configure(
    SECRET_KEY="of a benchmark", ALLOWED_HOSTS=["*"], ROOT_URLCONF="project", DEBUG=False, USE_TZ=True,
    INSTALLED_APPS=["django.contrib.contenttypes", "rest_framework", "s3_file_field", "peer"],
    REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": [], "UNAUTHENTICATED_USER": None},
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    STORAGES={
        "staticfiles": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": {
            "access_key": env["AWS_ACCESS_KEY_ID"], "secret_key": env["AWS_SECRET_ACCESS_KEY"],
            "bucket_name": env["MOC_BUCKET"], "endpoint_url": env["S3_ENDPOINT_URL"],
            "region_name": env["S3_REGION"], "signature_version": "s3v4", "addressing_style": "path",
        }},
    },
)
sys.modules["project"] = sys.modules["__main__"]
import django
django.setup()
from django.core.wsgi import get_wsgi_application
from django.urls import include, path
urlpatterns = [path("upload/", include("s3_file_field.urls"))]
if __name__ == "__main__":
    import socket
    listener = socket.socket(fileno=int(sys.argv[1]))
    waitress.serve(get_wsgi_application(), sockets=[listener], threads=48, _quiet=True)
"""
MODELS = """
from django.db import models
from s3_file_field import S3FileField


class Upload(models.Model):
    blob = S3FileField()
"""


class Peer:
    """django-s3-file-field as a server of its own, installed from PyPI; a context manager."""

    def __init__(self, folder, env):
        self._folder, self._env, self._process = folder, env, None

    def __enter__(self):
        project = self._folder / "project"
        (project / "peer").mkdir(parents=True, exist_ok=True)
        (project / "serve.py").write_text(PROJECT)
        (project / "peer" / "__init__.py").touch()
        (project / "peer" / "models.py").write_text(MODELS)
        python = _environment(self._folder / "venv")
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(64)
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with (self._folder / "log").open("wb") as log:
                self._process = subprocess.Popen(
                    [python, "serve.py", str(listener.fileno())], cwd=project,
                    env={**os.environ, **self._env}, pass_fds=[listener.fileno()], stdout=log, stderr=log,
                )  # fmt: skip
        wait_for(lambda: self.urls(Http(self.url), 1))
        return self

    def __exit__(self, *exc):
        self._process.terminate()
        self._process.wait(10)

    @property
    def pid(self):
        """The id of its process."""
        return self._process.pid

    def urls(self, http, count):
        """Start an upload of so many parts; they have 64 MiB there."""
        request = body(
            field_id="peer.Upload.blob", file_name="a.pdf", file_size=count * 64 * MIB,
            content_type="application/pdf",
        )  # fmt: skip
        found = json.loads(http("POST", "/upload/upload-initialize/", request))["parts"]
        assert len(found) == count, f"{len(found)} URLs"


def _environment(folder: Path):
    """The peer's own packages, installed once."""
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not (stamp.exists() and stamp.read_text() == str(PEER)):
        venv.create(folder, with_pip=True, clear=True)
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-user"]
        done = subprocess.run([*command, *PEER], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"the peer cannot be installed: {done.stderr[-1000:]}")
        stamp.write_text(str(PEER))
    return python


def run(url, env, folder):
    """Times of a thousand URLs, from all three."""
    api, client, numbers = Api(url), store_client(env), iter(range(1_000_000))
    assert urlsplit(url).hostname == "127.0.0.1"

    def ours():
        session, number = sessions[0], next(numbers)
        content = api.http(
            "POST", f"{SESSIONS}/{session}/files", body(**metadata(f"{number}.pdf", COUNT), partCount=COUNT)
        )
        assert len(json.loads(content)["presignedUrls"]) == COUNT

    def boto3():
        key = f"bench/{next(numbers)}"
        upload = client.create_multipart_upload(Bucket=env["MOC_BUCKET"], Key=key)
        assert len(boto3s(client, env, COUNT, key, upload["UploadId"])) == COUNT

    sessions = api.sessions(1)
    with Peer(folder, env) as peer:
        http = Http(peer.url)
        calls = {
            "this API": ours,
            "boto3, a loop (no HTTP, no database)": boto3,
            "django-s3-file-field": lambda: peer.urls(http, COUNT),
        }
        side_by_side(calls, 2)  # what is made at the first call is not what is measured
        return side_by_side(calls, 11)
