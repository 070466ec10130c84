"""An HTTP proxy before a store that changes what goes through it, so that the store seems another one."""

from tests.support.http_server import Handler, HttpServer


class TamperingProxy(HttpServer):
    """`cut` shortens the bodies of PUTs, `headers` replaces headers of answers, `drop` leaves some out,
    `refuse` tells by method and path which requests are 403, and `rewrite` changes the bodies of answers.
    """

    def __init__(self, target, *, cut=None, headers=None, drop=(), refuse=None, rewrite=None):
        replaced = headers or {}

        class Tampering(Handler):
            def serve(self):
                body = self.body()
                body = body[:cut] if self.command == "PUT" else body
                if refuse and refuse(self.command, self.path):
                    self.answer(403, (), b"")
                    return
                status, headers, content = self.forward(target, body)
                content = rewrite(content) if rewrite else content
                kept = [(name, value) for name, value in headers if name.lower() not in {*drop, *replaced}]
                self.answer(status, [*kept, *replaced.items()], content)

        super().__init__(Tampering)
