"""What `vercel build` makes of the tree: `make build`."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from dev.vercel.build import PLANTED, ensure_built, ensure_one_function_built
from dev.vercel.built_function import functions
from dev.vercel.tools import HOME, python
from tests.support.urls import ROOT, function_names

# Bytes, 12 MB of them bytecode. Vercel's limit is 250 MB, and less starts faster.
MAX_BUNDLE_SIZE = 60_000_000
RUNTIMES_OWN = {".vc-config.json", "vc__handler__python.py"}
NAMES = sorted(function_names())


@pytest.fixture(scope="module")
def output():
    return ensure_built()


@pytest.fixture(scope="module")
def bundles(output):
    """The files of each function, as paths below its folder."""
    return {name: files_of(folder) for name, folder in functions(output).items()}


def files_of(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def sources_of(*names):
    return {path.relative_to(ROOT).as_posix() for name in names for path in (ROOT / name).rglob("*.py")}


def test_every_file_below_api_is_a_function_and_nothing_else_is(bundles):
    assert sorted(bundles) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_function_has_our_code_and_its_packages_and_nothing_else_of_the_tree(bundles, name):
    ours = {file for file in bundles[name] if not file.startswith("_vendor/")}
    sources = sources_of("api", "lib")
    assert ours == RUNTIMES_OWN | sources | {bytecode_of(file) for file in sources}


def test_settings_of_the_developer_stay_out(output, bundles):
    tree = output.parent.parent
    assert (tree / ".env").read_text() == (tree / "lib" / ".env").read_text() == PLANTED
    for name in NAMES:
        assert not [file for file in bundles[name] if Path(file).name.startswith(".env")]


@pytest.mark.parametrize("name", NAMES)
def test_a_function_runs_our_app_on_the_python_of_the_tests(output, name):
    folder = functions(output)[name]
    settings = json.loads((folder / ".vc-config.json").read_text())
    assert settings["runtime"] == "python3.12"
    handler = (folder / "vc__handler__python.py").read_text()
    assert f'"__VC_HANDLER_ENTRYPOINT": "{name}.py"' in handler
    assert '"__VC_HANDLER_VARIABLE_NAME": "app"' in handler


def bytecode_of(source):
    path = Path(source)
    return (path.parent / "__pycache__" / f"{path.stem}.cpython-312.pyc").as_posix()


@pytest.mark.parametrize("name", NAMES)
def test_every_module_comes_with_its_bytecode(bundles, name):
    sources = {file for file in bundles[name] - RUNTIMES_OWN if file.endswith(".py")}
    assert len(sources) > 900
    assert {bytecode_of(file) for file in sources} == {
        file for file in bundles[name] if file.endswith(".pyc")
    }


@pytest.mark.parametrize("edited", ["lib/runtime/log.py", "api/health.py"])
def test_stale_bytecode_of_ours_does_not_run(output, tmp_path, edited):
    folder = shutil.copytree(functions(output)["api/health"], tmp_path / "health.func")
    env = {"PYTHONPATH": "_vendor:.", "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    source = (folder / edited).read_text()
    (folder / edited).write_text(source + "\nprint('edited')\n")
    code = (
        "import importlib.util as u, sys; spec = u.spec_from_file_location('module', sys.argv[1]); "
        "spec.loader.exec_module(u.module_from_spec(spec))"
    )
    done = subprocess.run([python(), "-c", code, edited], cwd=folder, env=env, capture_output=True, text=True)
    assert done.stdout == "edited\n", done.stderr


@pytest.mark.timeout(900)  # it builds
def test_a_standalone_build_has_the_same_files(bundles):
    folders = functions(ensure_built("--standalone", tree=HOME / "standalone-tree"))
    assert {name: files_of(folder) for name, folder in folders.items()} == bundles


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_is_small(output, bundles, name):
    folder = functions(output)[name]
    size = sum((folder / file).stat().st_size for file in bundles[name])
    assert size <= MAX_BUNDLE_SIZE, f"{size / 1e6:.1f} MB"


@pytest.mark.parametrize("name", NAMES)
def test_what_no_function_uses_is_left_out_and_the_rest_is_there(bundles, name):
    data = {Path(file).parts[3] for file in bundles[name] if file.startswith("_vendor/botocore/data/")}
    assert data == {"s3", "sts", "endpoints.json", "partitions.json", "sdk-default-configuration.json",
                    "_retry.json"}  # fmt: skip
    packages = {Path(file).parts[1] for file in bundles[name] if file.startswith("_vendor/")}
    assert "pip" not in packages
    assert packages >= {"botocore", "psycopg", "psycopg_binary", "pydantic", "jwt", "cryptography"}
    assert "_vendor/certifi/cacert.pem" in bundles[name]  # for sslmode=verify-full


def test_one_function_for_all_routes_is_the_only_one_and_has_every_file(bundles):
    [(name, folder)] = functions(ensure_one_function_built()).items()
    assert name == "lib/one_function.py"
    assert files_of(folder) == bundles["api/health"]


def test_static_files_are_those_of_public_and_no_others(output):
    assert files_of(output / "static") == files_of(ROOT / "public")


def test_the_rewrites_come_before_the_dynamic_files(output):
    rewrites = json.loads((ROOT / "vercel.json").read_text())["rewrites"]
    routes = json.loads((output / "config.json").read_text())["routes"]
    leads_to = [route["dest"].partition("?")[0] for route in routes if "dest" in route]
    assert leads_to[: len(rewrites)] == [rewrite["destination"] for rewrite in rewrites]
    first = next(route for route in routes if not route.get("continue"))  # those only add headers
    assert first == {"handle": "filesystem"}
