"""Lab 10: cleanup - a stack of what is to be undone, in reverse, on every way out.

Whoever takes a resource pushes, at once, what gives it back. Then there is one way out, whatever
the reason for it: a signal, a start-up that failed half-way, a worker that failed. Twin of
`c/src/cleanup.c`. (Python's own is `contextlib.ExitStack`: it has no limit of time, and no names.)
"""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition, Thread

from labd.clock import now_milliseconds
from labd.failure import EXIT_FAILED, bug, failure
from labd.log import Log, log_event, log_text

CLEANUP_SIZE = 32

_LAST = 1.0

CleanupUndo = Callable[[], None]
"""Gives something back. It cannot fail: what it cannot do, it logs."""


@dataclass(frozen=True, slots=True)
class Undo:
    """What is to be undone."""

    name: str
    undo: CleanupUndo


@dataclass(slots=True)
class Cleanup:
    """The stack."""

    log: Log = field(default_factory=Log)
    rows: list[Undo] = field(default_factory=list)
    """The last one is undone first."""
    changed: Condition = field(default_factory=Condition)
    over: bool = False
    """All is undone: nobody needs to watch any more."""


def cleanup_push(stack: Cleanup, name: str, undo: CleanupUndo) -> None:
    """Undo this too, before all that was pushed until now.

    When the stack is full, undoes it at once and raises Failure, ENOBUFS: the caller has nothing
    left to give back.
    """
    if len(stack.rows) == CLEANUP_SIZE:
        undo()
        raise failure(f"cleanup_push({name})", errno.ENOBUFS)
    with stack.changed:
        stack.rows.append(Undo(name, undo))


def cleanup_pop(stack: Cleanup) -> None:
    """Undo what was pushed last, and forget it.

    Before it, logs the event "cleanup", debug, with its "name". It stays on the stack while it is
    being undone, for cleanup_unwind to name it. An exception is a bug of the undo: the event
    "undo_failed", an error, with "name" and "error"; what is left must be undone all the same.
    Does nothing when the stack is empty.
    """
    if not stack.rows:
        return
    last = stack.rows[-1]
    log_event(stack.log, "debug", "cleanup", name=last.name)
    try:
        last.undo()
    except Exception as error:
        text = log_text(bug(error).text)
        log_event(stack.log, "error", "undo_failed", name=last.name, error=text)
    with stack.changed:
        stack.rows.pop()


def _tell(stack: Cleanup, limit: int) -> None:
    """Say what is left. The lock is held by who started us: what is left can only become less."""
    left = " ".join(row.name for row in reversed(stack.rows))
    log_event(stack.log, "error", "failed", error=f"not undone within {limit} ms: {left}")


def _give_up(stack: Cleanup, limit: int) -> None:
    """End the process whatever the others do. The log may be what they wait for: so its line has a
    thread of its own, and _LAST seconds."""
    teller = Thread(target=_tell, args=(stack, limit), daemon=True)
    with suppress(RuntimeError):  # no thread can be started
        teller.start()
        teller.join(_LAST)
    os._exit(EXIT_FAILED)


def _watch(stack: Cleanup, limit: int) -> None:
    until = now_milliseconds() + limit
    with stack.changed:
        while not stack.over and (left := until - now_milliseconds()) > 0:
            stack.changed.wait(left / 1000)
        if not stack.over:
            _give_up(stack, limit)


def cleanup_unwind(stack: Cleanup, limit: int) -> None:
    """Undo all, the last first, within so many milliseconds.

    Each once. An undo that waits for a dead disk may never come back, so a thread of its own looks
    at the clock, which must not jump: when the time is up, it logs the event "failed", an error,
    whose "error" names what is not undone, and ends the process with os._exit() and EXIT_FAILED.
    That line has one more thread, and a second: the log may be what hangs, with its lock held. If
    there is no thread to look at the clock, there is no limit. When the function returns, the stack
    is empty and the thread has ended.
    """
    watcher = Thread(target=_watch, args=(stack, limit), daemon=True)
    with suppress(RuntimeError):  # no thread can be started
        watcher.start()
    while stack.rows:
        cleanup_pop(stack)
    with stack.changed:
        stack.over = True
        stack.changed.notify_all()
    if watcher.ident is not None:
        watcher.join()
