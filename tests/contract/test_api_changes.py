"""Breaking changes of the API since the last version are found, and are in the change log."""

import copy
import json

import pytest

from dev.api_changes import CHANGELOG, last_version, unannounced
from dev.api_comparison import Change, breaking
from lib.http.openapi import document

PATHS = {
    operation["operationId"]: (path, method)
    for path, methods in document()["paths"].items()
    for method, operation in methods.items()
}


@pytest.fixture
def changed():
    """A copy of the document, to be changed."""
    return copy.deepcopy(document())


def operation(changed, name):
    path, method = PATHS[name]
    return changed["paths"][path][method]


def schema(changed, name):
    return changed["components"]["schemas"][name]


def differences(changed):
    return [str(change) for change in breaking(document(), changed)]


def test_every_breaking_change_since_the_last_version_is_in_the_change_log():
    changes = breaking(json.loads(last_version().read_text()), document())
    assert unannounced(changes, CHANGELOG.read_text()) == []


def test_a_document_breaks_nothing_of_its_own(changed):
    assert differences(changed) == []


def test_a_path_and_a_method_that_are_gone(changed):
    del changed["paths"]["/api/health"]
    path, method = PATHS["cancelSession"]
    del changed["paths"][path][method]
    assert differences(changed) == [
        f"`cancelSession`: `DELETE {path}` is gone",
        "`checkHealth`: `GET /api/health` is gone",
    ]


def refused(changed, name, status):
    return operation(changed, name)["responses"][status]["content"]["application/json"]["schema"][
        "properties"
    ]


REASONS = [
    (name, status)
    for name in PATHS
    for status in operation(document(), name)["responses"]
    if int(status) >= 400 and status + name != "503checkHealth"
]


@pytest.mark.parametrize(("name", "status"), REASONS)
def test_a_reason_that_is_gone(changed, name, status):
    """One of several, or the last of its status, which then goes, too."""
    error = refused(changed, name, status)["error"]
    one = error.get("oneOf", [error])[-1]["$ref"]
    [reason] = schema(changed, one.rpartition("/")[2])["properties"]["reason"]["enum"]
    if "oneOf" in error:
        error["oneOf"].pop()
        del error["discriminator"]["mapping"][reason]
    else:
        del operation(changed, name)["responses"][status]
    assert differences(changed) == [f"`{name}`: `{reason}` is gone from {status}"]


def test_a_reason_of_an_item_that_is_gone(changed):
    error = schema(changed, "BatchResult")["properties"]["error"]
    del error["oneOf"][0]
    [gone] = error["discriminator"]["mapping"].keys() - {
        schema(changed, one["$ref"].rpartition("/")[2])["properties"]["reason"]["enum"][0]
        for one in error["oneOf"]
    }
    assert f"`batchRegisterFiles`: `{gone}` is gone from 207" in differences(changed)


REQUESTS = ["CreateSession", "FileMetadata", "RegisterBatch", "RecordParts", "CompleteFile"]
FIELDS = [(name, field) for name in REQUESTS for field in schema(document(), name)["properties"]]


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_a_field_of_a_request_that_becomes_required(changed, name, field):
    required = schema(changed, name).setdefault("required", [])
    if field in required:
        pytest.skip("it is")
    required.append(field)
    found = differences(changed)
    assert found
    assert all(one.endswith(f"{field}` is required") for one in found)


def test_a_new_field_of_a_request_that_is_required(changed):
    schema(changed, "FileMetadata")["properties"]["md5"] = {"type": "string"}
    schema(changed, "FileMetadata")["required"].append("md5")
    assert "`registerFile`: `md5` is required" in differences(changed)
    assert "`batchRegisterFiles`: `files[].md5` is required" in differences(changed)


ANSWERS = ["Session", "SessionDetail", "RegisteredFile", "PresignedPart", "UploadedParts", "CompletedFile"]
ANSWERED = [(name, field) for name in ANSWERS for field in schema(document(), name)["properties"]]


@pytest.mark.parametrize(("name", "field"), ANSWERED)
def test_a_field_of_an_answer_that_vanishes_or_becomes_optional(changed, name, field):
    answer = schema(changed, name)
    if field in answer.get("required", ()):
        answer["required"].remove(field)
        found = differences(changed)
        assert found
        assert all(f"{field}` may be absent from 20" in one for one in found)
    del answer["properties"][field]
    assert [one for one in differences(changed) if f"{field}` is gone from 20" in one]


def test_a_field_of_the_details_that_vanishes(changed):
    details = schema(changed, "FileTooLargeError")["properties"]["details"]
    details["required"].remove("maxSizeBytes")
    del details["properties"]["maxSizeBytes"]
    [status] = [
        status for name, status in REASONS if name == "registerFile" and "FILE_TOO_LARGE" in str(
            refused(document(), name, status))
    ]  # fmt: skip
    wanted = f"`registerFile`: `FILE_TOO_LARGE.details.maxSizeBytes` is gone from {status}"
    assert wanted in differences(changed)


def test_a_request_that_is_taken_no_more(changed):
    metadata = schema(changed, "FileMetadata")["properties"]
    metadata["name"]["maxLength"] -= 1
    metadata["size"]["type"] = "string"
    metadata["category"]["enum"].remove("image")
    del metadata["ext"]
    operation(changed, "completeFile")["requestBody"]["required"] = True
    operation(changed, "checkHealth").pop("security")
    found = differences(changed)
    assert {one for one in found if one.startswith("`registerFile`")} == {
        "`registerFile`: `name` has a stricter maxLength",
        "`registerFile`: `size` has another type",
        "`registerFile`: `category` takes fewer values",
        "`registerFile`: `ext` is gone",
    }
    assert {"`completeFile`: `body` is required", "`checkHealth`: `Authorization` is required"} <= {*found}


def test_an_answer_that_may_be_null_or_has_another_type(changed):
    fields = schema(changed, "Session")["properties"]
    fields["maxFiles"] = {"anyOf": [fields["maxFiles"], {"type": "null"}]}
    fields["partSizeBytes"] = {"type": "string"}
    assert set(differences(changed)) == {
        "`createSession`: `maxFiles` has another type in 201",
        "`createSession`: `partSizeBytes` has another type in 201",
    }


def test_what_is_added_breaks_nobody(changed):
    operation(changed, "abortFile")["responses"]["204"]["content"] = {
        "application/json": {"schema": {"type": "object"}}
    }
    schema(changed, "ReportedPart")["properties"]["partNumber"]["format"] = "int64"
    changed["paths"]["/api/new"] = {"get": operation(changed, "checkHealth") | {"operationId": "new"}}
    schema(changed, "Session")["properties"]["note"] = {"type": "string"}
    schema(changed, "CreateSession")["properties"]["note"] = {"type": "string"}
    schema(changed, "FileMetadata")["properties"]["name"]["maxLength"] += 1
    error = refused(changed, "createSession", "400")["error"]
    error["oneOf"].append({"$ref": "#/components/schemas/EtagMismatchError"})
    assert differences(changed) == []


LOG = "# C\n\n## 0.3.0\n\n- Breaking: `checkHealth` has no\n  `bucket` now.\n- `a` `b`\n\n## 0.2.0\n\n"


def test_an_entry_announces_a_change_by_its_operation_and_subject():
    changes = [Change("checkHealth", "bucket", ""), Change("checkHealth", "status", ""), Change("a", "b", "")]
    assert unannounced(changes, LOG) == changes[1:]
    assert unannounced(changes[:1], "# C\n\n## 0.4.0\n\n" + LOG.partition("\n\n")[2]) == changes[:1]
