"""Forks servers, each of which SIGKILLs itself before or after a named call.

Reads lines `Class.method before|after`; answers the port of a new server, and later the signal it died of.
Forked, because starting Python and importing boto3 a hundred times takes minutes.
"""

import os
import signal
import socket
import sys

import boto3.session  # noqa: F401 - imported before the fork, as is all the rest

from dev import server
from lib import wiring


class Deadly:
    """A store or the bucket, one call of which is the process's last."""

    def __init__(self, made, name, moment):
        self._made, self._name, self._moment = made, name, moment

    def __getattr__(self, name):
        attribute = getattr(self._made, name)
        if f"{type(self._made).__name__}.{name}" != self._name:
            return attribute

        def call(*args, **kwargs):
            try:
                if self._moment == "after":
                    attribute(*args, **kwargs)
            finally:
                os.kill(os.getpid(), signal.SIGKILL)

        return call


def serve(listener, name, moment):
    wiring.use(wiring.build(os.environ, lambda made: Deadly(made, name, moment)))
    sys.argv = ["dev.server", str(listener.fileno())]
    server.main()


def main():
    for line in sys.stdin:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            pid = os.fork()
            if pid == 0:
                os.close(0)
                serve(listener, *line.split())
            print(listener.getsockname()[1], flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.WTERMSIG(status), flush=True)


if __name__ == "__main__":
    main()
