"""Who may use a local stack, and from where."""

import socket
import subprocess
import sys

import httpx
import pytest

from dev.lan import Place, Relay
from tests.support.http_server import Handler, HttpServer
from tests.support.servers import ROOT, kept_environment

# The page's under `make run`, and under `vercel dev` beside it
OWN = [f"http://{host}:{port}" for port in (3000, 3001) for host in ("localhost", "127.0.0.1")]


@pytest.mark.parametrize(
    ("env", "host", "url"),
    [
        ({}, "127.0.0.1", "http://localhost:3000"),
        ({"HOST": "localhost"}, "127.0.0.1", "http://localhost:3000"),
        ({"HOST": "x86_64-conda-linux-gnu"}, "127.0.0.1", "http://localhost:3000"),
        ({"HOST": "192.0.2.7"}, "192.0.2.7", "http://192.0.2.7:3000"),
        ({"HOST": "0.0.0.0", "PUBLIC_HOST": "laptop.local"}, "0.0.0.0", "http://laptop.local:3000"),
    ],
)
def test_where_it_listens_and_the_address_of_its_urls(env, host, url):
    place = Place.from_env(env, 3000)
    assert (place.host, place.url) == (host, url)
    assert place.is_open == (host != "127.0.0.1")


@pytest.mark.parametrize(
    ("known", "url"),
    [
        (["::1", "127.0.0.1"], "http://localhost:3000"),
        (["::1"], "http://127.0.0.1:3000"),
        ([], "http://127.0.0.1:3000"),
    ],
)
def test_a_machine_that_does_not_know_localhost_is_called_by_its_address(monkeypatch, known, url):
    def getaddrinfo(*_):
        if not known:
            raise socket.gaierror
        return [(None, None, None, "", (address, 0)) for address in known]

    monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)
    assert Place.from_env({}, 3000).url == url


def test_the_port_that_http_has_anyway_is_not_in_an_origin():
    """Browsers leave it out, too."""
    place = Place.from_env({}, 80)
    assert place.url == "http://localhost"
    assert place.origins("")[1] == "http://127.0.0.1"


@pytest.mark.parametrize(
    ("allowed", "origins"),
    [
        (None, OWN),
        ("", OWN),
        (
            "http://localhost:5173, http://localhost:3000",
            [*OWN, "http://localhost:5173"],
        ),
        ("*", ["*"]),
        ("http://a.example,*", ["*"]),
    ],
)
def test_the_pages_own_origins_and_those_that_are_allowed(allowed, origins):
    assert Place.from_env({}, 3000).origins(allowed) == origins


def test_a_relay_passes_both_ways_and_ends_with_its_block():
    class Echo(Handler):
        def serve(self):
            self.answer(200, [], self.body() + self.headers["Host"].encode())

    with HttpServer(Echo) as server, Relay("127.0.0.1", int(server.url.rpartition(":")[2])) as relay:
        url = f"http://127.0.0.1:{relay.port}/"
        body = b"x" * 3_000_000
        assert httpx.put(url, content=body).content == body + f"127.0.0.1:{relay.port}".encode()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_the_example_says_in_a_sentence_that_it_cannot_have_its_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for text, said in ((str(port), f"Port {port} cannot be used"), ("vite", "PORT is 'vite'")):
            done = subprocess.run(
                [sys.executable, "-m", "examples.uppy.serve"], cwd=ROOT,
                env=kept_environment() | {"PORT": text}, capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 1
            assert done.stderr.startswith(said)
            assert "Traceback" not in done.stderr
