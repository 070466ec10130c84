"""Anybody may ask for health: what that costs does not grow with how often it is asked."""

import threading
import time

import pytest

from lib import wiring
from lib.service import health
from lib.service.health import KEPT_SECONDS
from tests.support.faults import unavailable
from tests.support.together import times_at_once

ASKED = ("Bucket.head_bucket", "SessionStore.ping")


@pytest.fixture
def application(env, faults):
    return wiring.build(env, faults.wrap)


@pytest.fixture
def api(in_process, application):
    return in_process(application)


@pytest.fixture
def clock(application):
    """The seconds since the test began, which it sets."""
    now = [1_000_000.0]
    application.health._clock = lambda: now[0]

    def advance(seconds):
        now[0] += seconds

    return advance


def ask(api):
    return api.call("GET", "/api/health").json()["status"]


def asked(faults):
    return [faults.calls.count(name) for name in ASKED]


@pytest.mark.usefixtures("clock")
def test_a_second_call_is_answered_from_the_first(api, faults):
    assert [ask(api) for _ in range(20)] == ["ok"] * 20
    assert asked(faults) == [1, 1]


def test_it_is_as_of_at_most_five_seconds_ago(api, faults, clock):
    assert KEPT_SECONDS == 5
    assert ask(api) == "ok"
    faults.fail("Bucket.head_bucket", error=unavailable)
    clock(4.9)
    assert ask(api) == "ok"
    clock(0.1)
    assert ask(api) == "unavailable"
    clock(4.9)
    assert ask(api) == "unavailable"
    clock(0.1)
    assert ask(api) == "ok"
    assert asked(faults) == [3, 3]


@pytest.mark.usefixtures("clock")
def test_calls_at_once_ask_once(api, faults):
    assert times_at_once(16, lambda _: ask(api)) == ["ok"] * 16
    assert asked(faults) == [1, 1]


def test_a_clock_that_was_set_back_keeps_nothing_for_long(api, faults, clock):
    assert ask(api) == "ok"
    clock(-3600)
    assert ask(api) == "ok"
    assert asked(faults) == [2, 2]


SILENT = [("Bucket.head_bucket", "bucket"), ("SessionStore.ping", "database")]


@pytest.mark.parametrize(("call", "name"), SILENT)
def test_silence_is_not_waited_for_and_holds_one_thread(api, faults, clock, monkeypatch, call, name):
    assert ask(api) == "ok"  # so that both are connected to
    clock(KEPT_SECONDS)
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 1)
    answered = threading.Event()
    faults.instead(call, lambda real, *_: answered.wait(60))
    try:
        for _ in range(3):  # more than there are threads
            shown = api.call("GET", "/api/health").json()
            assert (shown["status"], shown[name]) == ("unavailable", "unavailable")
            assert sorted(shown.values()) == ["ok", "unavailable", "unavailable"]
            clock(KEPT_SECONDS)
        assert faults.calls.count(call) == 2
    finally:
        answered.set()
    faults.replaced.clear()
    monkeypatch.undo()
    clock(KEPT_SECONDS)
    assert ask(api) == "ok"


@pytest.mark.parametrize(("call", "name"), SILENT)
def test_who_waited_for_a_slow_answer_does_not_ask_again(api, faults, clock, call, name):
    """The answer was as old as its question: each who had waited asked once more, one after another."""

    def slow(real, *args):
        clock(KEPT_SECONDS + 1)
        time.sleep(0.2)  # so that all others wait
        return real(*args)

    faults.instead(call, slow)
    assert times_at_once(16, lambda _: ask(api)) == ["ok"] * 16
    assert faults.calls.count(call) == 1
