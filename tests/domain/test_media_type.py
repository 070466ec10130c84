"""Media types: their grammar, their aliases, and what an object of one is stored with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.domain.media_type import ALIASES, SAFE_INLINE, canonical, parse, stored_as


@pytest.mark.parametrize(
    ("text", "essence", "parameters"),
    [
        ("text/plain", "text/plain", {}),
        ("TEXT/Plain", "text/plain", {}),
        (" text/csv\t", "text/csv", {}),
        ("text/csv;header=present", "text/csv", {"header": "present"}),
        ("text/plain ; Charset=UTF-8", "text/plain", {"charset": "UTF-8"}),
        ("text/plain;;; charset=utf-8;", "text/plain", {"charset": "utf-8"}),
        ('text/plain; a="x; charset=\\"utf-7\\", text/html"', "text/plain",
         {"a": 'x; charset="utf-7", text/html'}),
        ("text/plain; charset=utf-8; charset=utf-7", "text/plain", {"charset": "utf-8"}),
    ],
)  # fmt: skip
def test_a_media_type_is_parsed_by_rfc_9110(text, essence, parameters):
    assert parse(text) == (essence, parameters)


@pytest.mark.parametrize(
    "text",
    ["text/plain;,text/html", "text/plain,text/html", "text/plain, text/html", "text/plain;text/html",
     "text/plain text/html", "text/plain;\r\nX: y", "text/plain\n", "text/plain\x0btext/html", "text/",
     "/html", "text", "text/html/x", "text/plain; charset", "text/plain; charset =utf-8",
     "text/plain; charset= utf-8", 'text/plain; a="', 'text/plain; a="x"y', 'text/plain; a="\\',
     "téxt/plain", "text/plain; é=1",
     "text/plain; a=é", "text/plain; a=\"\u2028\"", "text/plain\0", "text/plain;\0text/html",
     "text/plain;a=<b>", "text/pla<b>in", "*/*;q"],
)  # fmt: skip
def test_what_is_no_media_type(text):
    with pytest.raises(ValueError, match="media type"):
        parse(text)
    assert stored_as(text).content_type == "application/octet-stream"  # as an old row may have it
    assert stored_as(text).disposition == "attachment"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ('text/csv; header=absent; charset="UTF-8"', "text/csv; charset=utf-8"),
        ("text/plain; charset=utf-7", "text/plain"),
        ("text/plain; charset=iso-2022-jp", "text/plain"),
        ("text/plain; charset=utf-7; charset=utf-8", "text/plain"),
        ('text/plain; charset="utf-8, text/html"', "text/plain"),
        ("application/pdf; charset=utf-8", "application/pdf"),
        ("text/xml; charset=utf-8", "application/xml"),
        ("IMAGE/JPG", "image/jpeg"),
    ],
)
def test_essence_and_known_charset_are_kept_of_a_type(text, kept):
    assert canonical(text) == kept
    assert canonical(kept) == kept


def test_an_alias_leads_to_a_type_at_once():
    assert not set(ALIASES.values()) & set(ALIASES)


@pytest.mark.parametrize(
    "text", ["image/svg+xml", "application/xhtml+xml", "text/html", "application/xml", "text/xml", "text/xsl",
             "application/rss+xml", "multipart/x-mixed-replace", "text/javascript", "video/mp4", "x/y"]
)  # fmt: skip
def test_what_a_browser_could_execute_is_an_attachment(text):
    assert stored_as(text).disposition == "attachment"


@given(
    st.text(max_size=60)
    | st.from_regex(r"text/plain[ \t]*(;[ \t]*[a-z]*=?[\"\\,/a-z]*){0,6}", fullmatch=True)
)
def test_nothing_but_a_type_and_a_charset_is_ever_stored(text):
    content_type, _, charset = stored_as(text).content_type.partition("; charset=")
    assert content_type.isascii()
    assert content_type.count("/") == 1
    assert not set(content_type) & set(' ,;"\\\t\r\n')
    assert charset in ("", "utf-8", "us-ascii", "iso-8859-1", "windows-1252")
    assert (stored_as(text).disposition is None) == (content_type in SAFE_INLINE)


def test_the_grammar_takes_no_longer_for_a_text_made_to_take_long():
    """An exponential pattern would not come back before the test run's own limit: counted in steps of 255."""
    for text in (
        "text/plain" + " ; " * 80 + ",",
        'text/plain; a="' + "\\" * 240,
        "a" * 255,
        "a/" + "!" * 250 + "\0",
    ):
        with pytest.raises(ValueError, match="media type"):
            parse(text)
