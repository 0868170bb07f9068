# Lab 4, pidfile: your own module, yet to be written.
#
# The contract of each function stands below its first line.
# Write what is marked TODO, then run `make lab-4`: it shows yours beside the
# reference. Functions of your own are welcome: begin their names with _.
# ruff: noqa: F401 - imports of the reference: drop what you have no use for

"""Lab 4: pidfile - one daemon at a time, and a file that says which.

The lock is the truth, the number in the file is only news of it. The kernel drops a lock when its
holder dies, however it dies; a file stays behind. So whoever gets the lock is the daemon, and
whatever number it finds in the file is stale, be there a process with that number or not.

Twin of `c/src/pidfile.c`.
"""

import errno
import fcntl
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field

import labd.failure
from labd.failure import EXIT_ALREADY_RUNNING, Failure, failing, failure


@dataclass(slots=True)
class Pidfile:
    """A PID file, once acquired."""

    fd: int = -1
    """Holds the lock; -1: there is no PID file."""
    directory: int = -1
    """The folder it lies in: a rename of that changes nothing for us."""
    name: str = ""
    made: bool = False
    """The file was not there before us."""
    owner: int = field(default_factory=os.getpid)
    """Who took the lock: a child that has a copy of this is not the owner."""
    stale: str = ""
    """What was found in the file, one line; empty for a new or empty file."""


def pidfile_acquire(path: str) -> Pidfile:
    """Become the one daemon that owns the file at path, or fail.

    To be called in the process that will live, after the last fork(2). In this order:

    1. Open the folder (O_DIRECTORY). One that everybody may write to is refused with EPERM,
       sticky or not: anybody could put a file there first.
    2. Make the file in it (O_CREAT, O_EXCL, mode 0644), or, where there is one already, open
       that; so that we know whether it is of our making. O_RDWR, O_CLOEXEC, O_NOFOLLOW,
       O_NONBLOCK (a FIFO must not make us wait). A symbolic link gives ELOOP. What is not a
       regular file, or has another name too, is refused with EINVAL.
    3. flock(2), exclusive, without waiting. Held by another: the exit code is
       EXIT_ALREADY_RUNNING and the text names the number that the file holds. (Who looks just as
       the holder takes over, before its step 5, still reads the number that was there, or none.)
    4. Look whether the path still leads to the file we locked (device and inode): its last owner
       may have removed it between our open and our lock. If not, close it and begin again at 2.
    5. Remember what the file held, and truncate it at once. Give it the mode 0644, whatever the
       umask is and whatever mode it had: who may write the number decides whom root will signal.
       Write our number and a newline, fsync(2).

    On failure nothing is left open, and a file that we made is removed, unless another holds its
    lock: then it is the other's. One that we had locked is removed in any case. Raises Failure.
    daemon(7) step 12; flock(2), open(2), fstat(2), fchmod(2).
    """
    raise labd.failure.todo("pidfile_acquire")


def pidfile_release(pidfile: Pidfile) -> None:
    """Remove the file, if it is ours, and then let the lock go.

    Only the process that took the lock removes it, and only while the path still leads to the
    locked file: never another's. In this order, for between the two another daemon may come: the
    file it has opened is then gone from its path, and it begins again (step 4 above). Does nothing
    when there is no PID file.
    """
    raise labd.failure.todo("pidfile_release")
