"""Connections on which an answer has an end, the request's, and comes unpacked.

The sockets' own limit, which is all that botocore sets, starts again with each byte: a store or a proxy that
sends one a second would hold a thread without end. S3 itself sends spaces while it assembles a large object,
so that nobody thinks it is dead; so an answer that goes on is waited for as long as a request may take.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

import io
import socket
import time
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

from lib.runtime import request_budget

if TYPE_CHECKING:
    from botocore.client import BaseClient


class _Reader(socket.SocketIO):
    """What an answer is read by: within the socket's limit for each read, and the request's for all of it."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock, "r")
        self._sock: socket.socket = sock
        sock._io_refs += 1  # type: ignore[attr-defined]  # as `makefile` does: closing this takes it back
        self._patience = sock.gettimeout() or 0.0
        # Before this deadline the call began, so that even the last one has its whole patience.
        self._ends = request_budget.current().deadline + self._patience

    def readinto(self, buffer: Any) -> int | None:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(min(left, self._patience))
        return super().readinto(buffer)


class _Answer(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        if not isinstance(sock, socket.socket):  # TLS through a proxy that itself speaks TLS
            return
        self.fp.close()
        self.fp = io.BufferedReader(_Reader(sock))


def read_whole_answers(client: "BaseClient") -> None:
    """Let no answer to this client take longer than `read_timeout` after its request's budget is used up.

    And unpack what a proxy before the store has packed, although requests ask for `identity`: botocore, which
    leaves that to those who get objects, cannot read such a list or error.
    """
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

    class Unpacking:
        def urlopen(self, *args: Any, **options: Any) -> Any:
            return super().urlopen(*args, **options | {"decode_content": True})  # type: ignore[misc]

    class Pool(Unpacking, AWSHTTPConnectionPool):
        ConnectionCls = Connection

    class TlsPool(Unpacking, AWSHTTPSConnectionPool):
        ConnectionCls = TlsConnection

    session: Any = client._endpoint.http_session  # type: ignore[attr-defined]
    session._pool_classes_by_scheme.update(http=Pool, https=TlsPool)
