"""The S3 client is made once, whoever asks for it first; and what is said if it cannot be made."""

from threading import Thread

import botocore.session
import pytest

from lib.domain.errors import ApiError, Reason
from lib.runtime.config import Settings
from lib.s3.client import Client
from tests.s3.test_bucket_on_moto import ENV

SETTINGS = Settings.from_env(ENV)


def test_whoever_wants_credentials_while_the_client_is_made_makes_no_other_session(monkeypatch):
    """The client is then of the session with our parsers, which read an answer or say that they cannot."""
    client, threads = Client(SETTINGS), []

    class Session(botocore.session.Session):
        def __init__(self):
            super().__init__()
            threads.append(Thread(target=client.credentials))
            if len(threads) == 1:
                threads[0].start()
                threads[0].join(0.2)  # it waits for the one that makes the client, or is done long before

    monkeypatch.setattr(botocore.session, "Session", Session)
    client.s3()
    threads[0].join()
    assert len(threads) == 1


@pytest.mark.parametrize("ask", ["credentials", "bucket_url"])
def test_a_setting_that_botocore_refuses_is_no_fault_of_ours(ask, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "of-another-machine")
    with pytest.raises(ApiError) as caught:
        getattr(Client(SETTINGS), ask)()
    assert (caught.value.reason, caught.value.logged) == (
        Reason.STORAGE_REFUSED,
        {"s3_code": "ProfileNotFound"},
    )
