# Lab 2, descriptors: your own module, yet to be written.
#
# The contract of each function stands below its first line.
# Write what is marked TODO, then run `make lab-2`: it shows yours beside the
# reference. Functions of your own are welcome: begin their names with _.
# ruff: noqa: F401 - imports of the reference: drop what you have no use for

"""Lab 2: descriptors - hold what we opened, and nothing that we were given.

A descriptor survives fork(2) and execve(2). What the starter's parents had open (a lock, a
listening socket, a log on a disk to be unmounted) stays open for as long as a daemon lives,
unless the daemon closes it.

Twin of `c/src/descriptors.c`.
"""

import errno
import os
import stat
from contextlib import suppress

import labd.failure
from labd import syscalls
from labd.failure import Failure, failing, failure


def descriptors_close() -> None:
    """Close every inherited descriptor above 2.

    To be called before we open anything of our own. All of them, also those above the soft
    RLIMIT_NOFILE: a limit lowered after a file was opened does not close it. Where
    close_range(2) is missing (ENOSYS) or forbidden (EPERM, by a seccomp filter), it walks
    /proc/self/fd instead.

    Of 0, 1 and 2, those that came closed are opened on /dev/null, so that no file of ours can
    ever take their number and be written to by mistake; those that came open are left alone,
    for messages still go there.

    Raises Failure. daemon(7) step 1; close_range(2), proc_pid_fd(5).
    """
    raise labd.failure.todo("descriptors_close")


def descriptors_null() -> None:
    """Put 0, 1 and 2 on /dev/null.

    0 for reading only, 1 and 2 for writing only, none of them close-on-exec. The file opened
    must really be the null device (character device 1:3 by fstat(2)), else ENODEV: in a broken
    chroot /dev/null may be a plain file that grows. descriptors_close has run before: 0, 1 and
    2 are open.

    Raises Failure. daemon(7) step 9; null(4), dup2(2).
    """
    raise labd.failure.todo("descriptors_null")


def descriptors_open(path: str, flags: int, mode: int = 0o777) -> int:
    """open(2) for every file of our own.

    Adds O_CLOEXEC, so that no program we start inherits it (fcntl(2) after the open would be
    too late in a process with threads), and O_NOCTTY, so that a path that turns out to be a
    terminal does not become ours. mode counts only with O_CREAT, as for open(2).

    Returns the descriptor, owned by the caller. Raises Failure. open(2).
    """
    raise labd.failure.todo("descriptors_open")
