"""Random calls by several clients through two instances, each answer compared with the model's."""

import time
import uuid
from collections import Counter

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lib import wiring
from tests.conftest import token_for
from tests.support import model
from tests.support.client import MIB, Client, put
from tests.support.faults import Faults, unavailable
from tests.support.fuzzy import TIME, UUID, error

# The connection pool's own threads do.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")

SESSION_NOT_FOUND = (404, error("NOT_FOUND", "SESSION_NOT_FOUND"))
USERS = ["ann", "bob"]
KINDS = [("a.pdf", "application/pdf"), ("b.png", "image/png"), ("c.csv", "text/csv")]
SIZES = [3, 5 * MIB + 3]
WRONG = "0" * 32
REASONS = {
    None, "CATEGORY_LIMIT_EXCEEDED", "DUPLICATE_FILE_KEY", "ETAG_MISMATCH", "FILE_COMPLETED",
    "FILE_COUNT_EXCEEDED", "FILE_ID_CONFLICT", "FILE_NOT_FOUND", "PARTS_MISSING", "PART_COUNT_INVALID",
    "PART_NUMBER_INVALID", "SESSION_EXPIRED", "SESSION_NOT_ACTIVE", "STORAGE_UNAVAILABLE", "UPLOAD_NOT_FOUND",
}  # fmt: skip
END_CONNECTIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
CHOICE = st.integers(0, 1_000_000)
FAULT = st.sampled_from([None, None, None, "before", "after"])
ITEM = st.fixed_dictionaries(
    {"kind": st.sampled_from(KINDS), "size": st.sampled_from([3, 3, SIZES[1]])},
    optional={
        "partCount": st.integers(1, 2),
        "fileId": st.integers(0, 3),
        "fileKey": st.sampled_from(["k1", "k2", "k3"]),
        "category": st.just("thumbnail"),
    },
)


class Machine(RuleBasedStateMachine):
    def __init__(self, world):
        super().__init__()
        self.world = world
        self.tag = tag = uuid.uuid4().hex[:8]
        self.clients = {user: Client(world.http, token_for(f"{user}-{tag}")) for user in USERS}
        self.sessions = []
        self.urls = {}  # of parts, by upload id and number
        self.uploads = set()  # every upload id there ever was
        self.asked = False  # since the database last ended every connection
        self.sent = []  # sessions and items that were registered in them, to be sent again
        self.ids = [str(uuid.uuid4()) for _ in range(4)]  # that clients choose files' ids from

    # --- What the rules are made of

    def ask(self, session, method, path, body=None, choice=0):
        """The answer as its status and its body, where a refusal's is its error; a stranger gets no other."""
        self.world.use(choice)
        self.asked = True
        path = f"/{session.id}{path}"
        if choice % 4 == 0:
            [stranger] = [client for user, client in self.clients.items() if user != session.owner]
            assert stranger.refused(method, path, body) == SESSION_NOT_FOUND
        response = self.clients[session.owner].call(method, path, body)
        document = response.json() if response.content else None
        return response.status_code, document["error"] if response.is_error else document

    def agree(self, answer, session, predict):
        """Compare an answer with the model's, and then the session with the model."""
        try:
            expected = predict()
        except model.Refusal as refusal:
            expected = refusal.status, refusal.error
        self.world.faults.planned.clear()
        assert answer == expected, f"{answer} and not {expected}"
        self.world.met[answer[1].get("reason") if answer[1] else None] += 1
        assert self.ask(session, "GET", "", choice=1) == (200, session.shown())

    def one(self, choice):
        return self.sessions[choice % len(self.sessions)]

    def a_file(self, choice):
        """A session with one of its files or, now and then, with an id that is none of its own."""
        files = [(session, file.id, file) for session in self.sessions for file in session.files]
        if not files or choice % 13 == 0:
            return self.one(choice), self.stray(choice), None
        return files[choice % len(files)]

    def stray(self, choice):
        """An id of nobody's, or of a file in another session."""
        there = {file.id for file in self.one(choice).files}
        files = [file.id for session in self.sessions for file in session.files if file.id not in there]
        return files[choice // 13 % len(files)] if files and choice % 2 else str(uuid.uuid4())

    def item(self, drawn):
        name, mime_type = drawn["kind"]
        item = {"name": name, "type": mime_type, "size": drawn["size"]}
        item |= {key: drawn[key] for key in ("partCount", "fileKey") if key in drawn}
        if "category" in drawn and mime_type == "image/png":
            item["category"] = "thumbnail"
        return item | ({"fileId": self.ids[drawn["fileId"]]} if "fileId" in drawn else {})

    def registered(self, session, item, answer, planned=(), store_fails=False):
        """The model's answer; the ids that the server chose are taken from its own."""
        foreign = {file.id for other in self.sessions if other is not session for file in other.files}
        status, file, body = model.register(session, item, foreign, planned, store_fails)
        if isinstance(answer, dict) and answer.get("uploadId"):
            assert (answer["uploadId"] in self.uploads) == (status == 200), "201 is a new upload, 200 is not"
            self.uploads.add(answer["uploadId"])
            file.id, file.upload_id = answer["fileId"], answer["uploadId"]
            file.url = self.world.url_of(self.tag, session, file)
            self.keep_urls(file.upload_id, answer.get("presignedUrls"))
        return status, file, body

    def keep_urls(self, upload_id, entries):
        self.urls |= {(upload_id, entry["partNumber"]): entry for entry in entries or ()}

    # --- Rules

    @precondition(lambda self: len(self.sessions) < 6)
    @rule(user=st.sampled_from(USERS), max_files=st.integers(1, 6))
    def create(self, user, max_files):
        self.world.use(0)
        created = self.clients[user].ok("POST", "", {"maxFiles": max_files})
        assert created == {
            "sessionId": UUID, "partSizeBytes": 5 * MIB, "expiresAt": TIME, "maxFiles": max_files,
        }  # fmt: skip
        self.sessions.append(model.Session(created["sessionId"], user, max_files))

    @precondition(lambda self: self.sessions)
    @rule(choice=CHOICE, drawn=ITEM, fault=FAULT)
    def register(self, choice, drawn, fault):
        self.register_item(self.one(choice), self.item(drawn), choice, fault)

    @precondition(lambda self: self.sent)
    @rule(choice=CHOICE, fault=FAULT)
    def register_again(self, choice, fault):
        """As a client does that lost the answer, or was told that the upload is gone."""
        self.register_item(*self.sent[choice % len(self.sent)], choice, fault)

    def register_item(self, session, item, choice, fault):
        self.sent.append((session, item))
        self.world.plan("Bucket.create_upload", fault)
        answer = self.ask(session, "POST", "/files", item, choice)

        def predict():
            session.open_for_writing()
            status, _, body = self.registered(session, item, answer[1], store_fails=fault is not None)
            return status, body

        self.agree(answer, session, predict)

    @precondition(lambda self: self.sessions)
    @rule(choice=CHOICE, drawn=st.lists(ITEM, min_size=1, max_size=4))
    def batch(self, choice, drawn):
        session, items = self.one(choice), [self.item(one) for one in drawn]
        self.sent += [(session, item) for item in items]
        answer = self.ask(session, "POST", "/files/batch", {"files": items}, choice)
        answers = answer[1].get("results", [None] * len(items))

        def predict():
            session.open_for_writing()
            planned, results = [], []
            for item, its_answer in zip(items, answers, strict=True):
                try:
                    _, file, body = self.registered(session, item, its_answer, planned)
                    planned.append(file)
                    results.append(body)
                except model.Refusal as refusal:
                    results.append({"fileId": None, "uploadId": None, "error": refusal.error})
            failed = sum("error" in result for result in results)
            body = {"results": results, "succeeded": len(results) - failed, "failed": failed}
            return 207 if failed else 201, body

        self.agree(answer, session, predict)

    @precondition(lambda self: self.urls)
    @rule(choice=CHOICE, letter=st.sampled_from([b"a", b"a", b"a", b"b"]))
    def put(self, choice, letter):
        """Put a part, put it again, or put it where its upload is gone."""
        upload_id, number = list(self.urls)[choice % len(self.urls)]
        entry = self.urls[upload_id, number]
        files = [file for session in self.sessions for file in session.files if file.upload_id == upload_id]
        content = letter * entry["sizeBytes"]
        there = files[0].content.get(number) if files else None
        if there not in (None, content) and files[0].upload == "open":
            time.sleep(1.05)  # the store's times are whole seconds, and the newer part must win
        response = put(entry["url"], content, entry["headers"])
        if files and files[0].upload == "open":
            assert response.status_code == 200
            files[0].put[number] = response.headers["ETag"].strip('"')
            files[0].content[number] = content
        else:
            assert response.status_code == 404

    @precondition(lambda self: self.sessions)
    @rule(choice=CHOICE, wrong=st.sets(st.integers(0, 3)), quoted=st.booleans())
    def record(self, choice, wrong, quoted):
        session, file_id, file = self.a_file(choice)
        etags = (file.put if file else {}) | dict.fromkeys(wrong, WRONG)
        if not etags:
            return
        sent = [{"partNumber": n, "etag": f'"{etag}"' if quoted else etag} for n, etag in etags.items()]
        answer = self.ask(session, "POST", f"/files/{file_id}/parts", {"parts": sent}, choice)
        self.agree(answer, session, lambda: (200, model.record(session, file_id, etags)))

    @precondition(lambda self: self.sessions)
    @rule(choice=CHOICE, presign=st.booleans(), fault=FAULT)
    def query(self, choice, presign, fault):
        session, file_id, file = self.a_file(choice)
        self.world.plan("Bucket.list_parts", fault)
        end = "?presign=true" if presign else ""
        answer = self.ask(session, "GET", f"/files/{file_id}/parts{end}", None, choice)
        self.agree(answer, session, lambda: (200, model.query(session, file_id, presign, bool(fault))))
        if file:
            self.keep_urls(file.upload_id, answer[1].get("presignedUrls"))

    @precondition(lambda self: self.sessions)
    @rule(choice=CHOICE, send=st.sampled_from(["nothing", "all", "all", "wrong"]), fault=FAULT)
    def complete(self, choice, send, fault):
        session, file_id, file = self.a_file(choice)
        sent = dict(file.put) if file and send != "nothing" else {}
        sent |= {1: WRONG} if send == "wrong" else {}
        self.world.plan("Bucket.complete_upload", fault)
        body = {"parts": [{"partNumber": number, "etag": etag} for number, etag in sent.items()]}
        answer = self.ask(session, "POST", f"/files/{file_id}/complete", body, choice)
        self.agree(answer, session, lambda: (200, model.complete(session, file_id, sent, fault)))

    @precondition(lambda self: self.sessions)
    @rule(choice=CHOICE, fault=FAULT)
    def finish(self, choice, fault):
        """Put all that is missing and complete, as most clients do."""
        _session, _file_id, file = self.a_file(choice)
        if file and file.upload == "open" and file.status == "pending":
            self.query(choice, True, None)
            for number in file.numbers:
                if (file.upload_id, number) in self.urls and number not in file.put:
                    self.put(list(self.urls).index((file.upload_id, number)), b"a")
        self.complete(choice, "all", fault)

    @precondition(lambda self: self.sessions)
    @rule(choice=CHOICE, fault=FAULT)
    def abort(self, choice, fault):
        session, file_id, _ = self.a_file(choice)
        self.world.plan("Bucket.abort_upload", fault)
        answer = self.ask(session, "DELETE", f"/files/{file_id}", None, choice)
        self.agree(answer, session, lambda: (204, model.abort(session, file_id, fault)))

    @precondition(lambda self: len(self.sessions) > 2)
    @rule(choice=CHOICE, dice=st.integers(0, 3))
    def cancel(self, choice, dice):
        if dice:
            return  # seldom: else most sessions come to an early end
        session = self.one(choice)
        answer = self.ask(session, "DELETE", "", None, choice)
        self.agree(answer, session, lambda: (204, model.cancel(session)))

    @precondition(lambda self: len(self.sessions) > 2)
    @rule(choice=CHOICE, dice=st.integers(0, 3))
    def expire(self, choice, dice):
        if dice:
            return  # seldom: else most sessions come to an early end
        session = self.one(choice)
        self.world.execute("UPDATE upload_sessions SET expires_at = NOW() WHERE id = %s", [session.id])
        session.expired = True

    @precondition(lambda self: self.sessions)
    @rule(choice=CHOICE, assemble=st.booleans())
    def behind_our_back(self, choice, assemble):
        """The upload is aborted, or completed, by somebody else."""
        _, _, file = self.a_file(choice)
        if file is None or file.status != "pending" or file.upload != "open":
            return
        if not assemble:
            self.world.abort(file)
            file.upload = "gone"
        elif len(file.put) == file.count:
            self.world.assemble(file)
            file.upload = "assembled"

    @precondition(lambda self: self.asked)
    @rule(restarts=st.booleans())
    def the_database_ends_every_connection(self, restarts):
        self.asked = False
        if restarts:
            self.world.stack.restart_postgres()
        else:
            self.world.execute(END_CONNECTIONS)

    def teardown(self):
        """Every file that was completed is in the store, byte for byte."""
        for session in self.sessions:
            assert self.ask(session, "GET", "", choice=1) == (200, session.shown())
            for file in session.files:
                if file.status == "completed":
                    content = b"".join(file.content[number] for number in file.numbers)
                    assert self.world.stored(file) == content


class World:
    """Two instances over one database and one store, which fail on demand."""

    def __init__(self, env, http, stack, s3):
        self.http, self.stack, self.s3 = http, stack, s3
        self.faults = Faults()
        self.met = Counter()  # reasons of refusals; None: what was not refused
        self.instances = [wiring.build(env | {"MAX_PARTS_LIST_MB": "50"}, self.faults.wrap) for _ in range(2)]
        for instance in self.instances:
            instance.completion._sleep = lambda seconds: None  # this store is not eventually consistent
        self.base = f"{env['S3_ENDPOINT_URL']}/uploads/"

    def use(self, choice):
        wiring.use(self.instances[choice % 2])

    def plan(self, name, fault):
        if fault:
            self.faults.fail(name, after=fault == "after", error=unavailable)

    def url_of(self, tag, session, file):
        ext = file.meta[4]
        owner = f"{session.owner}-{tag}"
        key, attempt = self.execute(
            "SELECT object_key, attempt::text FROM upload_session_files WHERE id = %s", [file.id]
        ).fetchone()
        name = f"{file.id}-{attempt[:8]}.{ext}"
        assert key == f"dev/moc-instructions/{owner}/{session.id}/{file.meta[0]}/{name}"
        return self.base + key

    def key(self, file):
        return file.url.removeprefix(self.base)

    def abort(self, file):
        self.s3.abort_multipart_upload(Bucket="uploads", Key=self.key(file), UploadId=file.upload_id)

    def assemble(self, file):
        parts = [{"PartNumber": number, "ETag": file.put[number]} for number in file.numbers]
        self.s3.complete_multipart_upload(
            Bucket="uploads", Key=self.key(file), UploadId=file.upload_id, MultipartUpload={"Parts": parts}
        )

    def stored(self, file):
        return self.s3.get_object(Bucket="uploads", Key=self.key(file))["Body"].read()

    def execute(self, statement, values=()):
        """Past the API, on a connection of its own: the database may just have been restarted."""
        with psycopg.connect(self.stack.database_url, autocommit=True) as connection:
            return connection.execute(statement, values)


@pytest.fixture
def world(env, in_this_process, stack, s3):
    world = World(env, in_this_process, stack, s3)
    yield world
    wiring.use(None)
    for instance in world.instances:
        instance.close()


# Not shrunk: that would take as many runs again; the steps that led to a failure are printed.
COMMON = settings(
    deadline=None, suppress_health_check=list(HealthCheck), database=None, phases=[Phase.generate]
)


def test_a_few_hundred_random_steps(world):
    few = settings(COMMON, max_examples=5, stateful_step_count=40, derandomize=True)
    run_state_machine_as_test(lambda: Machine(world), settings=few)


@pytest.mark.long
@pytest.mark.timeout(250)
def test_several_hundred_more_random_steps(world):
    many = settings(COMMON, max_examples=15, stateful_step_count=50, derandomize=True)
    run_state_machine_as_test(lambda: Machine(world), settings=many)


@pytest.mark.torture
@pytest.mark.timeout(0)
def test_tens_of_thousands_of_random_steps(world, capsys):
    most = settings(COMMON, max_examples=1200, stateful_step_count=60)
    run_state_machine_as_test(lambda: Machine(world), settings=most)
    with capsys.disabled():
        print(f"\n{world.met.total()} answers compared, by their reason: {dict(world.met.most_common())}")
    assert world.met.total() > 20_000
    assert world.met.keys() == REASONS
