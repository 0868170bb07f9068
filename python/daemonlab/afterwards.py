"""What had become of the daemon when all had been done to it, in a sentence or two: a check sees
only that something was not logged or not answered; why, may be that nobody was there any more."""

import signal
from collections.abc import Sequence

from daemonlab import groupwork
from daemonlab.facts import signal_names
from daemonlab.logwork import events
from daemonlab.record import Reaction, Record
from daemonlab.stuck import Stuck
from daemonlab.text import printable

_CRASHES = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP}
    | {signal.SIGSYS, signal.SIGPIPE}
)
"""What ends a program that has made a mistake."""
WAITS = frozenset({"poll", "ppoll", "epoll_wait", "epoll_pwait", "pselect6"})
"""Where one sleeps who can be woken by whatever comes."""
_MUCH = 1.0
"""Seconds of CPU of a thread that still runs when all else is at rest: a loop."""
_MOST = 400
"""Characters of an error that are shown."""


def last_error(log: bytes, pid: int = 0) -> str:
    """Why a daemon gave up, as its log tells; empty if it does not. pid: of which process, where
    another has written to the same log."""
    errors = [
        one.get("error")
        for one in events(log)
        if one.get("event") == "failed" and pid in (0, one.get("pid"))
    ]
    return str(errors[-1])[:_MOST] if errors else ""


def _is_provoked(record: Record) -> bool:
    """The laboratory itself has made a worker fail."""
    return any(reaction.action in groupwork.ACTIONS for reaction in record.reactions)


def _sent(record: Record) -> set[str]:
    """The signals, without SIG, that the last thing done to it was: of those it may end."""
    action = record.reactions[-1].action if record.reactions else ""
    return {"HUP"} if action == "logout" else set(action.split()) if action.isupper() else set()


def _killed(record: Record, number: int, shown: str) -> str:
    (short,) = signal_names([number])
    name = f"SIG{short}"
    if name in shown or short in _sent(record) or number == signal.SIGKILL:
        return ""
    if number in _CRASHES:
        return f"The daemon had crashed by then: {name} ended it."
    return f"The daemon had ended by then: {name} killed it."


def _ended(record: Record, last: Reaction, shown: str) -> str:
    if last.signal is not None:
        return _killed(record, last.signal, shown)
    pid = record.daemon.process.pid if record.daemon else 0
    error = last_error(record.log, pid) if last.code else ""
    if error:
        known = _is_provoked(record) or error in shown
        return "" if known else f'The daemon had ended by then, and logged "failed": "{error}".'
    asked = any(one.get("event") == "stop" and one.get("pid") == pid for one in events(record.log))
    if asked or _sent(record) or last.code is None:
        return ""
    return f"The daemon had ended by then, with exit code {last.code}, and nobody had asked it to."


def _stood(threads: Sequence[Stuck], program: str) -> str:
    """Of those that cannot be woken, the first few. A thread that has but the name of the program
    is no worker: it may be there to wait."""
    said = []
    for one in threads:
        if one.thread == program:
            continue
        who = f"The thread {one.thread} of the daemon" if one.thread else "The daemon"
        if one.runs and one.seconds > _MUCH:
            said.append(f"{who} still ran, and had used {one.seconds:.1f} s of CPU: a loop.")
        elif one.state in "SD" and one.place and one.place not in WAITS:
            lock = ": it waits for a lock, or for another thread" if one.place == "futex" else ""
            said.append(f"{who} slept in {one.place}, not in poll{lock}.")
    return "\n".join(said[:3])


def afterwards(record: Record, shown: str) -> str:
    """What explains why a daemon that had started did not do what was expected of it; empty if it
    is not known, or among what is shown already."""
    if record.last is None:
        return ""
    if record.last.alive:
        told = _stood(record.stuck, record.daemon.comm if record.daemon else "")
    else:
        told = _ended(record, record.last, shown)
    return "\n".join(map(printable, told.splitlines()))
