"""The same API for an app that is not about building instructions: the table is all that differs."""

import pytest

from lib.domain import policy
from lib.domain.policy import Category, Table
from lib.http.openapi import document
from lib.runtime.config import SettingsError
from tests.support.client import MIB, new_id, pdf, put_part
from tests.support.fuzzy import UUID, error

VIDEOS = {"video/mp4": ("mp4",), "video/quicktime": ("mov", "qt")}
STUDIO = Table(
    "recordings",
    (
        Category("recording", VIDEOS, 4096, "MAX_RECORDING_MB"),
        Category("subtitles", {"text/vtt": ("vtt",), "text/plain": ("txt",)}, 1, "MAX_TEXT_MB", max_files=2),
        Category("cover", policy.IMAGES, 10, "MAX_COVER_MB", max_files=1),
    ),
)
CLINIC = Table(
    "scans",
    (
        Category("consent", {"application/pdf": ("pdf",)}, 5, "MAX_CONSENT_MB", required=True),
        Category("scan", {"application/dicom": ("dcm",)}, 900, "MAX_SCAN_MB"),
    ),
)


@pytest.fixture
def swap(monkeypatch):
    """Puts another table in the place of the one that is deployed."""

    def swap(table):
        monkeypatch.setattr(policy, "TABLE", table)
        document.cache_clear()

    yield swap
    monkeypatch.undo()
    document.cache_clear()


@pytest.fixture
def studio(swap, in_process):
    swap(STUDIO)
    return in_process(MAX_RECORDING_MB="6")


def send(api, session, file, content=b"abc"):
    file = {"size": len(content), "partCount": 1} | file
    registered = api.register(session, file)
    put_part(registered["presignedUrls"][0], content)
    return api.complete(session, registered["fileId"])["fileUrl"]


def test_files_go_where_the_table_says(studio, s3):
    session = studio.session(files=[{"name": "a.mov", "size": 3}])
    for name, prefix, end, disposition in [
        ("a.MOV", "recording", "mov", "attachment"), ("a.qt", "recording", "mov", "attachment"),
        ("a.vtt", "subtitles", "vtt", "attachment"), ("a.jpeg", "cover", "jpg", None),
    ]:  # fmt: skip
        url = send(studio, session, {"name": name})
        key = url.partition("/uploads/")[2]
        assert key.startswith("dev/recordings/")
        assert f"/{session}/{prefix}/" in key
        assert key.endswith(f".{end}")
        assert s3.head_object(Bucket="uploads", Key=key).get("ContentDisposition") == disposition
    assert [file["category"] for file in studio.show(session)["files"]] == [
        "recording", "recording", "subtitles", "cover",
    ]  # fmt: skip


def test_its_rules_hold(studio):
    session = studio.session()
    results = studio.batch(session, [
        {"name": "1.vtt", "size": 3}, {"name": "2.txt", "size": 3}, {"name": "3.vtt", "size": 3},
        {"name": "4.mp4", "size": 6 * MIB}, {"name": "5.mp4", "size": 6 * MIB + 1}, pdf(),
        pdf(category="instruction"), {"name": "6.png", "size": 3, "category": "recording"},
    ])["results"]  # fmt: skip
    assert [result.get("error", {}).get("reason") for result in results] == [
        None, None, "CATEGORY_LIMIT_EXCEEDED", None, "FILE_TOO_LARGE", "MIME_TYPE_NOT_ALLOWED",
        "VALIDATION_ERROR", "MIME_TYPE_NOT_ALLOWED",
    ]  # fmt: skip
    assert results[7]["error"]["details"]["allowedTypes"] == ["video/mp4", "video/quicktime"]


def test_a_session_declares_what_the_table_requires(swap, in_process):
    swap(CLINIC)
    api = in_process()
    status, refusal = api.refused("POST", "", {"files": [{"name": "a.dcm", "size": 3}]})
    assert (status, refusal["reason"]) == (400, "INSTRUCTION_REQUIRED")
    assert "'consent'" in refusal["message"]
    api.session(files=[{"name": "a.dcm", "size": 3}, pdf(size=3)])
    fields = api.refused("POST", "", {"files": [pdf(size=3), pdf(category="image")]})[1]["details"]["fields"]
    assert fields == [{"field": "files.1.category", "problem": "must be one of consent, scan"}]


def test_the_document_shows_the_table(studio):
    shown = studio.call("GET", "/api/openapi.json").json()
    assert shown["x-upload-policy"]["categories"][0] == {
        "name": "recording", "types": ["video/mp4", "video/quicktime"], "extensions": ["mp4", "mov", "qt"],
        "maxSizeBytes": 6 * MIB, "maxFiles": None, "required": False,
    }  # fmt: skip
    assert shown["x-upload-policy"]["typesByExtension"]["qt"] == "video/quicktime"
    category = shown["components"]["schemas"]["FileMetadata"]["properties"]["category"]
    assert category["enum"] == ["recording", "subtitles", "cover"]


def test_the_document_shows_the_deployed_table(api):
    shown = api.call("GET", "/api/openapi.json").json()["x-upload-policy"]
    fields = ("name", "maxSizeBytes", "maxFiles", "required")
    assert [tuple(category[field] for field in fields) for category in shown["categories"]] == [
        ("instruction", 50 * MIB, None, True), ("parts-list", 5 * MIB, 5, False),
        ("image", 10 * MIB, 20, False), ("thumbnail", 10 * MIB, 1, False),
    ]  # fmt: skip
    assert shown["aliases"]["image/jpg"] == "image/jpeg"
    assert shown["typesByExtension"]["jpeg"] == "image/jpeg"
    assert shown["lessExactThan"]["application/zip"] == ["xlsx"]


def test_files_of_a_category_that_is_no_more_stay(swap, in_process):
    before = in_process()
    session = before.session()
    names = ("sent", "open", "done", "left")
    files = {name: pdf(f"{name}.pdf", 3, fileId=new_id(), partCount=1) for name in names}
    for file in files.values():
        put_part(before.register(session, file)["presignedUrls"][0], b"abc")
    before.complete(session, files["done"]["fileId"])
    keys = [file["fileKey"] for file in before.show(session)["files"]]

    swap(STUDIO)
    api = in_process()
    shown = api.show(session)["files"]
    assert [(file["fileId"], file["category"]) for file in shown] == [(UUID, "instruction")] * 4
    assert [file["fileKey"] for file in shown] == keys
    for sent in ({}, {"category": "instruction"}):
        assert api.call("POST", f"/{session}/files", files["sent"] | sent).status_code == 200
    assert api.parts(session, files["sent"]["fileId"], "?presign=true")["verified"]
    for name in ("sent", "done"):
        url = api.complete(session, files[name]["fileId"])["fileUrl"]
        assert "/moc-instructions/" in url
    assert api.call("DELETE", f"/{session}/files/{files['open']['fileId']}").status_code == 204
    assert api.refused("POST", f"/{session}/files", pdf("new.pdf", category="instruction"))[0] == 422
    assert api.refused("POST", f"/{session}/files", pdf("new.pdf"))[0] == 415
    assert api.call("DELETE", f"/{session}").status_code == 204


def test_files_of_a_type_that_is_no_more_stay(swap, in_process, db):
    """Whatever the client says of the type: nothing, less than the extension, or all."""
    before = in_process()
    session = before.session()
    files = [
        {"name": "a.pdf"}, {"name": "b.gif", "type": ""}, {"name": "c.gif", "type": "image/gif"},
        {"name": "d.csv", "type": "application/vnd.ms-excel"}, {"name": "e.xlsx", "type": "application/zip"},
        {"name": "f.gif", "type": "application/octet-stream", "category": "thumbnail"},
        {"name": "g.txt", "type": "text/plain"}, {"name": "h.png"},
    ]  # fmt: skip
    files = [{"size": 3, "partCount": 1, "fileId": new_id()} | file for file in files]
    for file in files:
        put_part(before.register(session, file)["presignedUrls"][0], b"abc")
    categories = (
        Category("image", {"image/png": ("png",)}, 10, "MAX_IMAGE_MB"),
        Category("animation", {"image/gif": ("apng",)}, 10, "MAX_IMAGE_MB"),
        Category("parts-list", {"application/xml": ("xml",)}, 10, "MAX_IMAGE_MB"),
        Category("note", {"text/plain": ("txt",)}, 10, "MAX_IMAGE_MB"),
    )
    swap(Table("other", categories))
    api = in_process()
    for file in files:
        assert api.call("POST", f"/{session}/files", file).status_code == 200, file
        another = file | {"type": "image/webp"}
        assert api.refused("POST", f"/{session}/files", another)[1]["reason"] == "FILE_ID_CONFLICT"
    failed = "UPDATE upload_session_files SET status = 'failed', upload_id = NULL WHERE session_id = %s"
    db.execute(failed, [session])
    for file in files:
        put_part(api.register(session, file)["presignedUrls"][0], b"abc")
        api.complete(session, file["fileId"])
    for category in ("animation", "note"):  # where the type went
        other = files[2 if category == "animation" else 6] | {"category": category}
        assert api.refused("POST", f"/{session}/files", other)[1]["reason"] == "FILE_ID_CONFLICT"


def test_its_variables_are_read_and_no_others(swap, in_process):
    swap(STUDIO)
    in_process(MAX_HEAP_MB="lots", MAX_INSTRUCTION_MB="none")  # other programs', and another table's
    with pytest.raises(SettingsError, match=r"^MAX_COVER_MB: "):
        in_process(MAX_COVER_MB="none")


def test_a_row_of_another_program_gets_the_first_category(studio, db, user):
    session, file_id = studio.session(), new_id()
    db.execute(
        "INSERT INTO upload_session_files (id, session_id, file_key, file_size_bytes)"
        " VALUES (%s, %s, 'a.xyz', 3)",
        [file_id, session],
    )
    assert studio.show(session)["files"][0]["category"] == "recording"
    unknown = {"fileKey": "a.xyz", "name": "a.xyz", "size": 3, "type": "video/mp4"}
    assert studio.refused("POST", f"/{session}/files", unknown) == (
        409, error("CONFLICT", "DUPLICATE_FILE_KEY", fileId=file_id),
    )  # fmt: skip
