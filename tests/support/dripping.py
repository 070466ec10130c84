"""A server that never comes to an end: a head, then one piece after another."""

import contextlib
import itertools
import socketserver
import threading

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
# What drips, by the part of the answer that does.
DRIPS = {
    "status line": (b"", b"H"),
    "header": (OK + b"X-Long: ", b"a"),
    "headers": (OK, b"X: a\r\n"),
    "body": (OK + b"\r\n", b" "),
    "body of a length": (OK + b"Content-Length: 100000\r\n\r\n", b" "),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\nfff\r\n", b" "),
    "a refusal": (b"HTTP/1.1 403 Forbidden\r\n\r\n", b" "),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "nothing": (b"", b""),
}


class Dripping:
    """Answers each connection with `head`, then `piece` every `pause` seconds; a context manager.

    Without end, or `last` after so many `pieces`.
    """

    def __init__(self, head=b"", piece=b"", pause=0.05, pieces=None, last=b""):
        self._released = threading.Event()
        self.connections = 0
        dripping = self

        class Answer(socketserver.BaseRequestHandler):
            def handle(self):
                dripping.connections += 1
                with contextlib.suppress(OSError):
                    self.request.recv(65536)
                    self.request.sendall(head)
                    for _ in itertools.count() if pieces is None else range(pieces):
                        if dripping._released.wait(pause):
                            return
                        self.request.sendall(piece)
                    self.request.sendall(last)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *exc):
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
