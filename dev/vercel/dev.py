"""`make vercel-dev`: the real `vercel dev` in this checkout, beside a running `make run`."""

import os
import sys

from dev.lan import VERCEL_DEV_PORT, port_of
from dev.processes import StackError, free_ports
from dev.vercel import tools


def command(port: int) -> list[str]:
    """`vercel dev -L` on a port of 127.0.0.1, without a login; raises `StackError`."""
    services = zip(("queue", "runtime-cache", "schedules"), free_ports(3), strict=True)
    return [
        tools.cli(), "dev", "--local", "--yes", "--listen", f"127.0.0.1:{port}",
        *(f"--{name}-port={free}" for name, free in services), *tools.cli_options(),
    ]  # fmt: skip


def main() -> int:
    """Become the CLI, with the settings that `make run` has written; 1 if something is missing."""
    if not (tools.ROOT / ".env").exists():
        print("There is no .env: start `make run` first, in another terminal.", file=sys.stderr)
        return 1
    try:
        arguments, env = command(port_of(os.environ, VERCEL_DEV_PORT)), tools.cli_env()
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    print("The first request to each function takes 10 to 30 s. An edit of api/ is served after some 10 s;")
    print("edits of lib/ are not watched: restart it, or save the file of api/ that you call.", flush=True)
    os.chdir(tools.ROOT)
    os.execve(arguments[0], arguments, env)  # noqa: S606 - so that Ctrl-C is the CLI's own


if __name__ == "__main__":
    sys.exit(main())
