"""The doctor on a keyless deployment: what the role may do, and why it cannot be assumed."""

import json

import pytest

from deploy.doctor import examine
from tests.support.keyless import NARROW_ROLE, subject


@pytest.fixture
def findings(env, issuer):
    """Examines the deployment, with some settings changed."""

    def examined(**changes):
        usual = {"VERCEL_OIDC_TOKEN": issuer.token(), "AUTH_AUDIENCE": "uploads"}
        found = {finding.check: finding for finding in examine(env | usual | changes)}
        for finding in found.values():
            assert (changes.get("VERCEL_OIDC_TOKEN") or usual["VERCEL_OIDC_TOKEN"]) not in repr(finding)
        return found

    return examined


def test_the_roles_credentials_and_their_life(findings):
    found = findings()
    assert found["credentials"].status == "ok"
    assert "for 60 more minutes" in found["credentials"].text
    assert {name: found[name].status for name in ("bucket", "list parts", "abort", "missing object")} == {
        "bucket": "ok", "list parts": "ok", "abort": "ok", "missing object": "ok",
    }  # fmt: skip
    assert (found["least privilege"].status, found["least privilege"].text) == (
        "ok", "nothing can be written outside of prod/moc-instructions/",
    )  # fmt: skip


def test_a_life_shorter_than_that_of_a_url(findings):
    assert findings(PRESIGNED_URL_TTL_MINUTES="90")["credentials"].status == "warning"


def test_keys_beside_a_role_are_not_used(findings):
    assert "not used" in findings(AWS_ACCESS_KEY_ID="left-over")["keys"].text


def test_a_role_that_does_not_trust_the_project(findings, issuer):
    token = issuer.token(sub=subject().replace("uploads", "another"))
    found = findings(VERCEL_OIDC_TOKEN=token)["credentials"]
    assert found.status == "wrong"
    assert "AccessDenied" in found.text
    command, _, policy = found.fix.partition("--policy-document ")
    assert "aws iam update-assume-role-policy --role-name uploads" in command
    [statement] = json.loads(policy.strip("'"))["Statement"]
    assert (
        statement["Principal"]["Federated"] == "arn:aws:iam::123456789012:oidc-provider/oidc.vercel.com/acme"
    )
    subjects = statement["Condition"]["StringEquals"]["oidc.vercel.com/acme:sub"]
    assert "owner:acme:project:another:environment:production" in subjects


def test_no_token(findings):
    found = findings(VERCEL_OIDC_TOKEN="")["credentials"]
    assert (found.status, "vercel env pull" in found.fix) == ("wrong", True)


def test_a_stage_that_the_policy_does_not_name(findings):
    found = findings(STAGE="another")["upload"]
    assert (found.status, "STAGE=another python -m deploy.documents iam-policy" in found.fix) == (
        "wrong",
        True,
    )


def test_a_policy_that_lacks_an_action(findings):
    found = findings(AWS_ROLE_ARN=NARROW_ROLE)
    assert found["credentials"].status == "ok"
    assert found["missing object"].status == "wrong"
    assert "not 404" in found["missing object"].text
    assert "s3:ListBucket" in found["missing object"].fix
