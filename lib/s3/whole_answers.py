"""Connections on which an answer's seconds are counted from its first byte to its last.

The sockets' own limit, which is all that botocore sets, begins anew with each byte: a store or a proxy that
sends one a second would hold a thread without end.
"""

import io
import socket
import time
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.client import BaseClient


class _Reader(socket.SocketIO):
    """What an answer is read by; each wait takes its time from what the socket's limit was at the start."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock, "r")
        self._sock: socket.socket = sock
        sock._io_refs += 1  # type: ignore[attr-defined]  # as `makefile` does: closing this takes it back
        timeout = sock.gettimeout()
        self._ends = None if timeout is None else time.monotonic() + timeout

    def readinto(self, buffer: Any) -> int | None:
        if self._ends is not None:
            left = self._ends - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(left)
        return super().readinto(buffer)


class _Answer(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        if not isinstance(sock, socket.socket):  # TLS through a proxy that itself speaks TLS
            return
        self.fp.close()
        self.fp = io.BufferedReader(_Reader(sock))


def limit_answers(client: "BaseClient") -> None:
    """Let this client's `read_timeout` be for a whole answer."""
    from botocore.awsrequest import (
        AWSHTTPConnection,
        AWSHTTPConnectionPool,
        AWSHTTPSConnection,
        AWSHTTPSConnectionPool,
    )

    class Connection(AWSHTTPConnection):
        response_class = _Answer  # type: ignore[assignment]

    class TlsConnection(AWSHTTPSConnection):
        response_class = _Answer  # type: ignore[assignment]

    class Pool(AWSHTTPConnectionPool):
        ConnectionCls = Connection

    class TlsPool(AWSHTTPSConnectionPool):
        ConnectionCls = TlsConnection

    session: Any = client._endpoint.http_session  # type: ignore[attr-defined]
    session._pool_classes_by_scheme.update(http=Pool, https=TlsPool)
