"""System calls that `os` lacks: each raises OSError with the errno, as those of `os` do."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

from labd._syscalls import ffi, lib

_EVERY_DESCRIPTOR = 0xFFFFFFFF


def _check(result: int) -> int:
    """cffi saves errno right after the call, before Python can overwrite it."""
    if result < 0:
        raise OSError(ffi.errno, os.strerror(ffi.errno))
    return result


def close_range(first: int, last: int = _EVERY_DESCRIPTOR) -> None:
    """close_range(2): close every descriptor from first to last, whatever the limit is.

    `os.closerange` stops at a signed int and swallows errors: here ENOSYS must be heard.
    """
    _check(lib.close_range(first, last, 0))


RENAME_NOREPLACE: int = lib.RENAME_NOREPLACE


def renameat2(source_fd: int, source: str, target_fd: int, target: str, flags: int) -> None:
    """renameat2(2): rename(2) with paths from open folders, and flags."""
    names = os.fsencode(source), os.fsencode(target)
    _check(lib.renameat2(source_fd, names[0], target_fd, names[1], flags))


def set_child_subreaper() -> None:
    """prctl(2), PR_SET_CHILD_SUBREAPER: orphans among our descendants become our children."""
    _check(lib.prctl(lib.PR_SET_CHILD_SUBREAPER, ffi.cast("unsigned long", 1)))


def set_thread_name(name: str) -> None:
    """prctl(2), PR_SET_NAME: what /proc shows as comm of the calling thread, at most 15 bytes."""
    _check(lib.prctl(lib.PR_SET_NAME, ffi.new("char[]", name.encode())))


def timerfd_create() -> int:
    """timerfd_create(2): a new non-blocking, close-on-exec timer on CLOCK_MONOTONIC."""
    return _check(lib.timerfd_create(lib.CLOCK_MONOTONIC, lib.TFD_NONBLOCK | lib.TFD_CLOEXEC))


def timerfd_settime(fd: int, milliseconds: int) -> None:
    """timerfd_settime(2): readable from this time of the clock on; 0 stops the timer."""
    when = ffi.new("struct itimerspec *")
    when.it_value.tv_sec, rest = divmod(milliseconds, 1000)
    when.it_value.tv_nsec = rest * 1_000_000
    _check(lib.timerfd_settime(fd, lib.TFD_TIMER_ABSTIME, when, ffi.NULL))


IN_CLOSE_WRITE: int = lib.IN_CLOSE_WRITE
IN_MOVED_TO: int = lib.IN_MOVED_TO
IN_CREATE: int = lib.IN_CREATE
IN_DELETE_SELF: int = lib.IN_DELETE_SELF
IN_MOVE_SELF: int = lib.IN_MOVE_SELF
IN_MASK_ADD: int = lib.IN_MASK_ADD
IN_ONLYDIR: int = lib.IN_ONLYDIR
IN_IGNORED: int = lib.IN_IGNORED
IN_Q_OVERFLOW: int = lib.IN_Q_OVERFLOW


def inotify_init() -> int:
    """inotify_init1(2): a new non-blocking, close-on-exec descriptor that yields events."""
    return _check(lib.inotify_init1(lib.IN_NONBLOCK | lib.IN_CLOEXEC))


def inotify_add_watch(fd: int, path: str, mask: int) -> int:
    """inotify_add_watch(2): the watch descriptor, the same again for the same folder."""
    return _check(lib.inotify_add_watch(fd, os.fsencode(path), mask))


def inotify_rm_watch(fd: int, watch: int) -> None:
    """inotify_rm_watch(2)."""
    _check(lib.inotify_rm_watch(fd, watch))


def inotify_events(records: bytes) -> Iterator[tuple[int, int, str]]:
    """The watch descriptor, mask and name of each event in what read(2) gave: inotify(7)."""
    head = ffi.sizeof("struct inotify_event")
    while records:
        event: Any = ffi.from_buffer("struct inotify_event *", records[:head])
        name = records[head : head + event.len].rstrip(b"\0")
        yield event.wd, event.mask, os.fsdecode(name)
        records = records[head + event.len :]


def signalfd(signals: Iterable[int]) -> int:
    """signalfd(2): a new non-blocking, close-on-exec descriptor that yields these signals."""
    mask = ffi.new("sigset_t *")
    lib.sigemptyset(mask)
    for number in signals:
        _check(lib.sigaddset(mask, number))
    return _check(lib.signalfd(-1, mask, lib.SFD_NONBLOCK | lib.SFD_CLOEXEC))


SIGNALFD_RECORD: int = ffi.sizeof("struct signalfd_siginfo")
"""Bytes of one record, as read(2) from a signalfd gives it."""


def signal_number(record: bytes) -> int:
    """The signal's number in a record that was read from a signalfd."""
    info: Any = ffi.from_buffer("struct signalfd_siginfo *", record)
    return int(info.ssi_signo)
