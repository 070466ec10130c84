"""Holds real answers against the OpenAPI document, strictly: what it does not declare must not come."""

import re
from collections import defaultdict

import jsonschema_rs

from lib.http.openapi import document

DOCUMENT = document()
SCHEMAS = DOCUMENT["components"]["schemas"]
HEADERS = DOCUMENT["components"]["headers"]
PATHS = {re.compile(re.sub(r"\{\w+\}", "[^/]+", path)): path for path in DOCUMENT["paths"]}


def _strict(value):
    """The same schema, but for properties that it does not name: these are refused."""
    if isinstance(value, list):
        return [_strict(item) for item in value]
    if not isinstance(value, dict):
        return value
    strict = {key: _strict(item) for key, item in value.items()}
    return {"additionalProperties": False} | strict if "properties" in value else strict


STRICT = {"components": {"schemas": _strict(SCHEMAS)}}


class Contract:
    """Checks answers, and remembers which optional fields came and which did not."""

    def __init__(self):
        self.seen = defaultdict(set)  # "Schema.field": "there", "absent", "null"
        self.reasons = set()
        self._validators = {}

    def check(self, response):
        """Assert that an answer is one that the document declares for its route."""
        method, path = response.request.method.lower(), response.request.url.path
        template = next((template for pattern, template in PATHS.items() if pattern.fullmatch(path)), None)
        operation = DOCUMENT["paths"].get(template, {}).get(method)
        if operation is None:
            return
        place = f"{operation['operationId']} {response.status_code}"
        declared = operation["responses"].get(str(response.status_code))
        assert declared is not None, f"{place} is not declared: {response.text[:500]}"
        self._check_headers(place, declared["headers"], response)
        if "content" not in declared or response.headers["Content-Type"] != "application/json":
            return  # nothing to say, or words of something between us and the API
        schema = declared["content"]["application/json"]["schema"]
        if place not in self._validators:
            self._validators[place] = jsonschema_rs.validator_for(
                STRICT | _strict(schema), validate_formats=True
            )
        answer = response.json()
        errors = [
            f"{list(e.instance_path)}: {e.message}" for e in self._validators[place].iter_errors(answer)
        ]
        assert not errors, f"{place}: {errors[:3]}"
        self._visit("", schema, answer)

    def _check_headers(self, place, declared, response):
        if "X-Request-Id" not in response.headers:
            return  # an answer of something between us and the API
        sent = {name: response.headers[name] for name in HEADERS if name in response.headers}
        always = {name for name in declared if HEADERS[name]["required"]}
        assert always <= sent.keys() <= declared.keys(), f"{place}: {sent.keys()}"
        for name, value in sent.items():
            schema = HEADERS[name]["schema"]
            value = int(value) if schema["type"] == "integer" else value
            jsonschema_rs.validate(schema, value, validate_formats=True)

    def _visit(self, name, schema, value):
        if "discriminator" in schema:
            schema = {"$ref": schema["discriminator"]["mapping"][value["reason"]]}
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            schema = SCHEMAS[name]
        if isinstance(value, list):
            for item in value:
                self._visit(f"{name}[]", schema.get("items", {}), item)
        elif isinstance(value, dict):
            self._visit_fields(name, schema, value)

    def _visit_fields(self, name, schema, value):
        self.reasons |= {value["reason"]} if "reason" in value else set()
        for field, inner in schema.get("properties", {}).items():
            place = f"{name}.{field}"
            if field not in value:
                self.seen[place].add("absent")
                continue
            self.seen[place].add("null" if value[field] is None else "there")
            self._visit(place, inner, value[field])


def optional_fields(name, schema):
    """What may be seen of each field of a schema that may be absent, or null."""
    for field, inner in schema.get("properties", {}).items():
        kinds = {"there"}
        kinds |= set() if field in schema.get("required", ()) else {"absent"}
        kinds |= {"null"} if {"type": "null"} in inner.get("anyOf", ()) else set()
        if len(kinds) > 1:
            yield f"{name}.{field}", kinds
        yield from optional_fields(f"{name}.{field}", inner)
