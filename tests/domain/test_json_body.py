"""From bytes to JSON: what takes a client a second to send never takes much longer to read."""

import tracemalloc

import pytest

from lib.domain.errors import ApiError, Reason
from lib.domain.json_body import MAX_VALUES, json_of
from lib.http.endpoint import MAX_BODY_SIZE
from tests.support.client import MIB
from tests.support.patience import at_most

SIZE = MAX_BODY_SIZE // 2  # bytes: enough to tell a second from minutes
MANY = MAX_VALUES // 3
OBJECT = b'"a":{%s}' % b",".join(b'"%d":1' % number for number in range(MANY // 2))
LARGE = {
    "spaces behind the last member": b'{"a":{}' + b" " * SIZE + b"}",
    "spaces before the first": b" " * SIZE + b'{"a":{}}',
    "spaces": b"\t\n\r ".join([b"", b"{", b'"a"', b":", b"{", b"}", b",", b'"b"', b":", b"1", b"}", b""]),
    "many objects of one name before a large one": b"{" + b'"a":{},' * MANY + OBJECT + b"}",
    "many objects of one name behind a large one": b"{" + OBJECT + b',"a":{}' * MANY + b"}",
    "many members": b'{"a":{}' + b"".join(b',"%d":1' % number for number in range(MANY)) + b"}",
    "many objects": b'{"a":{}' + b"".join(b',"%d":{}' % number for number in range(MANY)) + b"}",
    "escapes": b'{"a":{},"b":"' + b"\\\\" * (SIZE // 4) + b"\\ud83c\\udff0" * (SIZE // 24) + b'"}',
    "lists": b'{"a":{"b":[' + b"[]," * MANY + b"1]}}",
    "objects": b'{"a":{"b":[' + b'{"c":1},' * MANY + b"1]}}",
}
LARGE["spaces"] = LARGE["spaces"].replace(b"\t\n\r ", b"\t\n\r " * (SIZE // 50))


@pytest.mark.parametrize("kind", LARGE)
def test_a_large_body_is_read_in_one_go(kind):
    """In proportion to its size that takes a second; to its square, minutes or days."""
    with at_most(5, "a body made to take long takes as long as any other"):
        assert "a" in json_of(LARGE[kind])


@pytest.mark.parametrize("kind", LARGE)
def test_a_large_body_takes_little_memory(kind):
    """What a body of 4.5 MB holds as lists and objects took 320 MB."""
    tracemalloc.start()
    try:
        json_of(LARGE[kind])
        assert tracemalloc.get_traced_memory()[1] < 80 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "value", [b"[],", b'{"a":1},', b"1,", b"[[[]]],", b'"x",', b"[0],", b"[" * 5 + b"]" * 5 + b","]
)
def test_more_values_than_any_request_needs_are_refused(value):
    fits = MAX_VALUES // sum(map(value.count, (b",", b"[", b"{")))
    body = b'{"metadata":{"a":[' + value * (fits + 1) + b"1]}}"
    with pytest.raises(ApiError) as refusal:
        json_of(body)
    assert refusal.value.reason is Reason.INVALID_JSON
    assert refusal.value.details == {"problem": "more than 250000 values"}
    assert json_of(body.replace(value, b"", 4))


@pytest.mark.parametrize(
    ("body", "size"),
    [
        (b'{"metadata":{}}', 2),
        (b' \n{ "metadata" :\t{ "a" : "\xc3\xa9" } \r}\n', 14),
        (b'{"metadata":{"a":1},"metadata":{}}', 2),
        (b'{"metadata":{},"metadata":1,"metadata":{"a":1}}', 7),
        (b'{"m\\u0065tadata":{"\\u0061":1},"x":"}{\\",\\"metadata\\":{}"}', 12),
        (b'{"x":[{"metadata":{"a":1}}],"metadata":{"b":{"metadata":1}}}', 20),
    ],
)
def test_a_member_is_as_large_as_it_was_sent(body, size):
    assert json_of(body)["metadata"].sent_bytes == size
