"""The story's .http file has every request of the story's tables; `make http` runs them."""

import re

import pytest

from tests.evidence.http_files import FILES

REQUESTS = {
    "registerFileWithPresignedUrls": "PU-HP-001",
    "batchRegisterFiles": "BR-HP-001",
    "batchRegisterFilesPartialFailure": "BR-HP-002",
    "getUploadedParts": "UR-HP-001",
    "completeFileWithPartsValidation": "UR-HP-002",
    "batchTooLarge": "BR-ERR-001",
    "presignedUrlExpired": "PU-ERR-001",
    "completeWithMissingParts": "UR-ERR-001",
}


@pytest.mark.parametrize(("name", "test_id"), REQUESTS.items())
def test_every_request_of_the_story_is_there_and_asserts(name, test_id):
    [file] = [file for file in FILES if file.name == "story-01722-upload-enhancements.http"]
    titled = [region for region in file.read_text().split("\n###") if f"# @name {name}\n" in region]
    assert len(titled) == 1
    assert titled[0].startswith(f" {test_id}: ")
    assert re.search(r"^\?\? status == 40\d$|statusCode", titled[0], re.MULTILINE)
