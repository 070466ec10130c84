"""Nothing that was started outlives what started it, however that one ends."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from dev.postgres import Postgres
from dev.processes import Child, StackError, User, free_ports
from dev.stack import Stack
from tests.dev.test_run import ROOT, Run, copy_of_the_project
from tests.support.servers import kept_environment, wait_for

SUPERVISOR = """
import sys, time
from pathlib import Path
from dev.processes import Child
child = Child("sleep", Path(sys.argv[1]) / "log")
child.start(["sleep", "600"], {"PATH": "/usr/bin:/bin"}, uses_pipe=sys.argv[2] == "pipe")
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("means", ["signal", "pipe"])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_ends_with_its_parent(tmp_path, means, end):
    if means == "signal" and sys.platform != "linux":
        pytest.skip("only Linux's kernel sends one")
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path), means]
    with subprocess.Popen(
        command, cwd=ROOT, env=kept_environment(), stdout=subprocess.PIPE, text=True
    ) as supervisor:
        child = psutil.Process(int(supervisor.stdout.readline()))
        try:
            wait_for(partial(is_called, child, "sleep"))
        finally:
            supervisor.send_signal(end)
    _, alive = psutil.wait_procs([child], timeout=30)
    assert alive == []


def has_ended(child):
    assert child.exit_code() is not None


def is_called(process, name):
    assert process.name() == name


def test_a_command_that_is_not_there_says_so_in_the_log(tmp_path):
    child = Child("nothing", tmp_path / "log")
    child.start(["/nowhere/server"], {})
    with pytest.raises(StackError, match="exited with status 127"):
        child.wait_until(lambda: 1 / 0)
    assert "No such file" in (tmp_path / "log").read_text()


def test_who_ended_by_itself_is_quoted_with_its_last_words_of_this_start(tmp_path):
    log = tmp_path / "log"
    log.write_text("of an earlier start\n")
    child = Child("the server", log)
    child.start(["sh", "-c", "seq 1 50; echo port 5432 is in use; exit 3"], {"PATH": "/usr/bin:/bin"})
    with pytest.raises(
        StackError, match=r"(?s)the server exited with status 3: see .*port 5432 is in use"
    ) as caught:
        child.wait_until(lambda: 1 / 0)
    assert "\n  50\n" in str(caught.value)
    assert "earlier" not in str(caught.value)
    assert "\n  1\n" not in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="the range is read as Linux tells it")
def test_ports_of_servers_are_none_that_outgoing_connections_get():
    from dev.processes import PORTS

    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert PORTS.stop <= first
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert set(ports) <= set(PORTS)


def test_no_other_process_gets_the_port_of_a_server_that_does_not_listen_yet():
    [port] = free_ports(1)
    asked = f"from dev import processes; processes.PORTS = range({port}, {port + 1}); processes.free_ports(1)"
    other = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True)
    assert "StackError: No free port" in other.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_server_runs_as_somebody_else_when_root_starts_it(tmp_path):
    child = Child("sleep", tmp_path / "log")
    child.start(["sleep", "60"], {"PATH": "/usr/bin:/bin"}, cwd="/", user=User.unprivileged())
    process = psutil.Process(child.pid)
    wait_for(partial(is_called, process, "sleep"))
    assert process.uids().real != 0
    child.stop()


def test_a_stale_postgresql_is_stopped_at_the_next_start_in_one_sentence(tmp_path, capfd):
    """One that the state does not know: its start was killed before it was written down."""
    first = Stack(tmp_path / "stack", fast=True)
    first.start()
    first.store.kill()
    state = tmp_path / "stack" / "state.json"
    state.write_text(state.read_text().replace(f"{first.postgres.pid}", "0"))
    first._lock.close()
    second = Stack(tmp_path / "stack", fast=True)
    try:
        with second:
            wait_for(partial(has_ended, first.postgres))
            assert "Stopped what an earlier run had left behind: postgres.\n" in capfd.readouterr().out
    finally:
        second.remove()


def test_a_number_that_another_program_has_by_now_keeps_postgresql_from_nothing(tmp_path):
    """After a reboot, or in a container that starts anew; as the same user, or PostgreSQL knows by itself."""
    stack = Stack(tmp_path / "stack", fast=True)
    other = Child("sleep", tmp_path / "log")
    try:
        with stack:
            lock = stack.postgres._places(stack._state["marker"])[0] / "data" / "postmaster.pid"
            written = lock.read_text()
        other.start(["sleep", "600"], {"PATH": "/usr/bin:/bin"}, cwd="/", user=User.unprivileged())
        lock.write_text(written.replace(written.split()[0], str(other.pid), 1))
        with stack:
            assert other.exit_code() is None
    finally:
        other.stop()
        stack.remove()


def test_a_start_that_was_killed_during_initdb_starts_again(tmp_path, monkeypatch):
    stack = Stack(tmp_path / "stack", fast=True)

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("dev.postgres.shutil.rmtree", lambda *_, **__: None)
        patch.setattr(Postgres, "launch", killed)
        with pytest.raises(KeyboardInterrupt):
            stack.start()
    home, _ = stack.postgres._places(stack._load_state()["marker"])
    for name in ("data", "data.new"):  # as initdb leaves them when it dies
        (home / name).mkdir()
    (home / "data.new" / "PG_VERSION").write_text("18\n")
    try:
        with stack:
            assert stack.crashed() is None
    finally:
        stack.remove()


def test_cleaning_beside_a_running_stack_is_refused_in_a_sentence(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    with Stack(tmp_path / ".dev", fast=True) as stack:
        refused = clean(tmp_path)
        assert refused.returncode != 0
        assert refused.stdout.startswith("The stack is running, and uses .dev: stop make run first.\n")
        assert stack.crashed() is None
    assert clean(tmp_path).returncode == 0
    assert not (tmp_path / ".dev").exists()


@pytest.mark.parametrize("made", [".dev", ".venv"])
def test_cleaning_what_another_user_made_is_refused_in_a_sentence(tmp_path, made):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / made).mkdir(mode=0o555)
    tmp_path.chmod(0o755)
    somebody = User.unprivileged()  # root may remove everything
    said = clean(tmp_path, **(somebody.popen_options() if somebody else {}))
    assert said.stdout == f"{made} is another user's: remove it as that user.\n"
    assert (tmp_path / made).exists()


def clean(folder, **options):
    command = ["make", "-s", "clean"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, **options)


def test_when_make_alone_is_killed_everything_stops(tmp_path):
    """It cannot pass a SIGKILL on; here a shell stands for it."""
    folder = copy_of_the_project(tmp_path)
    command = f"{sys.executable} -u -m dev.run $$ & wait"
    try:
        with subprocess.Popen(
            ["sh", "-c", command], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=kept_environment() | {"PORT": str(free_ports(1)[0])},
        ) as make:  # fmt: skip
            next(line for line in make.stdout if "The API is at" in line)
            make.kill()
            assert make.stdout.read().endswith("make was killed. Everything is stopped.\n")
        wait_for(partial(nothing_is_left_of, folder), 30)
    finally:
        Stack(folder / ".dev").remove()


def test_a_folder_with_spaces_commas_and_other_alphabets_is_no_different(tmp_path):
    stack = Stack(tmp_path / "a folder, with ünïcödé 漢字's" / ".dev", fast=True)
    try:
        with stack:
            assert stack.crashed() is None
    finally:
        stack.remove()


def test_a_folder_that_initdb_cannot_run_in_is_a_sentence(tmp_path):
    with pytest.raises(StackError, match=r"a folder with \$ in its name: move the checkout"):
        Postgres(tmp_path, fast=True)._init(tmp_path / "$HOME", tmp_path, "password", {})


@pytest.mark.long
@pytest.mark.timeout(600)
def test_twenty_interrupts_at_random_moments_leave_nothing(tmp_path):
    """INTERRUPTS=200 SEED=… for more, and others."""
    folder = copy_of_the_project(tmp_path)
    dice = random.Random(os.environ.get("SEED", "2026"))
    try:
        for _ in range(int(os.environ.get("INTERRUPTS", "20"))):
            run = Run(folder)
            time.sleep(dice.uniform(0, 4))
            stop = dice.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
            run.process.send_signal(stop)
            run.end()
            print(stop.name)
            wait_for(partial(nothing_is_left_of, folder), 30)
    finally:
        Stack(folder / ".dev").remove()


def nothing_is_left_of(folder):
    assert left_of(folder) == []


def left_of(folder):
    """What runs with this folder in its command, or in its working directory."""
    left = []
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join(process.cmdline()) or process.cwd().startswith(str(folder)):
                left.append(" ".join(process.cmdline())[:100])
        except psutil.Error:
            continue
    return left
