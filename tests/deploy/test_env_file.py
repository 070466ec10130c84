"""Files of variables: what `vercel env pull`, `make run` and people write."""

import pytest

from deploy.doctor import examine
from deploy.env_file import read_env


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('A="x y"', "x y"),
        ("A='p#q'", "p#q"),
        ("export A=r # why", "r"),
        ("A=r\t# it's why", "r"),
        ("A=p#q", "p#q"),  # cut, a secret was another one
        ("A= # none", ""),
        ("A=", ""),
        ('A=""', ""),
        ('A="pasted\\n"', "pasted\n"),  # the value ends with a line break; the settings strip it
        ('A="-----BEGIN\\nAB\\n-----END"', "-----BEGIN\nAB\n-----END"),
        ('A="{"b": "c"}"', '{"b": "c"}'),  # the CLI does not escape quotes
        ('A="it\'s"', "it's"),
        ("A=it's", "it's"),
        ('A="open', '"open'),
        ("A=p@ss'word\"", "p@ss'word\""),
        ('A="[SENSITIVE]"', "[SENSITIVE]"),
        ('A="-----BEGIN\nab==\n-----END"', "-----BEGIN\nab==\n-----END"),
        ("A='-----BEGIN\nab==\n-----END'", "-----BEGIN\nab==\n-----END"),
        ("A=https://a.example, https://b.example  # both", "https://a.example, https://b.example"),
        ("A=one\u2028line\x85", "one\u2028line"),
        ("export\tA = x", "x"),
        ("A=x\r", "x"),
    ],
)
def test_a_line_is_read_and_hurts_no_other(tmp_path, line, value):
    file = tmp_path / "env"
    file.write_text(f"# Created by Vercel CLI\nBEFORE=1\n{line}\nAFTER=2\n\n")
    assert read_env(file) == {"BEFORE": "1", "A": value, "AFTER": "2"}


def test_a_mark_at_the_beginning_hides_no_variable(tmp_path):
    (tmp_path / "env").write_bytes("\ufeffA=1\n".encode())
    assert read_env(tmp_path / "env") == {"A": "1"}


def test_the_doctor_says_which_values_it_was_not_given(tmp_path):
    file = tmp_path / "env"
    file.write_text('DATABASE_URL="[SENSITIVE]"\nAUTH_JWT_SECRET="[SENSITIVE]"\nMOC_BUCKET="b-1"\n')
    findings = list(examine(read_env(file)))
    assert [finding.status for finding in findings] == ["wrong", "wrong"]
    assert [finding.text.partition(":")[0] for finding in findings] == ["AUTH_JWT_SECRET", "DATABASE_URL"]
    assert all("not readable here" in finding.text for finding in findings)
    assert all("Add it to the file" in finding.fix for finding in findings)


def test_a_foreign_value_that_is_not_readable_stops_nothing(tmp_path):
    file = tmp_path / "env"
    file.write_text('STRIPE_KEY="[SENSITIVE]"\nDATABASE_URL=""\n')
    assert all("STRIPE_KEY" not in finding.text for finding in examine(read_env(file)))
