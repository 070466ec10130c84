"""What breaks clients between two OpenAPI documents of this API: in reasons, fields, what is accepted."""

from collections.abc import Iterator
from typing import Any, NamedTuple

Schema = dict[str, Any]
Found = Iterator[tuple[str, str]]  # a field, reason, header or status, and what is the matter with it

UPPER = ("maxLength", "maximum", "maxItems", "exclusiveMaximum", "maxProperties")
LOWER = ("minLength", "minimum", "minItems", "exclusiveMinimum", "minProperties")
EXACT = ("pattern", "format", "const")


class Change(NamedTuple):
    """One breaking change of an operation (its operationId)."""

    operation: str
    subject: str
    problem: str

    def __str__(self) -> str:
        return f"`{self.operation}`: `{self.subject}` {self.problem}"


def breaking(old: Schema, new: Schema) -> list[Change]:
    """What a client that was made for the old document cannot rely on any more, or must do in addition."""
    changes = []
    compared = _Comparison(old, new)
    for path, methods in old["paths"].items():
        for method, was in methods.items():
            now = new["paths"].get(path, {}).get(method)
            gone = [(f"{method.upper()} {path}", "is gone")]
            found = gone if now is None else compared.operations(was, now)
            changes += [Change(was["operationId"], *one) for one in found]
    return list(dict.fromkeys(changes))


class _Comparison:
    """Compares parts of two documents."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old, self._new = old, new

    def operations(self, was: Schema, now: Schema) -> Found:
        if was["operationId"] != now["operationId"]:
            yield now["operationId"], "is its name now"
        if was.get("security") == [] and now.get("security") != []:
            yield "Authorization", "is required"
        yield from self._parameters(was, now)
        yield from self._bodies(was.get("requestBody"), now.get("requestBody"))
        for status, answer in was["responses"].items():
            yield from self._answers(status, answer, now["responses"].get(status))

    def _parameters(self, was: Schema, now: Schema) -> Found:
        before = {(one["in"], one["name"]): one for one in was.get("parameters", ())}
        after = {(one["in"], one["name"]): one for one in now.get("parameters", ())}
        for key in sorted(before.keys() - after.keys()):
            yield key[1], "is gone"
        for key, one in after.items():
            if one.get("required") and not before.get(key, {}).get("required"):
                yield key[1], "is required"
            if key in before:
                yield from self._requests(key[1], before[key]["schema"], one["schema"])

    def _bodies(self, was: Schema | None, now: Schema | None) -> Found:
        if now and now.get("required") and not (was and was.get("required")):
            yield "body", "is required"
        if was and not now:
            yield "body", "is gone"
        if was and now:
            yield from self._requests("", _json(was), _json(now))

    def _answers(self, status: str, was: Schema, now: Schema | None) -> Found:
        if now is None:
            error = _resolved(self._old, _json(was)).get("properties", {}).get("error", {})
            for subject in _by_reason(self._old, error) or [status]:
                yield subject, f"is gone from {status}"
            return
        for header in sorted(was.get("headers", {}).keys() - now.get("headers", {}).keys()):
            yield header, f"is gone from {status}"
        for subject, problem in self._responses("", _json(was), _json(now)):
            yield subject, f"{problem} {status}"

    def _requests(self, name: str, was: Schema, now: Schema) -> Found:
        """What was accepted, and is no more."""
        was, now = _resolved(self._old, was), _resolved(self._new, now)
        if not _kinds(was) <= _kinds(now) | ({"integer"} if "number" in _kinds(now) else set()):
            yield name, "has another type"
        yield from _stricter(name, was, now)
        before = was.get("properties", {})
        for field in sorted(set(now.get("required", ())) - set(was.get("required", ()))):
            yield _below(name, field), "is required"
        for field, (one, other) in _pairs(before, now.get("properties", {})).items():
            if other is None:
                yield _below(name, field), "is gone"
            else:
                yield from self._requests(_below(name, field), one, other)
        if "items" in was and "items" in now:
            yield from self._requests(f"{name}[]", was["items"], now["items"])

    def _responses(self, name: str, was: Schema, now: Schema) -> Found:
        """What was in the answers, and is no more; the problems end in a preposition: a status follows."""
        if reasons := _by_reason(self._old, was):
            yield from self._errors(reasons, _by_reason(self._new, now))
            return
        was, now = _resolved(self._old, was), _resolved(self._new, now)
        if not _kinds(now) <= _kinds(was) and was:  # of an answer that was not described, nobody relied on it
            yield name, "has another type in"
        for field, (one, other) in _pairs(was.get("properties", {}), now.get("properties", {})).items():
            if other is None:
                yield _below(name, field), "is gone from"
                continue
            if field in was.get("required", ()) and field not in now.get("required", ()):
                yield _below(name, field), "may be absent from"
            yield from self._responses(_below(name, field), one, other)
        if "items" in was and "items" in now:
            yield from self._responses(f"{name}[]", was["items"], now["items"])

    def _errors(self, was: dict[str, Schema], now: dict[str, Schema]) -> Found:
        for reason, (one, other) in _pairs(was, now).items():
            if other is None:
                yield reason, "is gone from"
            else:
                yield from self._responses(reason, _without_reason(one), _without_reason(other))


def _json(part: Schema) -> Schema:
    schema: Schema = part.get("content", {}).get("application/json", {}).get("schema", {})
    return schema


def _resolved(whole: Schema, schema: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    resolved: Schema = whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return resolved


def _by_reason(whole: Schema, schema: Schema) -> dict[str, Schema]:
    """The schemas of an `error` object by their reason; of anything else, none."""
    found = {}
    for one in schema.get("oneOf", [schema]):
        error = _resolved(whole, one)
        for reason in error.get("properties", {}).get("reason", {}).get("enum", ()):
            found[reason] = error
    return found


def _without_reason(error: Schema) -> Schema:
    fields = {name: schema for name, schema in error["properties"].items() if name != "reason"}
    return error | {"properties": fields}


def _pairs(was: dict[str, Schema], now: dict[str, Schema]) -> dict[str, tuple[Schema, Schema | None]]:
    return {name: (schema, now.get(name)) for name, schema in was.items()}


def _below(name: str, field: str) -> str:
    return f"{name}.{field}" if name else field


def _kinds(schema: Schema) -> set[str]:
    """The types that a value may have; a schema that names none has a kind of its own."""
    options = schema.get("anyOf", [schema])
    return {str(one.get("type", one.get("$ref", "any"))) for one in options}


def _stricter(name: str, was: Schema, now: Schema) -> Found:
    before, after = was.get("enum"), now.get("enum")
    if after and not (before and set(before) <= set(after)):
        yield name, "takes fewer values"
    for key in (*UPPER, *LOWER, *EXACT):
        one, other = was.get(key), now.get(key)
        if other is None or one == other or other == "int64":  # a width, and no other numbers than before
            continue
        looser = one is not None and ((key in UPPER and other > one) or (key in LOWER and other < one))
        if not looser:
            yield name, f"has a stricter {key}"
