"""Programs that read an OpenAPI document: from npm and PyPI, in folders of their own."""

import os
import subprocess

from dev.npm import tool
from tests.support.environments import environment


def npm(program, *arguments, cwd):
    """Run a program of `dev/npm/openapi`; what it says."""
    path = tool("openapi", program)
    if not (cwd / "node_modules").exists():
        (cwd / "node_modules").symlink_to(path.parent.parent)
    return run([path, *arguments], cwd)


def pypi(program, *arguments, cwd):
    """Run a program of `requirements/clients.txt`; what it says."""
    programs = environment("clients")
    return run([programs / program, *arguments], cwd, path=programs)


def run(command, cwd, path=""):
    """Run a command, with a folder before all others on the PATH; what it says."""
    env = os.environ | {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}", "REDOCLY_TELEMETRY": "off"}
    done = subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {said[-3000:]}"
    return said
