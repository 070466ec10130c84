"""Breaking changes since the last version: `make api-changes`; `--write` keeps the present document.

`docs/openapi/` has the document of each version. A breaking change needs an entry in CHANGELOG.md, below the
newest version, that begins with "- Breaking:" and names the change's operation and subject in backticks.
New operations, fields and reasons break nobody.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from dev.api_comparison import Change, breaking
from dev.npm import tool
from dev.processes import StackError
from lib.http.openapi import VERSION, document

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ROOT / "docs" / "openapi"
CHANGELOG = ROOT / "CHANGELOG.md"


def last_version() -> Path:
    """The kept document of the highest version."""
    return max(VERSIONS.glob("*.json"), key=lambda path: tuple(map(int, path.stem.split("."))))


def announcements(changelog: str) -> list[str]:
    """The entries of the newest version that announce a breaking change."""
    newest = re.split(r"^## ", changelog, flags=re.MULTILINE)[1]
    entries = re.split(r"^- ", newest, flags=re.MULTILINE)
    return [entry for entry in entries if entry.startswith("Breaking:")]


def unannounced(changes: list[Change], changelog: str) -> list[Change]:
    """The changes that no entry of the newest version announces."""
    entries = announcements(changelog)

    def announced(change: Change) -> bool:
        return any(f"`{change.operation}`" in one and f"`{change.subject}`" in one for one in entries)

    return [change for change in changes if not announced(change)]


def present() -> str:
    """The present document, as it is kept."""
    return json.dumps(document(), indent=1) + "\n"


def second_opinion(old: Path) -> bool:
    """Whether Optic (https://github.com/opticdev/optic) finds nothing that breaks; it says what it finds."""
    env = os.environ | {"OPTIC_TELEMETRY_LEVEL": "off"}
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / "openapi.json"
        new.write_text(present())
        command = [str(tool("optic", "optic")), "diff", str(old), str(new), "--check"]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    if not re.search("Checks: |No operations changed", done.stdout):
        raise StackError(f"Optic did not compare:\n{(done.stdout + done.stderr)[-3000:]}")
    print(done.stdout)
    return done.returncode == 0


def main() -> None:
    """Compare, or write; exits with 1 if a breaking change is not in the change log."""
    if sys.argv[1:] == ["--write"]:
        (VERSIONS / f"{VERSION}.json").write_text(present())
        return
    old, changelog = last_version(), CHANGELOG.read_text()
    changes = breaking(json.loads(old.read_text()), document())
    print("\n".join(map(str, changes)) or f"Nothing breaks clients of {old.stem}.")
    if unannounced(changes, changelog):
        sys.exit('These changes break clients. CHANGELOG.md needs a "- Breaking:" entry for each.')
    # Its findings have no names of ours: that there are entries at all is what can be asked for.
    if not second_opinion(old) and not announcements(changelog):
        sys.exit('Optic found what breaks clients. CHANGELOG.md needs a "- Breaking:" entry for it.')


if __name__ == "__main__":
    try:
        main()
    except StackError as error:
        sys.exit(str(error))
