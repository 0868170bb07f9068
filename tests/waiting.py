"""Wait for what brings no event: look, and look again, until it is there or the time is over."""

import time
from collections.abc import Callable

LIMIT = 60.0
"""Seconds for what takes one: a busy machine is given its time."""


def until(happened: Callable[[], object], seconds: float = LIMIT) -> None:
    """Look until something has happened; fail when it has not in so many seconds."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"it did not happen in {seconds:g} s"
        time.sleep(0.005)
