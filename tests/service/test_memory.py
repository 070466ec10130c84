"""What an instance makes is out of the garbage collector's sight, and what a test makes is not."""

import gc
import subprocess
import sys
import weakref

import pytest

from lib import wiring
from lib.s3.bucket import Bucket

REAL_INSTANCE = """
import gc
from lib import wiring

counts = []
for _ in range(3):  # the tests' own way to start anew
    wiring.use(None)
    wiring.get_application().sessions._s3._client.s3()
    counts.append(gc.get_freeze_count())
print(*counts)
"""

BUILDS = {
    "an application": lambda env: wiring.build(env).sessions._s3,
    "a wrapped one": lambda env: wiring.build(env, lambda made: made).parts._s3,
    "one without a role's endpoint": lambda env: wiring.build(env | {"S3_ENDPOINT_URL": ""}).abort._s3,
    "one with a role": lambda env: (
        wiring.build(env | {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r"}).completion._s3
    ),
    "a bucket alone": lambda env: Bucket(wiring.Settings.from_env(env)),
}


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_what_a_test_builds_is_collected_when_it_is_over(env, build):
    before = gc.get_freeze_count()
    bucket = build(env)
    client = weakref.ref(bucket._client.s3())
    assert client() is not None
    del bucket
    gc.collect()
    assert client() is None
    assert gc.get_freeze_count() <= before  # less, if something of pytest's is gone


def test_a_real_instance_freezes_once(env):
    ran = subprocess.run(
        [sys.executable, "-c", REAL_INSTANCE], env=env, capture_output=True, text=True, check=True
    )
    first, second, third = (int(count) for count in ran.stdout.split())
    assert first > 30_000  # botocore's models and all modules
    assert third <= second <= first
