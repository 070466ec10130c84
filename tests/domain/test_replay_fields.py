"""A replay compares every field of a request: one that `_same` forgets would be changed in silence."""

from datetime import UTC, datetime, timedelta

import pytest

from lib.domain.errors import Reason
from lib.domain.models import FileMetadata
from lib.domain.policy import Policy
from lib.domain.registration_plan import RegistrationPlan, Rules, Step
from lib.domain.rows import SessionRow
from lib.domain.validation import validated
from tests.support.client import MIB, new_id

NOW = datetime(2026, 1, 25, 12, tzinfo=UTC)
SENT = {
    "name": "a.png", "size": 6 * MIB, "type": "image/png", "category": "image", "ext": "png",
    "fileKey": "key", "fileId": new_id(), "partCount": 2,
}  # fmt: skip
# Another value for each field. A new field of the request needs one here; the id says which file is meant.
OTHER = {
    "name": "b.png", "size": 7 * MIB, "type": "image/gif", "category": "thumbnail", "ext": "gif",
    "fileKey": "other", "partCount": 1,
}  # fmt: skip


def verdict(files=(), **sent):
    sizes = {"MAX_INSTRUCTION_MB": 50, "MAX_PARTS_LIST_MB": 5, "MAX_IMAGE_MB": 10}
    item = validated(FileMetadata, SENT | sent)
    plan = RegistrationPlan(Rules("dev", Policy(sizes), 50), "user", [item], lambda: NOW)
    values = {"id": new_id(), "status": "active", "part_size_bytes": 5 * MIB, "metadata": {}}
    session = SessionRow(**values, expires_at=NOW + timedelta(hours=1))
    [found] = plan.reserve(session, files, set(), []).verdicts
    return found


def test_every_field_of_a_request_has_another_value_here():
    names = {field.alias or name for name, field in FileMetadata.model_fields.items()}
    assert names == SENT.keys() == OTHER.keys() | {"fileId"}


@pytest.mark.parametrize("field", OTHER)
def test_another_value_is_another_file(field):
    known = verdict().file
    assert verdict([known]).step is Step.ADOPT
    refused = verdict([known], **{field: OTHER[field]})
    assert refused.error.reason is Reason.FILE_ID_CONFLICT
