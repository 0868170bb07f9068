"""usable - whether what jobs need is still there, and still ours to write.

The daemon holds its folders open, so that it would not notice by itself. Twin of `c/src/usable.c`.
"""

import errno
import os

from labd.failure import failing, failure

_FOLDERS = ("new", "cur", "done", "failed", "id", "out", "pipe")


def _look(path: str, mode: int) -> None:
    with failing(f"access({path})"):
        os.stat(path)  # os.access tells no reason
    if not os.access(path, mode, effective_ids=True):
        raise failure(f"access({path})", errno.EACCES)


def usable_check(spool: str, database: str) -> None:
    """Look at the folders of the spool, and at the database.

    Either path may be empty: then it needs none. By faccessat(2), for our effective user. Raises
    Failure for the first that cannot be used.
    """
    if spool:
        for folder in _FOLDERS:
            _look(f"{spool}/{folder}", os.R_OK | os.W_OK | os.X_OK)
    if database:
        _look(database, os.R_OK | os.W_OK)
