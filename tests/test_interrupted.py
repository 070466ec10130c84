"""A run of the tests that is told to end leaves nothing running."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.servers import kept_environment, wait_for

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_servers_of_the_tests_end_with_them(stop, tmp_path):
    command = [sys.executable, "-m", "pytest", "tests/scenarios", f"--basetemp={tmp_path / 'run'}"]
    with subprocess.Popen(
        command, cwd=ROOT, env=kept_environment(),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as run:  # fmt: skip
        supervisor = psutil.Process(run.pid)

        def servers():
            """By what they are; raises `KeyError` while one is missing."""
            children = {child.name(): child for child in supervisor.children()}
            return [children["postgres"], children["weed"]]

        started = wait_for(servers)
        run.send_signal(stop)
        output, _ = run.communicate(timeout=30)
    assert run.returncode == pytest.ExitCode.INTERRUPTED, output
    _, alive = psutil.wait_procs(started, timeout=10)
    assert alive == []
