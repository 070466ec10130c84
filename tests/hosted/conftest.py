"""Only with `--database=pgbouncer`: these need Debian's PostgreSQL and PgBouncer."""


def pytest_ignore_collect(collection_path, config):
    return True if config.getoption("--database") != "pgbouncer" else None
