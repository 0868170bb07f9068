"""System calls that `os` lacks: each raises OSError with the errno, as those of `os` do."""

import os
from dataclasses import dataclass
from pathlib import Path

from daemonlab._native import ffi, lib


def _check(result: int, call: str) -> int:
    if result < 0:
        raise OSError(ffi.errno, f"{call}: {os.strerror(ffi.errno)}")
    return result


def become_subreaper() -> None:
    """Adopt every descendant whose parent dies: PR_SET_CHILD_SUBREAPER(2const)."""
    # All five arguments: prctl(2) reads them, and a missing one would be what the register held.
    _check(lib.prctl(lib.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl(PR_SET_CHILD_SUBREAPER)")


def close_all_but(keep: set[int]) -> None:
    """Close every descriptor that is not in keep: close_range(2) over the gaps."""
    first = 0
    for fd in sorted(keep):
        if fd > first:
            _check(lib.close_range(first, fd - 1, 0), "close_range()")
        first = fd + 1
    _check(lib.close_range(first, 0xFFFFFFFF, 0), "close_range()")


LIBC_SIGNALS = (32, 33)
"""The two that the C library keeps for itself, and does not let anybody change. They can come
ignored: posix_spawn(3) of glibc ignores them in its children, thus in all that make(1) starts."""


def default_libc_signals() -> None:
    """Their disposition to the default, past the C library: rt_sigaction(2)."""
    for number in LIBC_SIGNALS:
        _check(lib.default_signal(number), f"rt_sigaction({number})")


CALLS = {
    "clone3": lib.SYS_clone3,
    "close_range": lib.SYS_close_range,
    "epoll_create1": lib.SYS_epoll_create1,
    "eventfd2": lib.SYS_eventfd2,
    "flock": lib.SYS_flock,
    "inotify_init1": lib.SYS_inotify_init1,
    "timerfd_create": lib.SYS_timerfd_create,
}
"""The numbers of the system calls that can be denied."""


def deny(call: str, error: int) -> None:
    """From now on, in this process and all its descendants, that call fails with that errno, as
    if the kernel had none such, or a sandbox forbade it: seccomp(2)."""
    _check(lib.deny_call(CALLS[call], error), "seccomp()")


def hold_locks() -> int:
    """From now on each call that would lock a file waits, in this process and all its descendants:
    flock(2), and fcntl(2) with a command that locks. Returns the descriptor by which to hear of
    them and let them go: seccomp_unotify(2)."""
    return _check(lib.hold_locks(), "seccomp()")


def hold_waits() -> int:
    """As hold_locks, for the calls that wait for one of several descriptors: poll(2), ppoll(2),
    select(2), pselect(2), epoll_wait(2) and its like; and for clone3(2), which starts a thread."""
    return _check(lib.hold_waits(), "seccomp()")


@dataclass(frozen=True, slots=True)
class Held:
    """A call that is held."""

    id: int
    thread: int
    """The number of the thread that called."""
    is_poll: bool
    """It is poll(2) or ppoll(2)."""
    is_start: bool
    """It is clone3(2)."""
    argument: int
    """Its first one."""


def next_held(listener: int) -> Held:
    """Wait for a call that is held."""
    held = ffi.new("struct held *")
    _check(lib.next_held(listener, held), "ioctl(SECCOMP_IOCTL_NOTIF_RECV)")
    return Held(
        held.id,
        held.thread,
        bool(lib.is_poll(held.call)),
        held.call == lib.SYS_clone3,
        held.argument,
    )


def let_go(listener: int, held: Held) -> None:
    """Let a held call go on, as if nothing had been."""
    _check(lib.let_go(listener, held.id), "ioctl(SECCOMP_IOCTL_NOTIF_SEND)")


def answer(listener: int, held: Held, value: int, error: int = 0) -> None:
    """Have a held call return that value, or fail with that errno, without having been made."""
    _check(lib.answer(listener, held.id, value, error), "ioctl(SECCOMP_IOCTL_NOTIF_SEND)")


SAVED = lib.IN_CLOSE_WRITE | lib.IN_MOVED_TO
"""What happens to a file that is saved: written and closed, or another put in its place."""
OVERFLOW = lib.IN_Q_OVERFLOW
"""More happened than the kernel keeps: nobody knows what."""


def inotify_open() -> int:
    """A descriptor that tells what happens in folders, inotify(7); reading it does not wait."""
    return _check(lib.inotify_init1(lib.IN_NONBLOCK | lib.IN_CLOEXEC), "inotify_init1()")


def inotify_watch(inotify: int, folder: Path) -> int:
    """From now on tell what is SAVED in that folder; returns the number in the events' wd."""
    watched = lib.inotify_add_watch(inotify, os.fsencode(folder), SAVED | lib.IN_ONLYDIR)
    return _check(watched, f"inotify_add_watch({folder})")
