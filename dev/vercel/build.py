"""`make build`: the real `vercel build`, in a copy of the tree; nothing is left in the tree itself.

With `--if-changed` the last build is kept where it is one of these very sources.
"""

import hashlib
import shutil
import sys
import time
from pathlib import Path

from dev.processes import StackError
from dev.vercel import tools

TREE = tools.HOME / "tree"
OUTPUT = TREE / ".vercel" / "output"
STAMP = tools.HOME / "built"
# What Vercel's build reads: it has these files here, and .vercelignore uploads them and no others.
INPUTS = ("api", "lib", "public", "vercel.json", "requirements.txt", ".python-version", "pyproject.toml",
          "deploy/vercel_install.py")  # fmt: skip
PLANTED = "PLANTED_SECRET=must-stay-out-of-every-bundle\n"


def build() -> Path:
    """Build, and answer the folder with the result; raises `StackError`."""
    command = [tools.cli(), "build", "--standalone", "--yes", *tools.cli_options()]
    STAMP.unlink(missing_ok=True)
    _fresh_tree()
    (TREE / ".env").write_text(PLANTED)  # .gitignore means nothing to the CLI
    (TREE / "lib" / ".env").write_text(PLANTED)
    tools.run(command, TREE, tools.cli_env(), "vercel build failed")
    STAMP.write_text(_stamp())
    return OUTPUT


def ensure_built() -> Path:
    """The last build, where it is one of these very sources; otherwise a new one. Raises `StackError`."""
    if STAMP.exists() and STAMP.read_text() == _stamp():
        return OUTPUT
    return build()


def _fresh_tree() -> None:
    """A copy of the tree, in which nothing but uv's downloads is left of the last build."""
    cache = Path(".vercel") / "python" / "cache"
    kept = tools.HOME / "downloads"
    if (TREE / cache).exists():
        shutil.rmtree(kept, ignore_errors=True)
        (TREE / cache).rename(kept)
    shutil.rmtree(TREE, ignore_errors=True)
    tools.copy_tree(TREE, INPUTS)
    if kept.exists():
        (TREE / cache).parent.mkdir(parents=True)
        kept.rename(TREE / cache)
        for lock in (TREE / cache).rglob("uv.lock"):  # would win over requirements.txt
            lock.unlink()


def _stamp() -> str:
    digest = hashlib.sha256(tools.CLI_VERSION.encode())
    for pattern in (*INPUTS, "dev/vercel/*.py"):
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
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    seconds = time.monotonic() - started
    print(f"Built {output.relative_to(tools.ROOT)} in {seconds:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
