"""A DATABASE_URL as a host's dashboard shows it works as pasted, with TLS for real."""

import pytest

from tests.support.fuzzy import error
from tests.support.pgbouncer import HostedDatabase

PASTED = [
    "sslmode=require",
    "sslmode=require&channel_binding=require",  # Neon
    "sslmode=require&options=endpoint%3Dep-cool-darkness-123456",  # Neon, for old clients without SNI
    "pgbouncer=true&connection_limit=1",  # Supabase, written for Prisma
    "sslmode=require&supa=base-pooler.x",  # Vercel's integration of Supabase
    "schema=public&pool_timeout=0&sslmode=require",  # Prisma
    "ssl=true",  # JDBC's
    "uselibpqcompat=true&sslmode=require&application_name=uploads",  # node-postgres
]


def health(in_process, url, **settings):
    response = in_process(DATABASE_URL=url, **settings).call("GET", "/api/health")
    return response.status_code, response.json()["database"]


@pytest.mark.parametrize("parameters", PASTED)
def test_it_works_as_pasted(in_process, hosted_database, parameters):
    url = hosted_database.direct_url.replace("sslmode=require", parameters)
    if "endpoint" in parameters:  # only Neon's proxy takes that word
        url = url.replace("endpoint%3Dep-cool-darkness-123456", "-cstatement_timeout%3D60s")
    assert health(in_process, url) == (200, "ok")
    assert health(in_process, url.replace("postgresql://", "postgres://", 1)) == (200, "ok")


# PgBouncer takes neither; Neon's and Supabase's poolers do.
REFUSED_BY_PGBOUNCER = ("options", "channel_binding")


@pytest.mark.parametrize(
    "parameters", [one for one in PASTED if not any(name in one for name in REFUSED_BY_PGBOUNCER)]
)
def test_it_works_as_pasted_through_the_pooler(in_process, hosted_database, parameters):
    url = hosted_database.url.replace("sslmode=require", parameters)
    assert health(in_process, url) == (200, "ok")


def test_a_certificate_is_verified_where_the_url_asks_for_it(in_process, hosted_database):
    trusting = f"sslmode=verify-full&sslrootcert={hosted_database.certificate}"
    for url in (hosted_database.url, hosted_database.direct_url):
        assert health(in_process, url.replace("sslmode=require", trusting)) == (200, "ok")
        unknown = url.replace("sslmode=require", "sslmode=verify-full&sslrootcert=system")
        assert health(in_process, unknown) == (503, "unavailable")


@pytest.mark.parametrize("parameters", ["sslmode=verify-full", "sslmode=verify-full&sslrootcert=system"])
def test_public_authorities_are_a_bundled_list(in_process, hosted_database, monkeypatch, parameters):
    monkeypatch.setenv("HOME", str(hosted_database.folder))
    urls = [
        url.replace("sslmode=require", parameters)
        for url in (hosted_database.url, hosted_database.direct_url)
    ]
    assert [health(in_process, url) for url in urls] == [(503, "unavailable")] * 2
    # As if the list had the authority of this server.
    monkeypatch.setattr("certifi.where", lambda: str(hosted_database.certificate))
    assert [health(in_process, url) for url in urls] == [(200, "ok")] * 2


def test_certificates_as_text_are_verified_with(in_process, hosted_database, tmp_path):
    own, other = hosted_database.certificate.read_text(), HostedDatabase.make_certificate(tmp_path)
    for url in (hosted_database.url, hosted_database.direct_url):
        for parameters in ("sslmode=require", "sslmode=verify-full", "application_name=x"):
            pasted = url.replace("sslmode=require", parameters)
            assert health(in_process, pasted, DATABASE_SSL_ROOT_CERT=own) == (200, "ok")
            assert health(in_process, pasted, DATABASE_SSL_ROOT_CERT=other.read_text())[0] == 503
        named = url.replace("127.0.0.1", "127.0.0.2")  # the same server, under a name that it does not have
        assert health(in_process, named, DATABASE_SSL_ROOT_CERT=own)[0] == 503


def test_a_database_that_refuses_is_503_and_not_500(in_process, hosted_database):
    url = hosted_database.url.replace("sslmode=require", "sslmode=disable")
    refusal = in_process(DATABASE_URL=url).refused("POST", "", {})
    assert refusal == (503, error("SERVICE_UNAVAILABLE", "DATABASE_UNAVAILABLE"))
