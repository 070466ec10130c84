"""A TCP proxy that counts round trips, slows them down, and cuts connections."""

import contextlib
import selectors
import socket
import threading
import time


class Proxy:
    """Forwards a port to another; a context manager.

    A round trip is a turn: the client speaks after the server did. A pipeline of ten statements is one.
    """

    def __init__(self, host, port, delay=0.0):
        self.target = (host, port)
        self.delay = delay  # seconds, for each turn
        self.turns = 0
        self.open = 0
        self.silent = False
        self._connections = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self):
        """Break every connection."""
        with self._lock:
            for one in list(self._connections):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client):
        try:
            server = socket.create_connection(self.target, timeout=5)
        except OSError:
            client.close()
            return
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._connections |= {client, server}
            self.open += 1
        try:
            self._forward(client, server)
        except OSError:
            pass
        finally:
            with self._lock:
                self._connections -= {client, server}
                self.open -= 1
            client.close()
            server.close()

    def _forward(self, client, server):
        selector = selectors.DefaultSelector()
        selector.register(client, selectors.EVENT_READ, server)
        selector.register(server, selectors.EVENT_READ, client)
        server_spoke_last = True
        while True:
            for key, _ in selector.select():
                data = key.fileobj.recv(1 << 18)
                if not data:
                    return
                if key.fileobj is client and server_spoke_last:
                    with self._lock:
                        self.turns += 1
                    time.sleep(self.delay)
                server_spoke_last = key.fileobj is server
                while self.silent:
                    time.sleep(0.02)
                key.data.sendall(data)
