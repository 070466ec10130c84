"""One HTTP request that ends: one deadline for all of it, and a size that its answer may not exceed."""

import http.client
import io
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from functools import cache, partial
from queue import Empty, SimpleQueue
from typing import IO, Any
from urllib.parse import urlsplit

# Some hosts refuse Python's own name (Cloudflare's "browser integrity check" answers 403).
USER_AGENT = "upload-sessions-api"


class FetchError(Exception):
    """There is no answer; the text is a word for the log, such as `Timeout`, and never holds the address."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said, whatever its status."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def fetch(
    url: str,
    *,
    seconds: float,
    max_bytes: int,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    """Ask a server, over `seconds` in all: names, connection, TLS, redirects and each byte of the answer.

    A server that sends a byte a second never runs into a timeout of a socket's own. Redirects are followed,
    but never from https to http. Raises `FetchError`.
    """
    try:
        request = urllib.request.Request(  # noqa: S310 - the opener below knows http and https alone
            url, body, {"User-Agent": USER_AGENT} | dict(headers or {}), method=method
        )
        with _opened(request, time.monotonic() + seconds) as response:
            content = _unpacked(response.read(max_bytes + 1), response.headers, max_bytes)
            status, received = response.status, dict(response.headers.items())
    except TimeoutError:
        raise FetchError("Timeout") from None
    except urllib.error.URLError as error:
        name = "Timeout" if isinstance(error.reason, TimeoutError) else type(error.reason).__name__
        raise FetchError(name) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchError(type(error).__name__) from None
    if len(content) > max_bytes:
        raise FetchError("TooLarge")
    return Answer(status, received, content)


def _unpacked(content: bytes, headers: Message, max_bytes: int) -> bytes:
    """Some hosts compress although nobody asked for it: files that are stored so, as in a bucket."""
    if headers.get("Content-Encoding", "").lower() not in ("gzip", "x-gzip"):
        return content
    try:
        return zlib.decompressobj(wbits=31).decompress(content, max_bytes + 1)
    except zlib.error:
        raise FetchError("BadGzip") from None


def _opened(request: urllib.request.Request, deadline: float) -> Any:
    opener = urllib.request.OpenerDirector()  # not build_opener(): that one reads files and FTP, too
    for handler in (
        urllib.request.ProxyHandler(),
        _Handler(deadline),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    try:
        response = opener.open(request)
    except urllib.error.HTTPError as error:  # an answer, too
        return error
    if response is None:
        raise ValueError("neither http nor https")
    return response


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = 3

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError(PermissionError("a redirect from https to http"))
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]

    def http_error_302(self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any) -> Any:
        if "location" not in headers:
            return None
        fp.close()  # urllib would read it to its end, and it may have none
        return super().http_error_302(req, io.BytesIO(), code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


class _Handler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    def __init__(self, deadline: float) -> None:
        urllib.request.HTTPHandler.__init__(self)  # the other's makes a TLS context, which takes a while
        self._deadline = deadline

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Connection, deadline=self._deadline), req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        connection = partial(_TlsConnection, deadline=self._deadline)
        return self.do_open(connection, req, context=_tls())


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Connection(http.client.HTTPConnection):
    """Each wait ends at the deadline, which is a moment of `time.monotonic`."""

    def __init__(self, host: str, *, deadline: float, **options: Any) -> None:
        super().__init__(host, **options)
        # Both are http.client's own hooks.
        self._create_connection = partial(_connected, deadline=deadline)
        self.response_class = partial(_Response, deadline=deadline)  # type: ignore[assignment]


class _TlsConnection(_Connection, http.client.HTTPSConnection):
    pass


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, deadline: float, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_Reader(sock, self.fp.detach(), deadline))


class _Reader(io.RawIOBase):
    """Reads from a socket's file until the deadline."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, deadline: float) -> None:
        self._socket, self._raw, self._deadline = sock, raw, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(_left(self._deadline))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _connected(address: tuple[str, int], *_: Any, deadline: float) -> socket.socket:
    """A connection to the first address of a host that takes one; what is dead leaves time for the next."""
    found = _addresses(*address, deadline)
    for tried, ip in enumerate(found, start=1):
        left = _left(deadline)
        try:
            connection = socket.create_connection(ip, left if tried == len(found) else left / 2)
        except OSError:
            if tried == len(found):
                raise
        else:
            connection.settimeout(_left(deadline))
            return connection
    raise ConnectionError("no address")


def _addresses(host: str, port: int, deadline: float) -> list[tuple[str, int]]:
    """A host's addresses. In a thread, because a resolver that hangs cannot be interrupted."""
    answer: SimpleQueue[list[tuple[str, int]] | OSError] = SimpleQueue()

    def resolve() -> None:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.put([(str(info[4][0]), int(info[4][1])) for info in infos])
        except (OSError, UnicodeError) as error:
            answer.put(error if isinstance(error, OSError) else OSError("no name"))

    threading.Thread(target=resolve, daemon=True).start()
    try:
        found = answer.get(timeout=_left(deadline))
    except Empty:
        raise TimeoutError from None
    if isinstance(found, OSError):
        raise found
    return found


def _left(deadline: float) -> float:
    """The seconds until the deadline; raises `TimeoutError` when it has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
