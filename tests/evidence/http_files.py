"""Runs `__http__/*.http` with httpyac: `python -m tests.evidence.http_files`.

Against `make run` where it runs (`.dev/env` says where), else against a stack of its own.
"""

import contextlib
import re
import shlex
import subprocess
import sys
import uuid

import httpx
import psycopg

from dev.npm import tool
from tests.support.local_api import local_api
from tests.support.servers import ROOT

FILES = sorted((ROOT / "__http__").glob("*.http"))

# Long enough for node to start and the first request to use it, short enough to wait for its end.
ENDING_SECONDS = 15

# A presigned URL is a secret as long as it lives, also on a terminal.
SECRET = re.compile(r"(X-Amz-Credential|X-Amz-Signature)=[^&\s\"]+")

ALL_SUCCEEDED = re.compile(r"^[1-9]\d* requests processed \(\d+ succeeded\)$", re.MULTILINE)

INSERT_ENDING_SESSION = f"""
INSERT INTO upload_sessions (id, user_id, metadata, expires_at)
VALUES (%s, %s, '{{"title": "ends at once"}}', NOW() + INTERVAL '{ENDING_SECONDS} seconds')
"""


def main():
    """Run every file; the exit status is 1 when a request of any failed."""
    httpyac = tool("httpyac", "httpyac")
    with contextlib.ExitStack() as stack:
        env = running() or stack.enter_context(local_api())
        print(f"Running {len(FILES)} files against {env['API_URL']}.", flush=True)
        failed = [file.name for file in FILES if not run(httpyac, file, env)]
    print("\n".join(f"Failed: {name}" for name in failed) or "Every request did as it should.")
    return 1 if failed else 0


def running():
    """The environment of `make run`, where it answers."""
    file = ROOT / ".dev" / "env"
    if not file.exists():
        return None
    env = dict(shlex.split(line)[0].split("=", 1) for line in file.read_text().splitlines())
    with contextlib.suppress(httpx.HTTPError):
        if httpx.get(f"{env['API_URL']}/api/health", timeout=5).is_success:
            return env
    return None


def run(httpyac, file, env):
    """Run all requests of a file, one after the other; whether every one of them ran, and succeeded."""
    variables = [f"apiUrl={env['API_URL']}", f"endingSession={ending_session(env)}"]
    command = [
        httpyac,
        "send",
        file,
        "--all",
        "--output",
        "short",
        "--output-failed",
        "exchange",
        "--no-color",
    ]
    done = subprocess.run(
        [*command, "--var", *variables], cwd=ROOT, text=True, timeout=300, stdout=subprocess.PIPE
    )
    print(SECRET.sub(r"\1=…", done.stdout), flush=True)
    return done.returncode == 0 and bool(ALL_SUCCEEDED.search(done.stdout))


def ending_session(env):
    """A session of the developer's that ends in seconds, and so do its URLs."""
    session, user = (
        str(uuid.uuid4()),
        env.get("DEV_USER_SUB", "dev-user-00000000-0000-0000-0000-000000000001"),
    )
    with psycopg.connect(env["DATABASE_URL"], prepare_threshold=None) as connection:
        connection.execute(INSERT_ENDING_SESSION, [session, user])
    return session


if __name__ == "__main__":
    sys.exit(main())
