"""A run of the tests that is told to end leaves nothing running, nor does a start that is."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from dev.processes import Child
from tests.support.servers import kept_environment

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_servers_of_the_tests_end_with_them(stop, tmp_path):
    command = [sys.executable, "-m", "pytest", "-v", "tests/scenarios", f"--basetemp={tmp_path / 'run'}"]
    with subprocess.Popen(
        command, cwd=ROOT, env=kept_environment(),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as run:  # fmt: skip
        next(line for line in run.stdout if "PASSED" in line)
        servers = psutil.Process(run.pid).children()
        assert {server.name() for server in servers} >= {"postgres", "weed"}
        run.send_signal(stop)
        output, _ = run.communicate(timeout=30)
    assert run.returncode == pytest.ExitCode.INTERRUPTED, output
    _, alive = psutil.wait_procs(servers, timeout=10)
    assert alive == []


def test_a_child_that_starts_while_its_supervisor_is_interrupted_can_be_stopped(tmp_path, monkeypatch):
    class Interrupted(subprocess.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)

    monkeypatch.setattr("subprocess.Popen", Interrupted)
    child = Child("sleep", tmp_path / "sleep.log")
    with pytest.raises(KeyboardInterrupt):
        child.start([sys.executable, "-c", "import time; time.sleep(60)"], {})
    assert child.pid
    assert child.exit_code() is None
    child.stop()
    assert child.exit_code() is not None
