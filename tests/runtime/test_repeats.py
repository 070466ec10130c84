"""A log that nobody can inflate: the traceback of an error once a minute, the rest counted."""

import pytest

from lib import wiring
from lib.domain.errors import ApiError, Reason
from lib.runtime import log, repeats
from lib.runtime.repeats import MAX_KINDS, PERIOD, Repeats
from tests.support.client import new_id, pdf
from tests.support.faults import Faults, unavailable


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(log, "repeats", Repeats(clock))
    return clock


def messages(caplog, message):
    return [record for record in caplog.records if record.getMessage() == message]


# Each has another cause; with the message of its line, and the status of the answer.
FAILURES = {
    "a bug": (RuntimeError("hush"), "unexpected failure", 500),
    "a bug whose text differs each time": (lambda: ValueError(new_id()), "unexpected failure", 500),
    "a deep recursion": (RecursionError(), "unexpected failure", 500),
    "the database": (ApiError(Reason.DATABASE_UNAVAILABLE), "failure", 503),
    "the database's refusal": (ApiError(Reason.DATABASE_UNAVAILABLE, logged={"code": "X"}), "failure", 503),
    "the database's silence": (lambda: unavailable_for(TimeoutError()), "failure", 503),
}


def unavailable_for(cause):
    error = ApiError(Reason.DATABASE_UNAVAILABLE)
    error.__cause__ = cause
    return error


def failing(app, monkeypatch, error):
    """From here on, asking for a session fails with this error, or with what a function makes."""

    def fail(*_):
        raise error() if callable(error) else error

    monkeypatch.setattr(type(app.sessions), "get_session", fail)


@pytest.mark.parametrize("name", FAILURES)
def test_an_error_that_repeats_has_one_traceback_a_minute(in_process, env, clock, caplog, name, monkeypatch):
    error, message, status = FAILURES[name]
    app = wiring.build(env)
    failing(app, monkeypatch, error)
    api = in_process(app)
    for _ in range(100):
        assert api.call("GET", f"/{new_id()}").status_code == status
    lines = messages(caplog, message)
    assert [bool(line.exc_info) for line in lines] == [True, *[False] * 99]
    assert len({line.request_id for line in lines}) == len(messages(caplog, "request")) == 100
    clock.now += PERIOD
    api.call("GET", f"/{new_id()}")
    line = messages(caplog, message)[-1]
    assert (bool(line.exc_info), line.left_out) == (True, 99)


def test_another_error_is_not_left_out(in_process, env, clock, caplog, monkeypatch):
    app = wiring.build(env)
    api = in_process(app)
    errors = [
        RuntimeError(), ValueError(), ApiError(Reason.DATABASE_UNAVAILABLE), unavailable_for(OSError()),
        ApiError(Reason.DATABASE_UNAVAILABLE, logged={"code": "X"}),
    ]  # fmt: skip
    for error in errors:
        failing(app, monkeypatch, error)
        for _ in range(3):
            api.call("GET", f"/{new_id()}")
    tracebacks = [record.getMessage() for record in caplog.records if record.exc_info]
    assert tracebacks == ["unexpected failure"] * 2 + ["failure"] * 3


def test_each_failed_file_of_a_batch_keeps_its_line(in_process, env, clock, caplog):
    faults = Faults()
    api = in_process(wiring.build(env, faults.wrap))
    session = api.session()
    for _ in range(3):
        faults.fail("Bucket.create_upload", error=unavailable)
        api.batch(session, [pdf(f"{new_id()}.pdf")])
    lines = messages(caplog, "file of a batch")
    assert [bool(line.exc_info) for line in lines] == [True, *[False] * (len(lines) - 1)]
    assert len(lines) == 3


def test_invalid_settings_are_told_once_a_minute(in_process, clock, caplog, monkeypatch):
    api = in_process()
    wiring.use(None)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    for _ in range(20):
        api.call("GET", f"/{new_id()}")
    assert len(messages(caplog, "settings")) == 1
    clock.now += PERIOD
    api.call("GET", f"/{new_id()}")
    assert [getattr(line, "left_out", None) for line in messages(caplog, "settings")] == [None, 19]


def test_a_bounded_number_of_kinds_is_remembered():
    clock = Clock()
    told = Repeats(clock)
    for number in range(10 * MAX_KINDS):
        clock.now += 0.001
        assert told.left_out(number) == 0
    assert len(told._told) == MAX_KINDS
    assert told.left_out(10 * MAX_KINDS - 1) is None
    assert told.left_out(0) == 0


def test_many_threads_count_right():
    from concurrent.futures import ThreadPoolExecutor

    clock = Clock()
    told = Repeats(clock)
    with ThreadPoolExecutor(8) as executor:
        answers = list(executor.map(lambda _: told.left_out("x"), range(1000)))
    assert sorted(answers, key=str) == [0, *[None] * 999]
    clock.now += PERIOD
    assert told.left_out("x") == 999


def test_the_kind_of_an_error_holds_nothing_of_its_text():
    error = ValueError("hush")
    error.__cause__ = KeyError("hush")
    assert repeats.kind_of(error) == (("ValueError", None), ("KeyError", None))


@pytest.mark.parametrize("reason", [Reason.STORAGE_UNAVAILABLE, Reason.STORAGE_REFUSED])
def test_the_failed_files_of_all_batches_have_one_traceback(in_process, env, clock, caplog, faults, reason):
    faults.fail("Bucket.create_upload", error=lambda: ApiError(reason, logged={"s3_code": "X"}), times=100)
    api = in_process(wiring.build(env, faults.wrap))
    for _ in range(3):
        api.batch(api.session(), [pdf(f"{number}.pdf") for number in range(5)])
    lines = messages(caplog, "file of a batch")
    assert [bool(line.exc_info) for line in lines] == [True, *[False] * 14]
    assert [(line.index, line.reason, line.s3_code) for line in lines[:5]] == [
        (index, reason.name, "X") for index in range(5)
    ]


@pytest.mark.parametrize("length", [17, 1000, 100_000])
def test_a_long_method_is_no_long_line(in_process, caplog, length):
    assert in_process().http.request("X" * length, "/api/health").status_code == 405
    assert [record.method for record in messages(caplog, "request")] == ["X" * 16]
