"""Ports behind which nobody speaks."""

import contextlib
import socket


@contextlib.contextmanager
def silent_port():
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


@contextlib.contextmanager
def deaf_port(host="127.0.0.1", port=0):
    """A port that takes no connection, and refuses none: as many wait for it as may."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((host, port), backlog=0))
        address = listener.getsockname()
        with contextlib.suppress(TimeoutError):
            while True:
                stack.enter_context(socket.create_connection(address, timeout=0.2))
        yield address[1]
