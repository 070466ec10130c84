"""`make build`: the real `vercel build`, in a copy of the tree; nothing is left in the tree itself.

The build is the one that a default deployment gets; its functions are then put together as Vercel does it.

With `--if-changed` the last build is kept if it is one of these very sources.
"""

import hashlib
import json
import os
import shutil
import sys
import time
from pathlib import Path

from dev.processes import StackError
from dev.vercel import tools

TREE = tools.HOME / "tree"
OUTPUT = Path(".vercel") / "output"  # below the tree
# What Vercel's build reads: it has these files here, and .vercelignore uploads them and no others.
ONE_FUNCTION = "vercel.one-function.json"
INPUTS = ("api", "lib", "public", "vercel.json", ONE_FUNCTION, "requirements.txt", ".python-version",
          "pyproject.toml", "deploy/vercel_install.py")  # fmt: skip
PLANTED = "PLANTED_SECRET=must-stay-out-of-every-bundle\n"


def build(*options: str, tree: Path = TREE) -> Path:
    """Build, and answer the folder with the result; raises `StackError`."""
    command = [tools.cli(), "build", "--yes", *options, *tools.cli_options()]
    stamp = _stamp_of(tree)
    stamp.unlink(missing_ok=True)
    _fresh(tree)
    (tree / ".env").write_text(PLANTED)  # .gitignore means nothing to the CLI
    (tree / "lib" / ".env").write_text(PLANTED)
    tools.run(command, tree, tools.cli_env(), "vercel build failed")
    _put_together(tree)
    stamp.write_text(_digest())
    return tree / OUTPUT


def ensure_built(*options: str, tree: Path = TREE) -> Path:
    """The last build, if it is one of these very sources; otherwise a new one. Raises `StackError`."""
    stamp = _stamp_of(tree)
    if stamp.exists() and stamp.read_text() == _digest():
        return tree / OUTPUT
    return build(*options, tree=tree)


def ensure_one_function_built() -> Path:
    """The same for the deployment that has one function for all routes."""
    return ensure_built("--local-config", ONE_FUNCTION, tree=tools.HOME / "one-function")


def _put_together(tree: Path) -> None:
    """Put the files into each function that its `filePathMap` names: its path there, and that in the tree."""
    for config in (tree / OUTPUT).rglob("*.func/.vc-config.json"):
        for inside, path in json.loads(config.read_text()).get("filePathMap", {}).items():
            target = config.parent / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(tree / path, target)


def _stamp_of(tree: Path) -> Path:
    return tree.parent / f"{tree.name}.built"


def _fresh(tree: Path) -> None:
    """A copy of the tree, in which nothing but uv's downloads is left of the last build."""
    cache = tree / ".vercel" / "python" / "cache"
    kept = tree.parent / f"{tree.name}.downloads"
    if cache.exists():
        shutil.rmtree(kept, ignore_errors=True)
        cache.rename(kept)
    shutil.rmtree(tree, ignore_errors=True)
    tools.copy_tree(tree, INPUTS)
    if kept.exists():
        cache.parent.mkdir(parents=True)
        kept.rename(cache)
        for lock in cache.rglob("uv.lock"):  # would win over requirements.txt
            lock.unlink()


def _digest() -> str:
    digest = hashlib.sha256()
    for pattern in (*INPUTS, "dev/vercel/*.py", "dev/npm/vercel"):
        for path in sorted(tools.ROOT.glob(pattern)):
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file() and "__pycache__" not in file.parts:
                    digest.update(str(file.relative_to(tools.ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def main() -> int:
    """Build, and say how long it took."""
    started = time.monotonic()
    try:
        output = ensure_built() if "--if-changed" in sys.argv else build()
        ensure_one_function_built()
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    seconds = time.monotonic() - started
    print(f"Built {output.relative_to(tools.ROOT)} in {seconds:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
