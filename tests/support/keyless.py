"""Keyless production on this machine: an OIDC issuer like Vercel's; a store whose STS verifies tokens."""

import base64
import copy
import json
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from deploy.documents import document
from tests.support.http_server import Handler, HttpServer

TEAM, PROJECT = "acme", "uploads"
AUDIENCE = f"https://vercel.com/{TEAM}"
ROLE = "arn:aws:iam::123456789012:role/uploads"
NARROW_ROLE = "arn:aws:iam::123456789012:role/narrow"  # its policy lacks some actions
STAGE = "prod"


def subject(environment="production"):
    return f"owner:{TEAM}:project:{PROJECT}:environment:{environment}"


class Issuer(HttpServer):
    """An OIDC issuer with a JWKS of its own."""

    def __init__(self):
        self._key = rsa.generate_private_key(65537, 2048)
        jwk = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        documents = {"jwks": {"keys": [jwk | {"kid": "one", "use": "sig", "alg": "RS256"}]}}

        class Documents(Handler):
            def serve(self):
                known = documents.get(self.path.rpartition("/")[2])
                content = json.dumps(known).encode() if known else b""
                self.answer(200 if known else 404, [("Content-Type", "application/json")], content)

        super().__init__(Documents)
        self.url += f"/{TEAM}"
        self.jwks_url = f"{self.url}/.well-known/jwks"
        documents["openid-configuration"] = {"issuer": self.url}

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
