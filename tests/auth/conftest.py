"""Deployments that trust an issuer which the tests play."""

import pytest

from tests.support.keys import Keys
from tests.support.tokens import ISSUER


@pytest.fixture
def keys():
    """The issuer, with one key."""
    with Keys() as keys:
        keys.add("one")
        yield keys


@pytest.fixture
def api(in_process, keys):
    """A deployment that trusts its JWKS endpoint."""
    return in_process(AUTH_JWKS_URL=keys.url, AUTH_ISSUER=ISSUER, AUTH_JWT_SECRET="")
