"""Lists what has grown: functions over 40 lines, files over 300, modules without a docstring."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MAX_FUNCTION, MAX_FILE = 40, 300  # lines


def findings(name: str, text: str) -> Iterator[str]:
    """What has grown in one Python file."""
    tree, lines = ast.parse(text), text.count("\n")
    if lines > MAX_FILE:
        yield f"{name}: {lines} lines"
    if text and ast.get_docstring(tree) is None and not name.endswith("conftest.py"):
        yield f"{name}: no docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION:
                yield f"{name}:{node.lineno}: {node.name} has {length} lines"


def main() -> None:
    """Print the findings of every Python file that git knows."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    found = [finding for name in listed for finding in findings(name, (ROOT / name).read_text())]
    print("\n".join(found) or "Nothing is too long.")


if __name__ == "__main__":
    main()
