"""What the documents say is so."""

import json
import re
from pathlib import Path

import pytest

from lib.domain.policy import TABLE
from lib.domain.upload_limits import STARTS_PER_FILE
from lib.http.routes import ROUTES, SESSIONS
from lib.runtime.config import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def table_below(heading, document="README.md"):
    """The rows of the first table below a heading, each as its cells."""
    text = (ROOT / document).read_text().split(f"## {heading}\n", 1)[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_the_readme_lists_every_setting_and_its_default():
    listed = {}
    for names, defaults, _ in table_below("Settings"):
        names = re.findall(r"`([A-Z0-9_]+)`", names)
        values = [value.strip("` ") for value in defaults.split(",")]
        listed |= dict(zip(names, values if len(values) == len(names) else values * len(names), strict=False))
    sizes = {category.setting: str(category.max_mb) for category in TABLE.categories}
    named = {name: listed.pop(name) for name in list(listed) if re.fullmatch(r"MAX_[A-Z_]+_MB", name)}
    assert named.items() <= sizes.items(), "another app's table may have more"
    fields = {name: field for name, field in Settings.model_fields.items() if name != "max_category_mb"}
    assert sorted(listed) == sorted(name.upper() for name in fields)
    for name, field in fields.items():
        if isinstance(field.default, int) and not isinstance(field.default, bool):
            assert listed[name.upper()] == str(field.default), name


def test_the_readme_lists_every_route():
    listed = [row[0].strip("`") for row in table_below("The API")]
    routes = []
    for operation in ROUTES:
        path = (
            operation.path.removeprefix(SESSIONS) if operation.path.startswith(SESSIONS) else operation.path
        )
        routes.append(f"{operation.method} {path or '/'}")
    assert listed == routes


def names_of_tests_in(text):
    """The tests that a document names; every one of them exists."""
    named = set(re.findall(r"`(test_\w+)", text))
    there = {name for path in (ROOT / "tests").rglob("test_*.py")
             for name in re.findall(r"def (test_\w+)", path.read_text())}  # fmt: skip
    assert named <= there, named - there
    return named


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere_and_commands_exist(document):
    text = document.read_text()
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (document.parent / link).exists(), link
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for target in re.findall(r"(?:`|^\$ |= )make ([a-z0-9-]+)", text, re.MULTILINE):
        assert target in targets, f"make {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_variable_is_changed_by_a_colon_after_it(document):
    """zsh takes `$NAME:role` for the variable without its extension, and `ole` behind it."""
    blocks = re.findall(r"```(?:bash|console)\n(.*?)```", document.read_text(), re.DOTALL)
    assert re.findall(r"\$\w+:", "".join(blocks)) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_named_exist(document):
    if document.name == "benchmarks.md":
        pytest.skip("`make bench` has written it, and it names the files of that day")
    places = r"(?:lib|api|db|dev|deploy|tests|public|examples|benchmarks)"
    for name in re.findall(rf"`({places}/[\w./\[\]-]+\.\w+)`", document.read_text()):
        assert (ROOT / name).exists(), name


def test_what_one_user_can_cost_is_what_the_defaults_make():
    """The numbers in docs/deploy.md follow from the settings, the limits and the lifecycle rule."""
    default = {name: field.default for name, field in Settings.model_fields.items()}
    sessions, files = default["max_sessions_per_day"], default["max_files_per_session"]
    size = next(category.max_mb for category in TABLE.categories if category.name == "instruction")
    parts = size // default["multipart_part_size_mb"]
    lifecycle = json.loads((ROOT / "deploy" / "lifecycle.json").read_text())
    days = lifecycle["Rules"][0]["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
    starts, kept = sessions * files * STARTS_PER_FILE, sessions * files * size / 1024
    expected = [
        f"{starts:,}", f"{starts * size / 1024:,.0f} GiB", f"{kept:,.0f} GiB", f"{days * kept:,.0f} GiB",
        f"{starts * (parts + 4):,}",
    ]  # fmt: skip
    rows = table_below("What one user can cost you", "docs/deploy.md")
    assert [most for _, _, most in rows] == expected
