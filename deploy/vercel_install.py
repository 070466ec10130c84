"""What Vercel runs to install the functions' packages: requirements.txt, without what no function uses.

`excludeFiles` in vercel.json does not reach into installed packages. A file that is not there when Vercel
makes a bundle is left out of it, though its package lists it: so 25 MB of 71 stay out of each function.
"""

import shutil
import subprocess
import sysconfig
from pathlib import Path

SERVICES = ("s3", "sts")  # of the some 400 that botocore describes
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))


def main() -> None:
    """Install, and remove; it runs once for each function, and finds nothing to do from the second on."""
    subprocess.run(["uv", "pip", "install", "--quiet", "-r", "requirements.txt"], check=True)
    subprocess.run(["uv", "pip", "uninstall", "--quiet", "pip"], check=True)
    services = [path for path in (SITE_PACKAGES / "botocore" / "data").iterdir() if path.is_dir()]
    for folder in [path for path in services if path.name not in SERVICES]:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
