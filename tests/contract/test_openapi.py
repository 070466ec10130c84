"""The OpenAPI document says what the handlers do."""

from pathlib import Path

import pytest

from dev.routing import Router
from dev.server import Server
from lib.domain.errors import Reason
from lib.http.openapi import document
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
    # The first is for paths that lead nowhere, the second for methods that nobody answers.
    assert set(Reason) - had == {Reason.ROUTE_NOT_FOUND, Reason.METHOD_NOT_ALLOWED}


def test_every_reference_leads_somewhere():
    import json
    import re

    text = json.dumps(document())
    names = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert names <= document()["components"]["schemas"].keys()
    assert {"FileMetadata", "PartsMissingError", "PresignedPart"} <= names
