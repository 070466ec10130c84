"""Every package and tool is pinned with its hash, and no file says which registry it comes from."""

import json
import re

import pytest

from tests.support.servers import ROOT

COMPILED = sorted([ROOT / "requirements.txt", *(ROOT / "requirements").glob("*.txt")])
LOCKS = sorted((ROOT / "dev" / "npm").glob("*/package-lock.json"))
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")


def pins(path):
    """Name and version of each line; a name may have several, for different Pythons."""
    found = [PIN.match(line) for line in path.read_text().splitlines()]
    return {(match[1], match[2]) for match in found if match}


def relative(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", COMPILED, ids=relative)
def test_every_package_is_pinned_and_hashed(path):
    requirement = []
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            continue
        requirement.append(line.rstrip("\\ "))
        if not line.endswith("\\"):
            head, *hashes = requirement
            assert PIN.match(head), head
            assert hashes, head
            assert all(re.fullmatch(r"\s+--hash=sha256:[0-9a-f]{64}", one) for one in hashes), head
            requirement = []
    assert requirement == []


@pytest.mark.parametrize("path", COMPILED, ids=relative)
def test_no_compiled_file_names_an_index(path):
    text = path.read_text()
    assert "://" not in text
    assert not re.search(r"^--|index|find-links", text, re.MULTILINE)


def test_each_set_holds_the_versions_of_the_one_before_it():
    functions, run, test = (
        pins(ROOT / name) for name in ("requirements.txt", "requirements/run.txt", "requirements/test.txt")
    )
    assert functions < run < test
    assert len(run) < 45  # the first `make run` waits for these


def test_what_is_written_by_hand_has_direct_dependencies_only():
    for path in (ROOT / "requirements").glob("*.in"):
        lines = [line for line in path.read_text().splitlines() if line and line[0] not in "#-"]
        assert lines
        assert all(re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?(>=|==)[\w.]+", line) for line in lines), path


@pytest.mark.parametrize("path", LOCKS, ids=relative)
def test_every_npm_package_has_its_integrity_and_no_host(path):
    packages = json.loads(path.read_text())["packages"]
    manifest = json.loads(path.with_name("package.json").read_text())
    assert packages.pop("")["dependencies"] == manifest["dependencies"]
    assert all(re.fullmatch(r"\d[\w.-]*", version) for version in manifest["dependencies"].values())
    for name, package in packages.items():
        assert package.keys().isdisjoint({"resolved"}), name
        assert package.get("integrity") or package.get("inBundle") or package.get("link"), name
