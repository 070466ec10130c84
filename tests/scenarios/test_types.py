"""Which type a file has, and what its object is stored with."""

import pytest

from tests.support.client import new_id, pdf, put_part
from tests.support.fuzzy import error

EXCEL = "application/vnd.ms-excel"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def stored(api, s3, file):
    """The object of a file that was uploaded, as HeadObject shows it, and its key."""
    session = api.session()
    registered = api.register(session, {"size": 3, "partCount": 1} | file)
    entry = registered["presignedUrls"][0]
    put_part(entry, b"abc")
    url = api.complete(session, registered["fileId"])["fileUrl"]
    key = url.partition("/uploads/")[2]
    head = s3.head_object(Bucket="uploads", Key=key)
    assert entry["headers"]["Content-Type"] == head["ContentType"]
    return head["ContentType"], head.get("ContentDisposition"), key.rpartition(".")[2]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        # Safe to show
        ({"name": "a.pdf", "type": "application/pdf"}, ("application/pdf", None, "pdf")),
        ({"name": "a.txt", "type": "text/plain"}, ("text/plain", None, "txt")),
        ({"name": "a.csv", "type": "text/csv; charset=UTF-8; header=present"},
         ("text/csv; charset=utf-8", None, "csv")),
        ({"name": "a.jpeg", "type": "image/jpeg"}, ("image/jpeg", None, "jpg")),
        # What a browser could execute, or what it opens with other programs
        ({"name": "a.xml", "type": "application/xml"}, ("application/xml", "attachment", "xml")),
        ({"name": "a.xml", "type": "text/xml"}, ("application/xml", "attachment", "xml")),
        ({"name": "a.xls", "type": EXCEL}, (EXCEL, "attachment", "xls")),
        # The key's extension is the type's, whatever the client says
        ({"name": "a.html", "type": "text/plain"}, ("text/plain", None, "txt")),
        ({"name": "a.pdf", "type": "application/pdf", "ext": "html"}, ("application/pdf", None, "pdf")),
        ({"name": "a.png.svg", "type": "image/png", "ext": "svg"}, ("image/png", None, "png")),
        # Types that say nothing follow the extension
        ({"name": "a.pdf"}, ("application/pdf", None, "pdf")),
        ({"name": "a.PDF", "type": ""}, ("application/pdf", None, "pdf")),
        ({"name": "a.webp", "type": " "}, ("image/webp", None, "webp")),
        ({"name": "a.xlsx", "type": "application/octet-stream"}, (XLSX, "attachment", "xlsx")),
        ({"name": "a.csv", "type": "Application/Octet-Stream; x=1"}, ("text/csv", None, "csv")),
        ({"name": "a.csv", "type": "binary/octet-stream"}, ("text/csv", None, "csv")),
        ({"name": "no extension", "type": None, "ext": ".jpeg"}, ("image/jpeg", None, "jpg")),
        ({"name": "a.jfif", "type": ""}, ("image/jpeg", None, "jpg")),
        ({"name": "a.txt", "type": "*/*"}, ("text/plain", None, "txt")),
        # Aliases
        ({"name": "a.jpg", "type": "image/jpg"}, ("image/jpeg", None, "jpg")),
        ({"name": "a.jpg", "type": "image/pjpeg"}, ("image/jpeg", None, "jpg")),
        ({"name": "a.png", "type": "image/x-png"}, ("image/png", None, "png")),
        ({"name": "a.pdf", "type": "application/x-pdf"}, ("application/pdf", None, "pdf")),
        ({"name": "a.csv", "type": "text/x-csv"}, ("text/csv", None, "csv")),
        ({"name": "a.csv", "type": "text/comma-separated-values;charset=windows-1252"},
         ("text/csv; charset=windows-1252", None, "csv")),
        ({"name": "a.csv", "type": "application/csv"}, ("text/csv", None, "csv")),
        ({"name": "a.xls", "type": "application/msexcel"}, (EXCEL, "attachment", "xls")),
        # The system's type for Excel, not for the file
        ({"name": "a.csv", "type": EXCEL}, ("text/csv", None, "csv")),
        ({"name": "a.xlsx", "type": "application/x-zip-compressed"}, (XLSX, "attachment", "xlsx")),
        # Other offices' own, and other systems'
        ({"name": "a.xlsx", "type": "application/wps-office.xlsx"}, (XLSX, "attachment", "xlsx")),
        ({"name": "a.xlsx", "type": "application/haansoftxlsx"}, (XLSX, "attachment", "xlsx")),
        ({"name": "a.xlsx", "type": "Application/vnd.ms-office"}, (XLSX, "attachment", "xlsx")),
        ({"name": "a.xls", "type": "application/CDFV2"}, (EXCEL, "attachment", "xls")),
        ({"name": "a.csv", "type": "application/kset"}, ("text/csv", None, "csv")),
        ({"name": "a.CSV", "type": "application/vnd.msexcel"}, ("text/csv", None, "csv")),
        ({"name": "a.pdf", "type": "image/pdf"}, ("application/pdf", None, "pdf")),
        ({"name": "a.pdf", "type": "application/force-download; x=y"}, ("application/pdf", None, "pdf")),
        # Parameters that were made to be trouble
        ({"name": "a.txt", "type": 'text/plain; x="y, text/html"'}, ("text/plain", None, "txt")),
        ({"name": "a.txt", "type": "text/plain; charset=utf-7"}, ("text/plain", None, "txt")),
    ],
    ids=str,
)  # fmt: skip
def test_what_an_object_is_stored_with(api, s3, file, expected):
    assert stored(api, s3, file) == expected


@pytest.mark.parametrize(
    "mime_type",
    ["text/plain;,text/html", "text/plain,text/html", "text/plain\r\nx: y", "text/plain; a=\"b",
     "text/plain; é=1", "text", "text/html, image/png", "x" * 256],
)  # fmt: skip
def test_what_is_no_media_type_is_refused_in_a_single_file_a_batch_and_a_declaration(api, mime_type):
    file, session = pdf(type=mime_type), api.session()
    for status, refusal in (
        api.refused("POST", f"/{session}/files", file),
        api.refused("POST", "", {"files": [file]}),
        (422, api.batch(session, [file, pdf()])["results"][0]["error"]),
    ):
        assert (status, refusal["reason"]) == (422, "VALIDATION_ERROR")
        assert [field["field"] for field in refusal["details"]["fields"]] in (["type"], ["files.0.type"])
    assert len(api.show(session)["files"]) == 1


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        (pdf(type="image/svg+xml"), "image/svg+xml"),
        (pdf(type="application/xhtml+xml"), "application/xhtml+xml"),
        (pdf(type="text/html; charset=utf-8"), "text/html"),
        (pdf("a.html", type=None), "application/octet-stream"),
        (pdf("a", type=""), "application/octet-stream"),
        (pdf("a.exe", type="application/octet-stream"), "application/octet-stream"),
        (pdf("a.exe", type="application/x-download"), "application/octet-stream"),
        (pdf("a.docx", type="application/vnd.ms-office"), "application/vnd.ms-office"),
    ],
)  # fmt: skip
def test_what_is_not_in_the_table_is_refused(api, file, shown):
    status, refusal = api.refused("POST", f"/{api.session()}/files", file)
    assert (status, refusal["reason"], refusal["details"]["type"]) == (415, "MIME_TYPE_NOT_ALLOWED", shown)


def test_parameters_do_not_make_another_file(api):
    session, file_id = api.session(), new_id()
    api.register(session, pdf(fileId=file_id))
    for same in ("application/pdf; v=2", "APPLICATION/PDF", "application/x-pdf", "", None):
        assert api.call("POST", f"/{session}/files", pdf(fileId=file_id, type=same)).status_code == 200
    other = pdf(fileId=file_id, type="text/plain", category="parts-list")
    assert api.refused("POST", f"/{session}/files", other) == (409, error("CONFLICT", "FILE_ID_CONFLICT"))


def test_a_failed_row_of_old_starts_again_with_a_type_that_is_safe(api, s3, db):
    session, file_id = api.session(), new_id()
    file = {"name": "a.txt", "size": 3, "type": "text/plain", "fileId": file_id, "partCount": 1}
    api.register(session, file)
    db.execute(
        "UPDATE upload_session_files SET status = 'failed', upload_id = NULL, mime_type = %s WHERE id = %s",
        ["text/plain;,text/html", file_id],
    )
    registered = api.register(session, file)
    put_part(registered["presignedUrls"][0], b"abc")
    url = api.complete(session, file_id)["fileUrl"]
    head = s3.head_object(Bucket="uploads", Key=url.partition("/uploads/")[2])
    assert registered["presignedUrls"][0]["headers"]["Content-Type"] == "application/octet-stream"
    assert "html" not in head["ContentType"]  # SeaweedFS guesses one where it is told nothing better
    assert head["ContentDisposition"] == "attachment"
