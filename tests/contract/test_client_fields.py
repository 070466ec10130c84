"""The client module knows every field of a file: one that it forgets would never be sent, or not be told."""

import re

from lib.domain.models import FileMetadata, FileSummary
from tests.house.test_architecture import ROOT

LEFT_OUT = {"ext"}  # the server takes it from the name
MODULE = ROOT / "public" / "upload-client"


def names_of(model):
    return {field.alias or name for name, field in model.model_fields.items()}


def named_in(file, pattern):
    [found] = re.findall(pattern, (MODULE / file).read_text(), re.DOTALL)
    return set(re.findall(r"\w+", found))


def test_the_client_module_sends_every_field_of_a_file():
    sent = named_in("files.js", r"function metadataOf\(.*?\n  return \{(.*?)\n  \};")
    assert names_of(FileMetadata) - LEFT_OUT - sent == set()


def test_the_type_of_a_file_that_is_shown_names_every_field():
    assert names_of(FileSummary) - named_in("types.js", r"@typedef \{\{ ([^}]*)\}\} FileSummary") == set()
