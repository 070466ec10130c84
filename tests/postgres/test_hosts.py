"""Several hosts in DATABASE_URL, and a database that takes no writes."""

import socket
from urllib.parse import urlsplit

import psycopg
import pytest

from db.migrate import migrate
from tests.support.databases import new_database
from tests.support.silence import deaf_port, silent_port


@pytest.mark.parametrize("dead", [deaf_port, silent_port])
@pytest.mark.parametrize("count", [1, 2])
def test_a_first_host_that_is_dead_leaves_time_for_the_next(in_process, env, dead, count):
    """Each new instance's first request was 503: the dead host took all the time there is to connect."""
    url = urlsplit(env["DATABASE_URL"])
    with dead() as port:
        hosts = f"127.0.0.1:{port}," * count + f"127.0.0.1:{url.port}"
        api = in_process(DATABASE_URL=url._replace(netloc=f"{url.username}:{url.password}@{hosts}").geturl())
        assert api.call("POST", "", {}).status_code == 201


def test_a_first_address_that_is_dead_leaves_time_for_the_next(in_process, env, monkeypatch):
    url = urlsplit(env["DATABASE_URL"])
    hosts = f"{url.username}:{url.password}@two.example.com:{url.port}"
    resolved = socket.getaddrinfo

    def fake(host, *more, **options):
        if host != "two.example.com":
            return resolved(host, *more, **options)
        return [(0, 0, 0, "", (address, url.port)) for address in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", fake)
    with deaf_port("127.0.0.2", url.port):
        api = in_process(DATABASE_URL=url._replace(netloc=hosts).geturl())
        assert api.call("POST", "", {}).status_code == 201


def test_a_database_that_takes_no_writes_is_not_healthy(in_process, stack, caplog):
    """As a replica, or a host whose disk is full: each write is 503."""
    with new_database(stack.database_url, "read_only") as url:
        migrate(url)
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute("ALTER DATABASE read_only SET default_transaction_read_only = on")
        api = in_process(DATABASE_URL=url)
        assert api.call("POST", "", {}).status_code == 503
        response = api.call("GET", "/api/health")
        assert (response.status_code, response.json()["database"]) == (503, "unavailable")
        [line] = [record for record in caplog.records if record.getMessage() == "health"]
        assert "read-only" in caplog.text + str(line.exc_info)
