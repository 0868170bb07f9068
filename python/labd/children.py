"""Lab 5: children - programs that we start, and end, and never lose sight of.

A child that has ended stays in the process table until its parent asks for its status: a zombie.
SIGCHLD only says "look"; many ends may come as one signal. As long as we have not asked, the
number of the child is still its own, and a signal to it cannot hit a stranger. So: first the
signals, then the status.

Twin of `c/src/children.c`.
"""

import errno
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from labd import syscalls
from labd.clock import now_milliseconds
from labd.failure import Failure, failing, failure

_VARIABLES = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
_FROM_NULL = ((os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),)


@dataclass(slots=True)
class Child:
    """A child that runs. All times are milliseconds of CLOCK_MONOTONIC."""

    pid: int
    """Also the number of its process group."""
    name: str = ""
    started: int = 0
    deadline: int = 0
    """When the next signal is due; 0: none is."""
    sent: int = 0
    """The last signal that a deadline brought it: 0, SIGTERM or SIGKILL."""


@dataclass(slots=True)
class Children:
    """The children that run."""

    table: dict[int, Child] = field(default_factory=dict)
    """By number."""
    size: int = 0
    """How many may run at a time."""
    timeout: int = 0
    """Milliseconds that a child may run; 0: for ever."""
    grace: int = 0
    """Milliseconds from SIGTERM to SIGKILL."""
    timer: int = -1
    """timerfd(2), readable when a deadline has come; -1: not open."""

    @property
    def running(self) -> int:
        """How many children run."""
        return len(self.table)


ChildEnded = Callable[[Child, os.waitid_result], None]
"""Told of each child that has ended: how, as waitid(2) says it. A child with an empty name is
not one of the table: it came to us as an orphan."""

ChildLate = Callable[[Child], None]
"""Told of each child that was sent a signal because its deadline had come: child.sent."""


def children_open(size: int, timeout: int, grace: int) -> Children:
    """Get ready to have children, at most size at a time.

    Makes us the reaper of our descendants, so that what a child leaves behind comes to us and not
    to PID 1: PR_SET_CHILD_SUBREAPER, prctl(2). Opens a timerfd(2) on CLOCK_MONOTONIC,
    non-blocking and close-on-exec. timeout and grace are milliseconds. Raises Failure, with
    nothing left open then.
    """
    with failing("prctl(PR_SET_CHILD_SUBREAPER)"):
        syscalls.set_child_subreaper()
    with failing("timerfd_create()"):
        timer = syscalls.timerfd_create()
    return Children({}, size, timeout, grace, timer)


def _send(pid: int, number: int) -> None:
    """To the child and its whole group. It may have left that; while its status is not taken,
    its number is its own, and also that of no other group."""
    try:
        os.killpg(pid, number)
    except OSError:
        with suppress(OSError):
            os.kill(pid, number)
        return
    if number == signal.SIGKILL:
        os.kill(pid, number)


def _set_timer(children: Children) -> None:
    """For the deadline that comes first; a time of zero would stop it."""
    deadlines = [child.deadline for child in children.table.values() if child.deadline]
    with failing("timerfd_settime()"):
        syscalls.timerfd_settime(children.timer, min(deadlines, default=0))


def children_spawn(children: Children, name: str, path: str) -> int:
    """Run the program at path, without arguments, under a name for our table.

    With posix_spawn(3), which is safe where fork(2) is not: in a process with threads. (From
    Python 3.12 on, os.fork() in such a process gives a DeprecationWarning: "may lead to deadlocks
    in the child".) The child

    - leads a process group of its own, so that one signal reaches all of it;
    - has every disposition at default and no signal blocked;
    - reads from /dev/null, and has our 1 and 2 and nothing above;
    - gets PATH=/usr/local/bin:/usr/bin:/bin as its only variable.

    Enters it into the table, with its deadline, and sets the timer. Returns its number. Raises
    Failure: EAGAIN when the table is full, else the error of posix_spawn(3), which includes that
    of execve(2).
    """
    if children.running >= children.size:
        raise failure(f"{children.size} children run already", errno.EAGAIN)
    with failing(f"posix_spawn({path})"):
        pid = os.posix_spawn(
            path,
            [name],
            _VARIABLES,
            file_actions=_FROM_NULL,
            setpgroup=0,  # a new one, with its number
            setsigdef=signal.valid_signals(),
            setsigmask=(),
        )
    child = Child(pid, name, now_milliseconds())
    if children.timeout > 0:
        child.deadline = child.started + children.timeout
    children.table[pid] = child
    _set_timer(children)
    return pid


def _reap(children: Children, pid: int, ended: ChildEnded) -> None:
    """Take the status of one child that has ended, after what is left of its group was ended."""
    child = children.table.pop(pid, None)
    if child is not None:
        _send(pid, signal.SIGKILL)
    with failing(f"waitid({pid})"):
        how = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
    if how is not None:
        ended(child or Child(pid), how)


def children_reap(children: Children, ended: ChildEnded) -> None:
    """Ask for the status of every child that has ended. Called after SIGCHLD.

    Until none is left, for one SIGCHLD may stand for many: waitid(2) with WNOHANG. Each is first
    looked at (WNOWAIT); if it is one of the table, what is left of its process group gets
    SIGKILL; only then its status is taken, its row becomes free, and ended is called. Orphans
    that came to us are reaped just so, but for the table. Raises Failure.
    """
    while True:
        try:
            with failing("waitid()"):
                how = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except Failure as problem:
            if problem.error != errno.ECHILD:  # that is: no children at all
                raise
            how = None
        if how is None:  # none of them has ended
            _set_timer(children)
            return
        _reap(children, how.si_pid, ended)


def _send_due(child: Child, grace: int) -> None:
    child.sent = signal.SIGTERM if child.sent == 0 else signal.SIGKILL
    _send(child.pid, child.sent)
    if child.sent == signal.SIGTERM:
        _send(child.pid, signal.SIGCONT)
        child.deadline = now_milliseconds() + grace
    else:
        child.deadline = 0  # nothing is stronger


def children_expire(children: Children, late: ChildLate) -> None:
    """Send what is due. Called when the timer is readable.

    Every child whose deadline has come: SIGTERM to its group, and SIGCONT after it, for one that
    is stopped takes no SIGTERM; its next deadline is the grace from now. At that one: SIGKILL.
    Each time late is called. Sets the timer for the deadline that comes next, or stops it. Raises
    Failure.
    """
    # Read, so that it is not readable any more; EAGAIN when it was not: timerfd_create(2).
    with failing("read() from the timerfd"), suppress(BlockingIOError):
        os.read(children.timer, 8)
    now = now_milliseconds()
    for child in children.table.values():
        if child.deadline and child.deadline <= now:
            _send_due(child, children.grace)
            late(child)
    _set_timer(children)


def children_end(children: Children) -> None:
    """Every child is due at once: the daemon stops.

    Only makes the timer readable: children_expire then does what is to be done. One that was sent
    its SIGTERM already keeps its deadline. Raises Failure.
    """
    for child in children.table.values():
        if child.sent == 0:
            child.deadline = now_milliseconds()
    _set_timer(children)


def children_close(children: Children) -> None:
    """SIGKILL to the group of every child of the table, and wait for their ends.

    Closes the timer. Does nothing when it is not open.
    """
    if children.timer < 0:
        return
    for pid in children.table:
        _send(pid, signal.SIGKILL)
    for pid in children.table:
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED)
    os.close(children.timer)
    children.table.clear()
    children.timer = -1
