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
from contextlib import suppress
from dataclasses import dataclass

from labd.failure import Failure, failing, failure

_LONGEST_JOB = 264
_PATH_MAX = 4096


@dataclass(slots=True)
class Spool:
    """An open spool."""

    path: str = ""
    fd: int = -1
    """The folder; -1: there is no spool."""


def _move(spool: Spool, source: str, target: str, name: str) -> None:
    with failing(f"rename({spool.path}/{source}/{name}, {target})"):
        os.rename(f"{source}/{name}", f"{target}/{name}", src_dir_fd=spool.fd, dst_dir_fd=spool.fd)


def _first(spool: Spool, folder: str) -> str:
    """The first name in one of the folders that does not begin with a dot; empty for none."""
    with failing(f"open({spool.path}/{folder})"):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=spool.fd)
    try:
        with failing(f"scandir({spool.path}/{folder})"), os.scandir(fd) as entries:
            return next((entry.name for entry in entries if not entry.name.startswith(".")), "")
    finally:
        os.close(fd)


def _make_folders(spool: Spool) -> None:
    for folder in ("new", "cur", "done", "failed"):
        with failing(f"mkdir({spool.path}/{folder})"), suppress(FileExistsError):
            os.mkdir(folder, 0o755, dir_fd=spool.fd)


def _recover(spool: Spool) -> None:
    while name := _first(spool, "cur"):
        _move(spool, "cur", "new", name)


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


def _is_regular(spool: Spool, path: str) -> bool:
    with failing(f"stat({spool.path}/{path})"):
        status = os.stat(path, dir_fd=spool.fd, follow_symlinks=False)
    return stat.S_ISREG(status.st_mode)


def spool_claim(spool: Spool) -> str:
    """Move the next job from new/ to cur/, and return its name; empty when there is none.

    What is not a regular file goes to failed/ at once; names that begin with a dot are not jobs.
    Raises Failure.
    """
    while name := _first(spool, "new"):
        try:
            regular = _is_regular(spool, f"new/{name}")
            _move(spool, "new", "cur" if regular else "failed", name)
        except Failure as problem:
            if problem.error != errno.ENOENT:
                raise
            continue  # who put it there has taken it away again
        if regular:
            return name
    return ""


def spool_job(spool: Spool, name: str) -> str:
    """The path of a claimed job."""
    return f"{spool.path}/cur/{name}"


def spool_finish(spool: Spool, name: str, good: bool) -> None:
    """Move a claimed job to done/ or failed/. Raises Failure."""
    _move(spool, "cur", "done" if good else "failed", name)


def spool_close(spool: Spool) -> None:
    """Close the folder."""
    if spool.fd >= 0:
        os.close(spool.fd)
    spool.fd = -1
