"""The embedded store starts again over its own data, at once."""

from dev.seaweedfs import BUCKET, store_client
from dev.stack import Stack


def test_a_second_start_waits_for_no_election_and_has_all_data(tmp_path):
    """The volume server asked before the master had elected itself, and then waited for five seconds."""
    stack = Stack(tmp_path, fast=True)
    body = b"x" * 100_000
    try:
        with stack:
            store_client(stack.env()).put_object(Bucket=BUCKET, Key="kept", Body=body)
        for _ in range(3):  # a single start may be lucky
            with stack:
                kept = store_client(stack.env()).get_object(Bucket=BUCKET, Key="kept")
                assert kept["Body"].read() == body
        assert "Not current leader" not in stack.store.log.read_text()
    finally:
        stack.remove()
