"""The client module knows every field that a request may have: one that it forgets would never be sent."""

import re

from lib.domain.models import FileMetadata
from tests.house.test_architecture import ROOT

LEFT_OUT = {"ext"}  # the server takes it from the name


def test_the_client_module_names_every_field_of_a_file():
    code = "".join(path.read_text() for path in (ROOT / "public").glob("*.js"))
    names = {field.alias or name for name, field in FileMetadata.model_fields.items()} - LEFT_OUT
    assert [name for name in sorted(names) if not re.search(rf"\b{name}\b", code)] == []
