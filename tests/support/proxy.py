"""A TCP proxy that counts round trips, adds to their time, and cuts connections."""

import contextlib
import queue
import socket
import threading
import time


class Proxy:
    """Forwards a port to another; a context manager.

    `delay` is what it adds to each round trip, half of it each way. A turn is a round trip that somebody
    waits for: the client speaks after the server's words have reached it. A pipeline of ten statements is
    one turn, as long as the delay is longer than it takes to write them.
    """

    def __init__(self, host, port, delay=0.0):
        self.target = (host, port)
        self.delay = delay  # seconds
        self.turns = 0
        self.open = 0
        self.silent = False
        self._connections = set()
        self._frozen = set()
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
                _shut(one)

    def freeze(self):
        """Go silent on the connections that are open now, and answer how many; later ones work."""
        with self._lock:
            self._frozen |= self._connections
            return len(self._frozen) // 2

    def is_silent(self, source):
        return self.silent or source in self._frozen

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
            server.settimeout(None)
        except OSError:
            client.close()
            return
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._connections |= {client, server}
            self.open += 1
        client_may_turn = threading.Event()
        client_may_turn.set()
        ways = [
            _Way(self, client, server, on_read=lambda: self._spoke(client_may_turn)),
            _Way(self, server, client, before_writing=client_may_turn.set),
        ]
        for way in ways:
            way.join()
        with self._lock:
            self._connections -= {client, server}
            self.open -= 1
        client.close()
        server.close()

    def _spoke(self, client_may_turn):
        if client_may_turn.is_set():
            client_may_turn.clear()
            with self._lock:
                self.turns += 1


class _Way:
    """One direction: what is read is written again half a delay later."""

    def __init__(self, proxy, source, sink, on_read=lambda: None, before_writing=lambda: None):
        self._proxy, self._source, self._sink = proxy, source, sink
        self._on_read, self._before_writing = on_read, before_writing
        self._under_way = queue.SimpleQueue()
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._read, self._write)]
        for thread in self._threads:
            thread.start()

    def join(self):
        for thread in self._threads:
            thread.join()

    def _read(self):
        data = b"to begin with"
        while data:
            try:
                data = self._source.recv(1 << 18)
            except OSError:
                data = b""
            if data:
                self._on_read()
            self._under_way.put((time.monotonic() + self._proxy.delay / 2, data))

    def _write(self):
        while True:
            due, data = self._under_way.get()
            time.sleep(max(0, due - time.monotonic()))
            while self._proxy.is_silent(self._source):
                time.sleep(0.02)
            try:
                if not data:
                    break
                self._before_writing()  # afterwards the other side may have spoken already
                self._sink.sendall(data)
            except OSError:
                break
        for one in (self._source, self._sink):
            _shut(one)


def _shut(one):
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
