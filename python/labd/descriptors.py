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

from labd import syscalls
from labd.failure import Failure, failing, failure

_STDIN, _STDOUT, _STDERR = 0, 1, 2


def _fill_standard() -> None:
    """open(2) gives the lowest free number: repeat until that is above 2."""
    while True:
        with failing("open(/dev/null)"):
            fd = os.open("/dev/null", os.O_RDWR | os.O_NOCTTY)
        if fd > _STDERR:
            os.close(fd)
            return
        os.set_inheritable(fd, True)  # Python opens everything close-on-exec: PEP 446


def _close_listed() -> None:
    """The kernel's own list of our descriptors, which no limit cuts short."""
    with failing("opendir(/proc/self/fd)"):
        names = os.listdir("/proc/self/fd")
    for fd in map(int, names):
        if fd > _STDERR:
            with suppress(OSError):  # the one that os.listdir had open is gone
                os.close(fd)


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
    try:
        with failing("close_range()"):
            syscalls.close_range(_STDERR + 1)
    except Failure as missing:
        if missing.error not in (errno.ENOSYS, errno.EPERM):
            raise
        _close_listed()
    _fill_standard()


def _null_onto(fd: int, flags: int) -> None:
    null = descriptors_open("/dev/null", flags)
    try:
        with failing("fstat(/dev/null)"):
            status = os.fstat(null)
        if not stat.S_ISCHR(status.st_mode) or status.st_rdev != os.makedev(1, 3):
            raise failure("/dev/null is not the null device", errno.ENODEV)
        with failing(f"dup2({null}, {fd})"):
            # inheritable: the copy that dup2(2) makes is not close-on-exec.
            os.dup2(null, fd, inheritable=True)
    finally:
        os.close(null)


def descriptors_null() -> None:
    """Put 0, 1 and 2 on /dev/null.

    0 for reading only, 1 and 2 for writing only, none of them close-on-exec. The file opened
    must really be the null device (character device 1:3 by fstat(2)), else ENODEV: in a broken
    chroot /dev/null may be a plain file that grows. descriptors_close has run before: 0, 1 and
    2 are open.

    Raises Failure. daemon(7) step 9; null(4), dup2(2).
    """
    _null_onto(_STDIN, os.O_RDONLY)
    _null_onto(_STDOUT, os.O_WRONLY)
    _null_onto(_STDERR, os.O_WRONLY)


def descriptors_open(path: str, flags: int, mode: int = 0o777) -> int:
    """open(2) for every file of our own.

    Adds O_CLOEXEC, so that no program we start inherits it (fcntl(2) after the open would be
    too late in a process with threads), and O_NOCTTY, so that a path that turns out to be a
    terminal does not become ours. mode counts only with O_CREAT, as for open(2).

    Returns the descriptor, owned by the caller. Raises Failure. open(2).
    """
    with failing(f"open({path})"):
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOCTTY, mode)
