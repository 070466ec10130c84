"""A database as it is hosted: Debian's PostgreSQL 15, with PgBouncer in transaction mode before it."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg

from dev.processes import Child, User, free_ports

BINARIES = Path("/usr/lib/postgresql/15/bin")
PASSWORD = "the-password-of-the-tests"
SERVER_CONNECTIONS = 5


class HostedDatabase:
    """Both servers on free ports of 127.0.0.1, speaking TLS with a certificate of their own making.

    PostgreSQL refuses connections without TLS, as hosted ones do; a context manager.
    """

    def __enter__(self):
        self._require()
        self._user = User.unprivileged()
        self._options = self._user.popen_options() if self._user else {}
        self.folder = Path(tempfile.mkdtemp(prefix="hosted-database-"))
        self.port, self.pooler_port = free_ports(2)
        self.postgres = Child("postgres", self.folder / "postgres.log", signal.SIGINT)
        self.pooler = Child("pgbouncer", self.folder / "pgbouncer.log", signal.SIGTERM)
        try:
            self._prepare()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        self.pooler.stop()
        self.postgres.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def direct_url(self):
        """Past the pooler: for migrations."""
        return self._url(self.port)

    @property
    def url(self):
        """Through the pooler, as a dashboard shows it."""
        return self._url(self.pooler_port)

    @property
    def certificate(self):
        """What a client that verifies has to trust."""
        return self.folder / "server.crt"

    def _url(self, port, database="postgres"):
        return f"postgresql://app:{PASSWORD}@127.0.0.1:{port}/{database}?sslmode=require"

    def admin(self):
        """PgBouncer's own console, which tells of its pools."""
        return psycopg.connect(
            self._url(self.pooler_port, "pgbouncer"), autocommit=True, cursor_factory=psycopg.ClientCursor
        )

    def _require(self):
        missing = [str(one) for one in (BINARIES / "postgres",) if not one.exists()]
        missing += [] if shutil.which("pgbouncer", path=PATH) else ["pgbouncer"]
        if missing:
            raise FileNotFoundError(f"{', '.join(missing)}: apt-get install postgresql-15 pgbouncer")

    def _prepare(self):
        self._make_certificate()
        password = self._write("password", PASSWORD)
        self._write("users.txt", f'"app" "{PASSWORD}"\n')
        self._write("pgbouncer.ini", PGBOUNCER_INI.format(self=self, connections=SERVER_CONNECTIONS))
        self._give_away(self.folder)
        self._run(
            str(BINARIES / "initdb"), "-D", str(self.folder / "data"), "-U", "app", "-A", "scram-sha-256",
            "--pwfile", str(password), "-E", "UTF8", "--no-locale", "--no-sync",
        )  # fmt: skip
        rules = "hostssl all all 127.0.0.1/32 scram-sha-256\n"
        self._write("data/pg_hba.conf", rules)

    def _start(self):
        data, folder = self.folder / "data", self.folder
        env = {"PATH": PATH, "LC_ALL": "C", "TZ": "UTC"}
        settings = {
            "ssl": "on", "ssl_cert_file": folder / "server.crt", "ssl_key_file": folder / "server.key",
            "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
        }  # fmt: skip
        command = [str(BINARIES / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(self.port)]
        command += ["-k", ""]
        command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self.postgres.start(command, env, cwd="/", user=self._user)
        self.postgres.wait_until(lambda: psycopg.connect(self.direct_url, connect_timeout=2).close())
        command = [shutil.which("pgbouncer", path=PATH), str(folder / "pgbouncer.ini")]
        self.pooler.start(command, env, cwd="/", user=self._user)
        self.pooler.wait_until(lambda: psycopg.connect(self.url, connect_timeout=2).close())

    @staticmethod
    def make_certificate(folder):
        """A key and a certificate that is its own authority, for this machine; answers the latter's path."""
        key, certificate = folder / "server.key", folder / "server.crt"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", key, "-out", certificate],
            check=True, capture_output=True,
        )  # fmt: skip
        return certificate

    def _make_certificate(self):
        certificate = self.make_certificate(self.folder)
        for path in (certificate, certificate.with_suffix(".key")):
            path.chmod(0o600)
            self._give_away(path)

    def _write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        self._give_away(path)
        return path

    def _give_away(self, path):
        if self._user:
            os.chown(path, self._user.uid, self._user.gid)

    def _run(self, *command):
        done = subprocess.run(
            command, env={"PATH": PATH, "LC_ALL": "C"}, cwd="/", capture_output=True, text=True,
            **self._options,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# `ignore_startup_parameters` stays empty: a client that sends `options` is refused, as by strict poolers.
PGBOUNCER_INI = """
[databases]
postgres = host=127.0.0.1 port={self.port} dbname=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.pooler_port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {self.folder}/users.txt
admin_users = app
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 500
query_wait_timeout = 20
server_tls_sslmode = require
client_tls_sslmode = require
client_tls_key_file = {self.folder}/server.key
client_tls_cert_file = {self.folder}/server.crt
"""
