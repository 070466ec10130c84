"""Reads a file of variables as `vercel env pull`, `make run` or a person writes it."""

import shlex
from pathlib import Path

UNREADABLE = "[SENSITIVE]"  # what `vercel env pull` (64.0.2) writes in place of a secret's value


def read_env(path: Path) -> dict[str, str]:
    """The variables of a file; a line that nobody can read takes none of the others with it."""
    env = {}
    for line in path.read_text().splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            env[name.strip()] = _value(value.strip())
    return env


def _value(text: str) -> str:
    """A value without its quotes; `vercel env pull` puts one into double quotes, its line breaks as `\\n`."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace("\\n", "\n").replace("\\r", "\r")
    try:
        words = shlex.split(text, comments=True)
    except ValueError:  # a quote that is not closed
        return text
    return words[0] if words else ""
