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

from labd.failure import EXIT_ALREADY_RUNNING, Failure, failing, failure

_LONGEST_LINE = 31


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


def _open_directory(pidfile: Pidfile, path: str) -> None:
    folder, pidfile.name = os.path.split(path)
    with failing(f"open({folder})"):
        pidfile.directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with failing(f"fstat({folder})"):
        status = os.fstat(pidfile.directory)
    if status.st_mode & stat.S_IWOTH:
        raise failure(f"PID file {path}: everybody may write to {folder}", errno.EPERM)


def _make_or_open(pidfile: Pidfile) -> int:
    """Make the file or, where there is one, open that. Between the two its owner may remove it:
    then there is again one to be made."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    while True:
        with suppress(FileExistsError):
            fd = os.open(
                pidfile.name, flags | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=pidfile.directory
            )
            pidfile.made = True
            return fd
        pidfile.made = False
        with suppress(FileNotFoundError):
            return os.open(pidfile.name, flags, dir_fd=pidfile.directory)


def _open_file(pidfile: Pidfile, path: str) -> None:
    with failing(f"open({path})"):
        pidfile.fd = _make_or_open(pidfile)
    with failing(f"fstat({path})"):
        status = os.fstat(pidfile.fd)
    if not stat.S_ISREG(status.st_mode):
        raise failure(f"PID file {path}: not a regular file", errno.EINVAL)
    if status.st_nlink > 1:
        raise failure(f"PID file {path}: it has another name too", errno.EINVAL)


def _read_line(fd: int) -> str:
    """The first line of the file, without what would not be seen on a terminal."""
    with suppress(OSError):
        line = os.pread(fd, _LONGEST_LINE, 0).partition(b"\n")[0].partition(b"\0")[0]
        return "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in line)
    return ""


def _still_there(pidfile: Pidfile) -> bool:
    with suppress(OSError):
        locked = os.fstat(pidfile.fd)
        named = os.stat(pidfile.name, dir_fd=pidfile.directory, follow_symlinks=False)
        return os.path.samestat(locked, named)
    return False


def _lock(pidfile: Pidfile, path: str) -> None:
    with failing(f"flock({path})"):
        try:
            fcntl.flock(pidfile.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _read_line(pidfile.fd) or "(not written yet)"
            text = f"already running with PID {owner}: it holds the lock on {path}"
            raise Failure(text, EXIT_ALREADY_RUNNING, errno.EWOULDBLOCK) from None


def _write_number(pidfile: Pidfile, path: str) -> None:
    line = f"{pidfile.owner}\n".encode()
    with failing(f"ftruncate({path})"):
        os.ftruncate(pidfile.fd, 0)
    with failing(f"fchmod({path})"):
        os.fchmod(pidfile.fd, 0o644)
    with failing(f"write({path})"):
        if os.pwrite(pidfile.fd, line, 0) != len(line):
            raise OSError(errno.ENOSPC, "")
    with failing(f"fsync({path})"):
        os.fsync(pidfile.fd)


def _remove_file(pidfile: Pidfile) -> None:
    if _still_there(pidfile):
        with suppress(OSError):
            os.unlink(pidfile.name, dir_fd=pidfile.directory)


def _close_both(pidfile: Pidfile) -> None:
    for fd in (pidfile.fd, pidfile.directory):
        if fd >= 0:
            os.close(fd)
    pidfile.fd = pidfile.directory = -1


def _open_and_lock(pidfile: Pidfile, path: str) -> None:
    """Open and lock until the file that we hold is the one that the path leads to."""
    while True:
        _open_file(pidfile, path)
        _lock(pidfile, path)
        if _still_there(pidfile):
            return
        os.close(pidfile.fd)
        pidfile.fd = -1


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
    pidfile = Pidfile()
    try:
        _open_directory(pidfile, path)
        _open_and_lock(pidfile, path)
    except Failure as failed:
        if pidfile.made and failed.error != errno.EWOULDBLOCK:
            _remove_file(pidfile)
        _close_both(pidfile)
        raise
    pidfile.stale = _read_line(pidfile.fd)
    try:
        _write_number(pidfile, path)
    except Failure:
        pidfile_release(pidfile)
        raise
    return pidfile


def pidfile_release(pidfile: Pidfile) -> None:
    """Remove the file, if it is ours, and then let the lock go.

    Only the process that took the lock removes it, and only while the path still leads to the
    locked file: never another's. In this order, for between the two another daemon may come: the
    file it has opened is then gone from its path, and it begins again (step 4 above). Does nothing
    when there is no PID file.
    """
    if pidfile.fd < 0:
        return
    if pidfile.owner == os.getpid():
        _remove_file(pidfile)
    _close_both(pidfile)
