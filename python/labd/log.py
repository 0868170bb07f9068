"""One JSON object a line, for programs to read and people to grep. Twin of `c/src/log.c`.

Every line has ts (RFC 3339, UTC, microseconds), level, event and pid, then the fields of the
event. A line is one write(2) to a file opened with O_APPEND, so that lines of several processes
never run into each other.
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from labd.descriptors import descriptors_open


@dataclass(slots=True)
class Log:
    """An open log. fd -1: there is none, and every event is dropped."""

    fd: int = -1


def log_open(path: str) -> Log:
    """Append to the file at path (made with mode 0640), or no log if path is empty.

    Raises Failure.
    """
    if not path:
        return Log()
    return Log(descriptors_open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640))


def log_event(log: Log, level: str, event: str, **fields: str | int) -> None:
    """Write one line. Never fails: a daemon does not stop because its log cannot be written."""
    if log.fd < 0:
        return
    ts = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    line = {"ts": ts, "level": level, "event": event, "pid": os.getpid(), **fields}
    text = json.dumps(line, separators=(",", ":")) + "\n"
    with suppress(OSError):  # the disk may be full; chapter 6 says what else one can do
        os.write(log.fd, text.encode())


def log_close(log: Log) -> None:
    """Close the file; events after that are dropped."""
    if log.fd > 2:
        os.close(log.fd)
    log.fd = -1
