"""`make audit` tells what is vulnerable from what could not be looked up."""

from dev import audit

VULNERABLE = {"dependencies": [
    {"name": "jinja2", "version": "2.4.1", "vulns": [
        {"id": "PYSEC-2014-8", "fix_versions": ["2.7.2"], "aliases": [], "description": "x"}]},
    {"name": "six", "version": "1.17.0", "vulns": []},
]}  # fmt: skip


def test_what_pip_audit_finds():
    assert audit.pip_findings(VULNERABLE) == ["jinja2 2.4.1: PYSEC-2014-8, fixed in 2.7.2"]
    assert audit.pip_findings({"dependencies": VULNERABLE["dependencies"][1:]}) == []


def test_packages_that_pip_audit_could_not_look_up_are_not_called_good():
    skipped = {"name": "six", "skip_reason": "Dependency not found on PyPI and could not be audited"}
    assert audit.pip_findings({"dependencies": [skipped]}) is None
    assert audit.pip_findings({"dependencies": [skipped, *VULNERABLE["dependencies"]]})


def test_what_npm_finds():
    found = {
        "vulnerabilities": {"tar": {"name": "tar", "severity": "high", "range": "<=7.5.2"}},
        "metadata": {},
    }
    assert audit.npm_findings(found) == ["tar <=7.5.2: high"]
    assert audit.npm_findings({"vulnerabilities": {}, "metadata": {}}) == []
    assert audit.npm_findings({"message": "405 Method Not Allowed", "error": {"summary": ""}}) is None


def test_the_exit_status_says_whether_anything_is_known(monkeypatch, capsys):
    for findings, status, text in (([], 0, "0 known"), (None, 0, "NOT CHECKED"), (["x"], 1, "  x")):
        monkeypatch.setattr(audit, "audits", lambda findings=findings: iter([("pins", findings)]))
        assert audit.main() == status
        assert text in capsys.readouterr().out


def test_a_tool_that_is_not_there_has_looked_nothing_up(tmp_path):
    assert audit._report(["there-is-no-such-program"], tmp_path) == {}
    assert audit._report(["echo", "no JSON"], tmp_path) == {}
    assert audit._report(["echo", "[]"], tmp_path) == {}
