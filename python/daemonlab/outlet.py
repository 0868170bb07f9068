"""Standard output whose reader may leave: `make lab-3 | head` ends in peace.

What is still to be said is then said to nobody; the work, its notes and its exit code stay what
they are. Python ignores SIGPIPE, so that write(2) fails with EPIPE instead: pipe(7).
"""

import io
import os
import sys
from typing import Any


class _Descriptor(io.FileIO):
    """Descriptor 1, or /dev/null in its place once nobody reads it any more."""

    lost = False

    def write(self, content: Any, /) -> int:
        try:
            return super().write(content)
        except BrokenPipeError:
            type(self).lost = True
            null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(null, self.fileno())
            os.close(null)
            return memoryview(content).nbytes


def open_outlet() -> None:
    """Let all that we print go this way. Where standard output is no file, it stays as it is."""
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, io.UnsupportedOperation):
        return
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Descriptor(descriptor, "w", closefd=False)),
        encoding=sys.stdout.encoding,
        errors=sys.stdout.errors,
        line_buffering=bool(sys.stdout.line_buffering),
    )


def reader_has_left() -> bool:
    """Whether nobody reads what we print any more: who would go on for long may stop."""
    return _Descriptor.lost
