"""Loads test data, as often as you like: `python -m db.seed [NAME …]`."""

import os
import sys
from pathlib import Path

import psycopg

from lib.postgres.conninfo import conninfo
from lib.runtime.config import SettingsError

# The index of seeds, in the order in which they are loaded.
SEEDS = {"story_01722": Path(__file__).parent / "seeds" / "story_01722.sql"}


def seed(url: str, names: list[str] | None = None) -> list[str]:
    """Load these seeds, or all, each in a transaction of its own; returns their names. Raises `KeyError`."""
    chosen = {name: SEEDS[name] for name in names or SEEDS}
    for path in chosen.values():
        with psycopg.connect(conninfo(url), prepare_threshold=None, connect_timeout=10) as connection:
            connection.execute(path.read_bytes())
    return list(chosen)


def main() -> int:
    """Load the seeds that are named, or all, into the database of `DATABASE_URL`."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        print("Set DATABASE_URL.", file=sys.stderr)
        return 1
    try:
        database = conninfo(url, root_certificates=os.environ.get("DATABASE_SSL_ROOT_CERT"))
        print(f"Loaded {', '.join(seed(database, sys.argv[1:]))}.")
    except KeyError as error:
        print(f"There is no seed {error}: choose from {', '.join(SEEDS)}.", file=sys.stderr)
        return 1
    except (SettingsError, psycopg.Error) as error:
        print(f"Not loaded: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
