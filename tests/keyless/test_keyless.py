"""With AWS_ROLE_ARN, the API needs no key: an STS that verifies tokens, and deploy/'s own policies."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from dev.seaweedfs import store_client
from lib import wiring
from lib.domain.errors import ApiError
from lib.runtime.config import Settings, SettingsError
from lib.runtime.oidc_token import current_oidc_token
from lib.s3 import role
from lib.s3.sts import ATTEMPT_SECONDS, ATTEMPTS, ExchangeError, Sts
from tests.runtime.test_config import GOOD
from tests.support.aws_refusals import Refusal, refusing
from tests.support.client import MIB, pdf
from tests.support.dripping import DRIPS, OK, Dripping
from tests.support.fuzzy import NO_STORE, about, moment
from tests.support.http_faults import FaultyProxy
from tests.support.keyless import ROLE, STAGE, subject
from tests.support.patience import at_most
from tests.support.silence import deaf_port, silent_port
from tests.support.tokens import encoded


@pytest.fixture
def admin(admin_env):
    return store_client(admin_env)


def with_token(api, token):
    api.http.headers["x-vercel-oidc-token"] = token
    return api


class Clock:
    """The wall clock of the role's credentials, moved by what the test says."""

    def __init__(self, monkeypatch):
        self.ahead = timedelta(0)
        monkeypatch.setattr(role, "utc_now", lambda: datetime.now(UTC) + self.ahead)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def exchanges(monkeypatch):
    """What became of each exchange with STS: None, or the error's code."""
    outcomes = []
    exchange = Sts.exchange

    def counted(self, token):
        try:
            found = exchange(self, token)
        except ExchangeError as error:
            outcomes.append(error.code)
            raise
        outcomes.append(None)
        return found

    monkeypatch.setattr(Sts, "exchange", counted)
    return outcomes


def test_the_whole_way_on_the_header_that_vercel_sends(in_process, env, issuer, admin, exchanges):
    api = with_token(in_process(), issuer.token())
    assert api.call("GET", "/api/health").json()["bucket"] == "ok"
    session = api.session()
    file = api.register(session, pdf(size=5 * MIB + 1, partCount=2))
    assert "X-Amz-Security-Token=" in file["presignedUrls"][0]["url"]
    key = admin.list_multipart_uploads(Bucket="uploads")["Uploads"][0]["Key"]
    for number, size in ((1, 5 * MIB), (2, 1)):
        # SeaweedFS knows no presigned URLs of a role's; tests/localstack sends parts with those
        admin.upload_part(
            Bucket="uploads", Key=key, UploadId=file["uploadId"], PartNumber=number, Body=bytes(size)
        )
    assert len(api.parts(session, file["fileId"])["parts"]) == 2
    assert api.complete(session, file["fileId"])["sizeBytes"] == 5 * MIB + 1
    assert api.batch(session, [pdf(f"{n}.pdf") for n in range(10)])["succeeded"] == 10
    assert api.call("DELETE", f"/{session}").status_code == 204
    assert "Uploads" not in admin.list_multipart_uploads(Bucket="uploads")
    assert exchanges == [None]


def test_many_files_at_once_take_the_requests_token_along_into_their_threads(in_process, issuer, exchanges):
    api = with_token(in_process(), issuer.token())
    session = api.session()
    assert api.batch(session, [pdf(f"{n}.pdf", partCount=3) for n in range(10)])["succeeded"] == 10
    assert exchanges == [None]


def test_on_this_machine_the_token_comes_from_the_environment(in_process, issuer):
    api = in_process(VERCEL_OIDC_TOKEN=issuer.token(sub=subject("development")))
    assert api.call("GET", "/api/health").json()["bucket"] == "ok"


def test_the_requests_token_comes_before_that_of_the_environment(in_process, issuer):
    api = in_process(VERCEL_OIDC_TOKEN=issuer.token(exp=int(time.time()) - 60))
    assert with_token(api, issuer.token()).call("GET", "/api/health").json()["bucket"] == "ok"


def test_one_exchange_for_all_who_wait(env, issuer, exchanges):
    app = wiring.build(env | {"VERCEL_OIDC_TOKEN": issuer.token()})
    s3 = app.completion._s3
    with ThreadPoolExecutor(16) as executor:
        found = set(executor.map(lambda _: s3.credentials().access_key_id, range(64)))
    assert (len(found), exchanges) == (1, [None])
    app.close()


def test_credentials_are_kept_until_shortly_before_they_expire(env, issuer, exchanges, clock):
    app = wiring.build(env | {"VERCEL_OIDC_TOKEN": issuer.token(), "PRESIGNED_URL_TTL_MINUTES": "1"})
    s3 = app.completion._s3
    first = s3.credentials()
    assert first.expires_at - datetime.now(UTC) > timedelta(minutes=59)
    clock.ahead = timedelta(minutes=54)
    assert s3.credentials() == first
    clock.ahead = timedelta(minutes=55, seconds=1)  # as after a long freeze, too
    assert s3.credentials() != first
    assert exchanges == [None, None]
    app.close()


def test_they_are_renewed_early_enough_for_a_url_to_live_its_whole_life(env, issuer, exchanges, clock):
    app = wiring.build(env | {"VERCEL_OIDC_TOKEN": issuer.token(), "PRESIGNED_URL_TTL_MINUTES": "20"})
    first = app.completion._s3.credentials()
    clock.ahead = timedelta(minutes=40, seconds=1)
    assert app.completion._s3.credentials() != first
    app.close()


def test_credentials_serve_to_their_end_while_they_cannot_be_renewed(in_process, issuer, exchanges, clock):
    api = with_token(in_process(PRESIGNED_URL_TTL_MINUTES="1"), issuer.token())
    session = api.session()
    api.register(session, pdf("1.pdf"))
    with_token(api, issuer.token(sub="nobody"))
    clock.ahead = timedelta(minutes=56)
    api.register(session, pdf("2.pdf"))
    clock.ahead = timedelta(minutes=60, seconds=1)
    assert api.refused("POST", f"/{session}/files", pdf("3.pdf")) == NO_STORE
    assert exchanges == [None, "AccessDenied", "AccessDenied"]
    with_token(api, issuer.token())
    clock.ahead = timedelta(0)
    api.register(session, pdf("3.pdf"))


def test_who_has_good_credentials_does_not_wait_for_an_sts_that_hangs(env, issuer, clock, monkeypatch):
    app = wiring.build(env | {"VERCEL_OIDC_TOKEN": issuer.token(), "PRESIGNED_URL_TTL_MINUTES": "1"})
    credentials = app.completion._s3.credentials
    first = credentials()
    clock.ahead = timedelta(minutes=56)
    asked, let_go = threading.Event(), threading.Event()

    def hang(*_):
        asked.set()
        let_go.wait(10)
        raise ExchangeError("Hung", refused=False)

    monkeypatch.setattr(Sts, "exchange", hang)
    with ThreadPoolExecutor(1) as executor:
        renewing = executor.submit(credentials)
        try:
            assert asked.wait(5)
            with at_most(1, "nobody waits for a renewal while the old credentials are good"):
                assert credentials() == first
        finally:
            let_go.set()
        assert renewing.result() == first
    app.close()


EXPIRED = Refusal(400, "ExpiredToken")


@pytest.mark.parametrize(
    ("operation", "refusal"),
    [("CreateMultipartUpload", EXPIRED), ("ListParts", EXPIRED), ("HeadBucket", Refusal(400, "400"))],
)
def test_credentials_that_s3_calls_expired_are_renewed_and_the_call_is_made_again(
    in_process, env, issuer, exchanges, clock, operation, refusal
):
    with FaultyProxy(env["S3_ENDPOINT_URL"]) as proxy:
        api = with_token(in_process(S3_ENDPOINT_URL=proxy.url), issuer.token())
        session = api.session()
        file = api.register(session, pdf("1.pdf"))
        clock.ahead = timedelta(minutes=1)
        refused = []

        def once(method, path):
            found = refusing({operation: refusal})(method, path)
            if found and len(exchanges) < 2:  # until the credentials are others
                refused.append(path)
                return found
            return None

        proxy.fault = once
        assert api.parts(session, file["fileId"])["verified"] is True
        assert api.call("GET", "/api/health").json()["bucket"] == "ok"
        api.register(session, pdf("2.pdf"))
        assert exchanges == [None, None]
        assert 1 <= len(refused) <= 2  # an upload is started on the fast path first, then by botocore


@pytest.mark.parametrize(
    ("operation", "refusal"),
    [("ListParts", Refusal(400, "TokenRefreshRequired")), ("CompleteMultipartUpload", EXPIRED),
     ("CompleteMultipartUpload", Refusal(200, "ExpiredToken")), ("HeadObject", Refusal(400, "400")),
     ("CompleteMultipartUpload", Refusal(200, "TokenRefreshRequired")), ("AbortMultipartUpload", EXPIRED)],
    ids=lambda one: f"{one.status} {one.code}" if isinstance(one, Refusal) else one,
)  # fmt: skip
def test_completing_and_aborting_go_on_with_renewed_credentials(
    in_process, env, issuer, exchanges, clock, operation, refusal
):
    with FaultyProxy(env["S3_ENDPOINT_URL"]) as proxy:
        api = with_token(in_process(S3_ENDPOINT_URL=proxy.url), issuer.token())
        session = api.session()
        file, parts = api.upload(session, pdf("1.pdf"), b"abc")
        aborted = api.register(session, pdf("2.pdf"))
        clock.ahead = timedelta(minutes=1)
        proxy.fault = lambda method, path: (
            refusing({operation: refusal})(method, path) if len(exchanges) < 2 else None
        )
        assert api.complete(session, file["fileId"], {"parts": parts})["sizeBytes"] == 3
        assert api.call("DELETE", f"/{session}/files/{aborted['fileId']}").status_code == 204
        assert exchanges == [None, None]


def test_one_exchange_for_all_whose_credentials_expired(in_process, env, issuer, exchanges, clock):
    with FaultyProxy(env["S3_ENDPOINT_URL"]) as proxy:
        api = with_token(in_process(S3_ENDPOINT_URL=proxy.url), issuer.token())
        session = api.session()
        api.register(session, pdf("first.pdf"))
        clock.ahead = timedelta(minutes=1)
        proxy.fault = lambda method, path: EXPIRED if len(exchanges) == 1 else None
        assert api.batch(session, [pdf(f"{n}.pdf") for n in range(10)])["succeeded"] == 10
        assert exchanges == [None, None]


def test_new_credentials_that_expired_at_once_are_a_refusal(in_process, env, issuer, exchanges, clock):
    with FaultyProxy(env["S3_ENDPOINT_URL"], refusing({"*": EXPIRED})) as proxy:
        api = with_token(in_process(S3_ENDPOINT_URL=proxy.url), issuer.token())
        session = api.session()
        for _ in range(3):
            assert api.refused("POST", f"/{session}/files", pdf())[1]["reason"] == "STORAGE_REFUSED"
        assert exchanges == [None]
        clock.ahead = timedelta(minutes=1)
        for _ in range(3):
            assert api.refused("POST", f"/{session}/files", pdf())[1]["reason"] == "STORAGE_REFUSED"
        assert exchanges == [None, None]
        clock.ahead = timedelta(minutes=2)
        with_token(api, issuer.token(sub="nobody"))
        assert api.refused("POST", f"/{session}/files", pdf()) == NO_STORE


def test_expires_at_respects_the_end_of_the_credentials(in_process, issuer):
    api = with_token(in_process(PRESIGNED_URL_TTL_MINUTES="600"), issuer.token())
    file = api.register(api.session(), pdf(size=10, partCount=1))
    [entry] = file["presignedUrls"]
    assert entry["expiresAt"] == about(datetime.now(UTC) + timedelta(hours=1))
    assert moment(entry["expiresAt"]) <= datetime.now(UTC) + timedelta(hours=1)


PROBLEMS = {
    "another project": ({"sub": subject() + "x"}, "AccessDenied", "trust policy"),
    "another audience": ({"aud": "https://other"}, "AccessDenied", "trust policy"),
    "expired": ({"exp": int(time.time()) - 600}, "ExpiredTokenException", "vercel env pull"),
    "tampered": (None, "InvalidParameterValue", "identity provider"),
    "no token at all": ("secret junk", "AccessDenied", "trust policy"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_sts_refuses_is_503_and_the_log_says_what_to_check(in_process, issuer, name, caplog):
    """A token of the environment is its owner's: STS judges it, and the log tells its claims."""
    changed, problem, check = PROBLEMS[name]
    token = issuer.token(**changed) if isinstance(changed, dict) else changed or issuer.token()[:-9] + "A" * 9
    api = in_process(VERCEL_OIDC_TOKEN=token)
    line = refused_registration(api, caplog)
    assert (line.problem, line.role) == (problem, ROLE)
    assert check in line.check
    if name == "another project":
        assert (line.issuer, line.subject) == (issuer.name, subject() + "x")
    assert_untold(caplog, token)


def refused_registration(api, caplog):
    """Register where no credentials can be had; the log line that says why."""
    session = api.session()
    response = api.call("POST", f"/{session}/files", pdf())
    assert (response.status_code, response.json()["error"]) == NO_STORE
    assert int(response.headers["Retry-After"]) > 0
    [line] = [record for record in caplog.records if record.getMessage() == "oidc"]
    return line


def assert_untold(caplog, *secrets):
    told = " ".join(repr(vars(record)) + str(record.exc_text) for record in caplog.records)
    assert not [secret for secret in secrets if secret in told]


def test_a_clock_that_is_hours_ahead_is_told(in_process, issuer, clock, exchanges, caplog):
    """Each call asked STS anew, and nothing said why it had no credentials."""
    clock.ahead = timedelta(hours=2)
    api = in_process(VERCEL_OIDC_TOKEN=issuer.token())
    line = refused_registration(api, caplog)
    assert (line.problem, "set the clock" in line.check) == ("ExpiredCredentials", True)
    assert api.refused("POST", f"/{api.session()}/files", pdf()) == NO_STORE
    assert exchanges == [None]


def test_no_token(in_process, caplog):
    line = refused_registration(in_process(), caplog)
    assert (line.problem, "Secure Backend Access" in line.check) == ("NoToken", True)


STRANGER = rsa.generate_private_key(65537, 2048)
FORGED = {
    "iss": {"iss": "https://oidc.vercel.com.evil.example/acme"},
    "iss of another scheme": {"iss": "http://oidc.vercel.com/acme"},
    "iss with a path": {"iss": "https://oidc.vercel.com/acme/../x"},
    "iss of an issuer's own": {"iss": "https://evil.example/oidc.vercel.com"},
    "no iss": {"iss": None},
    "project_id": {"project_id": "prj_evil"},
    "no project_id": {"project_id": None},
    "environment": {"environment": "preview"},
    "exp": {"exp": 1},
    "no exp": {"exp": None},
    "nbf": {"nbf": 2**40},
    "signature": {"key": STRANGER},
    "unknown key": {"key": STRANGER, "kid": "two"},
    "kid": {"kid": ""},
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_never_reaches_sts_and_its_claims_never_the_log(
    in_process, issuer, name, caplog, exchanges
):
    token = issuer.token(**FORGED[name] | {"sub": "evil-subject", "aud": "evil-audience"})
    api = with_token(in_process(), token)
    line = refused_registration(api, caplog)
    assert line.problem == "TokenRefused"
    assert line.failed in ("iss", "project_id", "environment", "exp", "signature", "unknown key", "algorithm",
                           "malformed")  # fmt: skip
    assert_untold(
        caplog, token, *token.split("."), "evil-subject", "evil-audience", "evil.example", "prj_evil"
    )
    assert exchanges == []
    with_token(api, issuer.token())
    api.register(api.session(), pdf())
    assert exchanges == [None]


@pytest.mark.parametrize("junk", ["secret junk", "a.b.c", "x" * 20_000, "e30.e30.", "e30.e30.e30"])
def test_what_is_no_token_is_refused(in_process, junk, caplog, exchanges):
    line = refused_registration(with_token(in_process(), junk), caplog)
    assert line.problem == "TokenRefused"
    assert_untold(caplog, junk)
    assert exchanges == []


@pytest.mark.parametrize("alg", ["none", "HS256", "PS256", "ES256"])
def test_a_token_of_another_algorithm_is_refused(in_process, issuer, alg, exchanges):
    header, payload, signature = issuer.token().split(".")
    header = encoded(json.dumps({"alg": alg, "kid": "one"}).encode()).decode()
    api = with_token(in_process(), f"{header}.{payload}.{signature}")
    assert api.refused("POST", f"/{api.session()}/files", pdf()) == NO_STORE
    assert exchanges == []


@pytest.mark.parametrize("vercel", ["", "0", "true"])
def test_off_vercel_the_header_means_nothing(in_process, issuer, vercel, exchanges):
    api = with_token(in_process(VERCEL=vercel), issuer.token())
    assert api.refused("POST", f"/{api.session()}/files", pdf()) == NO_STORE
    assert exchanges == []


@pytest.mark.parametrize(
    "told",
    [
        {"VERCEL_PROJECT_ID": ""},
        {"VERCEL_ENV": ""},
        {"VERCEL_ENV": "preview", "VERCEL_TARGET_ENV": "production"},
    ],
    ids=str,
)
def test_vercel_may_be_told_to_keep_its_names_to_itself(in_process, issuer, told):
    api = with_token(in_process(**told), issuer.token())
    api.register(api.session(), pdf())


def test_forged_tokens_do_not_keep_a_cold_instance_from_a_good_one(in_process, issuer, exchanges):
    """36 of 36 good calls were 503: each failure closed the way to STS for a second, for everybody."""
    api = in_process()
    session = api.session()

    def call(number):
        token = issuer.token() if number % 4 == 0 else issuer.token(STRANGER, jti=str(number))
        path = f"/{session}/files"
        return number, api.call("POST", path, pdf(f"{number}.pdf"), headers={"x-vercel-oidc-token": token})

    with ThreadPoolExecutor(16) as executor:
        answers = list(executor.map(call, range(48)))
    assert {answer.status_code for number, answer in answers if number % 4 == 0} == {201}
    assert set(exchanges) == {None}
    assert len(exchanges) <= role.MAX_EXCHANGES


NO_KEYS = (
    b"<R><Error><Code>%s</Code><Message>Couldn't retrieve verification key from your identity provider"
    b"</Message></Error></R>"
)


class TestWhileVercelsKeysCannotBeHad:
    """Then tokens are as their claims say, until STS has judged them."""

    @pytest.fixture(autouse=True)
    def down(self, issuer, vercels_keys):
        issuer.down = True

    def test_a_good_token_is_good(self, in_process, issuer, exchanges):
        api = with_token(in_process(), issuer.token())
        api.register(api.session(), pdf())
        assert exchanges == [None]

    def test_one_that_sts_refused_is_not_sent_there_again(self, in_process, issuer, exchanges, clock, caplog):
        forged = issuer.token(STRANGER, sub="evil-subject")
        api = with_token(in_process(), forged)
        session = api.session()
        for _ in range(3):
            assert api.refused("POST", f"/{session}/files", pdf()) == NO_STORE
        assert len(exchanges) == 1
        assert_untold(caplog, "evil-subject", *forged.split("."))
        clock.ahead = role.REFUSED_LIFE + timedelta(seconds=1)  # the trust policy may have been fixed
        assert api.refused("POST", f"/{session}/files", pdf()) == NO_STORE
        assert len(exchanges) == 2

    def test_the_next_token_is_not_kept_waiting_by_one_that_was_refused(self, in_process, issuer, exchanges):
        api = in_process()
        session = api.session()
        for number in range(5):
            with_token(api, issuer.token(STRANGER, jti=str(number)))
            assert api.refused("POST", f"/{session}/files", pdf()) == NO_STORE
        with_token(api, issuer.token())
        api.register(session, pdf())
        assert exchanges[-1] is None

    def test_nor_by_one_whose_key_aws_does_not_find(self, in_process, env, issuer, exchanges):
        """It may be made up, and AWS says the same when it cannot fetch any."""
        fault = lambda *_: (400, NO_KEYS % b"InvalidIdentityToken")  # noqa: E731
        with FaultyProxy(env["AWS_ENDPOINT_URL_STS"], fault) as sts:
            api = with_token(in_process(AWS_ENDPOINT_URL_STS=sts.url), issuer.token(STRANGER))
            session = api.session()
            assert api.refused("POST", f"/{session}/files", pdf()) == NO_STORE
            sts.fault = lambda *_: None
            with_token(api, issuer.token())
            api.register(session, pdf())
        assert exchanges == ["IDPCommunicationError", None]

    def test_so_many_tokens_are_remembered(self, env, issuer, monkeypatch):
        monkeypatch.setattr(role, "MAX_REFUSED", 10)
        ours = role.Role(Settings.from_env(env))
        for number in range(20):
            ours._failed(role.Token(str(number), trusted=False), ExchangeError("AccessDenied", refused=True))
        assert len(ours._refused) == 10
        assert ours._is_refused(role.Token("19", trusted=False).digest)
        assert not ours._is_refused(role.Token("9", trusted=False).digest)

    def test_a_few_exchanges_run_at_once(self, env, issuer, monkeypatch):
        running, most, lock = set(), [], threading.Lock()

        def exchange(self, token):
            with lock:
                running.add(token)
                most.append(len(running))
            time.sleep(0.02)
            with lock:
                running.discard(token)
            raise ExchangeError("AccessDenied", refused=True)

        monkeypatch.setattr(Sts, "exchange", exchange)
        ours = role.Role(Settings.from_env(env))

        def call(number):
            current_oidc_token.set(issuer.token(STRANGER, jti=str(number)))
            with pytest.raises(ApiError):
                ours.credentials()

        with ThreadPoolExecutor(32) as executor:
            list(executor.map(call, range(64)))
        assert max(most) == role.MAX_EXCHANGES
        assert not ours._running


def test_after_a_failure_sts_is_left_alone_for_a_moment(in_process, issuer, exchanges, clock):
    api = with_token(in_process(), issuer.token(sub="nobody"))
    session = api.session()
    for _ in range(3):
        assert api.refused("POST", f"/{session}/files", pdf()) == NO_STORE
    assert len(exchanges) == 1
    clock.ahead = timedelta(seconds=2)
    with_token(api, issuer.token())
    api.register(session, pdf())


def test_sts_out_of_reach_is_503(in_process, issuer, exchanges):
    api = with_token(in_process(AWS_ENDPOINT_URL_STS="http://127.0.0.1:1"), issuer.token())
    assert api.refused("POST", f"/{api.session()}/files", pdf()) == NO_STORE
    assert exchanges == ["EndpointConnectionError"]
    assert api.call("GET", "/api/health").json() == {
        "status": "unavailable", "database": "ok", "bucket": "unavailable",
    }  # fmt: skip


@pytest.mark.timeout(90)  # it would hang
def test_an_sts_that_never_answers_is_503(env, issuer, exchanges):
    """Neither one that says nothing nor one that cannot be connected to; both at once, for they take long."""

    def ask(port):
        settings = {"VERCEL_OIDC_TOKEN": issuer.token(), "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{port}"}
        app = wiring.build(env | settings)
        started = time.monotonic()
        with pytest.raises(ApiError) as refusal:
            app.completion._s3.credentials()
        app.close()
        return refusal.value.status, time.monotonic() - started

    with ThreadPoolExecutor(2) as executor, silent_port() as silent, deaf_port() as deaf:
        (silent_status, silent_seconds), (deaf_status, deaf_seconds) = executor.map(ask, (silent, deaf))
    assert (silent_status, deaf_status) == (503, 503)
    # One deadline for each attempt, and up to 1 s between them; three times as far away
    assert max(deaf_seconds, silent_seconds) < 3 * (ATTEMPTS * ATTEMPT_SECONDS + 1)
    assert exchanges == ["ReadTimeoutError"] * 2


@pytest.mark.timeout(60)  # it would hang
@pytest.mark.parametrize("where", ["status line", "header", "body of a length", "a chunk", "a refusal"])
def test_an_sts_that_never_comes_to_an_end_is_503(env, issuer, exchanges, monkeypatch, where):
    monkeypatch.setattr("lib.s3.sts.ATTEMPT_SECONDS", 0.5)
    with Dripping(*DRIPS[where]) as sts:
        app = wiring.build(env | {"VERCEL_OIDC_TOKEN": issuer.token(), "AWS_ENDPOINT_URL_STS": sts.url})
        with pytest.raises(ApiError):
            app.completion._s3.credentials()
        app.close()
        assert sts.connections == ATTEMPTS
    assert exchanges == ["ReadTimeoutError"]


SENT = (
    b"<AccessKeyId>AK</AccessKeyId><SecretAccessKey>hush</SecretAccessKey><SessionToken>hush</SessionToken>"
)
RESULT = b"<AssumeRoleWithWebIdentityResult>%s</AssumeRoleWithWebIdentityResult>"
UNREADABLE = {
    "nothing": (200, b""),
    "a page": (200, b"<html><p>hush</html>"),
    "a whole page": (200, b"<html>hush</html>"),
    "JSON": (200, b'{"SecretAccessKey":"hush"}'),
    "cut off": (200, b"<AssumeRoleWithWebIdentityResponse>" + (RESULT % (b"<Credentials>" + SENT))[:-60]),
    "no credentials": (200, b"<R>%s</R>" % RESULT % b""),
    "no end": (200, b"<R>%s</R>" % RESULT % b"<Credentials>%s</Credentials>" % SENT),
    "an end that is none": (
        200,
        b"<R>%s</R>" % RESULT % b"<Credentials>%s<Expiration>hush</Expiration></Credentials>" % SENT,
    ),
    "a refusal that is a page": (403, b"<html>hush"),
    "a refusal without a word": (403, b""),
    "a refusal without a code": (400, b"<ErrorResponse><Error/></ErrorResponse>"),
    "another place": (302, b""),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_an_sts_whose_answer_cannot_be_read_is_503(in_process, issuer, exchanges, caplog, kind):
    """It was a 500, each call asked again at once, and the log had the answer with what was in it."""
    status, content = UNREADABLE[kind]
    with Dripping(b"HTTP/1.1 %d Odd\r\nConnection: close\r\n\r\n" % status + content, pieces=0) as sts:
        api = with_token(in_process(AWS_ENDPOINT_URL_STS=sts.url), issuer.token())
        session = api.session()
        for _ in range(2):
            assert api.refused("POST", f"/{session}/files", pdf()) == NO_STORE
    assert exchanges == ["UnreadableAnswer"]
    assert "hush" not in " ".join(str(vars(record)) for record in caplog.records)


@pytest.mark.parametrize("code", [b"InvalidIdentityToken", b"IDPCommunicationError"])
def test_a_token_whose_keys_aws_cannot_fetch_is_good_a_moment_later(
    in_process, env, issuer, exchanges, clock, code
):
    """It was taken for refused, and not sent again for a minute."""
    with FaultyProxy(env["AWS_ENDPOINT_URL_STS"], lambda *_: (400, NO_KEYS % code)) as sts:
        api = with_token(in_process(AWS_ENDPOINT_URL_STS=sts.url), issuer.token())
        session = api.session()
        assert api.refused("POST", f"/{session}/files", pdf()) == NO_STORE
        sts.fault = lambda *_: None
        clock.ahead = timedelta(seconds=2)
        api.register(session, pdf())
    assert exchanges == ["IDPCommunicationError", None]


def test_an_sts_that_answers_too_much_is_503(env, issuer, exchanges):
    with Dripping(OK + b"\r\n", b" " * 65536, pause=0) as sts:
        app = wiring.build(env | {"VERCEL_OIDC_TOKEN": issuer.token(), "AWS_ENDPOINT_URL_STS": sts.url})
        with pytest.raises(ApiError):
            app.completion._s3.credentials()
        app.close()
    assert exchanges == ["EndpointConnectionError"]


def test_the_policy_reaches_no_further_than_the_prefix(env, issuer):
    app = wiring.build(env | {"VERCEL_OIDC_TOKEN": issuer.token()})
    s3 = app.completion._s3
    with pytest.raises(ApiError):
        s3.create_upload("other/key", "application/pdf")
    assert s3.head_object(f"{STAGE}/moc-instructions/none") is None
    app.close()


@pytest.mark.parametrize("arn", ["uploads", "arn:aws:iam::1:role/x", "arn:aws:iam::123456789012:user/x"])
def test_a_role_that_is_none_is_named(arn):
    with pytest.raises(SettingsError, match="AWS_ROLE_ARN"):
        wiring.build(GOOD | {"AWS_ROLE_ARN": arn})
