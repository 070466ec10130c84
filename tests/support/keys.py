"""An issuer of tokens: keys to sign with, and a JWKS endpoint that shows their public halves."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


class Keys:
    """The endpoint is up while the context lasts; `status` and `body` make it answer something else."""

    def __init__(self):
        self.keys = {}
        self.fetches = 0
        self.status = 200
        self.body = None
        keys = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                keys.fetches += 1
                self.send_response(keys.status)
                self.end_headers()
                self.wfile.write(keys.document() if keys.status == 200 else b"sorry")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/.well-known/jwks.json"
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.server.server_close()

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

    def sign(self, kid, claims, **headers):
        key, algorithm = self.keys[kid]
        return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} | headers)


def _new(algorithm):
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm]())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
