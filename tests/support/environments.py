"""Environments for packages that do not go together with ours, each made at its first use."""

import hashlib
import shutil
import subprocess
import sys
import venv

from dev.processes import waiting_for
from tests.support.servers import ROOT


def environment(name):
    """The folder of an environment's programs; `requirements/<name>.txt` says what is in it."""
    folder = ROOT / ".dev" / f"{name}-venv"
    requirements = ROOT / "requirements" / f"{name}.txt"
    stamp = folder / ".installed"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    with waiting_for(folder.with_name(f"{name}-venv.lock")):
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=True)
            pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]
            options = ["--disable-pip-version-check", "--no-user", "--require-hashes"]  # as in the Makefile
            subprocess.run([*pip, *options, "-r", requirements], check=True, timeout=900)
            stamp.write_text(wanted)
    return folder / "bin"


if __name__ == "__main__":
    environment(sys.argv[1])  # ahead of the tests, whose time-outs are not made for it
