"""The embedded S3 store (SeaweedFS), and a client for those who look past the API."""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from deploy.documents import document
from dev.processes import ELSEWHERE, Child, StackError

BUCKET = "uploads"
PORTS = [
    "s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc",
    "filer.port", "filer.port.grpc", "admin.port", "admin.port.grpc",
]  # fmt: skip

SOCKETS = Path("/tmp")  # noqa: S108 - where SeaweedFS puts sockets, whatever TMPDIR says


class Store(Child):
    """SeaweedFS over a folder, whose data is kept; `ports` and keys come from the stack's state.

    `origins` may use the bucket from a browser. `options` are further ones for SeaweedFS.
    """

    def __init__(self, folder: Path, *, origins: Sequence[str], options: Sequence[str]) -> None:
        super().__init__("weed", folder / "weed.log")
        self._home = folder / "s3"
        self._origins = list(origins)
        self._options = options

    def launch(self, state: Mapping[str, Any]) -> None:
        """Start it; it takes a second or two until it works."""
        for name in ("data", "tmp"):
            (self._home / name).mkdir(parents=True, exist_ok=True)
        keys = [{"accessKey": state["access_key"], "secretKey": state["secret_key"]}]
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        config = self._home / "s3.json"
        config.write_text(
            json.dumps({"identities": [{"name": "dev", "credentials": keys, "actions": actions}]})
        )
        config.chmod(0o600)
        ports = zip(PORTS, state["weed_ports"], strict=True)
        # A Unix socket's path has a limit of about 100 bytes, which a checkout's folder may exceed.
        sockets = f"{SOCKETS}/us-{state['marker']}"
        command = [
            _binary(), "-logtostderr=true", "mini", "-dir=data",  # relative: a comma would make it two
            "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={config.name}", "-s3.domainName=s3.localhost",
            "-s3.allowedOrigins=http://none.invalid", "-s3.autoCreateBucket=false", "-s3.port.iceberg=0",
            "-s3.port.lance=0", "-webdav=false", "-admin.ui=false", "-master.telemetry=false",
            "-master.volumeSizeLimitMB=1024",
            # What the master resumes, it elects itself for; a volume server that asks earlier waits for 5 s.
            # Without a past it leads at once, and learns which volumes there are from the volume server.
            "-master.resumeState=false",
            f"-s3.localSocket={sockets}-s3", f"-filer.localSocket={sockets}-filer",
            *(f"-{name}={port}" for name, port in ports), *self._options,
        ]  # fmt: skip
        env = {**os.environ, "GOMEMLIMIT": "512MiB", "TMPDIR": str(self._home / "tmp")}
        self.start(command, env, cwd=self._home)

    def wait_for_bucket(self, env: Mapping[str, str]) -> None:
        """Wait until the bucket takes a write: the port opens before writes work."""
        client = store_client(env)

        def works() -> None:
            with suppress(client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
                client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key=".ready", Body=b"1")
            client.delete_object(Bucket=BUCKET, Key=".ready")

        self.wait_until(works)
        self._configure(client)

    def _configure(self, client: Any) -> None:
        """As deploy/ configures a real one, but that a browser may also read."""
        rule = {
            "AllowedOrigins": self._origins,
            "AllowedMethods": ["PUT", "GET", "HEAD"],
            "AllowedHeaders": ["*"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 600,
        }
        with suppress(ClientError):
            client.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [rule]})
            client.put_bucket_lifecycle_configuration(
                Bucket=BUCKET, LifecycleConfiguration=document("lifecycle", {})
            )

    @staticmethod
    def remove_sockets(state: Mapping[str, Any]) -> None:
        """Remove the Unix sockets that it leaves behind, those with names of its own too."""
        patterns = [f"us-{state['marker']}-*"]
        patterns += [f"seaweedfs-*-grpc-{port}.sock" for port in state.get("weed_ports", [])]
        for pattern in patterns:
            for path in SOCKETS.glob(pattern):
                path.unlink(missing_ok=True)


def store_client(env: Mapping[str, str]) -> Any:
    """A client of the store of an environment, for those who look past the API."""
    return boto3.client(
        "s3",
        endpoint_url=env["S3_ENDPOINT_URL"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        region_name=env["S3_REGION"],
        config=Config(
            s3={"addressing_style": "path"},
            retries={"max_attempts": 1},
            request_checksum_calculation="when_required",
        ),
    )


def _binary() -> str:
    found = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    if found is None:
        raise StackError(f"There is no embedded S3 store for this platform. {ELSEWHERE}")
    return found
