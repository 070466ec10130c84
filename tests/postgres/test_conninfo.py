"""The URL of a database: what is meant for other drivers goes, and a malformed one is named, not shown."""

import re
import ssl
import stat
from pathlib import Path

import certifi
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from db.migrate import main as migrate_main
from db.seed import main as seed_main
from deploy import doctor
from lib import wiring
from lib.postgres.conninfo import conninfo, ignored_parameters
from lib.runtime.config import SettingsError
from tests.runtime.test_config import GOOD

HOST = "postgresql://u:p%40ss@ep-x-pooler.eu-central-1.aws.neon.tech"


@pytest.mark.parametrize(
    ("pasted", "taken", "ignored"),
    [
        (f"{HOST}/db?sslmode=require&channel_binding=require",
         f"{HOST}/db?sslmode=require&channel_binding=require", []),
        (f"{HOST}:6543/postgres?pgbouncer=true&connection_limit=1", f"{HOST}:6543/postgres",
         ["pgbouncer", "connection_limit"]),
        (f"{HOST}/db?schema=public&sslmode=require&supa=base-pooler.x", f"{HOST}/db?sslmode=require",
         ["schema", "supa"]),
        (f"{HOST}/db?password=a&b=c", f"{HOST}/db?password=a", ["one that is unknown"]),
        (f"{HOST}/db?options=project%3Dx&sslmode=require",
         f"{HOST}/db?options=project%3Dx&sslmode=require", []),
        (" postgres://u:p@h/d?\n", "postgres://u:p@h/d", []),
        ("postgresql+psycopg://u:p@h/d?sslmode=require", "postgresql://u:p@h/d?sslmode=require", []),
        ("postgresql://u:what?x=1@h/d?x=1", "postgresql://u:what?x=1@h/d", ["one that is unknown"]),
        ("postgresql://u:p@[::1]:5432,h:5433/d?target_session_attrs=read-write&a",
         "postgresql://u:p@[::1]:5432,h:5433/d?target_session_attrs=read-write", ["one that is unknown"]),
        ("host=h dbname=d user=u", "host=h dbname=d user=u", []),
        ("postgresql://%2Fvar%2Frun/d?client_encoding=latin1", "postgresql://%2Fvar%2Frun/d", []),
        ("postgresql://u:p@%2Fcloudsql%2Fp%3Ar%3Ai/d", "postgresql://u:p@/d?host=/cloudsql/p:r:i", []),
        ("postgresql://us%3Aer%40x:a;b=c&d@h/d", "postgresql://us%3Aer%40x:a;b=c&d@h/d", []),
        ("postgresql://h_1.internal/d?ssl=true", "postgresql://h_1.internal/d?sslmode=require", []),
        # As dashboards and platforms show it
        ("postgres://u:p%40ss@ec2-1-2-3-4.compute-1.amazonaws.com:5432/d6", "postgres://u:p%40ss@"
         "ec2-1-2-3-4.compute-1.amazonaws.com:5432/d6", []),  # Heroku
        ("postgresql://postgres.abcdefghijklm:p@aws-0-eu-central-1.pooler.supabase.com:6543/postgres",
         "postgresql://postgres.abcdefghijklm:p@aws-0-eu-central-1.pooler.supabase.com:6543/postgres", []),
        ("postgresql://u:p@pg-1-x.h.aivencloud.com:12345/defaultdb?sslmode=require",
         "postgresql://u:p@pg-1-x.h.aivencloud.com:12345/defaultdb?sslmode=require", []),
        ("postgresql://doadmin:p@db-do-user-1-0.b.db.ondigitalocean.com:25060/pool?sslmode=require",
         "postgresql://doadmin:p@db-do-user-1-0.b.db.ondigitalocean.com:25060/pool?sslmode=require", []),
        ("postgresql+asyncpg://u:p@h/d", "postgresql://u:p@h/d", []),  # SQLAlchemy
        ("postgresql://u:p@/d?host=%2Fcloudsql%2Fp:r:i", "postgresql://u:p@/d?host=/cloudsql/p:r:i", []),
        ("postgresql://h/d?hostaddr=10.0.0.1&user=u&password=p",
         "host=h hostaddr=10.0.0.1 dbname=d user=u password=p", []),
        # Several hosts, of which some may be replicas
        ("postgresql://u:p@a,b,c:5433/d",
         "postgresql://u:p@a,b,c:5433/d?target_session_attrs=read-write", []),
        ("postgresql://u:p@a,b/d?port=5433",
         "host=a,b port=5433 user=u password=p dbname=d target_session_attrs=read-write", []),
        ("hostaddr=::1,127.0.0.1", "hostaddr=::1,127.0.0.1 target_session_attrs=read-write", []),
        ("postgresql://a,b/d?target_session_attrs=any", "postgresql://a,b/d?target_session_attrs=any", []),
        # An empty value is none; libpq would refuse it
        ("postgresql://h/d?ssl=true&sslmode=", "postgresql://h/d?sslmode=require", []),
        ("postgresql://h/d?channel_binding=&gssencmode=&sslrootcert=&sslmode=", "postgresql://h/d", []),
        ("host=h dbname=d sslmode='' target_session_attrs=''", "host=h dbname=d", []),
    ],
)  # fmt: skip
def test_what_is_meant_for_other_drivers_goes(pasted, taken, ignored):
    assert conninfo_to_dict(conninfo(pasted)) == conninfo_to_dict(taken) | {"client_encoding": "UTF8"}
    assert ignored_parameters(pasted) == ignored


@pytest.mark.parametrize(
    "malformed",
    ["secret", "mysql://u:secret@h/d", "postgresql://u:secret@[::1/d", "postgresql://u:se%zzcret@h/d",
     '"postgresql://u:secret@h/d"', "postgresql://u:secret@h/d?sslmode=%",
     "postgresql://u:x@secret@h/d", "postgresql://u:secret/x@h/d", "postgresql://u:5432/secret@h/d",
     "postgresql://u:5432/secret?x=secret@h/d", "postgresql://u:x@h/secret?secret@h/d",
     "postgresql://u:x@secret#y/z@h/d", "postgresql://me@secret:p@h/d", "postgresql://h/d?password=x@secret",
     "host=h;port=5432;user=u;password=secret", "host=h,password=secret", "host=h user=u;password=secret",
     "dbname='postgresql://u:secret@h/d'", "postgresql://h/postgresql%3A%2F%2Fu%3Asecret%40h",
     "postgresql://h/d&user=u&password=secret", "postgresql://h/d;password=secret",
     "postgresql://u%3Asecret%40h/d", "postgresql://u%3Asecret@h/d", "postgresql://abc%3Asecret/d",
     "host=h sslmode=verify-full sslrootcert=/x;password=secret", "postgresql://u:se\ncret@h/secret",
     "postgresql://u:p@h/secret\u200b", "postgresql://u:p@h/d\n?sslmode=require", "\ufeffpostgresql://u:secret@h/d"],
)  # fmt: skip
def test_a_malformed_url_is_named_and_not_shown(malformed):
    for variable in ("DATABASE_URL", "DATABASE_URL_DIRECT"):
        with pytest.raises(SettingsError) as caught:
            conninfo(malformed, variable)
        assert str(caught.value).startswith(f"{variable}: is no PostgreSQL URL")
        assert "secret" not in str(caught.value)
    with pytest.raises(SettingsError, match=r"DATABASE_URL: (is no PostgreSQL URL|must not be in quotes)"):
        wiring.build(GOOD | {"DATABASE_URL": malformed})


@given(st.text(alphabet="@/:#?%&=[],+ aZ4", min_size=1, max_size=12))
@example("12/b@c")
@example("a@b/c?d=")
@example("a?b=c&d")
@example("4/a?b=a")
@example("%a4")
@example(" ")
def test_no_raw_character_lets_a_piece_of_a_password_be_taken_for_anything_else(password):
    """Else it would be in the errors of libpq, which tell host, port and database."""
    try:
        taken = conninfo(f"postgresql://u:{password}@host:6543/db?sslmode=require")
    except SettingsError as error:
        told = str(error)
    else:
        told = "percent-encode"
        parameters = conninfo_to_dict(taken)
        # libpq leaves out spaces around a value, and so a password of nothing else
        assert (parameters.pop("password", None) is not None) or not password.strip(": ")
        assert parameters == {"user": "u", "host": "host", "port": "6543", "dbname": "db",
                              "sslmode": "require", "client_encoding": "UTF8"}  # fmt: skip
    assert "percent-encode" in told


@pytest.mark.parametrize(
    "password", ["pq@hush", "pq/hush", "1@2/hush", "12/hush@", "pq?hush@x=hush", "pq#@hush", "1/2?hush=pq"]
)
def test_no_command_prints_a_piece_of_a_password(env, capfd, monkeypatch, password):
    url = f"postgresql://someone:{password}@127.0.0.1:1/none"
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("DATABASE_URL_DIRECT", url)
    monkeypatch.setattr("sys.argv", ["seed"])
    assert (migrate_main(), seed_main()) == (1, 1)
    findings = [one for one in doctor.examine(env | {"DATABASE_URL": url}) if one.check == "database"]
    assert "percent-encode" in findings[0].text
    printed = "".join(capfd.readouterr()) + repr(findings)
    assert printed.count("percent-encode") == 3
    assert "hush" not in printed
    assert "pq" not in printed


@pytest.mark.parametrize(
    ("parameters", "named"),
    [("ssl=false", "ssl"), ("ssl=require", "ssl"), ("ssl=no-verify", "ssl"), ("sslmode=bogus", "sslmode"),
     ("sslmode=no-verify", "sslmode"), ("channel_binding=yes", "channel_binding"), ("port=99999", "port"),
     ("port=0", "port"), ("target_session_attrs=rw", "target_session_attrs"),
     ("connect_timeout=soon", "connect_timeout"), ("sslrootcert=system&sslmode=require", "sslmode"),
     ("gssencmode=on", "gssencmode"), ("sslnegotiation=tls", "sslnegotiation"),
     ("hostaddr=secret", "hostaddr"), ("hostaddr=127.0.0.1,secret", "hostaddr"),
     ("hostaddr=127.0.0.300", "hostaddr"),
     ("hostaddr=127.0.0.1,127.0.0.2", "host, hostaddr and port"), ("port=1,2", "host, hostaddr and port"),
     ("host=a,b&port=1,2,3", "host, hostaddr and port"), ("service=secret", "service"),
     ("sslmode=verify-full&sslrootcert=/secret.pem", "sslrootcert"),
     ("sslmode=verify-ca&sslrootcert=secret/", "sslrootcert"),
     ("sslmode=verify-full&sslrootcert=/tmp", "sslrootcert"),
     ("sslmode=verify-full&sslrootcert=~/.postgresql/secret.crt", "sslrootcert"),
     ("sslmode=verify-full&sslrootcert=System", "sslrootcert"),
     ("replication=database", "replication"), ("target_session_attrs=standby", "target_session_attrs"),
     ("require_auth=secret", "require_auth"), ("min_protocol_version=9", "min_protocol_version"),
     ("ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2", "ssl_min_protocol_version"),
     ("sslmode=prefer&sslnegotiation=direct", "sslmode"), ("sslnegotiation=direct", "sslmode"),
     ("scram_client_key=secret", "scram_client_key")],
)  # fmt: skip
def test_an_invalid_parameter_is_a_settings_error_that_names_it(parameters, named):
    with pytest.raises(SettingsError, match=rf"^DATABASE_URL: {named} must be ") as caught:
        wiring.build(GOOD | {"DATABASE_URL": f"postgresql://u:secret@h/d?{parameters}"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("port", ["99999", "0", "123456"])
def test_an_invalid_port_is_a_settings_error(port):
    with pytest.raises(SettingsError, match=r"^DATABASE_URL: port must be 1 to 65535$"):
        conninfo(f"postgresql://u:secret@h:{port}/d")


@pytest.mark.parametrize(
    ("name", "value"),
    [("PGSERVICE", "secret"), ("PGSSLMODE", "no-verify"), ("PGREQUIREAUTH", "secret"),
     ("PGSSLMINPROTOCOLVERSION", "secret"), ("PGCHANNELBINDING", "yes")],
)  # fmt: skip
def test_what_libpq_would_not_take_from_the_environment_is_named(monkeypatch, name, value):
    """As integrations and shells set it; it looked as if the database were down."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=rf"^{name}: must be ") as caught:
        conninfo("postgresql://u:secret@h/d")
    assert "secret" not in str(caught.value)


# --- Certificates


def trusted(parameters, root_certificates=None):
    found = conninfo_to_dict(
        conninfo(f"postgresql://u:p@h/d?{parameters}", root_certificates=root_certificates)
    )
    return found.get("sslmode"), found.get("sslrootcert")


@pytest.fixture
def no_list_of_its_own(monkeypatch, tmp_path):
    """As in a deployed function: libpq finds nothing in the home, or in the environment."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)


def test_public_authorities_come_from_a_bundled_list(no_list_of_its_own, tmp_path):
    bundled = certifi.where()
    assert trusted("sslmode=verify-full") == ("verify-full", bundled)
    assert trusted("sslmode=verify-ca") == ("verify-ca", bundled)
    assert trusted("sslmode=verify-full&sslrootcert=system") == ("verify-full", bundled)
    assert trusted("sslrootcert=system") == ("verify-full", bundled)
    (mine := tmp_path / "mine.pem").touch()
    assert trusted(f"sslmode=verify-full&sslrootcert={mine}") == ("verify-full", str(mine))
    assert trusted("sslmode=require&sslrootcert=/none.pem") == ("require", "/none.pem")  # which needs none
    # The first was less: `require`.
    for both in ("sslmode=verify-full&ssl=true", "ssl=true&sslmode=verify-full"):
        assert trusted(both) == ("verify-full", bundled)
    assert trusted("sslmode=require") == ("require", None)
    assert trusted("") == (None, None)


def test_a_list_of_the_developers_own_stays(monkeypatch, tmp_path, no_list_of_its_own):
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").touch()
    assert trusted("sslmode=verify-full") == ("verify-full", None)


def test_certificates_as_text_are_in_a_private_file_and_verified_with_the_hosts_name():
    text = re.search("-----BEGIN.*?-----END CERTIFICATE-----", Path(certifi.where()).read_text(), re.S)[0]
    mode, path = trusted("sslmode=require", text)
    assert mode == "verify-full"
    assert ssl.create_default_context(cafile=path).get_ca_certs()
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    assert trusted("", text) == ("verify-full", path)  # one file an instance
    assert trusted("sslmode=verify-ca&sslrootcert=/other", text) == ("verify-ca", path)
    for line_break in ("\\n", "\\r\\n", "\r\n", " ", ""):  # what dashboards make of one
        assert ssl.create_default_context(
            cafile=trusted("", text.replace("\n", line_break))[1]
        ).get_ca_certs()
    with pytest.raises(SettingsError, match="DATABASE_URL: sslmode must be verify-full"):
        trusted("sslmode=disable", text)


@pytest.mark.parametrize("text", ["nonsense", "/etc/ca.pem", "-----BEGIN CERTIFICATE-----\nhush\n", "é"])
def test_certificates_that_are_none_are_a_settings_error(text):
    with pytest.raises(SettingsError, match=r"^DATABASE_SSL_ROOT_CERT: must be certificates in PEM form$"):
        wiring.build(GOOD | {"DATABASE_SSL_ROOT_CERT": text})
