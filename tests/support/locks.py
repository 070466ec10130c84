"""Locks that another session holds, who waits for them, and what the server's clock says of it."""

import psycopg

BUSY = """
SELECT state, wait_event_type, query FROM pg_stat_activity
WHERE backend_type = 'client backend' AND state <> 'idle' AND NOT pid = ANY(%s)
"""


class Holder:
    """A session that holds locks until it is closed, and looks at who is about; a context manager.

    `url` leads past a pooler.
    """

    def __init__(self, url):
        self._holding = psycopg.connect(url)
        self._looking = psycopg.connect(url, autocommit=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._holding.close()
        self._looking.close()

    def lock(self, statement, values=()):
        """Take the locks of a statement."""
        self._holding.execute(statement, values)

    def waiting(self):
        """How many sessions wait for a lock of this one."""
        return self._one("SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))",
                         self._holding.info.backend_pid)  # fmt: skip

    def advisory_locks(self):
        """How many there are in the database, whose ever they are."""
        return self._one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")

    def busy(self):
        """What other sessions run or have open."""
        mine = [self._holding.info.backend_pid, self._looking.info.backend_pid]
        rows = self._looking.execute(BUSY, [mine])
        return rows.fetchall()

    def time(self):
        """Seconds by the server's clock."""
        return self._one("SELECT extract(epoch FROM clock_timestamp())::float8")

    def version(self):
        """The server's, as 170002 for 17.2."""
        return self._looking.info.server_version

    def _one(self, statement, *values):
        return self._looking.execute(statement, values).fetchone()[0]
