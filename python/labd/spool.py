"""Jobs come as files, and a file's folder says how far its job is. Twin of `c/src/spool.c`.

    new/     a program dropped here (by rename, so that it is whole) is a job
    cur/     it was claimed, and runs
    done/    it ended with exit code 0
    failed/  it did not, or is no program

rename(2) within one file system is atomic: a job is in one folder at any moment, whatever dies in
between.
"""

import errno
import os
import stat
from collections.abc import Generator
from contextlib import closing, suppress
from dataclasses import dataclass

from labd import syscalls
from labd.failure import Failure, failing, failure

_LONGEST_JOB = 263
_PATH_MAX = 4096


@dataclass(slots=True)
class Spool:
    """An open spool."""

    path: str = ""
    fd: int = -1
    """The folder; -1: there is no spool."""


def _move(spool: Spool, source: str, target: str, name: str, flags: int = 0) -> None:
    """flags as renameat2(2) takes them."""
    with failing(f"rename({spool.path}/{source}/{name}, {target})"):
        syscalls.renameat2(spool.fd, f"{source}/{name}", spool.fd, f"{target}/{name}", flags)


def _names(spool: Spool, folder: str) -> Generator[str]:
    """The names in one of the folders that do not begin with a dot."""
    with failing(f"open({spool.path}/{folder})"):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=spool.fd)
    try:
        with os.scandir(fd) as entries:
            yield from (entry.name for entry in entries if not entry.name.startswith("."))
    finally:
        os.close(fd)


def _make_folders(spool: Spool) -> None:
    for folder in ("new", "cur", "done", "failed"):
        with failing(f"mkdir({spool.path}/{folder})"), suppress(FileExistsError):
            os.mkdir(folder, 0o755, dir_fd=spool.fd)


def _put_back(spool: Spool, name: str) -> None:
    """One that was running when the last daemon died is to run again. If another of its name has
    come since, both are to run."""
    try:
        _move(spool, "cur", "new", name, syscalls.RENAME_NOREPLACE)
    except Failure as problem:
        if problem.error != errno.EEXIST:
            raise
        source, target = f"cur/{name}", f"new/{name}~"
        with failing(f"rename({spool.path}/{source}, {target})"):
            syscalls.renameat2(spool.fd, source, spool.fd, target, syscalls.RENAME_NOREPLACE)


def _recover(spool: Spool) -> None:
    for name in _names(spool, "cur"):
        _put_back(spool, name)


def spool_open(path: str) -> Spool:
    """Open the spool at path, with the four folders, which are made where they miss.

    The spool belongs to one daemon: what still lies in cur/ was running when the last one died,
    and goes back to new/. Raises Failure.
    """
    if len(os.fsencode(path)) + _LONGEST_JOB > _PATH_MAX:
        raise failure(f"open({path})", errno.ENAMETOOLONG)
    with failing(f"open({path})"):
        spool = Spool(path, os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    try:
        _make_folders(spool)
        _recover(spool)
    except Failure:
        spool_close(spool)
        raise
    return spool


def _mode(spool: Spool, path: str) -> int:
    """0 when there is nothing."""
    with suppress(OSError):
        return os.stat(path, dir_fd=spool.fd, follow_symlinks=False).st_mode
    return 0


def _claim(spool: Spool, name: str) -> bool:
    """Whether it is ours now; not, when it is not to be had."""
    mode = _mode(spool, f"new/{name}")
    if not mode:
        return False  # who put it there has taken it away again
    if not stat.S_ISREG(mode):
        # Where it cannot be moved (a folder of that name is there) it stays, and does no harm.
        with suppress(Failure):
            _move(spool, "new", "failed", name)
        return False
    try:
        _move(spool, "new", "cur", name, syscalls.RENAME_NOREPLACE)
    except Failure as problem:
        if problem.error == errno.EEXIST:  # a job of that name runs: this one waits
            return False
        # ENOENT may be about cur/ as well: then this would never end.
        if problem.error == errno.ENOENT and not _mode(spool, f"new/{name}"):
            return False
        raise
    return True


def spool_claim(spool: Spool) -> str:
    """Move the next job from new/ to cur/, and return its name; empty when there is none to be had.

    One whose name is in cur/ already waits in new/. What is not a regular file goes to failed/;
    names that begin with a dot are not jobs. Raises Failure.
    """
    with closing(_names(spool, "new")) as names:
        return next((name for name in names if _claim(spool, name)), "")


def spool_job(spool: Spool, name: str) -> str:
    """The path of a claimed job."""
    return f"{spool.path}/cur/{name}"


def spool_return(spool: Spool, name: str) -> None:
    """Move a claimed job back to new/: it cannot be run now. Raises Failure."""
    _put_back(spool, name)


def spool_finish(spool: Spool, name: str, good: bool) -> None:
    """Move a claimed job to done/ or failed/.

    It takes the place of an earlier one of its name there. Raises Failure.
    """
    _move(spool, "cur", "done" if good else "failed", name)


def spool_close(spool: Spool) -> None:
    """Close the folder."""
    if spool.fd >= 0:
        os.close(spool.fd)
    spool.fd = -1
