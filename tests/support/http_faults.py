"""An HTTP proxy in front of the store that answers 503, late, nonsense or never."""

import http.client
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

BUSY = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)


class StoreProxy:
    """Forwards to a store; `fault` is asked about each request and answers what to do; a context manager.

    A fault is None, a status, bytes to answer 200 with, a number of seconds to wait before forwarding
    (a float), "hang" (never answer), "cut" (close without an answer) or "lost" (do it, then close).
    """

    def __init__(self, endpoint, fault=lambda method, path: None):
        self.target = urlsplit(endpoint)
        self.fault = fault
        self.released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass  # a client that went away is what these tests are about


def sometimes(share, *faults, seed=0):
    """A fault that befalls this share of all requests."""
    dice = random.Random(seed)

    def fault(method, path):
        return dice.choice(faults) if dice.random() < share else None

    return fault


def _handler(proxy):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self):
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = proxy.fault(self.command, self.path)
            if isinstance(fault, int) and not isinstance(fault, bool):
                self._answer(fault, BUSY)
            elif isinstance(fault, bytes):
                self._answer(200, fault)
            elif fault == "hang":
                proxy.released.wait()
                self.close_connection = True
            elif fault == "cut":
                self.close_connection = True
            else:
                time.sleep(fault if isinstance(fault, float) else 0)
                status, headers, content = self._forward(body)
                if fault == "lost":
                    self.close_connection = True
                else:
                    self._answer(status, content, headers)

        def _forward(self, body):
            connection = http.client.HTTPConnection(proxy.target.hostname, proxy.target.port, timeout=60)
            try:
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(body)
                answer = connection.getresponse()
                return answer.status, answer.getheaders(), answer.read()
            finally:
                connection.close()

        def _answer(self, status, content, headers=(("Content-Type", "application/xml"),)):
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            lengths = [value for name, value in headers if name.lower() == "content-length"]
            self.send_header("Content-Length", lengths[0] if lengths else str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
            self.wfile.flush()

        def log_message(self, *_):
            pass

    return Handler
