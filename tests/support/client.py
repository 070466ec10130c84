"""A client of the API as a test wants it, and one of the store with presigned URLs only."""

import os
import time
import uuid

import httpx

from tests.support.contract import Contract

MIB = 1024 * 1024
SESSIONS = "/api/mocs/uploads/sessions"
CONTRACT = Contract()
ASKS = 5  # how often a patient client asks


def pdf(name="manual.pdf", size=12 * MIB, **more):
    """Metadata of an instruction."""
    return {"name": name, "size": size, "type": "application/pdf", **more}


class Client:
    """One user of the API. `call` answers the response, whatever its status; the others want a success.

    Every answer is held against the OpenAPI document.
    """

    def __init__(self, http, token=None, contract=CONTRACT):
        self.http = http
        self.token = token
        self._contract = contract

    def call(self, method, path="", body=None, *, headers=None, **options):
        headers = dict(headers or {})
        if self.token and "Authorization" not in headers:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            options["json"] = body
        path = path if path.startswith("/api") else SESSIONS + path
        response = self.http.request(method, path, headers=headers, **options)
        self._contract.check(response)
        return response

    def patient_call(self, method, path="", body=None, **options):
        """The response to a client that waits as the `Retry-After` of a 503 says; the last
        one, if all five attempts got a 503.

        For calls that race with a complete: while S3 may be assembling the file, others are told to ask
        again.
        """
        for _ in range(ASKS - 1):
            response = self.call(method, path, body, **options)
            if response.status_code != 503 or "Retry-After" not in response.headers:
                return response
            time.sleep(int(response.headers["Retry-After"]))
        return self.call(method, path, body, **options)

    def ok(self, method, path="", body=None, **options):
        response = self.call(method, path, body, **options)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    def refused(self, method, path="", body=None, **options):
        """The status and the `error` object of a request that must fail."""
        response = self.call(method, path, body, **options)
        assert response.is_error, f"{method} {path}: {response.status_code} {response.text}"
        document = response.json()
        assert document.keys() == {"error", "requestId"}
        assert document["requestId"] == response.headers["X-Request-Id"]
        return response.status_code, document["error"]

    def session(self, **body):
        return self.ok("POST", "", body)["sessionId"]

    def register(self, session, file):
        return self.ok("POST", f"/{session}/files", file)

    def batch(self, session, files):
        return self.ok("POST", f"/{session}/files/batch", {"files": files})

    def parts(self, session, file, query=""):
        return self.ok("GET", f"/{session}/files/{file}/parts{query}")

    def record(self, session, file, parts):
        return self.ok("POST", f"/{session}/files/{file}/parts", {"parts": parts})

    def complete(self, session, file, body=None):
        return self.ok("POST", f"/{session}/files/{file}/complete", body)

    def show(self, session):
        return self.ok("GET", f"/{session}")

    def upload(self, session, file, content):
        """Register with as many parts as the session's part size makes, and put them all."""
        count = -(-len(content) // (5 * MIB))
        registered = self.register(session, file | {"size": len(content), "partCount": count})
        etags = put_all(registered["presignedUrls"], content, registered["partSizeBytes"])
        return registered, [{"partNumber": n, "etag": e} for n, e in sorted(etags.items())]


def put(url, content, headers=None):
    """PUT one part; answers the response, whatever its status."""
    return httpx.put(url, content=content, headers=headers, timeout=30)


def put_part(entry, content):
    """PUT one entry of `presignedUrls` and answer the ETag as the store sent it."""
    response = put(entry["url"], content, entry["headers"])
    assert response.status_code == 200, response.text
    return response.headers["ETag"]


def put_all(entries, content, part_size):
    """PUT every entry's slice of the content; answers ETags by part number."""
    return {
        entry["partNumber"]: put_part(
            entry, content[(entry["partNumber"] - 1) * part_size : entry["partNumber"] * part_size]
        )
        for entry in entries
    }


def random_bytes(size):
    """Bytes that no other file has."""
    return os.urandom(min(size, 64)) + bytes(max(0, size - 64))


def new_id():
    return str(uuid.uuid4())
