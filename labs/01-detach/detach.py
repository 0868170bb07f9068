# Lab 1, detach: your own module, yet to be written.
#
# The contract of each function stands below its first line.
# Write what is marked TODO, then run `make lab-1`: it shows yours beside the
# reference. Functions of your own are welcome: begin their names with _.
# ruff: noqa: F401 - imports of the reference: drop what you have no use for

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

import labd.failure
from labd.failure import EXIT_FAILED, EXIT_STARTED, Failure, failing


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
    raise labd.failure.todo("detach_fork")


def detach_settle(mask: int, directory: str) -> None:
    """Take a umask and a working directory of our own.

    umask(2) to mask, then chdir(2) to directory: an inherited umask would decide the mode of
    every file we make, and an inherited directory would keep its file system from being
    unmounted. Raises Failure when chdir(2) fails.

    daemon(7) steps 10 and 11; umask(2), chdir(2).
    """
    raise labd.failure.todo("detach_settle")


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
    raise labd.failure.todo("detach_report")
