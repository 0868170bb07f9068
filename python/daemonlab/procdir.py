"""Reach one process in /proc, surely the same one from first to last.

A directory descriptor of /proc/PID belongs to the process that it was opened for.  When that
process has gone, every reading through it fails with ESRCH or ENOENT, even if the number has been
given to another process since.  So all readings here are relative to such a descriptor.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from daemonlab.procfs import Stat, parse_stat, text

PROC = "/proc"

# A vanished process answers ESRCH to open() and read(), ENOENT to a look-up or getdents().
GONE = (ProcessLookupError, FileNotFoundError)

_ONE_READ = 65536  # bytes; more than any file of one record holds


@dataclass(frozen=True, slots=True)
class Process:
    """The identity of a process: numbers are used again, a number with its start time is not."""

    pid: int
    start: int  # clock ticks after boot: field 22 of /proc/PID/stat


@dataclass(frozen=True, slots=True)
class Unknown:
    """Stands for a value that could not be read, and tells why.

    It is neither true nor false: to use it in a condition raises TypeError.
    """

    reason: str

    def __str__(self) -> str:
        return self.reason

    def __bool__(self) -> bool:
        raise TypeError(f"an unknown value ({self.reason}) is neither true nor false")


T = TypeVar("T")
Maybe: TypeAlias = T | Unknown

NOT_PERMITTED = Unknown("not permitted")


class ProcessGone(ProcessLookupError):
    """There is no such process, or it went away while it was being read (errno ESRCH)."""


def _gone(pid: int) -> ProcessGone:
    return ProcessGone(errno.ESRCH, "no such process", f"{PROC}/{pid}")


@contextmanager
def opened(pid: int) -> Iterator[int]:
    """Hold a descriptor of /proc/PID.

    Raises ProcessGone if there is no such process, and PermissionError if there is one that
    /proc hides from us (mounted with hidepid=1 or 2, proc(5)).
    """
    try:
        directory = os.open(f"{PROC}/{pid}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _hidden_or_gone(pid) from None
    try:
        yield directory
    finally:
        os.close(directory)


def _hidden_or_gone(pid: int) -> OSError:
    """Tell apart what /proc, mounted with hidepid=2, wants us to take for the same."""
    try:
        if pid > 0:  # other numbers mean process groups: kill(2)
            os.kill(pid, 0)
    except PermissionError:
        return PermissionError(errno.EACCES, "hidden from us", f"{PROC}/{pid}")
    except (ProcessLookupError, OverflowError):
        pass
    return _gone(pid)


def record(directory: int, name: str) -> bytes:
    """Read a file of one record, such as stat or status: the kernel makes it whole at one read."""
    file = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        content = os.read(file, _ONE_READ)
        return content if len(content) < _ONE_READ else content + _rest(file)
    finally:
        os.close(file)


def listing(directory: int, name: str) -> bytes:
    """Read a file of many records, such as locks or net/tcp: the kernel hands it out in parts."""
    file = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        return _rest(file)
    finally:
        os.close(file)


def _rest(file: int) -> bytes:
    parts = []
    while part := os.read(file, _ONE_READ):
        parts.append(part)
    return b"".join(parts)


def link(directory: int, name: str) -> str:
    """Read a symbolic link of /proc without losing a byte of it."""
    return text(os.readlink(name.encode(), dir_fd=directory))


@contextmanager
def folder(directory: int, name: str) -> Iterator[int]:
    """Hold a descriptor of a directory of /proc, fit for os.listdir() and for dir_fd."""
    found = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    try:
        yield found
    finally:
        os.close(found)


def entries(directory: int, name: str) -> list[str]:
    """List a directory of /proc."""
    with folder(directory, name) as found:
        return os.listdir(found)


def deleted(directory: int, name: str, target: str) -> bool:
    """Tell whether a link of /proc leads to a file that was deleted or renamed over.

    The kernel then adds ' (deleted)' to the path; but a file may bear that name honestly, so we
    look whether that path still leads to the same file.
    """
    if not target.endswith(" (deleted)"):
        return False
    try:
        here, there = os.stat(name, dir_fd=directory), os.stat(os.fsencode(target))
    except OSError:
        return True
    return (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino)


def stat_line(directory: int, pid: int) -> bytes:
    """Read /proc/PID/stat of an opened() process; raises as opened() does."""
    try:
        return record(directory, "stat")
    except ProcessLookupError:
        raise _gone(pid) from None
    except FileNotFoundError:
        raise _hidden_or_gone(pid) from None


def read_stat(pid: int) -> Stat:
    """Read and parse /proc/PID/stat.  Raises ProcessGone and PermissionError as opened() does."""
    with opened(pid) as directory:
        return parse_stat(stat_line(directory, pid))


def identity(pid: int) -> Process:
    """Return the identity of the process that has this number now.  Raises ProcessGone."""
    return Process(pid, read_stat(pid).start)


def alive(process: Process) -> bool:
    """Tell whether this very process still runs.

    A zombie is dead, and so is a process whose number another one has by now.  A process lives
    on when its main thread has ended but another has not.
    """
    try:
        stat = read_stat(process.pid)
    except ProcessGone:
        return False
    return stat.start == process.start and not stat.dead
