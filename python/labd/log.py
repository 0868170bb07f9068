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

from labd.descriptors import descriptors_open
from labd.failure import Failure
from labd.lean import structlog
from labd.metrics import Metrics, metrics_lost

_PRIORITIES = {
    "debug": syslog.LOG_DEBUG,
    "info": syslog.LOG_INFO,
    "warning": syslog.LOG_WARNING,
    "error": syslog.LOG_ERR,
}
"""The urgency of a level, as syslog(3) and the journal count it: 0 is the most urgent."""


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
    with log.lock:
        log.level = _PRIORITIES[level]


def _open_file(path: str) -> int:
    return descriptors_open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o640)


def _ends_torn(fd: int) -> bool:
    """Whether the file ends within a line: somebody's disk was full, or he died."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        return False
    with suppress(OSError), open(f"/proc/self/fd/{fd}", "rb") as file:  # ours is not for reading
        return os.pread(file.fileno(), 1, status.st_size - 1) not in (b"\n", b"")
    return False


def log_open(path: str, level: str) -> Log:
    """Append to the file at path, or no log if path is empty.

    Opened by descriptors_open with O_APPEND, O_CREAT (mode 0640) and O_NONBLOCK: a FIFO whose
    reader is slow must not stop us, and one without a reader is refused with ENXIO. Looks whether
    the file ends within a line. level is the least urgent that is written. Raises Failure.
    """
    log = Log()
    log_set_level(log, level)
    if path:
        log.fd = _open_file(path)
        log.torn = _ends_torn(log.fd)
        log.path = path
    return log


def _connect_journal(fd: int) -> bool:
    """Also once more, when there is another journal: the socket has no name of its own to lose."""
    journal = socket.socket(fileno=fd)
    try:
        journal.connect("/run/systemd/journal/socket")
    except OSError:
        return False
    finally:
        journal.detach()
    return True


def _open_journal() -> int:
    """A socket to the journal, if it is the journal that reads our standard error; else -1."""
    stream = re.match(r"(\d+):(\d+)", os.environ.get("JOURNAL_STREAM", ""))
    status = os.fstat(2)
    if not stream or (status.st_dev, status.st_ino) != tuple(map(int, stream.groups())):
        return -1
    fd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK).detach()
    if _connect_journal(fd):
        return fd
    os.close(fd)
    return -1


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
    log = Log()
    with suppress(OSError):
        log.fd = _open_journal()
    log_set_level(log, level)
    log.journal = log.fd >= 0
    if not log.journal:
        log.fd = 2
    return log


def _reopen(log: Log) -> None:
    """The lock is held."""
    if not log.path:
        return
    fd = _open_file(log.path)
    os.close(log.fd)
    log.fd = fd
    log.torn = _ends_torn(fd)


def log_reopen(log: Log) -> None:
    """Open the path again: somebody has renamed the file, logrotate(8).

    The new file is opened first and then takes the place of the old one, so that no line is lost
    in between. If it cannot be opened, the old one is kept. Looks whether the new one ends within
    a line. Does nothing when there is no file.
    Raises Failure.
    """
    with log.lock:
        _reopen(log)


def log_text(text: str) -> str:
    """Text from outside as a JSON string can hold it.

    Each byte that is not part of valid UTF-8 becomes U+FFFD: a file name can be any bytes, and
    Python keeps such a byte as half a surrogate pair, PEP 383.
    """
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def _add_pid(_logger: object, _level: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    return {**event, "pid": os.getpid()}


def _in_order(_logger: object, level: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    first = {"ts": event.pop("ts"), "level": level, "event": event.pop("event")}
    return {**first, "pid": event.pop("pid"), **event}


class _Lines:
    """What structlog calls a logger: its methods get the line. These give it back."""

    def __getattr__(self, _level: str) -> Callable[[str], str]:
        return lambda line: line


_lines = structlog.wrap_logger(
    _Lines(),
    processors=(
        structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%S.%fZ", utc=True, key="ts"),
        _add_pid,
        _in_order,
        structlog.processors.JSONRenderer(separators=(",", ":")),
    ),
    wrapper_class=structlog.make_filtering_bound_logger(0),
    cache_logger_on_first_use=True,
)


def _line(level: str, event: str, fields: Mapping[str, str | int]) -> bytes:
    return bytes(getattr(_lines, level)(event, **fields) + "\n", "ascii")


def _send_journal(log: Log, level: str, event: str, line: bytes) -> bool:
    """One datagram of KEY=VALUE lines. A JSON text holds no newline, so none needs a length."""
    head = f"PRIORITY={_PRIORITIES[level]}\nSYSLOG_IDENTIFIER=labd\nLABD_EVENT={event}\nMESSAGE="
    for _ in range(2):
        with suppress(OSError):
            return os.writev(log.fd, [head.encode(), line]) > 0
        if not _connect_journal(log.fd):
            break
    return False


def _is_free(fd: int) -> bool:
    """Whether a line can be written to standard error without waiting for its reader. We may not
    make it O_NONBLOCK: the flag belongs to all who share it."""
    file = select.poll()
    file.register(fd, select.POLLOUT)
    return bool(file.poll(0))


def _can_write(log: Log) -> bool:
    """A file without a name is one that nobody will ever read: then it is opened anew."""
    if not log.path:
        return _is_free(log.fd)
    with suppress(OSError):
        if os.fstat(log.fd).st_nlink > 0:
            return True
        with suppress(Failure):
            _reopen(log)
            return True
        return False
    return True


def _write_file(log: Log, line: bytes) -> bool:
    """The line in a single call, after the newline that a torn one still needs."""
    if not _can_write(log):
        return False
    extra = b"\n" if log.torn else b""
    with suppress(OSError):
        written = os.write(log.fd, extra + line)
        # Of the newline alone: what was torn is ended, and no more.
        log.torn = len(extra) < written < len(extra + line)
        return written == len(extra + line)
    return False


def _write_line(log: Log, level: str, event: str, fields: Mapping[str, str | int]) -> bool:
    line = _line(level, event, fields)
    return _send_journal(log, level, event, line) if log.journal else _write_file(log, line)


def _lose(log: Log) -> None:
    log.lost += 1
    if log.metrics is not None:
        metrics_lost(log.metrics, 1)


def _confess(log: Log) -> bool:
    """Say what was lost, now that something can be written again."""
    written = _write_line(log, "warning", "log_lost", {"lines": log.lost})
    if written:
        log.lost = 0
    return written


def log_event(log: Log, level: str, event: str, **fields: str | int) -> None:
    """Write one line, if it is urgent enough.

    Never fails. A file that has no name any more (it was removed, not renamed) is opened anew at
    its path. A line that was not written, or only in part (a full disk), is counted in log.lost.
    Before the next line, or when the next event comes whatever its level, comes the event
    "log_lost", a warning, with their number in the field "lines". Each is told to log.metrics too:
    metrics_lost. A part of a line is first ended by a newline, so that it spoils no other.
    """
    with log.lock:
        told = log.fd < 0 or log.lost == 0 or _confess(log)
        if (
            log.fd >= 0
            and _PRIORITIES[level] <= log.level
            and not (told and _write_line(log, level, event, fields))
        ):
            _lose(log)


def log_close(log: Log) -> None:
    """Close the file, but not standard error; events after that are dropped.

    What was lost is told now, if it can be.
    """
    with log.lock:
        if log.fd >= 0 and log.lost > 0:
            _confess(log)
        if log.fd > 2:
            os.close(log.fd)
        log.fd = -1
