"""What went wrong, in words that reach the person who started us. Twin of `c/src/failure.c`.

Where a function in C returns a negative errno and fills in a `struct failure`, its twin raises
`Failure`.
"""

import errno
import os
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_STARTED = 0
"""Started, or stopped cleanly."""
EXIT_FAILED = 1
"""Failed at run time, or was forced to stop."""
EXIT_USAGE = 2
"""The command line was wrong."""
EXIT_ALREADY_RUNNING = 3
"""Another daemon holds the PID file."""
EXIT_CONFIGURATION = 78
"""EX_CONFIG of sysexits.h(3head)."""

_TEXT_SIZE = 511
"""Bytes. The text travels to the starter in one write: see detach_report()."""


def _cut(text: str, size: int) -> str:
    return os.fsdecode(os.fsencode(text)[:size])


class Failure(Exception):
    """One line of text, the exit code of the starter, and the errno (0 when there is none).

    Control characters show as ?: what was typed may hold a newline, or move the cursor of the
    terminal that shows it.
    """

    def __init__(self, text: str, exit_code: int = EXIT_FAILED, error: int = 0) -> None:
        self.text = re.sub("[\0-\x1f\x7f]", "?", _cut(text, _TEXT_SIZE))
        super().__init__(self.text)
        self.exit_code = exit_code
        self.error = error


def failure(what: str, error: int) -> Failure:
    """Describe a failed system call: "WHAT: strerror(error)"."""
    # A path may be longer than our line: cut the path, never the reason.
    reason = f": {os.strerror(error)}"
    return Failure(_cut(what, _TEXT_SIZE - len(reason)) + reason, EXIT_FAILED, error)


@contextmanager
def failing(what: str) -> Iterator[None]:
    """Turn an OSError of the system call within into a Failure: "WHAT: strerror(error)".

    what names the call and its object, for example "chdir(/srv)".
    """
    try:
        yield
    except OSError as error:
        raise failure(what, error.errno or 0) from error


def bug(error: Exception) -> Failure:
    """The failure of a program that is wrong: the exception, and the line that raised it.

    Without this a traceback would go to standard error, thus to /dev/null, and the starter
    would only hear that the daemon died.
    """
    last = traceback.extract_tb(error.__traceback__)[-1]
    return Failure(f"{type(error).__name__}: {error} ({last.filename}, line {last.lineno})")


def todo(function: str) -> Failure:
    """The failure of a function of a lab that has not been written yet. Only skeletons use it."""
    return failure(f"TODO: {function}() is not written yet", errno.ENOSYS)
