"""An upload that was given up while S3 assembled it becomes an object after all, beside the next."""

import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import pytest

from tests.support.client import new_id, pdf, put_part
from tests.support.http_faults import GONE, FaultyProxy

OLD, NEW = b"old", b"new, and longer"


class Held:
    """The proxy's fault: one upload's CompleteMultipartUpload is held, and the store says it was aborted."""

    def __init__(self, upload_id):
        self._upload_id = upload_id
        self.is_held = threading.Event()
        self.released = threading.Event()

    def __call__(self, method, path):
        if self._upload_id not in unquote(path) or self.released.is_set():
            return None
        if method == "DELETE":
            return (204, b"")
        if method == "POST":
            self.is_held.set()
            self.released.wait()
            return None
        return GONE if self.is_held.is_set() else None


@pytest.fixture
def store(env):
    with FaultyProxy(env["S3_ENDPOINT_URL"]) as proxy:
        yield proxy


@pytest.fixture
def api(in_process, store):
    return in_process(S3_ENDPOINT_URL=store.url)


def abort(api, db, session, file_id):
    assert api.call("DELETE", f"/{session}/files/{file_id}").status_code == 204


def fail(api, db, session, file_id):
    """S3 has been assembling it for longer than a complete is waited for."""
    mark = "complete_unanswered_at = NOW() - INTERVAL '16 minutes'"
    db.execute(f"UPDATE upload_session_files SET {mark} WHERE id = %s", [file_id])
    refusal = api.refused("POST", f"/{session}/files/{file_id}/complete")
    assert refusal[1]["reason"] == "UPLOAD_NOT_FOUND"


def alone(api, session, file):
    return api.register(session, file)


def in_a_batch(api, session, file):
    return api.batch(session, [file])["results"][0]


def by_key(api, session, file):
    return api.register(session, {name: value for name, value in file.items() if name != "fileId"})


@pytest.mark.parametrize(
    ("give_up", "register", "sent"),
    [(abort, alone, OLD), (abort, alone, NEW), (abort, in_a_batch, NEW),
     (fail, alone, OLD), (fail, in_a_batch, OLD), (fail, by_key, OLD)],
)  # fmt: skip
def test_its_object_is_another_one(api, store, s3, db, give_up, register, sent):
    session, file = api.session(), pdf(size=len(OLD), partCount=1, fileId=new_id())
    old, _ = api.upload(session, file, OLD)
    path = f"/{session}/files/{old['fileId']}/complete"
    store.fault = held = Held(old["uploadId"])
    with ThreadPoolExecutor(1) as executor:
        try:
            first = executor.submit(api.call, "POST", path)
            assert held.is_held.wait(20)
            give_up(api, db, session, old["fileId"])
            again = register(api, session, file | {"size": len(sent)})
            content = sent.replace(b"old", b"new")
            put_part(again["presignedUrls"][0], content)
            done = api.complete(session, old["fileId"])
        finally:
            held.released.set()
        assert first.result().status_code in (200, 404)  # of the new one, or of none
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket="uploads")["Contents"] if session in one["Key"]]
    bodies = {key: s3.get_object(Bucket="uploads", Key=key)["Body"].read() for key in keys}
    assert sorted(bodies.values()) == sorted([OLD, content])
    [key] = [key for key in keys if done["fileUrl"].endswith(key)]
    assert bodies[key] == content
    assert api.complete(session, old["fileId"]) == done
