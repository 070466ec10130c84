"""What Vercel runs to install the functions' packages: requirements.txt, trimmed, and with bytecode.

Vercel takes into a function what the packages list and what is there, but no bytecode: each start would
compile all that it imports, and that is most of a cold start. `includeFiles` in vercel.json adds what is
written here. `excludeFiles` does not reach into packages, so what no function uses is removed here.
"""

import importlib.util
import json
import os
import py_compile
import shutil
import subprocess
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path
from py_compile import PycInvalidationMode

SERVICES = ("s3", "sts")  # of the some 400 that botocore describes
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
VENDOR = Path("_vendor")  # where a function has its packages
OURS = (Path("api"), Path("lib"))
UNDER_VERCEL_DEV = os.environ.get("NOW_REGION") == "dev1"  # where a function starts once, from this folder
# Vercel installs its runtime after this, in a version of its choice. Here in that of the CLI which the tests
# use, or the first function that is built would be the only one without the runtime's bytecode.
RUNTIME = "vercel_runtime"


def main() -> None:
    """Install, remove and compile; it runs once a function, and finds little to do from the second on."""
    subprocess.run(["uv", "pip", "install", "--quiet", "-r", "requirements.txt"], check=True)
    subprocess.run(["uv", "pip", "uninstall", "--quiet", "pip"], check=True)
    trim_botocore(SITE_PACKAGES / "botocore" / "data")
    if not UNDER_VERCEL_DEV:
        if not (SITE_PACKAGES / RUNTIME).exists():
            subprocess.run(["uv", "pip", "install", "--quiet", "vercel-runtime==0.23.2"], check=False)
        compile_packages(SITE_PACKAGES, VENDOR)
        compile_ours(OURS)


def trim_botocore(data: Path) -> None:
    """Remove the descriptions of all other services, and their endpoints."""
    for folder in data.iterdir():
        if folder.is_dir() and folder.name not in SERVICES:
            shutil.rmtree(folder, ignore_errors=True)
    file = data / "endpoints.json"
    endpoints = json.loads(file.read_text())
    for partition in endpoints["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in SERVICES if name in services}
    file.unlink()  # uv links it to its cache, which other projects use
    file.write_text(json.dumps(endpoints))


def compile_packages(packages: Path, vendor: Path) -> None:
    """Write the packages' bytecode, and nothing else of them, to `vendor`.

    Nobody edits a package in a deployment, so its bytecode is not compared with its source at each start, but
    for Vercel's runtime, which may be another in the end.
    """
    wanted = set()
    for source in packages.rglob("*.py"):
        place = vendor / source.relative_to(packages)
        replaced = source.relative_to(packages).parts[0] == RUNTIME
        mode = PycInvalidationMode.CHECKED_HASH if replaced else PycInvalidationMode.UNCHECKED_HASH
        wanted.add(_compile(source, place, mode))
    for file in vendor.rglob("*.pyc"):  # of an earlier build
        if file not in wanted:
            file.unlink()


def compile_ours(folders: tuple[Path, ...]) -> None:
    """Write the bytecode of our own modules beside them; it is compared with the source at each start."""
    for folder in folders:
        for cache in list(folder.rglob("__pycache__")):
            shutil.rmtree(cache, ignore_errors=True)  # with what other Pythons have left
        for source in folder.rglob("*.py"):
            _compile(source, source, PycInvalidationMode.CHECKED_HASH)


def _compile(source: Path, place: Path, mode: PycInvalidationMode) -> Path:
    """Compile a module for the place that it will have, unless that was done; answer the bytecode's path."""
    target = place.parent / "__pycache__" / f"{place.stem}.{sys.implementation.cache_tag}.pyc"
    if not _is_current(target, source):
        with suppress(py_compile.PyCompileError):  # packages hold templates that are no Python
            py_compile.compile(str(source), str(target), str(place), doraise=True, invalidation_mode=mode)
    return target


def _is_current(target: Path, source: Path) -> bool:
    """Whether this is the bytecode of that source (PEP 552: magic, flags, the source's hash)."""
    with suppress(FileNotFoundError):
        head = target.open("rb").read(16)
        return head[:4] == importlib.util.MAGIC_NUMBER and head[8:] == importlib.util.source_hash(
            source.read_bytes()
        )
    return False


if __name__ == "__main__":
    main()
