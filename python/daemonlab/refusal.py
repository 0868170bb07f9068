"""Words for what the system did not grant the laboratory: what, why, and what one can do."""

import errno
import os

_FOLDER = "let TMPDIR name a folder that may be written to"
_ROOM = "make room there, or let TMPDIR name a folder that has some"
_LIMIT = "end some processes, or raise what `ulimit -a` shows"
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.ENOENT: _FOLDER,
    errno.EACCES: _FOLDER,
    errno.EROFS: _FOLDER,
    errno.EAGAIN: _LIMIT,
    errno.EMFILE: _LIMIT,
    errno.ENFILE: _LIMIT,
    errno.ENOMEM: _LIMIT,
}


def refused(what: str, error: OSError, remedy: str = "") -> str:
    """One line: what could not be done, why, and the remedy, else the usual one for that errno."""
    number = error.errno or 0
    remedy = remedy or _REMEDIES.get(number, "")
    return f"{what}: {os.strerror(number)}" + (f"; {remedy}" if remedy else "")
