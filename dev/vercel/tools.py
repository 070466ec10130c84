"""What Vercel's programs need on this machine: the CLI in a pinned version, uv, and the right Python."""

import contextlib
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dev import npm
from dev.processes import StackError

ROOT = Path(__file__).resolve().parent.parent.parent
HOME = ROOT / ".dev" / "vercel"
PYTHON_VERSION = "3.12"  # the first line of .python-version


def cli() -> str:
    """The CLI's path, installed at the first call; raises `StackError`."""
    return str(npm.tool("vercel", "vercel"))


@functools.cache
def python() -> Path:
    """A Python of the version that the functions run on; raises `StackError`."""
    names = [sys.executable, shutil.which(f"python{PYTHON_VERSION}"), _uv_python()]
    names += [str(path) for path in Path.home().glob(f".pyenv/versions/{PYTHON_VERSION}.*/bin/python3")]
    for name in filter(None, names):
        # Asked what it really is: a version manager's shim may be there and refuse.
        code = "import sys; print(sys.base_prefix, '%d.%d' % sys.version_info[:2])"
        found = subprocess.run([name, "-c", code], capture_output=True, text=True, cwd=ROOT)
        prefix, _, version = found.stdout.strip().rpartition(" ")
        if version == PYTHON_VERSION:
            return Path(prefix) / "bin" / f"python{PYTHON_VERSION}"
    raise StackError(
        f"Vercel runs the functions on Python {PYTHON_VERSION}, and there is none here. Get one with "
        f"`.venv/bin/uv python install {PYTHON_VERSION}` or `pyenv install {PYTHON_VERSION}`."
    )


def _uv_python() -> str | None:
    command = [str(_uv()), "python", "find", "--no-python-downloads", "--no-project", PYTHON_VERSION]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or None


def _uv() -> Path:
    return Path(sys.prefix) / "bin" / "uv"


def cli_env() -> dict[str, str]:
    """The environment in which the CLI finds uv and Python, and tells nobody about it."""
    path = os.pathsep.join([str(python().parent), str(_uv().parent), os.environ["PATH"]])
    own = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    # `vercel dev` keeps a Python that it has found once, in the cache.
    return {**own, "PATH": path, "XDG_CACHE_HOME": str(HOME / "cache"), "VERCEL_TELEMETRY_DISABLED": "1"}


def cli_options() -> list[str]:
    """Options for every command: no settings and no login but those of a folder of ours."""
    return ["--global-config", str(HOME / "config")]


def copy_tree(destination: Path, only: Sequence[str] = ()) -> None:
    """Copy what git would take, uncommitted edits included, to where the CLI may write as it likes.

    `only` names the folders and files to take. Raises `StackError` if nothing is named, and this is no clone.
    """
    for name in _listed(only):
        if (ROOT / name).is_file():
            (destination / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, destination / name)
    project = destination / ".vercel" / "project.json"  # with ids in it, the CLI would ask the network
    project.parent.mkdir(parents=True, exist_ok=True)
    project.write_text('{"settings": {}}')


def _listed(only: Sequence[str]) -> list[str]:
    """The names of these files; not all downloads are clones, and git refuses another user's."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *only]
    with contextlib.suppress(FileNotFoundError):
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.split("\0")
        if any(found):
            return list(filter(None, found))
    if not only:
        raise StackError(f"{ROOT} is no clone that git can read.")
    paths = [path for name in only for path in (ROOT / name, *(ROOT / name).rglob("*"))]
    return [str(path.relative_to(ROOT)) for path in paths if path.suffix != ".pyc"]


def run(command: list[str], folder: Path, env: dict[str, str], failure: str) -> None:
    """Run a command quietly; raises `StackError` with what it said last, when it fails."""
    done = subprocess.run(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        said = done.stdout.decode(errors="replace").strip().splitlines()
        raise StackError("\n".join([f"{failure} (status {done.returncode}):", *said[-15:]]))
