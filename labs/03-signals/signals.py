# Lab 3, signals: your own module, yet to be written.
#
# The contract of each function stands below its first line.
# Write what is marked TODO, then run `make lab-3`: it shows yours beside the
# reference. Functions of your own are welcome: begin their names with _.
# ruff: noqa: F401 - imports of the reference: drop what you have no use for

"""Lab 3: signals - start from a known state, then read them like input.

Ignored signals and the mask of blocked ones survive fork(2) *and* execve(2): a daemon inherits
them from whoever started it, and one that trusts them may be deaf to SIGTERM. After the reset,
the signals that mean something to us are blocked and read from a descriptor, so that they
arrive in the poll loop like any other input and no handler ever interrupts us.

Twin of `c/src/signals.c`.
"""

import os
import signal

import labd.failure
from labd import syscalls
from labd.failure import failing


def signals_reset() -> None:
    """All dispositions to default, and the mask empty.

    To be called before anything else. Signals that cannot be changed (SIGKILL, SIGSTOP, and the
    two that the C library keeps for itself) are left alone. Dispositions first and the mask
    last: a signal that was pending is then acted upon as its default says.

    Python itself has ignored SIGPIPE and SIGXFSZ and caught SIGINT by now: they are reset too.

    Raises Failure. daemon(7) steps 2 and 3; sigaction(2), signal(7).
    """
    raise labd.failure.todo("signals_reset")


def signals_open() -> int:
    """Decide about every signal that matters to us.

    Ignores SIGTSTP, SIGTTIN and SIGTTOU: a daemon has no terminal that could stop it. Ignores
    SIGPIPE and SIGXFSZ: a peer that hangs up, or a file that has reached its limit, must cost us
    an EPIPE or EFBIG from write(2), not our life. Blocks SIGTERM, SIGINT, SIGHUP, SIGUSR1 and
    SIGCHLD and opens one signalfd(2) for the five (non-blocking, close-on-exec).

    Returns the descriptor, owned by the caller. Raises Failure.
    """
    raise labd.failure.todo("signals_open")


def signals_next(fd: int) -> int:
    """Take the next signal that has arrived.

    Returns its number, or 0 when none waits. A standard signal that was sent twice before it
    was read arrives once: signal(7), so a caller must ask for the thing signalled, not count
    signals.

    Raises Failure.
    """
    raise labd.failure.todo("signals_next")
