"""A small HTTP server of a test's own, and a handler that forwards to another server."""

import contextlib
import http.client
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}


class HttpServer:
    """Serves with a handler on a free port of 127.0.0.1; a context manager."""

    def __init__(self, handler):
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.stop()

    def stop(self):
        """Close the port: later callers are refused."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), OSError):  # a client that went away is what some tests are about
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Any method comes to `serve`, whose subclass answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body after its headers would wait 40 ms for their acknowledgement

    def do_any(self):
        self.serve()

    # The base class looks for these names.
    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_OPTIONS = do_any  # noqa: N815

    def log_message(self, *_):
        pass

    def body(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionAbortedError("the client went away")
        return body

    def answer(self, status, headers, content):
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        length = {name.lower(): value for name, value in headers}.get("content-length")
        self.send_header("Content-Length", length if self.command == "HEAD" and length else len(content))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def forward(self, target, body):
        """What another server says to this request; the Host header stays, so that signatures hold."""
        with contextlib.closing(http.client.HTTPConnection(urlsplit(target).netloc, timeout=60)) as server:
            server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                server.putheader(name, len(body) if name.lower() == "content-length" else value)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a refusal comes early
                server.endheaders(body)
            response = server.getresponse()
            return response.status, response.getheaders(), response.read()
