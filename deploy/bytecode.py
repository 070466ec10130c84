"""Puts bytecode beside the source of every built function, for `vercel deploy --prebuilt`.

Vercel ships source alone, and most of a cold start is compiling it. Run it between build and deployment, with
the Python that the functions run on: `python3.12 deploy/bytecode.py .vercel/output`.
"""

import json
import py_compile
import shutil
import sys
from contextlib import suppress
from pathlib import Path

HERE = f"python{sys.version_info.major}.{sys.version_info.minor}"
# Neither the time nor the hash of the source is looked at: a deployment keeps no times, and nobody edits it.
MODE = py_compile.PycInvalidationMode.UNCHECKED_HASH


def compile_functions(output: Path) -> int:
    """Compile every function of a standalone build, and return how many modules there are."""
    compiled: dict[tuple[str, bytes], str] = {}  # most functions hold the same packages
    written = 0
    for config in sorted(output.rglob("*.func/.vc-config.json")):
        runtime = json.loads(config.read_text())["runtime"]
        if runtime != HERE:
            raise SystemExit(
                f"{config.parent} runs on {runtime}: run this with that Python, not with {HERE}."
            )
        for source in sorted(config.parent.rglob("*.py")):
            name = str(source.relative_to(config.parent))
            target = source.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
            known = compiled.get((name, source.read_bytes()))
            if known:
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(known, target)
            else:
                with suppress(py_compile.PyCompileError):  # packages hold templates that are no Python
                    py_compile.compile(str(source), str(target), doraise=True, invalidation_mode=MODE)
                    compiled[name, source.read_bytes()] = str(target)
            written += target.exists()
    return written


if __name__ == "__main__":
    print(f"{compile_functions(Path(sys.argv[1]))} modules compiled for {HERE}.")
