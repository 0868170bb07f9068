"""Wait for what brings no event: look, and look again, until it is there or the time is over."""

import time
from collections.abc import Callable
from typing import TypeVar

LOOK = 0.01
"""Seconds between two looks."""

T = TypeVar("T")


def until(happened: Callable[[], T], seconds: float) -> T:
    """Look until something has happened, for so many seconds; returns what the last look found."""
    deadline = time.monotonic() + seconds
    while not (found := happened()) and time.monotonic() < deadline:
        time.sleep(LOOK)
    return found
