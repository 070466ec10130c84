"""`python -m dev.npm TOOL PROGRAM …`: become a tool from npm."""

import os
import sys

from dev.npm import tool
from dev.processes import StackError


def main() -> None:
    """Install it if need be, and run it."""
    try:
        program = tool(*sys.argv[1:3])
    except StackError as error:
        sys.exit(str(error))
    os.execv(program, [str(program), *sys.argv[3:]])  # noqa: S606 - a program of the lockfile's


if __name__ == "__main__":
    main()
