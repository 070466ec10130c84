"""What Vercel's build is given of a download that is no clone."""

import pytest

from dev.processes import StackError
from dev.vercel import tools


def test_a_download_without_git_is_built_of_its_files(tmp_path, monkeypatch):
    download, copy = tmp_path / "download", tmp_path / "copy"
    for name in ("api/health.py", "api/[id]/index.py", "api/__pycache__/health.pyc", ".env", "vercel.json"):
        (download / name).parent.mkdir(parents=True, exist_ok=True)
        (download / name).write_text(name)
    monkeypatch.setattr(tools, "ROOT", download)
    tools.copy_tree(copy, ["api", "vercel.json", "missing"])
    found = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    assert found == {"api/health.py", "api/[id]/index.py", "vercel.json", ".vercel/project.json"}
    with pytest.raises(StackError, match="no clone"):
        tools.copy_tree(copy)
