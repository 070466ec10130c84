"""Becomes a server that ends when the process that started it ends, however that one ended.

`dev.processes` runs this file's text with `python -c`. It drops root's privileges itself, because the user
that a server runs as may not be able to read our Python. Arguments: a JSON object, then the server's command.

- `parent`: the process id of who starts it
- `signal`: what ends the server when the parent has gone
- `user`, `group`: whom to become, or null
- `lifeline`: a pipe's reading end, which closes when the parent ends; null on Linux: its kernel signals
"""

import ctypes  # now: the user that the server runs as may not be able to read it
import json
import os
import select
import signal
import sys
import warnings  # noqa: F401 - os.execvp looks for it

PR_SET_PDEATHSIG = 1  # https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html


def main() -> None:
    """Become the server; exits with 127 if there is none."""
    options, command = json.loads(sys.argv[1]), sys.argv[2:]
    if options["user"] is not None:
        os.setgroups([])
        os.setgid(options["group"])
        os.setuid(options["user"])  # before what follows: a change of user clears the kernel's promise
    if options["lifeline"] is None:
        end_with_parent(options["parent"], options["signal"])
    else:
        guard(options["lifeline"], options["signal"])
    try:
        os.execvp(command[0], command)  # noqa: S606 - the point of it
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        os._exit(127)


def end_with_parent(parent: int, number: int) -> None:
    """Let Linux send this process a signal when its parent's thread ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it has gone already, and no signal will come
        os._exit(0)


def guard(lifeline: int, number: int) -> None:
    """Leave a process beside the server that ends it when the lifeline closes."""
    server = os.getpid()
    if os.fork():
        os.close(lifeline)
        return
    while os.getppid() == server:
        if select.select([lifeline], [], [], 0.5)[0]:
            os.kill(server, signal.Signals(number))
            break
    os._exit(0)


if __name__ == "__main__":
    main()
