"""The doctor claims nothing that it could not find out, and takes for a file what it was told to alone."""

import os
import subprocess
from itertools import count

import pytest

from tests.deploy.test_doctor import found
from tests.support.aws_refusals import Refusal
from tests.support.http_faults import FaultyProxy
from tests.support.servers import ROOT


def outside(fault):
    return lambda: lambda method, path: fault if method == "POST" and "doctor-outside-of" in path else None


def after_the_first(method, text, fault):
    """The first such request goes through."""

    def make():
        seen = count()
        return lambda asked, path: fault if (asked, text in path) == (method, True) and next(seen) else None

    return make


def the_second(method, text, fault):
    """Of the parts: the longer one, which is sent between two of the right length."""

    def make():
        seen = count()
        return lambda asked, path: (
            fault if (asked, text in path) == (method, True) and next(seen) == 1 else None
        )

    return make


@pytest.mark.parametrize(
    ("check", "make_fault"),
    [("least privilege", outside(500)), ("least privilege", outside("cut")),
     ("least privilege", outside(b"")),
     ("abort", after_the_first("GET", "uploadId=", 503)),
     ("missing object", lambda: lambda method, path: 503 if method == "HEAD" and "moc-" in path else None),
     ("signed length", the_second("PUT", "partNumber=1&", 503))],
)  # fmt: skip
def test_a_store_that_merely_fails_tells_nothing(healthy, env, check, make_fault):
    with FaultyProxy(env["S3_ENDPOINT_URL"], make_fault()) as store:
        finding = found(healthy | {"S3_ENDPOINT_URL": store.url})[check]
    assert (finding.status, finding.text.partition(" (")[0]) == (
        "warning", "could not be asked for: the store failed",
    )  # fmt: skip


@pytest.mark.parametrize("refusal", [Refusal(403, "AccessDenied"), Refusal(403, "UnauthorizedAccess"), 403])
def test_whatever_forbids_to_write_elsewhere_is_least_privilege(healthy, env, refusal):
    fault = (refusal, b"") if isinstance(refusal, int) else refusal  # of a proxy, without a body
    with FaultyProxy(env["S3_ENDPOINT_URL"], outside(fault)()) as store:
        finding = found(healthy | {"S3_ENDPOINT_URL": store.url})["least privilege"]
    assert (finding.status, "nothing can be written outside of" in finding.text) == ("ok", True)


@pytest.mark.parametrize(
    ("target", "words", "expected"),
    [("doctor", [], "-m deploy.doctor"), ("doctor", ["ENV=.env.x"], "-m deploy.doctor .env.x"),
     ("doctor", ["-e"], "-m deploy.doctor"), ("upload", ["FILE=a b"], "examples/upload.py a b")],
)  # fmt: skip
def test_make_takes_no_exported_variable_for_a_file(target, words, expected):
    ran = subprocess.run(
        ["make", "-s", "-o", ".venv/.installed", "PY=echo", target, *words],
        cwd=ROOT, env=os.environ | {"ENV": "exported", "FILE": "exported"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout == f"{expected}\n"
