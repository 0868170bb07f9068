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
    with failing("eventfd()"):
        stop = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            return Group(log, stop, os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))
        except OSError:
            os.close(stop)
            raise


def _tell(fd: int) -> None:
    """Make an eventfd readable. It cannot be full: nobody adds more than a few to it."""
    with suppress(OSError):
        os.eventfd_write(fd, 1)


def _ask_to_stop(group: Group) -> None:
    """The lock is held."""
    if not group.stopping:
        _tell(group.stop)
    group.stopping = True


def _keep_first(group: Group, cause: Failure) -> None:
    """The first error is the cause; later ones may only follow from it. The lock is held."""
    if group.cause is None:
        group.cause = cause


def _judge(worker: Worker, failed: Failure | None) -> None:
    """Judge how a worker has ended. The lock is held."""
    group = worker.group
    if failed is None and group.stopping:
        log_event(group.log, "info", "worker_ended", worker=worker.name)
        return
    if failed is None:
        why = Failure(f"worker {worker.name} ended by itself")
    else:
        why = Failure(f"worker {worker.name}: {failed.text}", failed.exit_code, failed.error)
    log_event(group.log, "error", "worker_failed", worker=worker.name, error=log_text(why.text))
    _keep_first(group, why)


def _end(worker: Worker, failed: Failure | None) -> None:
    """The last that a worker's thread does, also when its work called sys.exit()."""
    group = worker.group
    with group.changed:
        _judge(worker, failed)
        worker.ended = True
        _ask_to_stop(group)
        _tell(group.ended)
        group.changed.notify_all()


def _begin(worker: Worker) -> None:
    """The first."""
    group = worker.group
    with suppress(OSError):
        syscalls.set_thread_name(worker.name)
    log_event(group.log, "info", "worker_started", worker=worker.name)
    with group.changed:
        worker.begun = True
        group.changed.notify_all()


def _run(worker: Worker) -> None:
    failed: Failure | None = None
    _begin(worker)
    try:
        worker.work(worker)
    except SystemExit:
        pass  # as pthread_exit(3): it ends the thread alone
    except Failure as error:
        failed = error
    except Exception as error:
        failed = bug(error)
    finally:
        _end(worker, failed)


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
    if len(group.workers) == GROUP_SIZE:
        raise failure(f"group_start({name})", errno.ENOBUFS)
    worker = Worker(group, name, work)
    worker.thread = Thread(target=_run, args=(worker,), name=name, daemon=True)
    group_beat(worker)
    before = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    try:
        worker.thread.start()
    except RuntimeError as error:  # all that Python says of the errno
        raise failure(f"pthread_create() of worker {name}", errno.EAGAIN) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    with group.changed:
        group.workers.append(worker)
        group.changed.wait_for(lambda: worker.begun)


def group_stop(group: Group) -> None:
    """Ask all workers to stop. May be called more than once, and by a worker."""
    with group.changed:
        _ask_to_stop(group)


def group_fd(group: Group) -> int:
    """The descriptor that is readable once any worker has ended."""
    return group.ended


def group_stop_fd(group: Group) -> int:
    """The descriptor that is readable, for ever, once the workers are to stop.

    They poll it, and never read from it: then each of them sees it.
    """
    return group.stop


def group_beat(worker: Worker) -> None:
    """A sign of life: to be given by each worker on each turn, and at least once a second."""
    worker.beat = now_milliseconds()


def group_late(group: Group, limit: int) -> str:
    """The name of the first worker, as they were started, whose last sign of life is older than so
    many milliseconds; empty: there is none. Those that have ended do not count."""
    oldest = now_milliseconds() - limit
    with group.changed:
        late = (w.name for w in group.workers if not w.ended and w.beat < oldest)
        return next(late, "")


def _awaited(group: Group) -> list[Worker]:
    """Those that are worth waiting for. The lock is held."""
    return [worker for worker in group.workers if not worker.ended and not worker.left]


def _leave_behind(worker: Worker, limit: int) -> None:
    """The lock is held."""
    worker.left = True
    log_event(worker.group.log, "error", "worker_hung", worker=worker.name)
    text = f"worker {worker.name} did not stop within {limit} ms"
    _keep_first(worker.group, Failure(text))


def group_wait(group: Group, limit: int) -> None:
    """Wait until all workers have ended, for at most so many milliseconds (-1: for ever).

    Does not ask them to stop. For each that has not ended in time: the event "worker_hung", an
    error, with "worker"; and, if there was no failure before, the failure "worker NAME did not stop
    within N ms". It is left behind, and never waited for again. Joins those that have ended.
    Raises the first error, a Failure.
    """
    with group.changed:
        group.changed.wait_for(lambda: not _awaited(group), None if limit < 0 else limit / 1000)
        for worker in _awaited(group):
            _leave_behind(worker, limit)
        cause = group.cause
    for worker in group.workers:
        if not worker.left:  # it has ended: it is about to release the lock, and to return
            worker.thread.join()
    if cause is not None:
        raise cause


def group_close(group: Group) -> None:
    """Close the descriptors of a group that has been waited for.

    A worker that was left behind still uses them: then they stay open. The process is about to end.
    """
    if any(worker.left for worker in group.workers):
        return
    os.close(group.stop)
    os.close(group.ended)
    group.stop = group.ended = -1
