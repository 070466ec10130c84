"""An issuer of tokens: keys to sign with, and a JWKS endpoint that shows their public halves."""

import json

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.support.http_server import Handler, HttpServer

CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


class Keys(HttpServer):
    """The endpoint is up while the context lasts; `status` and `body` make it answer something else."""

    def __init__(self):
        self.keys = {}
        self.fetches = 0
        self.agents = []
        self.status = 200
        self.body = None
        keys = self

        class Documents(Handler):
            def serve(self):
                keys.fetches += 1
                keys.agents.append(self.headers.get("User-Agent"))
                self.answer(keys.status, (), keys.document() if keys.status == 200 else b"sorry")

        super().__init__(Documents)
        self.url += "/.well-known/jwks.json"

    def document(self):
        shown = {"keys": [self.public(kid) for kid in self.keys]}
        return json.dumps(shown).encode() if self.body is None else self.body

    def add(self, kid, algorithm="RS256"):
        self.keys[kid] = _new(algorithm), algorithm

    def public(self, kid):
        key, algorithm = self.keys[kid]
        kind = {"E": ECAlgorithm, "R": RSAAlgorithm, "P": RSAAlgorithm}[algorithm[0]]
        kind = OKPAlgorithm if algorithm == "EdDSA" else kind
        jwk = json.loads(kind.to_jwk(key.public_key()))
        return jwk | {"kid": kid, "use": "sig", "alg": algorithm}

    def sign(self, kid, claims, /, **headers):
        key, algorithm = self.keys[kid]
        return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} | headers)


def _new(algorithm):
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm]())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
