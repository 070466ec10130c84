"""Further databases of the server under test, and roles, which all of its databases share."""

from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg

PASSWORD = "of-a-role-of-the-tests"


@contextmanager
def new_database(admin_url, name, options=""):
    """A database of its own, which is dropped; answers its URL."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 {options}")
        try:
            yield admin_url.rpartition("/")[0] + f"/{name}"
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def new_roles(admin_url, **roles):
    """Roles by their names, with their options; dropped after their databases."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        for name, options in roles.items():
            admin.execute(f"CREATE ROLE {name} PASSWORD '{PASSWORD}' {options}")
        try:
            yield
        finally:
            for name in roles:
                admin.execute(f"DROP ROLE {name}")


def as_role(url, name):
    """The URL of the same database for another role."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{name}:{PASSWORD}@{parts.hostname}:{parts.port}").geturl()
