"""The time that deadlines are measured in. Twin of `c/src/clock.h`."""

import time


def now_milliseconds() -> int:
    """Milliseconds of CLOCK_MONOTONIC: the wall clock may jump, clock_gettime(2)."""
    return time.monotonic_ns() // 1_000_000
