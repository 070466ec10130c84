"""What the doctor found, and how it is told."""

import json
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "wrong"]
COLOURS = {"ok": "32", "warning": "33", "wrong": "31"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's outcome; `fix` is what to do about it: a command, a document or a sentence."""

    check: str
    status: Status
    text: str
    fix: str | None = None


def ok(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", text)


def warning(check: str, text: str, fix: str | None = None) -> Finding:
    """Somebody may want to look into it; the deployment works."""
    return Finding(check, "warning", text, fix)


def wrong(check: str, text: str, fix: str) -> Finding:
    """The deployment does not work, or not safely."""
    return Finding(check, "wrong", text, fix)


def lines(findings: Iterable[Finding], *, colour: bool) -> Iterator[str]:
    """One line a finding, and what fixes it below."""
    for finding in findings:
        word = f"{finding.status:<8}"
        if colour:
            word = f"\033[{COLOURS[finding.status]}m{word}\033[0m"
        yield f"{word} {finding.check:<15} {finding.text}"
        if finding.fix:
            yield from (f"{'':9}{line}" for line in finding.fix.splitlines())


def aws(call: str, endpoint_url: str | None, *, document: tuple[str, object] | None = None) -> str:
    """A command for the AWS CLI, its document written out so that it can be pasted as it is."""
    command = f"aws s3api {call}"
    if endpoint_url:
        command += f" --endpoint-url {shlex.quote(endpoint_url)}"
    if document:
        command += f" \\\n  --{document[0]} {shlex.quote(json.dumps(document[1]))}"
    return command
