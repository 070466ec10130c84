"""`make run`: the whole product on this machine, with an embedded database and S3 store."""

import signal
import sys
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    for number in STOP_SIGNALS:  # an impatient user must not interrupt the stopping itself
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    """Run until Ctrl-C, another such signal or a crash; the exit status says which.

    An argument is the id of the parent process, without which it does not go on either.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)
    try:
        from dev import supervisor  # takes about a second, which may be interrupted, too

        return supervisor.main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0


if __name__ == "__main__":
    sys.exit(main())
