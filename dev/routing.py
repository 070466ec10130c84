"""Vercel's routing, read from `api/`, `public/` and `vercel.json` themselves.

As https://vercel.com/docs/project-configuration says, and as `vercel build` writes it into its config.json:
tests/support/urls.py is a table that both have to agree on.
"""

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode


@dataclass(frozen=True, slots=True)
class Target:
    """What answers a request: a function or a static file, and the query string that it is given."""

    path: Path
    query: str
    is_function: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern of paths, and the file or path that it leads to."""

    pattern: re.Pattern[str]
    destination: str


class Router:
    """The routes of a project, as they are on disk now."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._functions = {
            path.relative_to(self._root).with_suffix("").as_posix(): path
            for path in sorted((self._root / "api").rglob("*.py"))
            if not path.name.startswith(("_", ".")) and "__pycache__" not in path.parts
        }
        config = self._root / "vercel.json"
        settings = json.loads(config.read_text()) if config.exists() else {}
        rewrites = settings.get("rewrites", [])
        self._rewrites = [Rule(_source_pattern(r["source"]), r["destination"]) for r in rewrites]
        self._headers = [
            (_source_pattern(rule["source"]), [(h["key"], h["value"]) for h in rule["headers"]])
            for rule in settings.get("headers", [])
        ]
        self._dynamic = [
            Rule(_function_pattern(name), name)
            for name in sorted(self._functions, key=_specificity)
            if "[" in name
        ]

    def resolve(self, path: str, query: str) -> Target | None:
        """What answers this path, still percent-encoded as it came; None: nothing does.

        A file of exactly this path comes first, then the rewrites, then the dynamic files. Dynamic segments
        are added to the query if the client has no parameter of that name.
        """
        found = self._file(path, query)
        if found:
            return found
        for rule in self._rewrites:
            match = rule.pattern.fullmatch(path)
            if match:
                return self._rewritten(rule, match, query)
        return self._function(path, query)

    def headers(self, path: str) -> list[tuple[str, str]]:
        """The headers that `vercel.json` adds to what is served at this path."""
        return [header for pattern, headers in self._headers if pattern.fullmatch(path) for header in headers]

    def _rewritten(self, rule: Rule, match: re.Match[str], query: str) -> Target | None:
        destination = rule.destination
        for name, value in match.groupdict().items():
            destination = destination.replace(f":{name}", value)
        query = _with_parameters(query, match.groupdict())
        return self._file(destination, query) or self._function(destination, query)

    def _file(self, path: str, query: str) -> Target | None:
        """A file of exactly this name, or the index of a folder; one slash at the end is ignored.

        The path is not decoded: `vercel dev` does not do it either.
        """
        name = path[1:].removesuffix("/")
        for candidate in (name, f"{name}/index".removeprefix("/")):
            if candidate in self._functions:
                return Target(self._functions[candidate], query, is_function=True)
        for candidate in (name, f"{name}/index.html".removeprefix("/")):
            wanted = f"{self._root}/public/{candidate}"
            with suppress(ValueError, OSError):  # what no file can be called
                # Looked for before it is resolved: to find nothing is what calls of the API wait for.
                if os.path.isfile(wanted) and str(Path(wanted).resolve()) == wanted:
                    return Target(Path(wanted), query, is_function=False)
        return None

    def _function(self, path: str, query: str) -> Target | None:
        for rule in self._dynamic:
            match = rule.pattern.fullmatch(path)
            if match:
                query = _with_parameters(query, match.groupdict())
                return Target(self._functions[rule.destination], query, is_function=True)
        return None


def _with_parameters(query: str, segments: dict[str, str]) -> str:
    """The query with the dynamic segments; a client's own parameter of that name wins, as on Vercel."""
    own = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    added = urlencode(
        {name: unquote(value) for name, value in segments.items() if name not in own}, quote_via=quote
    )
    return "&".join(filter(None, (query, added)))


def _source_pattern(source: str) -> re.Pattern[str]:
    """A rewrite's `/a/:name/b` as a regular expression."""
    return re.compile(
        re.sub(r":(\w+)", r"(?P<\1>[^/]+)", re.escape(source).replace(r"\:", ":")), re.IGNORECASE
    )


def _function_pattern(name: str) -> re.Pattern[str]:
    """A function's path with its `[segments]` as a regular expression; `index` stands for its folder."""
    folder, _, file = name.rpartition("/")
    if file == "index":
        path, end = folder, r"(?:/|/index|/index\.py)?"
    else:
        path, end = name, "" if "[" in file else r"(?:/|\.py)?"
    segments = re.sub(r"\\\[(\w+)\\\]", r"(?P<\1>[^/]+)", re.escape("/" + path))
    return re.compile(segments + end, re.IGNORECASE)


def _specificity(name: str) -> list[tuple[bool, str]]:
    """Orders names so that a literal segment is tried before a dynamic one."""
    return [(segment.startswith("["), segment) for segment in name.removesuffix("/index").split("/")]
