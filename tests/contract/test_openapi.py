"""The OpenAPI document says what the handlers do."""

import builtins
import json
import re
import typing
from pathlib import Path

import jsonschema_rs
import pydantic
import pytest

from dev.routing import Router
from dev.server import Server
from lib.domain.errors import Reason
from lib.http.openapi import VERSION, document, document_at
from lib.http.openapi_examples import EXAMPLES
from lib.http.routes import ROUTES

ROOT = Path(__file__).resolve().parent.parent.parent
HANDLERS = sorted((ROOT / "api").rglob("*.py"))


@pytest.fixture(scope="module")
def endpoints():
    server = Server(ROOT)
    return {path: server.function(path) for path in HANDLERS}


def test_every_route_has_a_handler_that_is_bound_to_it(endpoints):
    bound = [operation.route for app in endpoints.values() for operation in app.operations.values()]
    assert sorted(bound, key=ROUTES.index) == list(ROUTES)


def test_every_path_leads_to_its_own_handler(endpoints):
    router = Router(ROOT)
    for path, app in endpoints.items():
        target = router.resolve(app.path.replace(":sessionId", "s").replace(":fileId", "f"), "")
        assert target is not None
        assert target.path == path


def test_every_reason_can_be_had_somewhere():
    had = {reason for route in ROUTES for reason in (*route.reasons, *route.item_refusals)}
    assert set(Reason) - had == {Reason.ROUTE_NOT_FOUND}  # it is for paths that lead nowhere


def test_every_reference_leads_somewhere():
    text = json.dumps(document())
    names = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert names <= document()["components"]["schemas"].keys()
    assert {"FileMetadata", "PartsMissingError", "PresignedPart"} <= names


def test_no_schema_has_the_name_of_a_class_that_generated_code_uses():
    """openapi-generator's Python client catches pydantic's `ValidationError`, and ours would hide it."""
    names = document()["components"]["schemas"].keys()
    assert names & {*dir(builtins), *dir(pydantic), *dir(typing), "InternalError"} == set()


def test_details_that_several_reasons_have_are_one_schema():
    """openapi-generator merges equal schemas, and calls the class by the reason that it met first."""
    whole = [
        json.dumps(schema["properties"]["details"])
        for name, schema in document()["components"]["schemas"].items()
        if name.endswith("Error") and "properties" in schema["properties"].get("details", {})
    ]
    assert len(whole) >= 8
    assert len(whole) == len(set(whole))


OPERATIONS = {
    operation["operationId"]: operation
    for methods in document()["paths"].values()
    for operation in methods.values()
}


def test_the_version_is_that_of_the_change_log():
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == VERSION


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_response_declares_its_headers(name):
    for status, response in OPERATIONS[name]["responses"].items():
        wanted = {
            "401": {"WWW-Authenticate"},
            "405": {"Allow"},
            "429": {"Retry-After"},
            "503": {"Retry-After"},
        }
        assert response["headers"].keys() == {"X-Request-Id"} | wanted.get(status, set()), status


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_described(name):
    operation = OPERATIONS[name]
    assert operation["description"]
    assert "`" not in operation["summary"]  # it is a heading: no reader takes it for Markdown
    assert all(parameter["description"] for parameter in operation["parameters"])
    assert all("content" in answer for status, answer in operation["responses"].items() if status != "204")
    assert set(operation["tags"]) <= {tag["name"] for tag in document()["tags"]}
    for response in operation["responses"].values():
        for link in response.get("links", {}).values():
            parameters = {
                one["name"] for one in OPERATIONS[link["operationId"]]["parameters"] if one["in"] == "path"
            }
            assert link["parameters"].keys() == parameters


def test_sizes_have_64_bits():
    """Generators for Java, Go or C# make 32 of what has no format, and a file may be larger than 2 GiB."""
    sizes = {
        f"{name}.{field}": schema
        for name, whole in document()["components"]["schemas"].items()
        for field, schema in whole.get("properties", {}).items()
        if field == "size" or field.endswith("Bytes")
    }
    assert len(sizes) >= 10
    assert {place for place, schema in sizes.items() if schema.get("format") != "int64"} == set()


def test_every_operation_whose_success_has_a_model_shows_an_example():
    assert {route.name for route in ROUTES if any(route.answers.values())} == EXAMPLES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_fit_their_schemas(name):
    operation, example = OPERATIONS[name], EXAMPLES[name]
    response = operation["responses"][example["status"]]
    shown = [response] if example["request"] is None else [response, operation["requestBody"]]
    for part in shown:
        content = part["content"]["application/json"]
        whole = {"components": document()["components"]} | content["schema"]
        jsonschema_rs.validate(whole, content["example"])


def test_the_server_is_the_deployment_or_where_the_document_is_read():
    assert document_at(None)["servers"] == [{"url": "/"}]
    assert document_at("https://uploads.example.com")["servers"] == [{"url": "https://uploads.example.com"}]
