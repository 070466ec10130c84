"""Writes `lib/http/openapi_examples.py` from docs/proof.md: `python -m tests.evidence.examples`.

Of each operation, the recorded success that shows the most fields, and the shortest of these.
"""

import json
import re
from pathlib import Path

from lib.http.routes import ROUTES
from tests.support.contract import PATHS

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "proof.md"
MODULE = ROOT / "lib" / "http" / "openapi_examples.py"
EXCHANGE = re.compile(
    r"(?P<method>GET|POST|DELETE) (?P<path>/\S+)\n(?P<body>.*?)\n?HTTP (?P<status>2\d\d) .*?\n"
    r"(?P<answer>.*)",
    re.DOTALL,
)
HEAD = '''"""Real requests and responses, made from docs/proof.md by `python -m tests.evidence.examples`."""

import json
from typing import Any

EXAMPLES: dict[str, Any] = json.loads(r"""
'''
# What stands for the placeholders of the page, which differ from run to run.
MOMENTS = {"now": "2026-01-25T12:00:00Z", "now + seconds": "2026-01-25T12:00:08Z",
           "now + 15 min": "2026-01-25T12:15:00Z", "now + 1440 min": "2026-01-26T12:00:00Z"}  # fmt: skip
DIGITS = {"session": "1", "file": "2", "upload": "3"}


def filled(text):
    """The page's text with values of the right form in the place of its placeholders."""
    text = text.replace("X-Amz-Date={now}", "X-Amz-Date=20260125T120000Z")
    for name, moment in MOMENTS.items():
        text = text.replace(f"{{{name}}}", moment)
    for label, digit in DIGITS.items():
        text = re.sub(rf"\{{{label}-(\d+)\}}", lambda match, d=digit: _uuid(d, match[1]), text)
    return re.sub(r"\{(redacted|seconds)\}", "REDACTED", text)


def _uuid(digit, number):
    return f"{digit * 8}-{digit * 4}-4{digit * 3}-8{digit * 3}-{int(number):012d}"


def fields_of(value):
    if isinstance(value, list):
        return set().union(*map(fields_of, value))
    if isinstance(value, dict):
        return set(value) | fields_of(list(value.values()))
    return set()


def examples(page):
    """Of each operation that has one on the page: `status`, `request` and `response`."""
    best = {}
    blocks = re.findall(r"```http\n(.*?)\n```", filled(page), re.DOTALL)
    for match in filter(None, map(EXCHANGE.fullmatch, blocks)):
        path = match["path"].partition("?")[0]
        template = next((template for pattern, template in PATHS.items() if pattern.fullmatch(path)), None)
        names = [one.name for one in ROUTES if one.method == match["method"]
                 and re.sub(r":(\w+)", r"{\1}", one.path) == template]  # fmt: skip
        request = json.loads(match["body"]) if match["body"].strip() else None
        response = json.loads(match["answer"])
        rank = (len(fields_of([request, response])), -len(match[0]))
        for name in names:
            if name not in best or rank > best[name][0]:
                found = {"status": match["status"], "request": request, "response": response}
                best[name] = rank, found
    return {name: found for name, (_, found) in sorted(best.items())}


def module(page):
    return HEAD + json.dumps(examples(page), indent=1, ensure_ascii=False) + '\n""")\n'


if __name__ == "__main__":
    MODULE.write_text(module(PAGE.read_text()))
