"""The README can be pasted from top to bottom: its blocks run as they stand."""

import json
import re
import shutil
import subprocess

import pytest

from tests.docs.test_docs import ROOT
from tests.support.servers import LocalServer, kept_environment

TEXT = (ROOT / "README.md").read_text()


@pytest.mark.skipif(not shutil.which("curl"), reason="the flow is curl's")
def test_the_curl_flow_ends_with_a_completed_file(env, tmp_path):
    [flow] = [code for code in re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL) if "sessions\n" in code]
    with LocalServer(env | {"AUTH_BYPASS": "true", "AUTH_JWT_SECRET": ""}, tmp_path / "log") as server:
        flow = flow.replace("http://localhost:3000", server.url)
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", flow], cwd=tmp_path, env=kept_environment(),
            capture_output=True, text=True, timeout=100,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    parts, end = json.JSONDecoder().raw_decode(done.stdout)
    completed = json.loads(done.stdout[end:])
    assert completed["sizeBytes"] == 12_000_000
    assert parts["verified"]


def test_what_is_pasted_has_no_comment_behind_it():
    """zsh takes those for arguments where people type."""
    commands = "".join(re.findall(r"```(?:bash|console)\n(.*?)```", TEXT, re.DOTALL))
    assert re.findall(r"^.*\S +#.*$", commands, re.MULTILINE) == []


def test_json_blocks_are_json():
    for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL):
        json.loads(block)
