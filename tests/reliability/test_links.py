"""A program that knows only the OpenAPI document follows its links to the success of every operation."""

from collections import Counter
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, seed, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    ignored_auth,
    positive_data_acceptance,
    use_after_free,
)

from dev.server import Server
from lib.http.openapi import document
from lib.http.routes import ROUTES

# Walks are a matter of luck, since ids differ from run to run: there are more until all has been reached.
ROUNDS = 10
WALKS = settings(
    max_examples=4, stateful_step_count=20, database=None, deadline=None,
    phases=[Phase.generate], suppress_health_check=list(HealthCheck),
)  # fmt: skip

# A session that was cancelled is not gone; a walk goes on in it, and with files that it has completed. The
# token that is made up is replaced by a good one.
NOT_HERE = [use_after_free, positive_data_acceptance, ignored_auth]


def walks(api, store):
    """Schemathesis' own walks along the links, as this user; it counts what was answered."""
    schema = schemathesis.openapi.from_dict(document())
    schema.app = Server(Path(__file__).parent.parent.parent)
    schema.config.generation.update(modes=[GenerationMode.POSITIVE])
    schema.config.phases.stateful.inference.algorithms = []  # links of its own invention

    class Walk(schema.as_state_machine()):
        """The bodies are made to be allowed, and the parts are PUT; all ids come from the links."""

        answered: ClassVar = Counter()

        def get_call_kwargs(self, case):
            return {"headers": {"Authorization": f"Bearer {api.token}"}}

        def before_call(self, case):
            name = name_of(case)
            if name == "createSession":
                case.body = {}
            elif name == "registerFile":
                case.body = allowed(case.body)
            elif name == "batchRegisterFiles":
                case.body["files"] = [allowed(case.body["files"][0])]
            elif name in ("storePartEtags", "completeFile"):
                case.body = {"parts": [{"partNumber": 1, "etag": self.etags.get(place(case), "unknown")}]}

        def after_call(self, response, case):
            self.answered[name_of(case), response.status_code] += 1
            if response.status_code in (200, 201) and name_of(case) in ("registerFile", "batchRegisterFiles"):
                answer = response.json()
                for file in answer.get("results", [answer]):
                    for part in file.get("presignedUrls", []):
                        content = b"x" * part["sizeBytes"]
                        put = store.put(part["url"], content=content, headers=part["headers"])
                        where = (case.path_parameters["sessionId"], file["fileId"])
                        self.etags[where] = put.raise_for_status().headers["ETag"]

        def validate_response(self, response, case, **more):
            case.validate_response(response, excluded_checks=NOT_HERE, transport_kwargs=more)

        def setup(self):
            self.etags = {}

    return Walk


def name_of(case):
    return case.operation.definition.raw["operationId"]


def place(case):
    return case.path_parameters["sessionId"], case.path_parameters["fileId"]


def allowed(made):
    """A file that was made up, as one of one part that may be uploaded."""
    kept = {key: value for key, value in made.items() if key in ("name", "fileId")}
    return kept | {"size": 1 + int(made["size"]) % 1000, "type": "application/pdf", "partCount": 1}


@pytest.mark.timeout(300)  # for the ten; it is done after two or three
def test_links_lead_to_the_success_of_every_operation(shared_api):
    linked = {
        operation["operationId"]
        for methods in document()["paths"].values()
        for operation in methods.values()
        if any("links" in answer for answer in operation["responses"].values()) or operation["parameters"]
    }
    assert {route.name for route in ROUTES} - linked == {"checkHealth", "getOpenapi"}  # they need nothing
    with httpx.Client(timeout=30) as store:
        walk = walks(shared_api, store)
        for number in range(ROUNDS):
            seed(number)(walk).run(settings=WALKS)
            succeeded = {name for name, status in walk.answered if status < 300}
            if succeeded >= linked:
                break
    assert linked - succeeded == set(), sorted(walk.answered.items())
