"""Routes a request as the `config.json` of a build says.

By https://vercel.com/docs/build-output-api/configuration, and the router of `vercel dev`, which is open.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

Route = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hit:
    """What answers: a function by its name, or a static file by its path; and the query that it is given."""

    name: str
    query: str
    is_function: bool


class BuiltRoutes:
    """The routes of one build."""

    def __init__(self, output: Path, functions: set[str]) -> None:
        static = output / "static"
        self._functions = functions
        self._files = {path.relative_to(static).as_posix() for path in static.rglob("*") if path.is_file()}
        self._phases: dict[str, list[Route]] = {"": []}
        phase = ""
        for route in json.loads((output / "config.json").read_text())["routes"]:
            phase = route.get("handle", phase)
            self._phases.setdefault(phase, [])
            if "handle" not in route:
                self._phases[phase].append(route)

    def resolve(self, path: str, query: str) -> Hit | None:
        """What answers this path, still percent-encoded as it came; None: nothing does."""
        return (
            self._walk(self._phases[""], path, query)
            or self._in_filesystem(path, query)
            or self._walk(self._phases.get("filesystem", []), path, query)
        )

    def _walk(self, routes: list[Route], path: str, query: str) -> Hit | None:
        """The first route that matches decides, unless its destination is to be checked and is not there."""
        for route in routes:
            # Not case-sensitive, unless the route says so.
            match = re.search(route["src"], path, 0 if route.get("caseSensitive") else re.IGNORECASE)
            if not match:
                continue
            if route.get("continue"):  # it only adds headers
                continue
            if route.get("status"):
                return None
            destination = urlsplit(_filled(route["dest"], match))
            path, query = destination.path, _merged(query, destination.query)
            hit = self._in_filesystem(path, query)
            if hit or not route.get("check"):
                return hit
            if routes is not self._phases.get("miss"):
                hit = self._walk(self._phases.get("miss", []), path, query)
                if hit:
                    return hit
        return None

    def _in_filesystem(self, path: str, query: str) -> Hit | None:
        """A function or file of this very name, or the index of a folder; one slash at the end is ignored.

        The path is not decoded: `vercel dev` does not do it either.
        """
        name = path[1:].removesuffix("/")
        for candidate in (name, f"{name}/index".removeprefix("/")):
            if candidate in self._functions:
                return Hit(candidate, query, is_function=True)
        for candidate in (name, f"{name}/index.html".removeprefix("/")):
            if candidate in self._files:
                return Hit(candidate, query, is_function=False)
        return None


def _filled(destination: str, match: re.Match[str]) -> str:
    return re.sub(r"\$(\d)", lambda group: match[int(group[1])] or "", destination)


def _merged(query: str, added: str) -> str:
    """The query with the parameters that a route adds; a client's own of that name wins."""
    own = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    more = [(name, value) for name, value in parse_qsl(added) if name not in own]
    return "&".join(filter(None, (query, urlencode(more, quote_via=quote))))
