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
from lib.service import upload_starts
from tests.support.faults import Faults


def serve(listener, name, moment):
    """Serve until this call of a store or the bucket, which is the process's last."""

    def deadly(real, *args, **kwargs):
        try:
            if moment == "after":
                real(*args, **kwargs)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)

    faults = Faults()
    faults.instead(name, deadly)
    wiring.use(wiring.build(os.environ, faults.wrap))
    sys.argv = ["dev.server", str(listener.fileno())]
    server.main()


def main():
    upload_starts.PAUSES = (0.05,)  # nobody else is alive to be waited for
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
