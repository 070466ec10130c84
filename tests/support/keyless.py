"""Keyless production on this machine: an OIDC issuer like Vercel's; a store whose STS verifies tokens."""

import base64
import copy
import json
import time
import uuid

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from deploy.documents import document
from tests.support.http_server import Handler, HttpServer

TEAM, PROJECT, PROJECT_ID = "acme", "uploads", "prj_uploads"
AUDIENCE = f"https://vercel.com/{TEAM}"
ROLE = "arn:aws:iam::123456789012:role/uploads"
NARROW_ROLE = "arn:aws:iam::123456789012:role/narrow"  # its policy lacks some actions
STAGE = "prod"


def subject(environment="production"):
    return f"owner:{TEAM}:project:{PROJECT}:environment:{environment}"


class Issuer(HttpServer):
    """Vercel's OIDC issuer: tokens with its name and claims, and a JWKS that is reached under another one.

    The claims: https://vercel.com/docs/oidc/reference
    """

    name = f"https://oidc.vercel.com/{TEAM}"

    def __init__(self):
        self._key = rsa.generate_private_key(65537, 2048)
        jwk = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        self.down = False
        issuer = self
        documents = {"jwks": {"keys": [jwk | {"kid": "one", "use": "sig", "alg": "RS256"}]}}

        class Documents(Handler):
            def serve(self):
                known = None if issuer.down else documents.get(self.path.rpartition("/")[2])
                content = json.dumps(known).encode() if known else b""
                self.answer(200 if known else 404, [("Content-Type", "application/json")], content)

        super().__init__(Documents)
        self.url += f"/{TEAM}"
        self.jwks_url = f"{self.url}/.well-known/jwks"
        documents["openid-configuration"] = {"issuer": self.url}

    def token(self, key=None, kid="one", **claims):
        """As Vercel sends one with each request; claims that are None are left out."""
        now = int(time.time())
        usual = {
            "iss": self.name, "aud": AUDIENCE, "sub": subject(), "iat": now, "nbf": now, "exp": now + 3600,
            "jti": str(uuid.uuid4()), "owner": TEAM, "owner_id": "team_acme", "project": PROJECT,
            "project_id": PROJECT_ID, "environment": "production",
        }  # fmt: skip
        payload = {name: value for name, value in (usual | claims).items() if value is not None}
        return jwt.encode(payload, key or self._key, algorithm="RS256", headers={"kid": kid})


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
             "config": {"issuer": issuer.name, "clientId": AUDIENCE, "jwksUri": issuer.jwks_url}},
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
