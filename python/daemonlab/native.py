"""System calls that `os` lacks: each raises OSError with the errno, as those of `os` do."""

import os

from daemonlab._native import ffi, lib


def _check(result: int, call: str) -> None:
    if result < 0:
        raise OSError(ffi.errno, f"{call}: {os.strerror(ffi.errno)}")


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
