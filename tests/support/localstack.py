"""LocalStack in host mode (no Docker, no account), in an environment of its own; a context manager."""

import shutil
import tempfile
from pathlib import Path

import httpx

from dev.processes import Child, free_ports
from dev.seaweedfs import store_client
from tests.support.environments import environment
from tests.support.servers import ROOT, kept_environment

MAIN = Path(__file__).with_name("localstack_main.py")
START_SECONDS = 60


class LocalStack:
    """The services that are named, on a port of their own of 127.0.0.1; what it keeps, it keeps in memory.

    Presigned URLs are checked: their signature, their end and their signed headers. Access keys are not.
    """

    def __init__(self, *services):
        self.services = services or ("s3",)

    def __enter__(self):
        python = environment("localstack") / "python"  # ours will not do: it pins boto3
        self.folder = Path(tempfile.mkdtemp(prefix="localstack-"))
        log = ROOT / ".dev" / "localstack.log"
        [port] = free_ports(1)
        self.endpoint = f"http://127.0.0.1:{port}"
        self.child = Child("LocalStack", log)
        # -P: beside the script lies this file, whose name would hide LocalStack's own package
        self.child.start([str(python), "-P", str(MAIN)], self._own_env(port), cwd=self.folder)
        try:
            self.child.wait_until(self._ready, START_SECONDS)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        self.child.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def env(self):
        """The environment in which the API, or boto3, uses it."""
        return {
            "AWS_ACCESS_KEY_ID": "test",  # LocalStack signs with this pair for every caller
            "AWS_SECRET_ACCESS_KEY": "test",
            "S3_ENDPOINT_URL": self.endpoint,
            "S3_REGION": "us-east-1",
            "MOC_BUCKET": "uploads",
        }

    def create_bucket(self):
        """Create the bucket of `env`."""
        store_client(self.env()).create_bucket(Bucket=self.env()["MOC_BUCKET"])

    def _own_env(self, port):
        return kept_environment() | {
            "GATEWAY_LISTEN": f"127.0.0.1:{port}",
            "SERVICES": ",".join(self.services),
            "STRICT_SERVICE_LOADING": "1",
            "EAGER_SERVICE_LOADING": "1",
            "S3_SKIP_SIGNATURE_VALIDATION": "0",
            "DISABLE_EVENTS": "1",  # it would send usage statistics
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "DNS_ADDRESS": "0",
            # A cache of its own: two that start at once read each other's half-written files, and end.
            "OVERRIDE_IN_DOCKER": "0",
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "FILESYSTEM_ROOT": str(self.folder / "files"),
        }

    def _ready(self):
        states = httpx.get(f"{self.endpoint}/_localstack/health", timeout=5).json()["services"]
        waiting = [name for name in self.services if states.get(name) != "running"]
        assert not waiting, f"{', '.join(waiting)}: not running"
