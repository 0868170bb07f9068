"""One thread asks another to do something, and gets it out of its poll(2). Twin of `c/src/wake.c`.

An eventfd(2) that becomes readable, and what was asked for, in bits: asked for twice before it was
looked at, it is done once.
"""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock

from labd.failure import failing

WAKE_REAP = 1
"""Children have ended: SIGCHLD."""
WAKE_LOOK = 2
"""Look for jobs: SIGHUP."""
WAKE_DRAIN = 4
"""The daemon stops: finish what is under way."""
WAKE_LOAD = 8
"""Read the configuration again: SIGHUP."""


@dataclass(slots=True)
class Wake:
    """What was asked for."""

    fd: int = -1
    """Readable when something was asked for; -1: nobody listens."""
    asked: int = 0
    lock: Lock = field(default_factory=Lock)
    """Guards asked: |= reads, then writes."""


def wake_open() -> Wake:
    """The descriptor is non-blocking and close-on-exec. Raises Failure."""
    with failing("eventfd()"):
        return Wake(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))


def wake_send(wake: Wake, what: int) -> None:
    """Ask for something. Does nothing when nobody listens."""
    if wake.fd < 0:
        return
    with wake.lock:
        wake.asked |= what
    # It could only fail if 2^64 others had been before it: then it is readable. eventfd(2).
    with suppress(OSError):
        os.eventfd_write(wake.fd, 1)


def wake_take(wake: Wake) -> int:
    """What was asked for since the last time; 0: nothing. Not readable any more then."""
    # First the descriptor: what is asked for after it, makes it readable again.
    with suppress(BlockingIOError):
        os.eventfd_read(wake.fd)
    with wake.lock:
        asked, wake.asked = wake.asked, 0
    return asked


def wake_close(wake: Wake) -> None:
    """Close the descriptor."""
    if wake.fd >= 0:
        os.close(wake.fd)
    wake.fd = -1
