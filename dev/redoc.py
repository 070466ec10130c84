"""Redoc, which shows the OpenAPI document at `/api.html`: `make redoc` writes `public/redoc/`.

The files are kept in git, so that a deployment needs no npm and a reader no other host. Mind the size of a
newer version: that of 2.5.4 is 1.1 MB, that of 3.0.1 is 2.3 MB.
"""

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "2.5.1"
INTEGRITY = "LmqA+4A3CmhTllGG197F0arUpmChukAj9klfSdxNRemT9Hr07xXr7OGKu4PHzBs359sgrJ+4JwmOlM7nxLPGMg=="
FOLDER = Path(__file__).resolve().parent.parent / "public" / "redoc"

# What would ask for something that is not ours: the logo below the menu, and a map of the source.
REPLACED = {
    '"https://cdn.redoc.ly/redoc/logo-mini.svg"': '"data:,"',
    "\n//# sourceMappingURL=redoc.standalone.js.map": "\n",
}


def files() -> dict[str, str]:
    """The files of `public/redoc/` by their names; exits if the package is not the pinned one."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"redoc@{VERSION}"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        [package] = Path(folder).iterdir()
        if base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode() != INTEGRITY:
            sys.exit(f"This is not the package of redoc {VERSION} that was pinned.")
        with tarfile.open(package) as archive:
            return _kept(archive)


def _kept(archive: tarfile.TarFile) -> dict[str, str]:
    script = _text(archive, "bundles/redoc.standalone.js")
    for found, instead in REPLACED.items():
        if script.count(found) != 1:
            sys.exit(f"redoc {VERSION} does not have {found.strip()!r} once.")
        script = script.replace(found, instead)
    licences = _text(archive, "LICENSE"), _text(archive, "bundles/redoc.standalone.js.LICENSE.txt")
    return {
        "redoc.standalone.js": script,
        "redoc.standalone.js.LICENSE.txt": f"Redoc {VERSION}\n\n" + "\n".join(licences),
    }


def _text(archive: tarfile.TarFile, name: str) -> str:
    member = archive.extractfile(f"package/{name}")
    if member is None:
        sys.exit(f"redoc {VERSION} has no {name}.")
    return member.read().decode()


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_bytes(text.encode())


if __name__ == "__main__":
    main()
