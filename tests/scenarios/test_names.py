"""Names, keys and sizes as people and their systems send them; what one file gets wrong is its own error."""

import json
import unicodedata
from functools import partial

import pytest

from lib.domain import fields
from lib.domain.models import FileMetadata
from tests.support.client import new_id, pdf
from tests.support.fuzzy import TEXT, error
from tests.support.together import at_once

NFC, NFD = (unicodedata.normalize(form, "Bäuanleitung é.pdf") for form in ("NFC", "NFD"))


def test_names_and_keys_are_kept_and_compared_in_nfc(api):
    session, file_id = api.session(), new_id()
    api.register(session, pdf(NFD, fileId=file_id))
    [shown] = api.show(session)["files"]
    assert (shown["name"], shown["fileKey"]) == (NFC, NFC)
    assert api.call("POST", f"/{session}/files", pdf(NFC, fileId=file_id)).status_code == 200
    duplicate = (409, error("CONFLICT", "DUPLICATE_FILE_KEY", fileId=file_id))
    assert api.refused("POST", f"/{session}/files", pdf(NFC)) == duplicate
    assert api.refused("POST", f"/{session}/files", pdf("other.pdf", fileKey=NFD)) == duplicate


def test_two_forms_of_a_key_in_one_batch_are_one_key(api):
    results = api.batch(api.session(), [pdf(NFC), pdf(NFD), pdf("x.pdf", fileKey=NFD)])
    assert [result.get("error", {}).get("reason") for result in results["results"]] == [
        None, "DUPLICATE_FILE_KEY", "DUPLICATE_FILE_KEY",
    ]  # fmt: skip


def test_two_forms_of_a_key_at_once_are_one_key(api):
    session = api.session()
    calls = [partial(api.call, "POST", f"/{session}/files", pdf(name)) for name in (NFC, NFD) * 4]
    assert sorted(response.status_code for response in at_once(calls)) == [201] + [409] * 7


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (unicodedata.normalize("NFD", "é" * 251 + ".pdf"), "é" * 251 + ".pdf"),
        (unicodedata.normalize("NFD", "한" * 251 + ".pdf"), "한" * 251 + ".pdf"),
        ("\u1f82" * 251 + ".pdf", "\u1f82" * 251 + ".pdf"),
        ("\u0958" * 125 + ".pdf", "\u0915\u093c" * 125 + ".pdf"),  # NFC makes it two
    ],
)
def test_the_length_is_that_of_the_nfc(api, name, kept):
    session = api.session()
    api.register(session, pdf(name))
    assert api.show(session)["files"][0]["name"] == kept


@pytest.mark.parametrize("field", ["name", "fileKey"])
@pytest.mark.parametrize(
    "text", ["\u0958" * 128, "e\u0301" * 256, "a" * 256, "a" * 1021, "\u0315\u0300" * 100_000]
)
def test_a_name_that_is_too_long_in_nfc_is_refused_with_the_limit(api, field, text):
    status, refusal = api.refused("POST", f"/{api.session()}/files", pdf(**{field: text}))
    problem = "must be at most 255 characters, in Unicode's NFC"
    assert (status, refusal["details"]["fields"]) == (422, [{"field": field, "problem": problem}])


@pytest.mark.parametrize("ext", [".abcdefghij", "..pdf", "한글한글", "e\u0301" * 10, ".\u1f82\u0958"])
def test_an_extension_is_counted_in_nfc_without_its_dots_and_replays(api, ext):
    session, form = api.session(), unicodedata.normalize("NFD", ext)
    file = pdf(fileId=new_id(), ext=form)
    api.register(session, file)
    for same in (form, ext, ext.lstrip("."), f".{ext}"):
        assert api.call("POST", f"/{session}/files", file | {"ext": same}).status_code == 200
    for other in ("abcdefghijk", ".", "...", ""):
        status, refusal = api.refused("POST", f"/{session}/files", pdf("b.pdf", ext=other))
        assert (status, refusal["details"]["fields"]) == (422, [{"field": "ext", "problem": TEXT}])


def test_marks_without_end_are_not_composed(monkeypatch):
    """Two thousand names of a thousand marks each fit into a request, and took 5 s."""
    composed = []
    monkeypatch.setattr(fields, "nfc", lambda text: composed.append(text) or text)
    for marks in ("\u0315" * 510 + "\u0300" * 510, "a" * 600 + "\u0300\u0315" * 150):
        with pytest.raises(ValueError, match="at most 255 characters"):
            FileMetadata(name=marks, size=1)
    assert composed == []


@pytest.mark.parametrize("field", ["name", "fileKey"])
def test_a_name_has_a_character(api, field):
    status, refusal = api.refused("POST", f"/{api.session()}/files", pdf(**{field: ""}))
    assert (status, refusal["details"]["fields"]) == (422, [{"field": field, "problem": TEXT}])


def test_an_empty_file_is_told_in_words(api):
    session = api.session()
    message = "The file is empty: there is nothing to upload. Leave it out."
    empty = {"code": "VALIDATION_ERROR", "reason": "FILE_EMPTY", "message": message}
    for status, refusal in (
        api.refused("POST", f"/{session}/files", pdf(size=0)),
        api.refused("POST", "", {"files": [pdf(), pdf(size=0)]}),
        (422, api.batch(session, [pdf(size=0), pdf()])["results"][0]["error"]),
    ):
        assert status == 422
        assert refusal | {"details": None} == empty | {"details": None}
        assert refusal["details"]["fields"][0]["field"] in ("size", "files.1.size")
    assert api.refused("POST", "", {"files": [pdf(size=-1)]})[1]["reason"] == "VALIDATION_ERROR"
    assert api.refused("POST", "", {"files": [pdf(size=0, name="")]})[1]["reason"] == "VALIDATION_ERROR"


def test_a_bom_before_json_is_skipped(api):
    bom = b"\xef\xbb\xbf"
    created = api.call("POST", "", content=bom + b'{"metadata": {"a": "\xef\xbb\xbf"}}')
    assert created.status_code == 201
    session = created.json()["sessionId"]
    assert api.show(session)["metadata"]["a"] == "\ufeff"
    body = bom + json.dumps(pdf()).encode()
    file = api.call("POST", f"/{session}/files", content=body).json()["fileId"]
    # What has no body but for the BOM has none.
    completed = api.call("POST", f"/{session}/files/{file}/complete", content=bom)
    assert completed.json()["error"]["reason"] == "PARTS_MISSING"
    for other in (bom, bom + bom + b"{}", b"{}" + bom, "{}".encode("utf-16"), "{}".encode("utf-32")):
        response = api.call("POST", "", content=other)
        assert (response.status_code, response.json()["error"]["reason"]) == (400, "INVALID_JSON")


MALFORMED = [
    b'{"name": "a\\u0000.pdf", "size": 1}', b'{"name": "\\ud800.pdf", "size": 1}',
    b'{"name": "\\udc00.pdf", "size": 1}', b'{"name": "\\uD83D\\u0041.pdf", "size": 1}',
    b'{"name": "\\\\\\ud800.pdf", "size": 1}', b'{"name": "\\udfff\\ud800.pdf", "size": 1}',
    b'{"name": "a.pdf", "size": 1, "fileKey": "\\ud800"}', b'{"name": "a.pdf", "size": 1, "type": "\\u0000"}',
    b'{"name": "a.pdf", "size": 1, "ext": "\\ud800"}', b'{"name": "a.pdf", "size": 1, "category": "\\ud800"}',
    b'{"name": "a.pdf", "size": 1, "fileId": "\\u0000"}', b'{"name": "\xff.pdf", "size": 1}',
    b'{"name": "\xed\xa0\x80.pdf", "size": 1}', b'{"name": "a.pdf", "size": 1, "\\ud800": 1}',
    b'{"name": "a.pdf", "size": 1, "new": {"\\u0000": ["\\ud800"]}}', b'"\\ud800"', b'["\\u0000"]',
    b'{"name": "a\0.pdf", "size": 1}', b'{"name": "\\\0.pdf", "size": 1}',
    b'{"name": "\\\xff.pdf", "size": 1}', b'{"name": "\\\\\xff.pdf", "size": 1}',
    b'{"name": "\\\xed\xa0\x80.pdf", "size": 1}', b'{"name": "\xf0\x9f", "size": 1}',
]  # fmt: skip


@pytest.mark.parametrize("item", MALFORMED, ids=repr)
def test_a_malformed_string_is_the_error_of_its_file_alone(api, item):
    session = api.session()
    good = b'{"name": "\xf0\x9f\x8f\xb0 \\ud83c\\udff0 \\\\ud800 %d.pdf", "size": 1}'
    body = b'{"files": [' + good % 1 + b", " + item + b", " + good % 2 + b"]}"
    response = api.call("POST", f"/{session}/files/batch", content=body)
    assert response.status_code == 207, response.text
    results = response.json()["results"]
    assert [result.get("error", {}).get("reason") for result in results] == [None, "VALIDATION_ERROR", None]
    assert results[1]["error"]["details"]["fields"]
    assert [file["name"] for file in api.show(session)["files"]] == [
        "🏰 🏰 \\ud800 1.pdf",
        "🏰 🏰 \\ud800 2.pdf",
    ]


def test_a_file_that_is_no_object_is_told_so(api):
    session = api.session()
    items = [5, None, [], "x", True, 1.5, [{"name": "a.pdf", "size": 1}]]
    results = api.batch(session, items)["results"]
    assert [result["error"]["details"]["fields"] for result in results] == [
        [{"field": "(body)", "problem": "must be an object"}]
    ] * len(items)
    for path, body, field in ((f"/{session}/files", [], "(body)"), ("", {"files": [pdf(), 5]}, "files.1")):
        status, refusal = api.refused("POST", path, body)
        assert (status, refusal["details"]["fields"]) == (
            422, [{"field": field, "problem": "must be an object"}],
        )  # fmt: skip


def test_the_error_of_a_malformed_file_is_short(api):
    """Whoever names a field with a megabyte does not get it back."""
    more = b",".join(b'"%d": "\\ud800"' % n for n in range(1000))
    item = b'{"%s": "\\u0000", %s}' % (b"k" * 1_000_000, more)
    body = b'{"files": [%s]}' % item
    response = api.call("POST", f"/{api.session()}/files/batch", content=body)
    assert response.json()["results"][0]["error"]["reason"] == "VALIDATION_ERROR"
    assert len(response.content) < 6_000


@pytest.mark.parametrize(
    "body", [b'{"files": [{"name": "a.pdf", "size": 1}], "x": "\\ud800"}', b'{"files": "\\u0000"}',
             b'{"files": [{"name": "a.pdf", "size": 1}], "\\u0000": 1}', b'"\\ud800"', b'{"files": [\xff]}',
             b'{"files": [\0]}', b'{"files": [{"name": "a.pdf", "size": 1}]}\0',
             b'{"files": [{"name": "\\q.pdf", "size": 1}]}', b'{"x": "\\\xff", "files": [1]}'],
)  # fmt: skip
def test_what_is_malformed_beside_the_files_is_everybodys(api, body):
    response = api.call("POST", f"/{api.session()}/files/batch", content=body)
    assert (response.status_code, response.json()["error"]["reason"]) == (400, "INVALID_JSON")


def test_a_file_with_a_key_but_without_an_extension_replays(api):
    """The extension of the key is not the name's."""
    session, file_id = api.session(), new_id()
    file = {"name": "photo", "fileKey": "photos/1.jpg", "size": 3, "type": "image/jpeg", "fileId": file_id}
    api.register(session, file)
    assert api.call("POST", f"/{session}/files", file).status_code == 200


EXCEL = "application/vnd.ms-excel"
OLD = [
    ({"name": NFD}, {}),
    ({"file_key": NFD}, {"fileKey": NFC}),
    ({"name": NFD, "file_key": NFD}, {"name": NFC, "fileKey": NFC}),
    ({"mime_type": "text/plain; charset=utf-8"}, {"type": "text/plain"}),
    ({"mime_type": "text/plain; charset=utf-8"}, {"type": "text/plain; charset=utf-8"}),
    ({"mime_type": "TEXT/PLAIN;x=1"}, {"type": "text/plain"}),
    ({"mime_type": "image/jpg", "category": "image"}, {"type": "image/jpg"}),
    ({"mime_type": "image/jpg", "category": "image"}, {"type": "image/jpeg"}),
    ({"mime_type": "text/xml"}, {"type": "text/xml"}),
    ({"mime_type": "application/csv"}, {"type": "application/csv"}),
    ({"mime_type": EXCEL, "ext": "csv"}, {"type": EXCEL, "ext": "csv"}),
    ({"ext": "html"}, {"ext": "html"}),
    ({"ext": "PDF"}, {"ext": "PDF"}),
    ({"ext": ".html"}, {"ext": ".html"}),
    ({"ext": "e\u0301"}, {"ext": "\u00e9"}),
    ({"mime_type": None, "ext": None, "category": None, "name": None, "file_key": "a.csv"},
     {"name": "a.csv", "fileKey": "a.csv", "type": ""}),
]  # fmt: skip


@pytest.mark.parametrize(("row", "request_"), OLD, ids=str)
def test_rows_of_old_replay_by_their_id_and_are_not_rewritten(api, db, row, request_):
    session, file_id = api.session(), new_id()
    file = {"name": NFC, "fileKey": "key", "size": 3, "partCount": 1, "fileId": file_id, "type": "text/plain"}
    registered, _ = api.upload(session, file | {"category": "parts-list"}, b"abc")
    assignments = ", ".join(f"{column} = %({column})s" for column in row)
    update = f"UPDATE upload_session_files SET {assignments} WHERE id = %(id)s"
    db.execute(update, row | {"id": file_id})
    before = db.execute("SELECT * FROM upload_session_files WHERE id = %s", [file_id]).fetchone()
    replayed = api.call("POST", f"/{session}/files", file | request_)
    assert replayed.status_code == 200, replayed.text
    assert replayed.json()["uploadId"] == registered["uploadId"]
    assert db.execute("SELECT * FROM upload_session_files WHERE id = %s", [file_id]).fetchone() == before
    api.parts(session, file_id)
    assert api.complete(session, file_id)["sizeBytes"] == 3
    assert api.call("POST", f"/{session}/files", file | request_).status_code == 200


def test_a_row_of_old_holds_its_key_in_every_form(api, db):
    session = api.session()
    old = api.register(session, pdf(fileKey="old"))["fileId"]
    db.execute("UPDATE upload_session_files SET file_key = %s WHERE id = %s", [NFD, old])
    duplicate = (409, error("CONFLICT", "DUPLICATE_FILE_KEY", fileId=old))
    for key in (NFC, NFD):
        assert api.refused("POST", f"/{session}/files", pdf("new.pdf", fileKey=key)) == duplicate
    db.execute("UPDATE upload_session_files SET status = 'failed', upload_id = NULL WHERE id = %s", [old])
    again = api.call("POST", f"/{session}/files", pdf(fileKey=NFC))
    assert (again.status_code, again.json()["fileId"]) == (201, old)


def test_two_rows_of_old_that_are_one_key_now_are_each_found_by_its_id(api, db):
    session, ids = api.session(), [new_id(), new_id()]
    for file_id, key in zip(ids, (NFC, NFD), strict=True):
        api.register(session, pdf(fileId=file_id, fileKey=file_id))
        db.execute("UPDATE upload_session_files SET file_key = %s WHERE id = %s", [key, file_id])
    for file_id in ids:
        assert api.register(session, pdf(fileId=file_id, fileKey=NFD))["fileId"] == file_id


def test_metadata_is_measured_as_it_was_sent(api):
    limit = 16 * 1024
    for item, rest in (
        (b"1e308,", b"1e308"),
        (b"1,", b"1"),
        (b'"\xc3\xa9",', b'"\xc3\xa9"'),
        (b"-0.5e-7,", b"0"),
    ):
        start, end = b'{"a":[', rest + b"]}"
        count = (limit - len(start) - len(end)) // len(item)
        metadata = start + item * count + end
        fits = metadata[:-1] + b" " * (limit - len(metadata)) + b"}"
        assert len(fits) == limit
        created = api.call("POST", "", content=b' {"maxFiles" : 3 , "metadata" :\n' + fits + b', "z":"}" }')
        assert created.status_code == 201, created.text
        shown = api.call("GET", f"/{created.json()['sessionId']}")
        assert shown.json()["metadata"] == json.loads(fits) | {"maxFiles": 3}
        assert len(shown.content) < 2 * limit
        over = fits[:-1] + b" }"
        response = api.call("POST", "", content=b'{"metadata":' + over + b"}")
        assert (response.status_code, response.json()["error"]["details"]["fields"]) == (
            422, [{"field": "metadata", "problem": TEXT}],
        )  # fmt: skip


@pytest.mark.parametrize(
    "number", ["0", "-1", "9007199254740993", "12345678901234567890123", "1" + "0" * 300, "9" * 4000, "1e308",
               "-1.7976931348623157e308", "1.5e300", "5e-324", "1e-400", "1e22", "1e23", "0.1", "1.0",
               "123456789.123456789", "1E5", "1e15", "1e16", "1e21"],
)  # fmt: skip
def test_numbers_in_metadata_come_back_as_they_went_in(api, number):
    """Integers digit by digit, the others as doubles."""
    created = api.call("POST", "", content=b'{"metadata": {"n": %s}}' % number.encode())
    shown = api.call("GET", f"/{created.json()['sessionId']}")
    sent, back = json.loads(number), json.loads(shown.text)["metadata"]["n"]
    assert back == sent
    assert int(back) == int(sent)
    text = shown.text.partition('"n":')[2].partition("}")[0].partition(",")[0]
    assert len(text) <= len(number) + 20


def test_numbers_that_a_double_cannot_hold_are_refused(api):
    for number in (b"1e309", b"-1e400", b"-1e999"):
        response = api.call("POST", "", content=b'{"metadata": {"n": [%s]}}' % number)
        assert response.status_code == 422
