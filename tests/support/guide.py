"""Gives requests that a program made up the ids of real sessions and files, which they would never guess."""

import random
from typing import ClassVar

import httpx
from schemathesis import GenerationMode
from schemathesis.core.parameters import ParameterLocation

from tests.support.client import pdf

# What has become of the file that a request is led to; its session goes with it.
FATES = ("open", "put", "put", "put", "completed", "completed", "expired", "cancelled")
TYPES = {"parts-list": "text/csv", "image": "image/png", "thumbnail": "image/webp"}


class Guide:
    """Leads most of the requests that fit the schema, and some of the others, each by dice of its own."""

    def __init__(self, api, db):
        self._api, self._db = api, db
        self._store = httpx.Client(timeout=30)  # one for all: to make one takes longer than the PUT

    def close(self):
        self._store.close()

    def lead(self, case):
        self._dice = random.Random(case.id)
        # Read now: whether what was made up fits is judged again once it is changed.
        made = case.meta.components
        fits = {place for place in made if made[place].mode == GenerationMode.POSITIVE}
        if self._dice.random() > (0.85 if len(fits) == len(made) else 0.4):
            return
        file = etag = None
        if case.path_parameters and ParameterLocation.PATH in fits:
            session, file, etag = self._there(put="fileId" in case.path_parameters)
            ids = {"sessionId": session, "fileId": file["fileId"]}
            case.path_parameters.update({name: ids[name] for name in case.path_parameters})
        change = self._CHANGES.get(case.operation.definition.raw["operationId"])
        if change and ParameterLocation.BODY in fits and isinstance(case.body, dict):
            case.body = change(self, case.body, file, etag)

    def _there(self, put):
        """A session, the metadata of a file of one part in it, and that part's ETag if it was put."""
        fate = self._dice.choice(FATES)
        session = self._api.session()
        file = pdf("there.pdf", 3, partCount=1)
        made = self._api.register(session, file)
        file["fileId"] = made["fileId"]
        etag = None
        if fate == "completed" or (put and fate != "open"):
            [entry] = made["presignedUrls"]
            etag = self._store.put(entry["url"], content=b"abc", headers=entry["headers"]).headers["ETag"]
        if fate == "completed":
            self._api.complete(session, file["fileId"])
        elif fate == "expired":
            self._db.execute("UPDATE upload_sessions SET expires_at = NOW() WHERE id = %s", [session])
        elif fate == "cancelled":
            self._api.call("DELETE", f"/{session}")
        return session, file, etag

    def _allowed(self, made, number=0, named=True):
        """A file that was made up, as one that may be uploaded."""
        sane = made | {"type": TYPES.get(made.get("category"), "application/pdf")}
        sane["size"] = self._dice.randint(1, 1000)
        if made.get("partCount") is not None:
            sane["partCount"] = 1
        if named:  # else two of them may have one name
            sane |= {"name": f"{number}.pdf", "fileKey": f"{number}.pdf"}
        return sane

    def _all_allowed(self, body, file, etag):
        """Some of them in a list of three at most; in every third list, one is left as it was made up."""
        files = body.get("files")
        if not files:
            return body
        named = self._dice.random() < 0.7
        sane = [self._allowed(made, number, named) for number, made in enumerate(files[:3])]
        return body | {"files": sane if self._dice.random() < 0.7 else [*sane[:2], files[-1]]}

    def _one_allowed(self, body, file, etag):
        """Every third one is the file that is there, once more."""
        if file and self._dice.random() < 0.3:
            return file
        return self._allowed(body, named=self._dice.random() < 0.5)

    def _parts(self, body, file, etag):
        """The file's only part, every second time with the ETag that the store gave it."""
        parts = body.get("parts")
        if not parts or self._dice.random() < 0.2:
            return body
        right = etag if self._dice.random() < 0.5 else None
        return body | {"parts": [part | {"partNumber": 1, "etag": right or part["etag"]} for part in parts]}

    _CHANGES: ClassVar = {
        "createSession": _all_allowed,
        "registerFile": _one_allowed,
        "batchRegisterFiles": _all_allowed,
        "storePartEtags": _parts,
        "completeFile": _parts,
    }
