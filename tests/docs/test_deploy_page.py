"""The commands of docs/deploy.md, run as they stand: what is out of reach is a stand-in that is as strict.

Not run, because nothing here can stand for it: a real login, Vercel's and AWS's own answers, R2 (SeaweedFS
takes its place), what dashboards are clicked for, and the build and the upload themselves, which
tests/scenarios/vercel has.
"""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.support.servers import ROOT, kept_environment

PAGE = (ROOT / "docs" / "deploy.md").read_text()
# Each command is a process that loads botocore: seconds on a busy machine.
pytestmark = pytest.mark.timeout(600)
FAKED = ("vercel", "aws", "npm", "curl")


def blocks(*headings):
    """The bash blocks below these headings, up to the next heading of any level."""
    found = []
    for heading in headings:
        [section] = re.findall(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", PAGE, re.MULTILINE | re.DOTALL)
        found += re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    return found


@pytest.fixture
def shell(tmp_path, env):
    """Runs blocks one after the other in one bash, on the stack's database; answers what was run."""
    for name in FAKED:
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        source = (ROOT / "tests" / "support" / "fake_cli.py").read_text()
        program.write_text(f"#!{sys.executable}\n{source}")
        program.chmod(0o755)
    make = tmp_path / "bin" / "make"
    make.write_text(f'#!/bin/bash\nexec /usr/bin/make -o .venv/.installed "$@" PY={sys.executable}\n')
    make.chmod(0o755)

    def run(*script, more=""):
        text = "\n".join(["set -euo pipefail", *script, more])
        text = text.replace("'postgresql://…'", f"'{env['DATABASE_URL']}'")
        text = text.replace(".venv/bin/python", sys.executable)
        text = text.replace(".env.production.local", str(tmp_path / "pulled"))
        own = kept_environment() | {"FAKES": str(tmp_path), "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
        done = subprocess.run(["bash", "-c", text], cwd=ROOT, env=own, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
        return [json.loads(line) for line in (tmp_path / "ran").read_text().splitlines()], done.stdout

    return run


def stored(tmp_path):
    return json.loads((tmp_path / "env.json").read_text())


def settings_blocks():
    return blocks("The settings, and the deployment")


def pulled_settings(tmp_path):
    return (tmp_path / "pulled").read_text()


def test_the_steps_for_aws_with_oidc_run(shell, tmp_path):
    ran, _ = shell(*blocks("Install", "Names", "The bucket", "The role", "The database"), *settings_blocks())
    commands = [" ".join(one[1:3]) for one in ran if one[0] == "aws"]
    assert commands == [
        "sts get-caller-identity", "s3api create-bucket", "s3api put-public-access-block",
        "s3api put-bucket-cors", "s3api put-bucket-lifecycle-configuration",
        "iam create-open-id-connect-provider", "iam create-role", "iam put-role-policy",
    ]  # fmt: skip
    kept = stored(tmp_path)
    assert {name for name, (kind, _) in kept.items() if kind == "secret"} == {"DATABASE_URL"}
    assert kept["AWS_ROLE_ARN"] == ["config", "arn:aws:iam::123456789012:role/uploads"]
    assert kept.keys() == {"MOC_BUCKET", "S3_REGION", "STAGE", "ALLOWED_ORIGINS", "AWS_ROLE_ARN",
                           "AUTH_JWKS_URL", "AUTH_ISSUER", "DATABASE_URL"}  # fmt: skip


@pytest.mark.parametrize(("region", "constraint"), [("us-east-1", False), ("eu-central-1", True)])
def test_a_bucket_of_any_region(shell, region, constraint):
    ran, _ = shell(*blocks("Names"), f"export S3_REGION={region}", *blocks("The bucket"))
    [create] = [one for one in ran if "create-bucket" in one]
    assert (f"LocationConstraint={region}" in create) == constraint


def test_the_steps_for_aws_with_keys_run(shell, tmp_path):
    shell(*blocks("Install", "Names", "The bucket", "Keys", "The database"), *settings_blocks())
    kept = stored(tmp_path)
    assert kept["S3_ACCESS_KEY_ID"] == ["config", "AKIAEXAMPLE"]
    assert kept["S3_SECRET_ACCESS_KEY"] == ["secret", "example-secret"]
    assert "AWS_ROLE_ARN" not in kept


def test_neon_and_r2_without_aws(shell, tmp_path, env):
    """To the end: the doctor on what was pulled, with the secrets added, and a first upload."""
    own = f"""
    export MOC_BUCKET={env["MOC_BUCKET"]} S3_REGION=us-east-1 S3_ENDPOINT_URL={env["S3_ENDPOINT_URL"]}
    export S3_ACCESS_KEY_ID={env["AWS_ACCESS_KEY_ID"]} S3_SECRET_ACCESS_KEY={env["AWS_SECRET_ACCESS_KEY"]}
    unset PUBLIC_BASE_URL
    export AUTH_JWT_SECRET={"s" * 32} AUTH_AUDIENCE=uploads
    """
    link, documents = blocks("Neon and R2")
    _jwks, settings, *_ = settings_blocks()
    pull, _upload = blocks("The doctor, and a first upload")
    doctor = f"{pull.partition('make doctor')[0]}\n"
    ran, output = shell(
        *blocks("Install"),
        link,
        own,
        documents,
        *blocks("The database"),
        settings,
        doctor,
        more=f"make doctor ENV={tmp_path}/pulled > {tmp_path}/said || true",
    )
    assert not [one for one in ran if one[0] == "aws"]
    assert '"AllowedOrigins"' in output
    said = (tmp_path / "said").read_text()
    for name in ("DATABASE_URL", "S3_SECRET_ACCESS_KEY", "AUTH_JWT_SECRET"):
        assert f"{name}: not readable here" in said
    pulled = pulled_settings(tmp_path)
    for name, (kind, value) in stored(tmp_path).items():
        if kind == "secret":
            pulled = pulled.replace(f'{name}="[SENSITIVE]"', f'{name}="{value}"')
    (tmp_path / "whole").write_text(pulled + 'FOREIGN="a lone quote"s"\n')
    _, output = shell(more=f"make doctor ENV={tmp_path}/whole > {tmp_path}/said || true")
    said = (tmp_path / "said").read_text()
    assert "not readable" not in said
    assert re.search(r"ok +credentials", said), said
    assert re.search(r"ok +database", said), said


def test_zsh_takes_comments_from_the_first_line_on():
    """Where people type, it takes them for arguments, and what follows a `;` in them for a command."""
    assert blocks("Install")[0].startswith('[ -z "${ZSH_VERSION-}" ] || setopt interactivecomments\n')


def test_what_has_a_shape_that_only_the_page_knows():
    prebuilt = blocks("The settings, and the deployment")[2].split("\n")[:3]
    assert [line.split()[1] for line in prebuilt] == ["pull", "build", "deploy"]
    assert all("--prod" in line for line in prebuilt[1:])
