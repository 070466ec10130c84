"""An HTTP proxy before a store that changes what goes through it, so that the store seems another one."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

OWN_HEADERS = {"transfer-encoding", "connection", "content-length", "content-encoding", "date", "server"}


class TamperingProxy:
    """`cut` shortens longer bodies, `headers` replaces headers of answers, `drop` leaves some out,
    and `refuse` tells by method and path which requests are 403.

    The Host header goes through as it is, so signatures stay good. A context manager.
    """

    def __init__(self, target, *, cut=None, headers=None, drop=(), refuse=None):
        client = httpx.Client(base_url=target, timeout=30)
        replaced = headers or {}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))[:cut]
                if refuse and refuse(self.command, self.path):
                    self.send_response_only(403)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                sent = [(name, value) for name, value in self.headers.items() if name != "Content-Length"]
                if self.command in ("PUT", "POST"):
                    sent.append(("Content-Length", str(len(body))))
                answer = client.request(self.command, self.path, headers=sent, content=body)
                self.send_response_only(answer.status_code)
                kept = {name: value for name, value in answer.headers.items() if name not in OWN_HEADERS}
                kept |= {"date": answer.headers["date"]} | replaced
                for name, value in kept.items():
                    if name not in drop:
                        self.send_header(name, value)
                length = answer.headers.get("content-length", "0")
                self.send_header("Content-Length", length if self.command == "HEAD" else len(answer.content))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.content)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_OPTIONS = handle_any  # noqa: N815

            def log_message(self, *_):
                pass

        self._client = client
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self._server.shutdown()
        self._server.server_close()
        self._client.close()
