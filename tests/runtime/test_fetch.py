"""A request to somebody else's server ends, whatever that server does."""

import gzip
import socket
import threading

import pytest

from lib.runtime.fetch import USER_AGENT, FetchError, fetch
from tests.support.dripping import DRIPS, OK, Dripping
from tests.support.http_server import Handler, HttpServer
from tests.support.silence import deaf_port

SECONDS = 0.5
pytestmark = pytest.mark.timeout(30)  # most of these would hang


def problem(url, **options):
    with pytest.raises(FetchError) as caught:
        fetch(url, **{"seconds": SECONDS, "max_bytes": 1000} | options)
    return str(caught.value)


@pytest.mark.parametrize("where", DRIPS)
def test_what_drips_is_given_up(where):
    """A timeout of the socket's own never fires here: each byte starts it again."""
    with Dripping(*DRIPS[where]) as server:
        assert problem(server.url) == "Timeout"


def test_a_tls_handshake_that_drips_is_given_up():
    with Dripping(b"\x16\x03\x03\x3f\xff", b"\x02") as server:
        assert problem(server.url.replace("http:", "https:")) == "Timeout"


def test_a_port_that_takes_no_connection():
    with deaf_port() as port:
        assert problem(f"http://127.0.0.1:{port}/") == "Timeout"


def test_a_resolver_that_hangs_is_given_up(monkeypatch):
    let_go = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: let_go.wait(20) and [])
    try:
        assert problem("http://issuer.example.com/") == "Timeout"
    finally:
        let_go.set()


@pytest.mark.parametrize(
    "head",
    [OK + b"\r\n", OK + b"Content-Length: 100000000\r\n\r\n",
     OK + b"Transfer-Encoding: chunked\r\n\r\nffffff\r\n", b"HTTP/1.1 403 Forbidden\r\n\r\n"],
    ids=["no length", "length", "chunked", "refusal"],
)  # fmt: skip
def test_what_is_too_large_is_not_read_to_its_end(head):
    with Dripping(head, b" " * 4096, pause=0) as server:
        assert problem(server.url, seconds=10) == "TooLarge"


@pytest.mark.parametrize(
    ("head", "expected"),
    [(b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 200 + b"\r\n", "HTTPException"),
     (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000, "LineTooLong"), (b"SSH-2.0-OpenSSH\r\n", "BadStatusLine")],
    ids=["headers", "header", "no HTTP"],
)  # fmt: skip
def test_what_is_no_sensible_answer(head, expected):
    with Dripping(head) as server:
        assert problem(server.url, seconds=10) == expected


def test_addresses_that_are_none():
    for url in (
        "http://127.0.0.1:1/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "http://[::1",
        "http://a b/",
    ):
        assert problem(url)


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
@pytest.mark.parametrize("name", [b"gzip", b"GZIP", b"x-gzip"])
def test_what_is_compressed_without_being_asked_for_is_read(version, name):
    head = version + b" 200 OK\r\nConnection: close\r\nContent-Encoding: %s\r\n" % name

    def served(content):
        return head + b"Content-Length: %d\r\n\r\n" % len(content) + content

    with Dripping(served(gzip.compress(b"hello"))) as server:
        assert fetch(server.url, seconds=10, max_bytes=1000).content == b"hello"
    with Dripping(served(gzip.compress(b" " * 10**6))) as server:
        assert problem(server.url, seconds=10, max_bytes=10_000) == "TooLarge"
    with Dripping(served(b"hello")) as server:
        assert problem(server.url, seconds=10) == "BadGzip"


class Redirecting(HttpServer):
    """Redirects /a to where it is told; shows the request's headers elsewhere."""

    def __init__(self, target):
        self.asked = []
        server = self

        class Answer(Handler):
            def serve(self):
                server.asked.append(self.path)
                if self.path == "/a":
                    self.answer(302, [("Location", target)], b"")
                else:
                    self.answer(200, (), self.headers.get("User-Agent", "").encode())

        super().__init__(Answer)


def test_a_redirect_is_followed_and_we_say_who_asks():
    with Redirecting("/b") as server:
        assert fetch(f"{server.url}/a", seconds=10, max_bytes=100).content == USER_AGENT.encode()
        assert server.asked == ["/a", "/b"]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "/a"])
def test_redirects_that_are_not_followed(target):
    with Redirecting(target) as server:
        try:
            answer = fetch(f"{server.url}/a", seconds=10, max_bytes=100)
        except FetchError:
            return
        assert (answer.status, answer.content) == (302, b"")


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("more", [b"", b"Content-Length: 99999999999\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_redirects_own_body_is_not_read(code, more):
    """It may be without end: all of it was kept in memory until the time was up."""
    head = b"HTTP/1.1 %d Elsewhere\r\nLocation: /b\r\n%s\r\n" % (code, more)
    with Dripping(head, b"1000\r\n" + b" " * 4096 + b"\r\n", pause=0) as server:
        answer = fetch(server.url, seconds=5, max_bytes=100)
    assert (answer.status, answer.content) == (code, b"")
    assert server.connections > 1


def test_a_redirect_from_https_to_http_is_not_followed():
    import urllib.error
    import urllib.request

    from lib.runtime.fetch import _Redirects

    request = urllib.request.Request("https://a.example.com/")
    with pytest.raises(urllib.error.URLError):
        _Redirects().redirect_request(request, None, 302, "", {}, "http://a.example.com/")


def test_the_second_address_of_a_host_has_its_turn(monkeypatch):
    with Redirecting("/b") as server, deaf_port() as deaf:
        port = int(server.url.rpartition(":")[2])
        addresses = [(0, 0, 0, "", ("127.0.0.1", deaf)), (0, 0, 0, "", ("127.0.0.1", port))]
        resolved = socket.getaddrinfo

        def fake(host, *more, **options):
            return addresses if host == "two.example.com" else resolved(host, *more, **options)

        monkeypatch.setattr(socket, "getaddrinfo", fake)
        assert fetch(f"http://two.example.com:{port}/b", seconds=4, max_bytes=100).status == 200
