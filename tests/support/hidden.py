"""What no log may hold."""

import base64
import re

from tests.conftest import SECRET

# Parts of presigned URLs, of headers, and of any JWT.
PATTERN = re.compile(r"X-Amz-(Signature|Credential)|Authorization|Bearer|eyJ[A-Za-z0-9]")


def secrets_of(env):
    """The secrets of a deployment with this environment, in each form that they might appear in."""
    password = re.search(r":([^:@]+)@", env["DATABASE_URL"]).group(1)
    return [SECRET, base64.b64encode(SECRET.encode()).decode(), password, env["AWS_SECRET_ACCESS_KEY"]]
