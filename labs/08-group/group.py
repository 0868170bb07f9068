# Lab 8, group: your own module, yet to be written.
#
# The contract of each function is its docstring.
# Write what is marked TODO, then run `make lab-8`: it shows yours beside the
# reference. Functions of your own are welcome: begin their names with _.
# ruff: noqa: F401 - imports of the reference: drop what you have no use for

"""Lab 8: group - workers with names that live and die together.

A daemon that has lost one of its threads looks well from outside, and does half of its work. So:
when one worker fails, or is gone, all are asked to stop, and whoever waits for the group learns the
first error. Nobody is killed: Python has no way to end a thread from outside. To be stoppable, a
worker polls a descriptor beside its own. Twin of `c/src/group.c`.
"""

import errno
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition, Thread

import labd.failure
from labd import syscalls
from labd.clock import now_milliseconds
from labd.failure import Failure, bug, failing, failure
from labd.log import Log, log_event, log_text

GROUP_SIZE = 8

GroupWork = Callable[["Worker"], None]
"""What a worker does, until it is asked to stop: it then returns. An exception: it has failed."""


@dataclass(slots=True)
class Worker:
    """A member of the group. What the lock of the group guards is read and written under it alone:
    begun, ended and left."""

    group: "Group"
    name: str
    """At most 15 bytes: what /proc shows as comm."""
    work: GroupWork
    beat: int = 0
    """Its last sign of life: milliseconds of CLOCK_MONOTONIC."""
    begun: bool = False
    """It has its name."""
    ended: bool = False
    """Its work has returned."""
    left: bool = False
    """It did not stop in time: nobody waits for it any more."""
    thread: Thread = field(default_factory=Thread)


@dataclass(slots=True)
class Group:
    """An open group. changed guards all but the log and the two descriptors."""

    log: Log
    stop: int
    """eventfd(2); readable for ever once the group is to stop."""
    ended: int
    """eventfd(2); readable for ever once a worker has ended."""
    changed: Condition = field(default_factory=Condition)
    """A worker has begun, or ended."""
    stopping: bool = False
    """The workers were asked to stop."""
    workers: list[Worker] = field(default_factory=list)
    cause: Failure | None = None
    """The first error; its text begins "worker NAME: "."""


def group_open(log: Log) -> Group:
    """A group without workers, which logs to log.

    Two eventfds, non-blocking and close-on-exec. Raises Failure, with nothing left open then.
    """
    raise labd.failure.todo("group_open")


def group_start(group: Group, name: str, work: GroupWork) -> None:
    """Start one more worker, in a thread of its own.

    Every signal is blocked in it, so that the main thread alone gets them: a thread inherits the
    mask of the one that starts it, pthread_create(3), and ours is as before when this returns.
    First of all the thread takes the worker's name, PR_SET_NAME of prctl(2), so that
    /proc/PID/task/TID/comm tells who is who; logs the event "worker_started", with "worker"; then
    calls work. This returns when the thread has got so far. The worker has given its first sign of
    life before it runs. The thread is a daemon thread: the interpreter does not wait for one that
    was left behind.

    When work has returned (or ended its thread by sys.exit()):

    - an exception is the failure of the worker: "worker NAME: " and its text, that of bug() for
      one that is no Failure. The event "worker_failed", an error, with "worker" and "error".
    - none, without having been asked to stop, is one too: "worker NAME ended by itself".
    - none after the group was asked to stop: the event "worker_ended".

    In each case the group is asked to stop, as by group_stop, and group_fd becomes readable. The
    first failure is kept before any other worker can see that it is to stop: what fails because of
    it, comes after it.

    Raises Failure: EAGAIN when there is no thread to be had, ENOBUFS when GROUP_SIZE workers were
    started.
    """
    raise labd.failure.todo("group_start")


def group_stop(group: Group) -> None:
    """Ask all workers to stop. May be called more than once, and by a worker."""
    raise labd.failure.todo("group_stop")


def group_fd(group: Group) -> int:
    """The descriptor that is readable once any worker has ended."""
    raise labd.failure.todo("group_fd")


def group_stop_fd(group: Group) -> int:
    """The descriptor that is readable, for ever, once the workers are to stop.

    They poll it, and never read from it: then each of them sees it.
    """
    raise labd.failure.todo("group_stop_fd")


def group_beat(worker: Worker) -> None:
    """A sign of life: to be given by each worker on each turn, and at least once a second."""
    raise labd.failure.todo("group_beat")


def group_late(group: Group, limit: int) -> str:
    """The name of the first worker, as they were started, whose last sign of life is older than so
    many milliseconds; empty: there is none. Those that have ended do not count."""
    raise labd.failure.todo("group_late")


def group_wait(group: Group, limit: int) -> None:
    """Wait until all workers have ended, for at most so many milliseconds (-1: for ever).

    Does not ask them to stop. For each that has not ended in time: the event "worker_hung", an
    error, with "worker"; and, if there was no failure before, the failure "worker NAME did not stop
    within N ms". It is left behind, and never waited for again. Joins those that have ended.
    Raises the first error, a Failure.
    """
    raise labd.failure.todo("group_wait")


def group_close(group: Group) -> None:
    """Close the descriptors of a group that has been waited for.

    A worker that was left behind still uses them: then they stay open. The process is about to end.
    """
    raise labd.failure.todo("group_close")
