"""Keyless production on this machine: an OIDC issuer like Vercel's; a store whose STS verifies tokens."""

import base64
import copy
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from deploy.documents import document

TEAM, PROJECT = "acme", "uploads"
AUDIENCE = f"https://vercel.com/{TEAM}"
ROLE = "arn:aws:iam::123456789012:role/uploads"
NARROW_ROLE = "arn:aws:iam::123456789012:role/narrow"  # its policy lacks some actions
STAGE = "prod"


def subject(environment="production"):
    return f"owner:{TEAM}:project:{PROJECT}:environment:{environment}"


class Issuer:
    """An OIDC issuer with a JWKS of its own; a context manager."""

    def __init__(self):
        self._key = rsa.generate_private_key(65537, 2048)
        public = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        jwks = json.dumps({"keys": [public | {"kid": "one", "use": "sig", "alg": "RS256"}]}).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler):  # noqa: N805 - `self` is the issuer
                known = {"jwks": jwks, "openid-configuration": json.dumps({"issuer": self.url}).encode()}
                body = known.get(handler.path.rpartition("/")[2])
                handler.send_response(200 if body else 404)
                handler.send_header("Content-Type", "application/json")
                handler.send_header("Content-Length", str(len(body or b"")))
                handler.end_headers()
                handler.wfile.write(body or b"")

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/{TEAM}"
        self.jwks_url = f"{self.url}/.well-known/jwks"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self._server.shutdown()
        self._server.server_close()

    def token(self, **claims):
        """As Vercel sends one with each request."""
        now = int(time.time())
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": subject(), "iat": now, "exp": now + 3600}
        return jwt.encode(usual | claims, self._key, algorithm="RS256", headers={"kid": "one"})


def iam_config(issuer, bucket):
    """SeaweedFS's IAM with the documents of `deploy/` in it; the issuer goes by a name there."""
    env = {
        "MOC_BUCKET": bucket, "STAGE": STAGE, "AWS_ACCOUNT_ID": "123456789012",
        "VERCEL_TEAM": TEAM, "VERCEL_PROJECT": PROJECT,
    }  # fmt: skip
    trust = document("oidc-trust-policy", env)
    [statement] = trust["Statement"]
    statement["Principal"] = {"Federated": "vercel"}
    statement["Action"] = [statement["Action"]]
    conditions = statement["Condition"]["StringEquals"]
    statement["Condition"] = {
        "StringEquals": {f"oidc:{key.rpartition(':')[2]}": value for key, value in conditions.items()}
    }
    policy = document("iam-policy", env)
    return {
        "sts": {
            "tokenDuration": "1h", "maxSessionLength": "12h", "issuer": "sts",
            "signingKey": base64.b64encode(bytes(32)).decode(),
        },
        "providers": [
            {"name": "vercel", "type": "oidc", "enabled": True,
             "config": {"issuer": issuer.url, "clientId": AUDIENCE, "jwksUri": issuer.jwks_url}},
        ],
        "policy": {"defaultEffect": "Deny", "storeType": "memory"},
        "roles": [
            {"roleName": "uploads", "roleArn": ROLE, "attachedPolicies": ["uploads"], "trustPolicy": trust},
            {"roleName": "narrow", "roleArn": NARROW_ROLE, "attachedPolicies": ["narrow"],
             "trustPolicy": trust},
        ],
        "policies": [
            {"name": "uploads", "document": policy},
            {"name": "narrow", "document": _without(policy, "s3:GetObject")},
        ],
    }  # fmt: skip


def _without(policy, *actions):
    """A policy that lacks some actions."""
    policy = copy.deepcopy(policy)
    for statement in policy["Statement"]:
        if isinstance(statement["Action"], list):
            statement["Action"] = [one for one in statement["Action"] if one not in actions]
    return policy
