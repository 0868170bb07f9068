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


_BUSY = 4
"""How many times as long one is waited for who works all the while."""
_RESTS = 20
"""So many looks in a row that find nobody at work: nothing more is to come."""


def patiently(wait: Callable[[float], T], works: Callable[[], bool], seconds: float) -> T:
    """Wait for something, for so many seconds; and on, while somebody is at work: on a busy machine
    it may hardly have had a processor by then. wait(seconds) returns what it found."""
    found = wait(seconds)
    deadline = time.monotonic() + (_BUSY - 1) * seconds
    rests = 0
    while not found and rests < _RESTS and time.monotonic() < deadline:
        found = wait(LOOK)
        rests = 0 if works() else rests + 1
    return found
