"""Lab 3: signals - start from a known state, then read them like input.

Ignored signals and the mask of blocked ones survive fork(2) *and* execve(2): a daemon inherits
them from whoever started it, and one that trusts them may be deaf to SIGTERM. After the reset,
the signals that mean something to us are blocked and read from a descriptor, so that they
arrive in the poll loop like any other input and no handler ever interrupts us.

Twin of `c/src/signals.c`.
"""

import os
import signal

from labd import syscalls
from labd.failure import failing

_IGNORED_SIGNALS = (
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
)
_TAKEN_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)


def signals_reset() -> None:
    """All dispositions to default, and the mask empty.

    To be called before anything else. Signals that cannot be changed (SIGKILL, SIGSTOP, and the
    two that the C library keeps for itself) are left alone. Dispositions first and the mask
    last: a signal that was pending is then acted upon as its default says.

    Python itself has ignored SIGPIPE and SIGXFSZ and caught SIGINT by now: they are reset too.

    Raises Failure. daemon(7) steps 2 and 3; sigaction(2), signal(7).
    """
    for number in signal.valid_signals():
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            with failing(f"sigaction({int(number)})"):
                signal.signal(number, signal.SIG_DFL)
    with failing("sigprocmask()"):
        signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _ignore(number: signal.Signals) -> None:
    with failing(f"sigaction({int(number)})"):
        signal.signal(number, signal.SIG_IGN)


def signals_open() -> int:
    """Decide about every signal that matters to us.

    Ignores SIGTSTP, SIGTTIN and SIGTTOU: a daemon has no terminal that could stop it. Ignores
    SIGPIPE and SIGXFSZ: a peer that hangs up, or a file that has reached its limit, must cost us
    an EPIPE or EFBIG from write(2), not our life. Blocks SIGTERM, SIGINT, SIGHUP, SIGUSR1 and
    SIGCHLD and opens one signalfd(2) for the five (non-blocking, close-on-exec).

    Returns the descriptor, owned by the caller. Raises Failure.
    """
    for number in _IGNORED_SIGNALS:
        _ignore(number)
    # Blocked before the descriptor exists: one that came in between would be acted upon by
    # its default, and end us: signalfd(2).
    with failing("sigprocmask()"):
        signal.pthread_sigmask(signal.SIG_BLOCK, _TAKEN_SIGNALS)
    with failing("signalfd()"):
        return syscalls.signalfd(_TAKEN_SIGNALS)


def signals_next(fd: int) -> int:
    """Take the next signal that has arrived.

    Returns its number, or 0 when none waits. A standard signal that was sent twice before it
    was read arrives once: signal(7), so a caller must ask for the thing signalled, not count
    signals.

    Raises Failure.
    """
    with failing("read() from the signalfd"):
        try:
            record = os.read(fd, syscalls.SIGNALFD_RECORD)
        except BlockingIOError:
            return 0
    return syscalls.signal_number(record)
