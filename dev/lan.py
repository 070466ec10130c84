"""Beyond this machine: which origins may use a local stack, and HOST=0.0.0.0 for a phone in the network."""

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from dev.processes import StackError

LOOPBACK = ("127.0.0.1", "localhost")
HTTP_PORT = 80
VERCEL_DEV_PORT = 3001  # what `vercel dev` takes beside a `make run` on 3000; its page uses the same store
CHUNK = 1 << 16  # bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where the API listens, and the address that its URLs have."""

    host: str
    public_host: str
    port: int

    @classmethod
    def from_env(cls, env: Mapping[str, str], port: int) -> "Place":
        """By HOST and PUBLIC_HOST; this machine only, unless they say otherwise. Raises `StackError`."""
        host = env.get("HOST") or LOOPBACK[0]
        if host in LOOPBACK or not _is_address(host):  # conda and some shells keep something else there
            return cls(LOOPBACK[0], LOOPBACK[1] if _is_known(LOOPBACK[1]) else LOOPBACK[0], port)
        named = env.get("PUBLIC_HOST") or (_own_address() if host == "0.0.0.0" else host)  # noqa: S104
        return cls(host, named, port)

    @property
    def is_open(self) -> bool:
        """Whether others than this machine can come."""
        return self.host not in LOOPBACK

    @property
    def names(self) -> tuple[str, ...]:
        """What this machine's clients call it; `localhost` may lead elsewhere first, by IPv6."""
        return (self.host,) if self.is_open else (self.host, self.public_host)

    @property
    def url(self) -> str:
        """The API's."""
        return _origin(self.public_host, self.port)

    def origins(self, allowed: str | None) -> list[str]:
        """The page's own origins, also under `vercel dev`, and those of ALLOWED_ORIGINS; `*` is any."""
        others = [origin.strip() for origin in (allowed or "").split(",") if origin.strip()]
        own = [_origin(host, self.port) for host in ("localhost", "127.0.0.1", self.public_host)]
        own += [_origin(host, VERCEL_DEV_PORT) for host in ("localhost", "127.0.0.1")]
        return ["*"] if "*" in others else list(dict.fromkeys(own + others))


def port_of(env: Mapping[str, str], default: int) -> int:
    """PORT, or a default; raises `StackError`."""
    text = env.get("PORT") or str(default)
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 65535:
        raise StackError(f"PORT is {text!r}: it must be a number from 1 to 65535.")
    return int(text)


def _origin(host: str, port: int) -> str:
    """As browsers write it: without the port that http has anyway."""
    return f"http://{host}" if port == HTTP_PORT else f"http://{host}:{port}"


def _is_address(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 4
    except ValueError:
        return False


def _is_known(name: str) -> bool:
    """Whether a name leads to where we listen: some containers' /etc/hosts has none, or only IPv6's."""
    try:
        return LOOPBACK[0] in {address[4][0] for address in socket.getaddrinfo(name, None)}
    except OSError:
        return False


def _own_address() -> str:
    """This machine's address in its network."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # a documentation address (RFC 5737): nothing is sent
            return str(probe.getsockname()[0])
    except OSError:
        message = "This machine's address in the network is not known: name it with PUBLIC_HOST=…"
        raise StackError(message) from None


class Relay:
    """Passes a port of the network on to one of this machine's; a context manager.

    The store's other ports, which have no keys, stay on the loopback address.
    """

    def __init__(self, host: str, target_port: int) -> None:
        self._target = (LOOPBACK[0], target_port)
        try:
            self._listener = socket.create_server((host, 0), backlog=128)
        except OSError as error:
            raise StackError(f"HOST={host} cannot be used: {error.strerror}.") from None
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> "Relay":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(self._target) as server:
            back = threading.Thread(target=_pass_on, args=[server, client], daemon=True)
            back.start()
            _pass_on(client, server)
            back.join()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    """Until the source ends; then the sink is told, and can still finish what it says."""
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
