"""`make` in the shells that people have: other Pythons, and an environment whose own one is gone."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.servers import ROOT, kept_environment


def make(folder, *arguments, **env):
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=kept_environment() | env, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    "name",
    ["PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONEXECUTABLE", "PYTHONINSPECT", "PYTHONPLATLIBDIR"],
)
def test_a_shell_that_is_set_up_for_another_python(tmp_path, name):
    (tmp_path / "psycopg.py").write_text("raise SystemExit('another project')")
    done = make(
        ROOT, "-s", "-o", ".venv/.installed", f"PY={sys.executable}", "migrate", **{name: str(tmp_path)}
    )
    assert done.stderr.startswith("Set DATABASE_URL")
    assert "Traceback" not in done.stderr


def project(folder):
    """One that needs no packages."""
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "requirements").mkdir()
    (folder / "requirements" / "run.txt").touch()
    (folder / ".venv").mkdir()


def test_a_pip_that_installs_for_the_user(tmp_path):
    project(tmp_path)
    config = tmp_path / "pip.conf"
    config.write_text("[install]\nuser = true\n")
    done = make(tmp_path, f"PY={sys.executable}", ".venv/.installed", PIP_CONFIG_FILE=str(config))
    assert done.returncode == 0, done.stderr


def test_a_sample_is_whole_or_is_not_there(tmp_path):
    (tmp_path / "head").write_text("#!/bin/sh\necho half\nexit 1\n")  # as on a full disk
    (tmp_path / "head").chmod(0o755)
    shutil.copy(ROOT / "Makefile", tmp_path)
    done = make(tmp_path, "-o", ".venv/.installed", "upload", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode != 0
    assert not (tmp_path / ".dev" / "sample.pdf").exists()


@pytest.mark.parametrize("there", [True, False])
def test_an_environment_is_made_again_if_its_python_is_gone(tmp_path, there):
    project(tmp_path)
    (tmp_path / ".venv" / "bin").mkdir()
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable if there else "/nowhere/python3.12")
    (tmp_path / ".venv" / ".installed").touch()
    planned = make(tmp_path, "-n", ".venv/.installed").stdout
    assert ("-m venv --clear .venv" in planned) != there


def test_two_makes_at_once_install_once(tmp_path):
    project(tmp_path)
    (tmp_path / ".venv").rmdir()
    with ThreadPoolExecutor() as executor:
        done = list(executor.map(lambda _: make(tmp_path, ".venv/.installed"), range(3)))
    assert [one.returncode for one in done] == [0, 0, 0], done
    assert sum("Installing" in one.stdout for one in done) == 1


def test_tests_do_not_read_what_a_shell_has_for_another_project():
    foreign = {"AWS_PROFILE": "other", "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "LOG_LEVEL": "verbose",
               "DATABASE_URL": "postgresql://a:b@127.0.0.1:1/c", "VERCEL_ENV": "production"}  # fmt: skip
    some = ["tests/s3/test_addresses.py", "tests/runtime/test_config.py", "-k", "eu-central-1 or missing"]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *some]
    done = subprocess.run(command, cwd=ROOT, env=kept_environment() | foreign, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_name_with_quotes_is_a_name_and_no_command(tmp_path):
    options = ["-s", "-o", ".venv/.installed", f"PY={sys.executable}", "doctor"]
    file = tmp_path / "it\"s `touch made` o'clock"
    file.touch()
    done = make(ROOT, *options, f"ENV={file}", ENV="/of/the/shell")
    assert done.stdout.startswith(f"Checking the deployment of {file}.\n")
    assert not (ROOT / "made").exists()
