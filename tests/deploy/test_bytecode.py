"""A prebuilt deployment carries bytecode, and runs on it."""

import json
import subprocess
import sys

import pytest

from deploy.bytecode import HERE, compile_functions


def function(output, name, runtime=HERE):
    folder = output / "functions" / f"{name}.func"
    (folder / "lib").mkdir(parents=True)
    (folder / ".vc-config.json").write_text(json.dumps({"runtime": runtime}))
    (folder / "lib" / "told.py").write_text("def fail():\n    raise ValueError('as compiled')\n")
    return folder


def run(folder, code):
    command = [sys.executable, "-B", "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_functions_run_on_the_bytecode_whatever_the_source_says(tmp_path):
    folders = [function(tmp_path, name) for name in ("api/one", "api/two")]
    (folders[0] / "lib" / "template.py").write_text("this is {{ no }} Python")
    assert compile_functions(tmp_path) == 2
    for folder in folders:
        (folder / "lib" / "told.py").write_text("def fail(): print('compiled anew')\n")
        done = run(folder, "from lib.told import fail; fail()")
        assert done.stderr.endswith("ValueError: as compiled\n")
        assert done.stdout == ""


def test_functions_of_another_python_are_refused(tmp_path):
    function(tmp_path, "api/one", runtime="python2.7")
    with pytest.raises(SystemExit, match=r"python2\.7"):
        compile_functions(tmp_path)
