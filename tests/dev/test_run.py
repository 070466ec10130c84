"""`make run`: starts, serves, reloads, and leaves nothing running, however it ends."""

import errno
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from dev import supervisor
from dev.env_files import write_vercel_file
from dev.lan import Place
from dev.processes import StackError, free_ports
from dev.stack import Stack
from lib.runtime.config import Settings
from tests.support.servers import kept_environment, wait_for

ROOT = Path(__file__).parent.parent.parent
COPIED = ("api", "lib", "db", "deploy", "dev", "public", "vercel.json", "requirements.txt")


def copy_of_the_project(folder):
    for name in COPIED:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    return folder


class Run:
    """One `python -m dev.run` in a copy of the project."""

    def __init__(self, folder, **settings):
        self.folder = folder
        [self.port] = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "dev.run"], cwd=folder, text=True, start_new_session=True,
            env=kept_environment() | {"PORT": str(self.port)} | settings,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def wait(self):
        def answers():
            if self.process.poll() is not None:
                pytest.fail(f"it ended: {self.end()}")
            httpx.get(f"{self.url}/api/health").raise_for_status()

        wait_for(answers, 60)
        return self

    def children(self):
        """By what they are: postgres, weed and the server."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            command = " ".join(child.cmdline())
            found[next(name for name in ("postgres", "weed", "dev.server") if name in command)] = child
        return found

    def end(self):
        """What it printed; everything it started must be gone."""
        output, _ = self.process.communicate(timeout=30)
        return output

    def settings(self):
        lines = (self.folder / ".dev" / "env").read_text().splitlines()
        return {name: shlex.split(value)[0] for name, value in (line.split("=", 1) for line in lines)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = copy_of_the_project(tmp_path_factory.mktemp("project"))
    yield folder
    Stack(folder / ".dev").remove()


@pytest.fixture
def another(tmp_path):
    """Another copy."""
    yield copy_of_the_project(tmp_path)
    Stack(tmp_path / ".dev").remove()


@pytest.fixture
def start(folder):
    runs = []

    def start(**settings):
        runs.append(Run(folder, **settings))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.process.terminate()
            run.process.wait(30)
        run.process.stdout.close()


def gone(processes):
    _, alive = psutil.wait_procs(processes, timeout=10)
    return alive == []


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_serves_and_a_signal_stops_everything(start, stop):
    run = start().wait()
    children = run.children()
    assert children.keys() == {"postgres", "weed", "dev.server"}
    for _ in range(3):  # by somebody impatient
        run.process.send_signal(stop)
        time.sleep(0.05)
    output = run.end()
    assert run.process.returncode == 0
    assert f"The API is at http://localhost:{run.port}." in output
    assert output.endswith("Stopped.\n")
    assert gone(children.values())


def test_data_survives_a_restart(start):
    run = start().wait()
    session = httpx.post(f"{run.url}/api/mocs/uploads/sessions", json={}).json()["sessionId"]
    run.process.terminate()
    run.end()
    run = start().wait()
    shown = httpx.get(f"{run.url}/api/mocs/uploads/sessions/{session}")
    assert (shown.status_code, shown.json()["status"]) == (200, "active")


@pytest.mark.parametrize("name", ["postgres", "weed", "dev.server"])
def test_when_one_of_the_three_is_killed_the_others_stop_and_a_sentence_says_so(start, name):
    run = start().wait()
    children = run.children()
    children[name].kill()
    output = run.end()
    assert run.process.returncode == 1
    assert output.endswith("Everything is stopped.\n")
    assert gone(children.values())


def test_after_it_was_killed_itself_the_next_start_cleans_up(start):
    run = start().wait()
    orphans = list(run.children().values())
    run.process.kill()
    run.end()
    start().wait()
    assert gone(orphans)


def test_an_edit_reloads_and_a_new_file_is_a_new_route(start, folder):
    run = start().wait()
    assert httpx.get(f"{run.url}/api/hello").status_code == 404
    new = folder / "api" / "hello.py"
    new.write_text((folder / "api" / "health.py").read_text().replace('"/api/health"', '"/api/hello"'))
    wait_for(lambda: httpx.get(f"{run.url}/api/hello").raise_for_status(), 10)
    new.unlink()


def test_the_callers_environment_is_passed_on_and_the_stacks_is_written_down(start):
    # A session token belongs to keys, and the stack has keys of its own.
    run = start(MAX_INSTRUCTION_MB="2000", AWS_SESSION_TOKEN="of-other-keys").wait()
    session = httpx.post(f"{run.url}/api/mocs/uploads/sessions", json={}).json()["sessionId"]
    file = {"name": "big.pdf", "size": 1500 * 1024**2, "type": "application/pdf"}
    registered = httpx.post(f"{run.url}/api/mocs/uploads/sessions/{session}/files", json=file)
    assert registered.status_code == 201
    settings = run.settings()
    assert settings["API_URL"] == f"http://localhost:{run.port}"
    assert settings.keys() >= {
        "DATABASE_URL", "S3_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "S3_REGION",
        "MOC_BUCKET", "AUTH_BYPASS", "RATE_LIMIT_BYPASS",
    }  # fmt: skip
    assert (run.folder / ".dev" / "env").stat().st_mode & 0o077 == 0


def read(path):
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return {name: shlex.split(value)[0] for name, value in (line.split("=", 1) for line in lines)}


def test_vercel_dev_finds_its_settings_in_names_that_it_takes(start):
    run = start().wait()
    shell, vercel = run.settings(), read(run.folder / ".env")
    assert not [name for name in vercel if name.startswith("AWS_")]
    assert vercel["S3_ACCESS_KEY_ID"] == shell["AWS_ACCESS_KEY_ID"]
    assert vercel["S3_SECRET_ACCESS_KEY"] == shell["AWS_SECRET_ACCESS_KEY"]
    for name in ("DATABASE_URL", "S3_ENDPOINT_URL", "S3_REGION", "MOC_BUCKET", "AUTH_BYPASS"):
        assert vercel[name] == shell[name]
    # The CLI sets this one, and no VERCEL_ENV.
    assert Settings.from_env(vercel | {"AWS_LAMBDA_FUNCTION_NAME": "dev"}).keys
    assert (run.folder / ".env").stat().st_mode & 0o077 == 0


def test_the_file_of_vercel_dev_follows_the_stack_and_ones_own_is_left_alone(tmp_path):
    file = tmp_path / ".env"
    assert write_vercel_file({"DATABASE_URL": "first"}, file)
    assert write_vercel_file({"DATABASE_URL": "second", "AWS_SESSION_TOKEN": ""}, file)
    assert read(file) == {"DATABASE_URL": "second"}
    own_keys = {"S3_ACCESS_KEY_ID": "own", "S3_SECRET_ACCESS_KEY": "hush", "AWS_ACCESS_KEY_ID": "other"}
    assert write_vercel_file(own_keys, file)
    assert read(file) == {"S3_ACCESS_KEY_ID": "own", "S3_SECRET_ACCESS_KEY": "hush"}
    assert write_vercel_file({"DATABASE_URL": "postgresql://me:it's@db/x"}, file)
    assert read(file) == {"DATABASE_URL": "postgresql://me:it's@db/x"}
    assert file.read_text().endswith("""="postgresql://me:it's@db/x"\n""")  # the CLI knows no shell's '"'"'
    for own in (b"DATABASE_URL=mine\n", b"# mine\n", b"", b"# sch\xf6n\n"):
        file.write_bytes(own)
        assert not write_vercel_file({"DATABASE_URL": "third"}, file)
        assert file.read_bytes() == own


def test_a_full_disk_does_not_make_it_ones_own(tmp_path, monkeypatch):
    def full(path, _text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    file = tmp_path / ".env"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space left"):
            write_vercel_file({"DATABASE_URL": "first"}, file)
    assert write_vercel_file({"DATABASE_URL": "second"}, file)
    assert read(file) == {"DATABASE_URL": "second"}


@pytest.mark.parametrize(
    "make",
    [Path.mkdir, os.mkfifo, lambda file: file.symlink_to("elsewhere"), lambda file: file.symlink_to(file)],
    ids=["an environment of Python's", "a password manager's pipe", "a link", "a link to itself"],
)
def test_what_is_called_env_and_is_no_file_is_left_alone(tmp_path, make):
    make(tmp_path / ".env")
    assert not write_vercel_file({"DATABASE_URL": "x"}, tmp_path / ".env")
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_what_a_shell_has_for_other_servers_is_not_taken_for_the_stacks(start, tmp_path):
    (tmp_path / "config").write_text("no [configuration")
    foreign = {
        "AWS_PROFILE": "other", "AWS_CONFIG_FILE": f"{tmp_path}/config", "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/other", "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9", "NO_PROXY": "intranet.example",
        "PGSERVICE": "other", "PGHOSTADDR": "192.0.2.1", "PGSSLMODE": "verify-full", "PGOPTIONS": "-c none=1",
    }  # fmt: skip
    run = start(DATABASE_SSL_ROOT_CERT="-----BEGIN CERTIFICATE-----", **foreign).wait()
    sessions = f"{run.url}/api/mocs/uploads/sessions"
    session = httpx.post(sessions, json={}).json()["sessionId"]
    file = {"name": "a.pdf", "size": 4, "type": "application/pdf"}
    assert httpx.post(f"{sessions}/{session}/files", json=file).status_code == 201
    told = doctor(run.folder, foreign)
    assert told.returncode == 0, told.stdout
    seed = ["make", "-s", "-o", ".venv/.installed", f"PY={sys.executable}", "seed"]
    shutil.copy(ROOT / "Makefile", run.folder)
    env = kept_environment() | foreign
    subprocess.run(seed, cwd=run.folder, env=env, check=True)


def doctor(folder, more):
    command = [sys.executable, "-m", "deploy.doctor"]
    env = kept_environment() | more
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def test_a_ctrl_c_while_it_starts_stops_everything(start):
    run = start()
    wait_for(lambda: run.children()["postgres"], 30)
    children = run.children()
    run.process.send_signal(signal.SIGINT)
    assert run.end() == "\nStopped.\n"
    assert gone(children.values())


def test_a_ctrl_c_during_the_imports_is_no_traceback(folder):
    """In its first second it imports; a signal there ended in a traceback."""
    command = [sys.executable, "-u", "-X", "importtime", "-m", "dev.run"]
    with subprocess.Popen(
        command, cwd=folder, text=True, env=kept_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        next(line for line in process.stderr if "psycopg" in line)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (0, "\nStopped.\n")
    assert "Traceback" not in errors


def test_a_migration_that_is_added_while_it_runs_is_applied(start, folder):
    run = start().wait()
    new = folder / "db" / "migrations" / "9999_more.sql"
    new.write_text("CREATE TABLE more (id INT);")
    url = run.settings()["DATABASE_URL"]

    def the_table_is_there():
        with psycopg.connect(url) as connection:
            connection.execute("SELECT id FROM more")

    try:
        wait_for(the_table_is_there, 60)
        wait_for(lambda: httpx.get(f"{run.url}/api/health").raise_for_status(), 60)
    finally:
        new.unlink()


def test_a_second_run_with_servers_of_ones_own_leaves_the_first_ones_settings_alone(start):
    run = start().wait()
    settings = run.settings()
    own = {name: settings[name] for name in ("DATABASE_URL", "S3_ENDPOINT_URL")}
    second = start(**own)
    assert "Another process uses " in second.end()
    assert run.settings() == settings


def test_a_full_disk_is_a_sentence(monkeypatch, capsys):
    def full(_parent):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/some/file")

    monkeypatch.setattr(supervisor, "_run", full)
    assert supervisor.main() == 1
    assert capsys.readouterr().err == "/some/file: No space left on device\n"


@pytest.mark.parametrize("port", ["http", "65536", "0", "٣"])
def test_a_port_that_is_none_is_a_sentence(start, port):
    run = start(PORT=port)
    assert run.end() == f"PORT is '{port}': it must be a number from 1 to 65535.\n"
    assert run.process.returncode == 1


def test_servers_of_ones_own_are_used_and_written_down(start, another):
    settings = start().wait().settings()
    own = {name: settings[name] for name in ("DATABASE_URL", "S3_ENDPOINT_URL", "S3_REGION", "MOC_BUCKET",
                                             "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}  # fmt: skip
    other = Run(another, **own).wait()
    assert other.children().keys() == {"dev.server"}
    assert other.settings().items() >= own.items()
    other.process.terminate()
    assert "nothing is embedded" in other.end()


def test_a_copy_of_the_data_is_a_sentence_and_hurts_nobody(start, folder, tmp_path):
    run = start().wait()
    copy = copy_of_the_project(tmp_path)
    shutil.copytree(folder / ".dev", copy / ".dev", ignore=shutil.ignore_patterns("data", "lock"))
    other = Run(copy)
    assert other.end() == (f"{copy}/.dev is a copy of {folder}/.dev: remove the copy, and start again.\n")
    assert httpx.get(f"{run.url}/api/health").status_code == 200


def test_a_port_in_use_is_a_sentence(start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = start(PORT=str(port))
        assert (
            run.end()
            == f"Port {port} cannot be used (Address already in use): choose another with PORT=… make run\n"
        )
    assert run.process.returncode == 1


def test_a_port_that_localhost_has_by_ipv6_is_in_use():
    """Vite and others listen on it alone: the pasted commands would reach them."""
    try:
        taken = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("there is no IPv6")
    with taken, pytest.raises(StackError, match="Address already in use"):
        supervisor._listen(Place("127.0.0.1", "::1", taken.getsockname()[1]))


def test_the_same_checkout_twice_is_a_sentence_and_another_copy_runs_beside(start, another):
    start().wait()
    second = start()
    assert second.end().startswith("Another process uses ")
    other = Run(another).wait()
    other.process.terminate()
    other.end()
    assert other.process.returncode == 0


def test_an_app_on_another_origin_and_a_phone_can_use_both_the_api_and_the_store(folder):
    origin = "http://localhost:5173"
    run = Run(folder, ALLOWED_ORIGINS=origin, HOST="0.0.0.0", PUBLIC_HOST="127.0.0.1").wait()
    sessions = f"{run.url}/api/mocs/uploads/sessions"
    asks = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    assert httpx.options(sessions, headers=asks).headers["Access-Control-Allow-Origin"] == origin
    session = httpx.post(sessions, json={}).json()["sessionId"]
    file = {"name": "a.pdf", "size": 4, "type": "application/pdf", "partCount": 1}
    registered = httpx.post(f"{sessions}/{session}/files", json=file).json()
    [part] = registered["presignedUrls"]
    assert httpx.options(part["url"], headers=asks).headers["Access-Control-Allow-Origin"] == origin
    assert httpx.put(part["url"], content=b"%PDF").status_code == 200
    done = httpx.post(f"{sessions}/{session}/files/{registered['fileId']}/complete")
    assert done.json()["sizeBytes"] == 4
    postgres = run.children()["postgres"]
    assert {one.laddr.ip for one in postgres.net_connections("tcp") if one.status == "LISTEN"} == {
        "127.0.0.1"
    }
    run.process.send_signal(signal.SIGINT)
    assert "everybody in this network is let in" in run.end()
