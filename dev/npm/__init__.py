"""Tools from npm, each a folder here with its lockfile: installed at the first use, without their scripts."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from dev.processes import StackError, waiting_for

LOCKED = Path(__file__).resolve().parent
INSTALLED = LOCKED.parent.parent / ".dev" / "npm"


def tool(name: str, program: str) -> Path:
    """The path of a tool's program; raises `StackError`."""
    folder = INSTALLED / name
    with waiting_for(INSTALLED / f"{name}.lock"):
        lock = (LOCKED / name / "package-lock.json").read_text()
        stamp = folder / "installed"
        if not stamp.exists() or stamp.read_text() != lock:
            _install(name, folder)
            stamp.write_text(lock)
    return folder / "node_modules" / ".bin" / program


def _install(name: str, folder: Path) -> None:
    if not shutil.which("npm"):
        raise StackError(f"{name} needs Node.js 20 or newer with npm, and there is none on the PATH.")
    print(f"Installing {name} into .dev/npm/{name} (once) …", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copy(LOCKED / name / file, folder)
    # Not `npm ci`, which fails if a lockfile lacks optional packages for other machines.
    command = [
        "npm",
        "install",
        "--no-save",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]
    done = subprocess.run(command, cwd=folder, env=dict(os.environ), capture_output=True, text=True)
    if done.returncode:
        raise StackError(f"npm cannot install {name}:\n{done.stderr.strip()}")
