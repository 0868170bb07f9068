"""Lab 5: children - programs that we start, and end, and never lose sight of.

A child that has ended stays in the process table until its parent asks for its status: a zombie.
SIGCHLD only says "look"; many ends may come as one signal. As long as we have not asked, the
number of the child is still its own, and a signal to it cannot hit a stranger. So: first the
signals, then the status.

Twin of `c/src/children.c`.
"""

import errno
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from labd import syscalls
from labd.clock import now_milliseconds
from labd.failure import Failure, failing, failure

_VARIABLES = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
_INPUT = (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)
_NO_OUTPUT = (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)
_ERRORS = (os.POSIX_SPAWN_DUP2, 1, 2)
_CLOSE_TIME = 5000
"""Milliseconds."""


@dataclass(slots=True)
class Child:
    """A child that runs. All times are milliseconds of CLOCK_MONOTONIC."""

    pid: int
    """Also the number of its process group."""
    name: str = ""
    started: int = 0
    deadline: int = 0
    """When the next signal is due; 0: none is."""
    grace: int = 0
    """Milliseconds from SIGTERM to SIGKILL, as it was when this one started."""
    sent: int = 0
    """The last signal that a deadline brought it: 0, SIGTERM or SIGKILL."""


@dataclass(slots=True)
class Children:
    """The children that run.

    timeout and grace are for those that are started from now on: the owner may set them to
    something else between two calls.
    """

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


ChildEnded = Callable[[Child, os.waitid_result, resource.struct_rusage], None]
"""Told of each child that has ended: how, as waitid(2) says it, and what it used, as getrusage(2)
says it. It is no more in the table. With an empty name it never was: it came to us as an orphan."""

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
    """To the child's whole group. Where there is none, because the child has left it and was the
    last, to the child. While its status is not taken, its number is its own, and no other
    group's. SIGKILL also to one that has left the others behind."""
    try:
        os.killpg(pid, number)
        alone = False
    except OSError:
        alone = True
    if alone or number == signal.SIGKILL:
        with suppress(OSError):
            os.kill(pid, number)


def _set_timer(children: Children) -> None:
    """For the deadline that comes first; a time of zero stops it."""
    deadlines = [child.deadline for child in children.table.values() if child.deadline]
    with suppress(OSError):  # all its errors are mistakes in the call: timerfd_settime(2)
        syscalls.timerfd_settime(children.timer, min(deadlines, default=0))


def children_spawn(
    children: Children, name: str, path: str, arguments: list[str], output: int
) -> int:
    """Run the program at path, under a name for our table.

    With posix_spawn(3). fork(2) copies one thread alone: a lock that another thread holds, of
    malloc(3) say, is never released in the child, and whoever wants it there waits for ever. (From
    Python 3.12 on, os.fork() in such a process gives a DeprecationWarning: "may lead to deadlocks
    in the child".) The child

    - leads a process group of its own, so that one signal reaches all of it;
    - has every disposition at default and no signal blocked;
    - has /dev/null as 0, output as 1 and 2 (-1: /dev/null, too), and nothing above;
    - gets arguments as its argv, argv[0] included, and PATH=/usr/local/bin:/usr/bin:/bin as its
      only variable.

    Enters it into the table, with its deadline, and sets the timer. output stays open here, and is
    the caller's. Returns its number. Raises
    Failure: EAGAIN when the table is full, else the error of posix_spawn(3), which includes that
    of execve(2).
    """
    if children.running >= children.size:
        raise failure(f"{children.size} children run already", errno.EAGAIN)
    standard = _NO_OUTPUT if output < 0 else (os.POSIX_SPAWN_DUP2, output, 1)
    with failing(f"posix_spawn({path})"):
        pid = os.posix_spawn(
            path,
            arguments,
            _VARIABLES,
            file_actions=(_INPUT, standard, _ERRORS),
            setpgroup=0,  # a new one, with its number
            setsigdef=signal.valid_signals(),
            setsigmask=(),
        )
    child = Child(pid, name, now_milliseconds(), grace=children.grace)
    if children.timeout > 0:
        child.deadline = child.started + children.timeout
    children.table[pid] = child
    _set_timer(children)
    return pid


def _reap(children: Children, how: os.waitid_result, ended: ChildEnded) -> None:
    """Take the status of one child that has ended, after what is left of its group was ended."""
    pid = how.si_pid
    child = children.table.pop(pid, None)
    if child is not None:
        _send(pid, signal.SIGKILL)
    # The system call waitid(2) tells the usage, too, but not as the C library has it.
    with failing(f"wait4({pid})"):
        usage = os.wait4(pid, os.WNOHANG)[2]
    ended(child or Child(pid), how, usage)


def _next_ended() -> os.waitid_result | None:
    """How a child ended whose status waits, without taking it; None when there is none."""
    with failing("waitid()"), suppress(ChildProcessError):  # that is: no children at all
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return None


def children_reap(children: Children, ended: ChildEnded) -> None:
    """Ask for the status of every child that has ended. Called after SIGCHLD.

    Until none is left, for one SIGCHLD may stand for many: waitid(2) with WNOHANG. Each is first
    looked at (WNOWAIT); if it is one of the table, what is left of its process group gets
    SIGKILL; only then its status is taken, by wait4(2), which also tells what it used; its row
    becomes free, and ended is called. Orphans that came to us are reaped just so, but for the
    table. Then sets the timer for the deadlines that are left. Raises Failure.
    """
    while how := _next_ended():
        _reap(children, how, ended)
    _set_timer(children)


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
    is stopped takes no SIGTERM; its next deadline is its grace from now. At that one: SIGKILL.
    Each time late is called. Sets the timer for the deadline that comes next, or stops it. Raises
    Failure.
    """
    # Read, so that it is not readable any more; EAGAIN when it was not: timerfd_create(2).
    with failing("read() from the timerfd"), suppress(BlockingIOError):
        os.read(children.timer, 8)
    now = now_milliseconds()
    for child in children.table.values():
        if child.deadline and child.deadline <= now:
            _send_due(child, child.grace)
            late(child)
    _set_timer(children)


def children_end(children: Children) -> None:
    """Every child is due at once: the daemon stops.

    Only makes the timer readable: children_expire then does what is to be done. One that was sent
    its SIGTERM already keeps its deadline.
    """
    for child in children.table.values():
        if child.sent == 0:
            child.deadline = now_milliseconds()
    _set_timer(children)


def _await_ends(children: Children, ended: ChildEnded) -> None:
    """Reap until none of the table is left, for at most _CLOSE_TIME: one in state D ends when its
    disk answers, and one that became another user cannot be killed."""
    until = now_milliseconds() + _CLOSE_TIME
    with suppress(Failure):
        children_reap(children, ended)
        while children.table and now_milliseconds() < until:
            signal.sigtimedwait({signal.SIGCHLD}, 0.01)
            children_reap(children, ended)


def children_close(children: Children, ended: ChildEnded) -> None:
    """SIGKILL to the group of every child of the table, and wait for their ends.

    Before and after it, reaps those that have ended, and calls ended for each. Waits for at most
    five seconds: a process that cannot be killed must not keep us; one that was killed on a busy
    machine needs a while to end. Closes the timer. Does nothing when it is not open.
    """
    if children.timer < 0:
        return
    with suppress(Failure):
        children_reap(children, ended)  # those that ended by themselves
    for pid in children.table:
        _send(pid, signal.SIGKILL)
    _await_ends(children, ended)
    os.close(children.timer)
    children.table.clear()
    children.timer = -1
