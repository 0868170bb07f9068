"""Lab 1: detach - leave the terminal, the session and the starter behind.

Three processes take part. The *starter* is the one the shell waits for. It forks the *middle*
process, which makes a new session and forks the *daemon*. The middle process is gone at once;
the starter stays until the daemon has told it, through a pipe, that it is ready or why it is
not, and then exits with that verdict. See daemon(7), "SysV Daemons".

Twin of `c/src/detach.c`.
"""

import os
import signal
import sys
from contextlib import suppress

from labd.failure import EXIT_FAILED, EXIT_STARTED, Failure, failing

_VERDICT_SIZE = 513
"""One byte of exit code and the text: far below PIPE_BUF, so that one write(2) carries it."""


def _read_verdict(fd: int) -> bytes:
    """Read to the end of file: it comes when the last write end is closed, thus at the latest
    when the daemon dies. Nothing was said if the result is empty."""
    verdict = b""
    while piece := os.read(fd, _VERDICT_SIZE):
        verdict += piece
    return verdict


def _starter_waits(middle: int, fd: int) -> None:
    # The middle process ends at once. With SIGCHLD ignored the kernel has reaped it already
    # and answers ECHILD: waitpid(2), NOTES.
    with suppress(ChildProcessError):
        os.waitpid(middle, 0)
    verdict = _read_verdict(fd) or bytes([EXIT_FAILED]) + b"the daemon died before it was ready"
    text = verdict[1:].rstrip(b"\0")
    if text:
        with suppress(OSError):  # standard error may have come closed
            os.write(2, b"labd: " + text + b"\n")
    # _exit: the daemon's copy of buffers and atexit functions is the one that counts.
    os._exit(verdict[0])


def _middle_forks() -> None:
    """In the middle process: a new session without a terminal, then a child that does not lead
    it. Returns in the daemon; the middle process never comes back."""
    # Cannot be a process group leader here, so EPERM cannot happen: setsid(2).
    with failing("setsid()"):
        os.setsid()
    # A session leader would gain a terminal by opening one: daemon(7) step 7.
    with failing("fork() of the daemon"):
        daemon = os.fork()
    if daemon > 0:
        os._exit(EXIT_STARTED)


def detach_fork() -> int:
    """Become a process that no terminal and no session holds.

    In this order: flush stdio; make the verdict pipe (close-on-exec); fork; in the child
    setsid(2) and fork again; the middle process leaves with os._exit.

    Returns in the daemon only: the write end of the pipe, owned by the caller. Nobody else
    holds one, so that the daemon's death shows as end of file. When pipe2(2) or the first
    fork(2) fails it raises Failure in the process that called it, with nothing left open.

    The starter never returns: it waits for the middle process (no zombie), reads the verdict
    to its end, prints the text, if any, as "labd: TEXT" on standard error, and leaves by
    os._exit with the verdict's exit code. An empty verdict means that the daemon died before
    it could speak: that is a failure (EXIT_FAILED) and never "ready". A setsid(2) or second
    fork(2) that fails is reported through the same pipe. An inherited "ignore SIGCHLD" makes
    waitpid(2) fail with ECHILD: that is no failure of the start.

    daemon(7) steps 5-8, 14 and 15; fork(2), setsid(2), credentials(7).
    """
    # Unflushed output would be written by each process that holds a copy of it.
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # None: came closed
            stream.flush()
    with failing("pipe2()"):
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
    try:
        with failing("fork()"):
            middle = os.fork()
    except Failure:
        os.close(read_end)
        os.close(write_end)
        raise
    if middle > 0:
        # Our copy of the write end would keep the end of file from ever coming.
        os.close(write_end)
        _starter_waits(middle, read_end)
    os.close(read_end)
    try:
        _middle_forks()
    except Failure as failure:
        with suppress(Failure):
            detach_report(write_end, failure)
        os._exit(EXIT_FAILED)
    return write_end


def detach_settle(mask: int, directory: str) -> None:
    """Take a umask and a working directory of our own.

    umask(2) to mask, then chdir(2) to directory: an inherited umask would decide the mode of
    every file we make, and an inherited directory would keep its file system from being
    unmounted. Raises Failure when chdir(2) fails.

    daemon(7) steps 10 and 11; umask(2), chdir(2).
    """
    os.umask(mask)  # cannot fail: umask(2)
    with failing(f"chdir({directory})"):
        os.chdir(directory)


def _write_without_signal(fd: int, message: bytes) -> None:
    """write(2), but with EPIPE alone when nobody is left to read, not also a SIGPIPE. Pipes have
    no MSG_NOSIGNAL, and before lab 3 the signal may do its default. We have one thread yet."""
    before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        os.write(fd, message)
    finally:
        signal.signal(signal.SIGPIPE, before)


def detach_report(verdict: int, outcome: Failure | None = None) -> None:
    """Give the starter the verdict it waits for.

    outcome None means ready: exit code EXIT_STARTED and no text; else the starter exits with
    outcome's exit code and prints its text. The message is the exit code in one byte, then the
    text, sent in a single write(2) of at most PIPE_BUF bytes.

    Ready: closes verdict; the end of file lets the starter go. A failure: leaves verdict open.
    The caller is about to exit, and only that is the end of file: the starter returns when the
    daemon is really gone.

    Raises Failure (EPIPE) when the starter is gone: nobody waits for this daemon, and the caller
    stops as after any failed start. That also while SIGPIPE, which write(2) sends then, still
    does its default, which is to kill.

    daemon(7) step 14; pipe(7).
    """
    message = bytes([EXIT_STARTED])
    if outcome is not None:
        message = bytes([outcome.exit_code]) + os.fsencode(outcome.text)
    with failing("write() of the verdict to the starter"):
        _write_without_signal(verdict, message[:_VERDICT_SIZE])
    if outcome is None:
        os.close(verdict)
