"""An HTTP proxy in front of the store that answers 503, late, nonsense or never."""

import random
import threading
import time

from tests.support.aws_refusals import Refusal
from tests.support.http_server import Handler, HttpServer

BUSY = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)
GONE = (404, b"<Error><Code>NoSuchUpload</Code></Error>")  # the store knows of no such upload
XML = [("Content-Type", "application/xml")]


class FaultyProxy(HttpServer):
    """Forwards to a store; `fault` is asked about each request and answers what to do.

    A fault is None, a `Refusal`, a status, a status with a body (a tuple), bytes to answer 200 with, a number
    of seconds to wait before forwarding (a float), "hang" (never answer), "cut" (close without an answer) or
    "lost" (do it, then close).
    """

    def __init__(self, endpoint, fault=lambda method, path: None):
        self.target = endpoint
        self.fault = fault
        self.released = threading.Event()
        super().__init__(_handler(self))

    def __exit__(self, *exc):
        self.released.set()
        super().__exit__(*exc)


def sometimes(share, *faults, seed=0):
    """A fault that hits this share of all requests."""
    dice = random.Random(seed)

    def fault(method, path):
        return dice.choice(faults) if dice.random() < share else None

    return fault


def _handler(proxy):
    class Faulty(Handler):
        def serve(self):
            body = self.body()
            fault = proxy.fault(self.command, self.path)
            if isinstance(fault, Refusal):
                self.answer(fault.status, [*XML, *fault.headers], fault.body())
            elif isinstance(fault, int):
                self.answer(fault, XML, BUSY)
            elif isinstance(fault, tuple):
                self.answer(fault[0], XML, fault[1])
            elif isinstance(fault, bytes):
                self.answer(200, XML, fault)
            elif fault == "hang":
                proxy.released.wait()
                self.close_connection = True
            elif fault == "cut":
                self.close_connection = True
            else:
                time.sleep(fault if isinstance(fault, float) else 0)
                answer = self.forward(proxy.target, body)
                if fault == "lost":
                    self.close_connection = True
                else:
                    self.answer(*answer)

    return Faulty
