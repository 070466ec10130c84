"""From bytes to JSON: what takes a client a second to send never takes much longer to read."""

import pytest

from lib.domain.json_body import json_of
from lib.http.endpoint import MAX_BODY_SIZE
from tests.support.patience import at_most

SIZE = MAX_BODY_SIZE // 2  # bytes, about: enough to tell a second from minutes
N = SIZE // 10
OBJECT = b'"a":{%s}' % b",".join(b'"%d":1' % number for number in range(N // 4))
LARGE = {
    "spaces behind the last member": b'{"a":{}' + b" " * SIZE + b"}",
    "spaces before the first": b" " * SIZE + b'{"a":{}}',
    "spaces": b'{"a":{}' + b" \n" * N + b',"b"' + b"\t" * N + b":" + b"\r" * N + b"1" + b" " * N + b"}",
    "many objects of one name before a large one": b"{" + b'"a":{},' * N + OBJECT + b"}",
    "many objects of one name behind a large one": b"{" + OBJECT + b',"a":{}' * N + b"}",
    "many members": b'{"a":{}' + b"".join(b',"%d":1' % number for number in range(N)) + b"}",
    "many objects": b'{"a":{}' + b"".join(b',"%d":{}' % number for number in range(N)) + b"}",
    "escapes": b'{"a":{},"b":"' + b"\\\\" * (N * 2) + b"\\ud83c\\udff0" * (N // 4) + b'"}',
    "lists": b'{"a":{"b":[' + b"[]," * (N * 3) + b"1]}}",
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_large_body_is_read_in_one_go(kind):
    """In proportion to its size that takes a second; to its square, minutes or days."""
    assert len(LARGE[kind]) <= MAX_BODY_SIZE
    with at_most(5, "a body made to take long takes as long as any other"):
        assert "a" in json_of(LARGE[kind])


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
