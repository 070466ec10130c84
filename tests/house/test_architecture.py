"""The layout of the code: which way imports point, and what is in which package.

`python -m tests.house.test_architecture` writes the table of packages into docs/architecture.md.
"""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = sorted([*(ROOT / "lib").rglob("*.py"), *(ROOT / "api").rglob("*.py"), *(ROOT / "db").rglob("*.py")])

# Who may import what of ours; the longest name that matches a module counts. It is said here, nowhere else:
# the table in docs/architecture.md is made from it.
ALLOWED = {
    "api": {"lib.wiring", "lib.http", "lib.domain"},
    "lib.wiring": {"lib"},
    "lib.one_function": set(),
    "lib.service": {"lib.service", "lib.postgres", "lib.s3", "lib.domain", "lib.runtime"},
    "lib.http": {"lib.http", "lib.domain", "lib.runtime"},
    "lib.postgres": {"lib.postgres", "lib.domain", "lib.runtime"},
    "lib.s3": {"lib.s3", "lib.domain", "lib.runtime"},
    "lib.s3.presign": set(),
    "lib.runtime": {"lib.runtime", "lib.domain.errors"},
    "lib.domain": {"lib.domain"},
    "db": {"db", "lib.postgres.conninfo", "lib.runtime.config", "lib.runtime.pasted"},
}
# Who alone may import a package of others.
OWNERS = {
    "psycopg": ("lib.postgres", "db"), "psycopg_pool": ("lib.postgres",),
    "boto3": (), "botocore": ("lib.s3",),
    "jwt": ("lib.http.tokens", "lib.runtime.jwks", "lib.runtime.oidc_token"),
    "aws_lambda_powertools": ("lib.runtime.log",),
}  # fmt: skip

API = "One file for each route: which route it serves, which use case runs, which status goes out"
DOCUMENT = ROOT / "docs" / "architecture.md"
START, END = "<!-- packages: made by tests/house/test_architecture.py -->\n", "<!-- end of packages -->\n"

# S3's operations that take an object away, as botocore's methods and by their own names
DELETES = r"(?i)delete_?(objects?|bucket)|put_?bucket_?lifecycle(_?configuration)?"


def package_table():
    """What is in each package, by its own docstring, and what it may import: for docs/architecture.md."""
    rows = ["| Package | What is in it | May import |", "|---|---|---|"]
    for package, allowed in ALLOWED.items():
        path = ROOT / package.replace(".", "/")
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        text = ast.get_docstring(ast.parse(source.read_text())) if source.exists() else API
        listed = ", ".join(f"`{name}`" for name in sorted(allowed - {package})) or "nothing else of ours"
        listed = "everything" if allowed == {"lib"} else listed
        rows.append(f"| `{package.replace('.', '/')}` | {text.splitlines()[0].rstrip('.')} | {listed} |")
    return "\n".join(rows) + "\n"


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path, whole_names=False):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "no relative imports"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from names if node.module == "lib" or whole_names else [node.module]


def within(module, places):
    return any(module == place or module.startswith(place + ".") for place in places)


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_imports_point_one_way(path):
    module = module_of(path)
    room = max((name for name in ALLOWED if within(module, [name])), key=len, default=None)
    for imported in imports_of(path):
        if imported.split(".")[0] in ("lib", "api", "db", "deploy", "dev", "tests"):
            assert room is not None, f"{module} has no place in ALLOWED"
            assert within(imported, ALLOWED[room]), f"{module} imports {imported}"
        owners = OWNERS.get(imported.split(".")[0])
        assert owners is None or within(module, owners), f"{module} imports {imported}"


def test_the_documents_table_of_packages_is_this_one():
    """When it is not: `python -m tests.house.test_architecture`."""
    assert START + package_table() + END in DOCUMENT.read_text()


def test_every_handler_is_short():
    for path in sorted((ROOT / "api").rglob("*.py")):
        code = [line for line in path.read_text().splitlines() if line.strip()]
        assert len(code) <= 18, f"{path.name} has {len(code)} lines"


def test_no_handler_shares_its_name_with_a_folder():
    """`vercel dev` takes both for one, and answers 500."""
    assert not [path for path in (ROOT / "api").rglob("*.py") if path.with_suffix("").is_dir()]


def test_the_storys_rewrites_stand_word_for_word():
    """A client of the story's, or another platform's copy of vercel.json, relies on them."""
    top = "/api/mocs/uploads/sessions"
    rewrites = json.loads((ROOT / "vercel.json").read_text())["rewrites"]
    for end in ("batch", ":fileId/parts"):
        destination = f"{top}/[sessionId]/files/{end.replace(':fileId', '[fileId]')}"
        assert {"source": f"{top}/:sessionId/files/{end}", "destination": destination} in rewrites


def test_vercel_finds_one_application_in_each_handler():
    """It takes the first of these names that a module has, an imported one too, and calls that."""
    for path in sorted((ROOT / "api").rglob("*.py")):
        names = [name.id for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign)
                 for name in node.targets]  # fmt: skip
        names += [name.rpartition(".")[2] for name in imports_of(path, whole_names=True)]
        assert [name for name in names if name in ("app", "application", "handler")] == ["app"], path


def test_functions_import_only_what_is_installed_for_them():
    import sys

    listed = (ROOT / "requirements" / "functions.in").read_text().splitlines()
    pinned = {line.split(">=")[0].split("[")[0].lower() for line in listed if ">=" in line}
    names = {"jwt": "pyjwt", "psycopg_pool": "psycopg", "pydantic_core": "pydantic"}
    for path in SOURCES:
        for imported in imports_of(path):
            top = imported.split(".")[0]
            if top in sys.stdlib_module_names or top in ("lib", "db", "types_boto3_s3", "types_boto3_sts"):
                continue
            assert names.get(top, top).replace("_", "-") in pinned, f"{module_of(path)} imports {imported}"


def test_modules_are_of_a_size_to_be_read():
    for path in (ROOT / "lib").rglob("*.py"):
        lines = len(path.read_text().splitlines())
        assert lines <= 300, f"{module_of(path)} has {lines} lines: what wants a file of its own?"


def test_nothing_of_ours_deletes_an_object():
    """docs/reliability.md promises it: what was acknowledged stays, whatever its row says."""
    for path in SOURCES:
        code = ast.parse(path.read_text())
        names = {
            getattr(node, "attr", getattr(node, "id", getattr(node, "value", None)))
            for node in ast.walk(code)
        }
        deleting = [name for name in names if isinstance(name, str) and re.fullmatch(DELETES, name)]
        assert not deleting, f"{module_of(path)} has {deleting}"


def test_no_two_files_of_tests_that_run_together_share_a_name():
    """pytest takes them for one module, and stops."""
    elsewhere = {"browser", "vercel"}  # folders that run alone
    names = [
        path.name
        for path in (ROOT / "tests").rglob("test_*.py")
        if not elsewhere & set(path.relative_to(ROOT).parts)
    ]
    assert sorted(names) == sorted(set(names))


if __name__ == "__main__":
    before, _, rest = DOCUMENT.read_text().partition(START)
    DOCUMENT.write_text(before + START + package_table() + END + rest.partition(END)[2])
