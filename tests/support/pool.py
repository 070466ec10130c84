"""Uses every connection that an instance may have."""

from concurrent.futures import ThreadPoolExecutor

import psycopg

from tests.support.servers import wait_for


def use_the_whole_pool(api, database_url, size=10):
    """As many calls as the pool has connections wait in the database at once, and all are answered."""
    session = api.session()
    looking = psycopg.connect(database_url, autocommit=True)  # in a transaction it would see no news
    with looking, ThreadPoolExecutor(size) as executor:
        with psycopg.connect(database_url) as holder:
            holder.execute("SELECT 1 FROM upload_sessions WHERE id = %s FOR UPDATE", [session])
            calls = [executor.submit(api.call, "DELETE", f"/{session}") for _ in range(size)]
            # Less than the 5 s for which a call waits for a connection, and PostgreSQL for a lock
            wait_for(lambda: expect(looking, "wait_event_type = 'Lock'", size), seconds=4)
        assert [call.result().status_code for call in calls] == [204] * size


def expect(db, condition, count):
    """So many backends of PostgreSQL are in this state."""
    [found] = db.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {condition}").fetchone()
    assert found == count, f"{found} of {count} backends: {condition}"
