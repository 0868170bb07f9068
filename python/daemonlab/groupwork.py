"""Look at the threads of a daemon, and have one of its workers fail, hang or be gone.

A worker waits for its descriptors by poll(2) or the like. The laboratory holds that call, see
interfere.py: as long as it does, the worker hangs; and it can have the call fail.
"""

import errno
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM, Signals

from daemonlab import logwork
from daemonlab.interfere import Waits
from daemonlab.patience import until
from daemonlab.procfs import parse_status, signal_set, text
from daemonlab.record import Thread
from daemonlab.scenarios import WORKER_TIMEOUT, WORKERS_NAMED

_WAIT = 5.0
"""Seconds that a worker is given to wait for something: each does so at least once a second, on a
machine that is not busy."""


@dataclass(frozen=True, slots=True)
class Victim:
    """A daemon some of whose workers are held."""

    scratch: Path
    waits: Waits
    names: Sequence[str]
    """The workers that are held."""
    send: Callable[[Signals], None]
    """Sends the daemon a signal."""

    def await_event(self, event: str, times: int = 1) -> None:
        """Wait until it is in the log, so many times, or the time is over."""

        def logged() -> bool:
            found = logwork.events(logwork.read(self.scratch / logwork.LOG))
            return sum(one.get("event") == event for one in found) >= times

        until(logged, _WAIT)


def threads(pid: int) -> tuple[Thread, ...]:
    """The threads of a process but the main one, by their numbers."""
    found = []
    with suppress(OSError):
        numbers = sorted(int(name) for name in os.listdir(f"/proc/{pid}/task"))
        for number in numbers:
            if number == pid:
                continue
            with suppress(OSError):
                status = parse_status(Path(f"/proc/{pid}/task/{number}/status").read_bytes())
                name, blocked = text(status[b"Name"]), signal_set(status[b"SigBlk"])
                found.append(Thread(number, name, blocked))
    return tuple(found)


def fail(victim: Victim) -> None:
    """The first that is held fails: its wait returns ENOMEM."""
    victim.waits.fail(victim.names[0], errno.ENOMEM, _WAIT)


def fail_both(victim: Victim) -> None:
    """Then the second, because of it: once the log says that the first has."""
    fail(victim)
    victim.await_event("worker_failed")
    victim.waits.fail(victim.names[1], errno.EBADF, _WAIT)


def vanish(victim: Victim) -> None:
    """The first that is held is told that it is to stop, which nobody asked for: it ends."""
    victim.waits.pretend(victim.names[0], _WAIT)


def fail_stopping(victim: Victim) -> None:
    """The first that is held fails when the daemon is asked to stop, once all others have ended: it
    has been asked to by then, and in which order they end is no chance."""
    victim.send(SIGTERM)
    victim.await_event("worker_ended", len(WORKERS_NAMED) - len(victim.names))
    fail(victim)


def stop_late(victim: Victim) -> None:
    """Asked to stop when the first that is held has given no sign of life for so long that it is
    late. Were it asked before, it would be late at a later look only, a second after."""
    victim.waits.await_held(victim.names[0], _WAIT)
    held = time.monotonic()
    until(lambda: time.monotonic() - held > WORKER_TIMEOUT, _WAIT)
    victim.send(SIGTERM)


ACTIONS: Mapping[str, Callable[[Victim], None]] = {
    "fail": fail,
    "fail both": fail_both,
    "vanish": vanish,
    "TERM fail": fail_stopping,
    "late TERM": stop_late,
}
