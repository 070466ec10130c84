"""An HTTP proxy before the store that counts the parts that reach it, and can hold or break them."""

import contextlib
import select
import socket
import threading
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from tests.support.http_server import Handler, HttpServer
from tests.support.servers import wait_for


@dataclass(frozen=True)
class Put:
    """A part that was handed to the store, and what it said."""

    key: str
    part: int
    status: int


class PartsProxy(HttpServer):
    """Forwards to a store as it is.

    `hold(n)` lets n more parts through; the others wait for `release()`, and a part whose sender has gone
    meanwhile never reaches the store.
    """

    def __init__(self, endpoint):
        self.target = endpoint
        self.puts = []
        self.held = 0
        self.dropped = 0  # parts whose sender went away while they were held
        self._lock = threading.Lock()
        self._room = None  # how many parts may still pass; None: all
        self._to_break = 0
        self._under_way = 0
        self._epoch = 0
        self._open = threading.Event()
        self._open.set()
        super().__init__(_handler(self))

    def __exit__(self, *exc):
        self.release()
        super().__exit__(*exc)

    def reset(self):
        """Give up what is held, forget what was counted, and let everything through."""
        self._epoch += 1
        self.release()
        wait_for(self._check_idle)
        self.puts.clear()
        self.dropped = 0
        self._to_break = 0

    def hold(self, passing=0):
        with self._lock:
            self._room = passing
            self._open.clear()

    def release(self):
        with self._lock:
            self._room = None
            self._open.set()

    def break_next(self, count=1):
        """Cut the connections of the next parts."""
        self._to_break = count

    def stored(self):
        """The numbers of the parts that the store took, in the order of their arrival."""
        return [put.part for put in self.puts if put.status == 200]

    def _check_idle(self):
        assert self._under_way == 0

    @contextlib.contextmanager
    def counted(self):
        """Count a request while it is under way."""
        with self._lock:
            self._under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1

    def admit(self, connection):
        """Whether a part may go to the store, once it is its turn."""
        with self._lock:
            if self._to_break > 0:
                self._to_break -= 1
                return False
            if self._room is None or self._room > 0:
                self._room = self._room and self._room - 1
                return True
            self.held += 1
            epoch = self._epoch
        is_gone = False
        while not is_gone and not self._open.wait(0.05):
            is_gone = _is_gone(connection)
        is_gone = is_gone or epoch != self._epoch
        with self._lock:
            self.held -= 1
            self.dropped += is_gone
        return not is_gone


def _is_gone(connection):
    readable, _, _ = select.select([connection], [], [], 0)
    try:
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


def _handler(proxy):
    class Counting(Handler):
        def serve(self):
            with proxy.counted():
                self.pass_on()

        def pass_on(self):
            body = self.body()
            query = parse_qs(urlsplit(self.path).query)
            is_part = self.command == "PUT" and "partNumber" in query
            if is_part and not proxy.admit(self.connection):
                self.close_connection = True
                return
            status, headers, content = self.forward(proxy.target, body)
            if is_part:
                proxy.puts.append(Put(urlsplit(self.path).path, int(query["partNumber"][0]), status))
            self.answer(status, headers, content)

    return Counting
