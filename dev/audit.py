"""`make audit`: known vulnerabilities in what is pinned, as PyPI and npm know them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PIP_AUDIT = "pip-audit==2.10.1"
UNREACHED = "NOT CHECKED: its data cannot be reached from here"


def pip_findings(report: dict[str, Any]) -> list[str] | None:
    """What pip-audit's JSON tells; None if it could look nothing up."""
    packages = report["dependencies"]
    if packages and all("skip_reason" in package for package in packages):
        return None
    return [
        f"{package['name']} {package['version']}: {found['id']}, fixed in {_versions(found)}"
        for package in packages
        for found in package.get("vulns", ())
    ]


def _versions(found: dict[str, Any]) -> str:
    return ", ".join(found["fix_versions"]) or "no version"


def npm_findings(report: dict[str, Any]) -> list[str] | None:
    """What npm's JSON tells; None if it could look nothing up."""
    if "vulnerabilities" not in report:
        return None
    return [
        f"{name} {found['range']}: {found['severity']}" for name, found in report["vulnerabilities"].items()
    ]


def _report(command: list[str], folder: Path) -> dict[str, Any]:
    """A command's JSON; an empty object if it has none. Both tools exit with 1 if they find something."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        report = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return {}
    return report if isinstance(report, dict) else {}


def audits() -> Iterator[tuple[str, list[str] | None]]:
    """Each file of pins, and what is known to be wrong in it."""
    uv = str(Path(sys.executable).parent / "uv")
    for pins in [ROOT / "requirements.txt", *sorted((ROOT / "requirements").glob("*.txt"))]:
        command = [
            uv,
            "tool",
            "run",
            PIP_AUDIT,
            "-r",
            str(pins),
            "--no-deps",
            "--disable-pip",
            "--format=json",
        ]
        report = _report(command, ROOT)
        yield str(pins.relative_to(ROOT)), pip_findings(report) if "dependencies" in report else None
    for lock in sorted((ROOT / "dev" / "npm").glob("*/package-lock.json")):
        report = _report(["npm", "audit", "--package-lock-only", "--json"], lock.parent)
        yield str(lock.relative_to(ROOT)), npm_findings(report)


def main() -> int:
    """Print a line for each file; the exit status is 1 if anything is known to be vulnerable."""
    wrong = False
    for name, findings in audits():
        told = UNREACHED if findings is None else f"{len(findings)} known vulnerabilities"
        print(f"{name}: {told}", flush=True)
        for finding in findings or ():
            wrong = True
            print(f"  {finding}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
