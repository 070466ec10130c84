"""Programs that read an OpenAPI document: from npm and PyPI, in pinned versions and folders of their own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from dev.processes import waiting_for

ROOT = Path(__file__).resolve().parent.parent.parent
HOME = ROOT / ".dev" / "openapi"

NPM = {
    "openapi-typescript": "7.13.0", "openapi-fetch": "0.17.0", "typescript": "5.9.3",
    "@types/node": "20.19.43", "@redocly/cli": "2.77.0", "@stoplight/spectral-cli": "6.16.3",
}  # fmt: skip
PYPI = ["openapi-python-client==0.29.1", "mypy==2.4.1", "ruff"]


def npm(*command, cwd):
    """Run a program from npm; what it says. Installed at the first call."""
    folder, wanted = HOME / "npm", json.dumps({"private": True, "type": "module", "dependencies": NPM})
    manifest = folder / "package.json"
    with waiting_for(HOME / "npm.lock"):
        if not manifest.exists() or manifest.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            (folder / "package.json").write_text(wanted)
            run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], folder, manifest)
    if not (cwd / "node_modules").exists():
        (cwd / "node_modules").symlink_to(folder / "node_modules")
    program = folder / "node_modules" / ".bin" / command[0]
    return run([program, *command[1:]], cwd)


def pypi(*command, cwd):
    """Run a program from PyPI; what it says. Installed at the first call."""
    folder, wanted = HOME / "pypi", "\n".join(PYPI)
    manifest = folder / "requirements.txt"
    with waiting_for(HOME / "pypi.lock"):
        if not manifest.exists() or manifest.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            run([sys.executable, "-m", "venv", folder], ROOT)
            manifest.write_text(wanted)
            run([folder / "bin" / "python", "-m", "pip", "install", "-q", *PYPI], ROOT, manifest)
    return run([folder / "bin" / command[0], *command[1:]], cwd, path=folder / "bin")


def run(command, cwd, manifest=None, path=""):
    """Run a command; `manifest` goes when it fails, so that it is tried again."""
    env = os.environ | {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}", "REDOCLY_TELEMETRY": "off"}
    done = subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = done.stdout.decode(errors="replace")
    if done.returncode and manifest:
        manifest.unlink()
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {said[-3000:]}"
    return said
