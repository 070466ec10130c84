"""A file of two parts through the client that openapi-python-client makes of the document."""

import json
import sys

import httpx
from generated import AuthenticatedClient
from generated.api.files import complete_file, register_file
from generated.api.sessions import create_session
from generated.models import (
    CompletedFile,
    CompleteFileResponse400,
    CreateSession,
    FileMetadata,
    PartsMissingError,
    RegisteredFile,
    Session,
)
from generated.types import Unset

CONTENT = b"a" * (5 * 1024 * 1024 + 3)


def upload(api: AuthenticatedClient) -> None:
    session = create_session.sync(client=api, body=CreateSession())
    assert isinstance(session, Session)
    metadata = FileMetadata(name="two-parts.pdf", size=len(CONTENT), type_="application/pdf", part_count=2)
    file = register_file.sync(session.session_id, client=api, body=metadata)
    assert isinstance(file, RegisteredFile)
    assert not isinstance(file.presigned_urls, Unset)

    refused = complete_file.sync(session.session_id, file.file_id, client=api)
    assert isinstance(refused, CompleteFileResponse400)
    assert isinstance(refused.error, PartsMissingError)
    missing = refused.error.details.missing_part_numbers

    start = 0
    for part in file.presigned_urls:
        headers = part.headers.to_dict()
        body = CONTENT[start : start + part.size_bytes]
        httpx.put(part.url, content=body, headers=headers).raise_for_status()
        start += part.size_bytes
    done = complete_file.sync(session.session_id, file.file_id, client=api)
    assert isinstance(done, CompletedFile)
    print(json.dumps({"missing": missing, "sizeBytes": done.size_bytes}))


if __name__ == "__main__":
    upload(AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2]))
