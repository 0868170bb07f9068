# Lab 5, children: your own module, yet to be written.
#
# The contract of each function stands below its first line.
# Write what is marked TODO, then run `make lab-5`: it shows yours beside the
# reference. Functions of your own are welcome: begin their names with _.
# ruff: noqa: F401 - imports of the reference: drop what you have no use for

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

import labd.failure
from labd import syscalls
from labd.clock import now_milliseconds
from labd.failure import Failure, failing, failure


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
        raise labd.failure.todo("Children.running")


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
    raise labd.failure.todo("children_open")


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
    raise labd.failure.todo("children_spawn")


def children_reap(children: Children, ended: ChildEnded) -> None:
    """Ask for the status of every child that has ended. Called after SIGCHLD.

    Until none is left, for one SIGCHLD may stand for many: waitid(2) with WNOHANG. Each is first
    looked at (WNOWAIT); if it is one of the table, what is left of its process group gets
    SIGKILL; only then its status is taken, by wait4(2), which also tells what it used; its row
    becomes free, and ended is called. Orphans that came to us are reaped just so, but for the
    table. Then sets the timer for the deadlines that are left. Raises Failure.
    """
    raise labd.failure.todo("children_reap")


def children_expire(children: Children, late: ChildLate) -> None:
    """Send what is due. Called when the timer is readable.

    Every child whose deadline has come: SIGTERM to its group, and SIGCONT after it, for one that
    is stopped takes no SIGTERM; its next deadline is its grace from now. At that one: SIGKILL.
    Each time late is called. Sets the timer for the deadline that comes next, or stops it. Raises
    Failure.
    """
    raise labd.failure.todo("children_expire")


def children_end(children: Children) -> None:
    """Every child is due at once: the daemon stops.

    Only makes the timer readable: children_expire then does what is to be done. One that was sent
    its SIGTERM already keeps its deadline.
    """
    raise labd.failure.todo("children_end")


def children_close(children: Children, ended: ChildEnded) -> None:
    """SIGKILL to the group of every child of the table, and wait for their ends.

    Before and after it, reaps those that have ended, and calls ended for each. Waits for at most
    five seconds: a process that cannot be killed must not keep us; one that was killed on a busy
    machine needs a while to end. Closes the timer. Does nothing when it is not open.
    """
    raise labd.failure.todo("children_close")
