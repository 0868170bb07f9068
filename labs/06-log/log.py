# Lab 6, log: your own module, yet to be written.
#
# The contract of each function is its docstring.
# Write what is marked TODO, then run `make lab-6`: it shows yours beside the
# reference. Functions of your own are welcome: begin their names with _.
# ruff: noqa: F401 - imports of the reference: drop what you have no use for

"""Lab 6: log - one JSON object a line, for programs to read and people to grep.

Every line has ts (RFC 3339, UTC, microseconds), level, event and pid, in this order, then the
fields of the event. A line is one system call to a file opened with O_APPEND, so that lines of
several processes never run into each other. What comes from outside is data: every control
character is escaped, so nobody can forge a line. JSON does not ask for it with 0x7F: that becomes
\\u007f all the same. No field ever holds a secret.

A log that cannot be written does not stop a daemon. It counts what it lost, and says so with the
first line that can be written again.

The levels are "debug", "info", "warning" and "error".

From lab 8 on, several threads write to one log. Each function but log_open and log_attach may be
called from any of them: the lock of the log is held for one event at a time, and so no two lines
are mixed, and none is counted as lost twice. Twin of `c/src/log.c`.
"""

import os
import re
import select
import socket
import stat
import syslog
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import labd.failure
from labd.descriptors import descriptors_open
from labd.failure import Failure
from labd.lean import structlog
from labd.metrics import Metrics, metrics_lost


@dataclass(slots=True)
class Log:
    """An open log."""

    fd: int = -1
    """-1: there is no log, and every event is dropped."""
    level: int = syslog.LOG_INFO
    """The least urgent priority that is written: syslog(3)."""
    journal: bool = False
    """fd is a socket to the journal, not a file."""
    torn: bool = False
    """The file ends within a line."""
    lost: int = 0
    """Lines that could not be written since the last that could."""
    path: str = ""
    """For log_reopen; empty when there is no file."""
    metrics: Metrics | None = None
    """Told of every line that is lost; None: nobody is."""
    lock: Lock = field(default_factory=Lock)
    """Guards all of the above once there are threads."""


def log_set_level(log: Log, level: str) -> None:
    """Write from this level on."""
    raise labd.failure.todo("log_set_level")


def log_open(path: str, level: str) -> Log:
    """Append to the file at path, or no log if path is empty.

    Opened by descriptors_open with O_APPEND, O_CREAT (mode 0640) and O_NONBLOCK: a FIFO whose
    reader is slow must not stop us, and one without a reader is refused with ENXIO. Looks whether
    the file ends within a line. level is the least urgent that is written. Raises Failure.
    """
    raise labd.failure.todo("log_open")


def log_attach(level: str) -> Log:
    """Log to standard error, or to the journal behind it: in the foreground.

    If JOURNAL_STREAM holds the device and inode of standard error, in decimal, "DEVICE:INODE",
    then the journal listens there. Lines then go to its socket, /run/systemd/journal/socket, as a
    datagram of PRIORITY, SYSLOG_IDENTIFIER, LABD_EVENT and MESSAGE, the line. Ours is non-blocking
    and close-on-exec, and connected once more when a line cannot be sent: the journal may have
    been started anew. If it cannot be reached now, to standard error after all, where a line that
    would have to wait for the reader is lost. Never fails. systemd.exec(5),
    $JOURNAL_STREAM; sd_journal_send(3).
    """
    raise labd.failure.todo("log_attach")


def log_reopen(log: Log) -> None:
    """Open the path again: somebody has renamed the file, logrotate(8).

    The new file is opened first and then takes the place of the old one, so that no line is lost
    in between. If it cannot be opened, the old one is kept. Looks whether the new one ends within
    a line. Does nothing when there is no file.
    Raises Failure.
    """
    raise labd.failure.todo("log_reopen")


def log_text(text: str) -> str:
    """Text from outside as a JSON string can hold it.

    Each byte that is not part of valid UTF-8 becomes U+FFFD: a file name can be any bytes, and
    Python keeps such a byte as half a surrogate pair, PEP 383.
    """
    raise labd.failure.todo("log_text")


def log_event(log: Log, level: str, event: str, **fields: str | int) -> None:
    """Write one line, if it is urgent enough.

    Never fails. A file that has no name any more (it was removed, not renamed) is opened anew at
    its path. A line that was not written, or only in part (a full disk), is counted in log.lost.
    Before the next line, or when the next event comes whatever its level, comes the event
    "log_lost", a warning, with their number in the field "lines". Each is told to log.metrics too:
    metrics_lost. A part of a line is first ended by a newline, so that it spoils no other.
    """
    raise labd.failure.todo("log_event")


def log_close(log: Log) -> None:
    """Close the file, but not standard error; events after that are dropped.

    What was lost is told now, if it can be.
    """
    raise labd.failure.todo("log_close")
