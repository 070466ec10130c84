"""Runs LocalStack on 127.0.0.1 alone: its server ignores the host of GATEWAY_LISTEN and binds 0.0.0.0."""

import sys

from localstack.runtime.main import main
from twisted.internet import endpoints

listen = endpoints.TCP4ServerEndpoint


def listen_locally(reactor, port, backlog=50, interface="127.0.0.1"):
    """As twisted's, with another default."""
    return listen(reactor, port, backlog, interface)


endpoints.TCP4ServerEndpoint = listen_locally
sys.exit(main())
