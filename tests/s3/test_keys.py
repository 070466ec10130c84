"""Which keys sign, on a store that checks them."""

import httpx
import pytest

from tests.support.client import pdf

FOREIGN = {
    "AWS_ACCESS_KEY_ID": "AKIAFOREIGN",
    "AWS_SECRET_ACCESS_KEY": "foreign",
    "AWS_SESSION_TOKEN": "foreign",
}
SETS = {
    "the S3 names, beside foreign AWS ones": lambda keys: FOREIGN | keys,
    "the S3 names, beside a foreign token on Vercel": lambda keys: (
        keys | {"AWS_SESSION_TOKEN": "foreign", "VERCEL": "1"}
    ),
    "AWS's names, and a token of Vercel's own": lambda keys: (
        {name.replace("S3_", "AWS_"): value for name, value in keys.items()}
        | {"AWS_SESSION_TOKEN": "foreign", "VERCEL": "1"}
    ),
}


@pytest.mark.parametrize("keys_in", SETS.values(), ids=SETS)
def test_an_upload_works_wherever_the_keys_are(keys_in, in_process, env):
    keys = {f"S3_{name}": env[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")}
    api = in_process(RATE_LIMIT_BYPASS="false", **keys_in(keys))
    session = api.session()
    registered = api.register(session, pdf(size=5, partCount=1))
    [part] = registered["presignedUrls"]
    assert httpx.put(part["url"], content=b"12345", headers=part["headers"]).status_code == 200
    assert api.ok("POST", f"/{session}/files/{registered['fileId']}/complete", {})["sizeBytes"] == 5
