"""Reads a file of variables as `vercel env pull`, `make run` or a person writes it."""

import re
import shlex
from pathlib import Path

UNREADABLE = "[SENSITIVE]"  # what `vercel env pull` (64.0.2) writes in place of a secret's value
# Certificates are the only values that people write over several lines.
LINE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_]\w*)[ \t]*="""
    r"""(?P<value>[ \t]*"-----BEGIN[^"]*"|[ \t]*'-----BEGIN[^']*'|.*)""",
    re.MULTILINE,
)


def read_env(path: Path) -> dict[str, str]:
    """The variables of a file; a line that cannot be read is left out."""
    text = path.read_text("utf-8-sig")  # editors of Windows write a mark
    return {line["name"]: _value(line["value"].strip()) for line in LINE.finditer(text)}


def _value(text: str) -> str:
    """A value without its quotes; `vercel env pull` puts one into double quotes, its line breaks as `\\n`."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace("\\n", "\n").replace("\\r", "\r")
    is_quoted = text.startswith(("'", '"'))
    if not is_quoted:
        text = re.split(r"(?:^|\s)#", text)[0].rstrip()  # a `#` in the middle of a secret is its own
    try:
        words = shlex.split(text, comments=is_quoted)
    except ValueError:  # a quote that is not closed
        return text
    if len(words) > 1:  # nobody quoted it, as with `a, b`
        return text
    return words[0] if words else ""
