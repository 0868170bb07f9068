"""What labd does from lab 8 on, each thing in a thread of its own. Twin of `c/src/workers.c`.

    queue     the jobs: takes them, reaps them, ends those that are late
    config    the configuration: reads it again when it is told to, or the file has changed
    reporter  logs the event "report", with the counters of metrics

The main thread takes the signals, and waits for the group of workers.
"""

import select
from collections.abc import Iterable
from contextlib import suppress

from labd.clock import now_milliseconds
from labd.config import config_get
from labd.failure import Failure, failing
from labd.group import (
    Worker,
    group_beat,
    group_fd,
    group_late,
    group_start,
    group_stop,
    group_stop_fd,
    group_wait,
)
from labd.health import STOPPING, health_state
from labd.jobs import (
    jobs_drain,
    jobs_drained,
    jobs_due,
    jobs_look,
    jobs_poll,
    jobs_reap,
    jobs_turn,
)
from labd.log import log_event
from labd.loop import loop_force, loop_stop, loop_wait
from labd.metrics import metrics_read
from labd.reload import reload_now, reload_turn
from labd.state import Labd
from labd.wake import WAKE_DRAIN, WAKE_LOAD, WAKE_LOOK, WAKE_REAP, wake_open, wake_send, wake_take

_BEAT = 1000
"""Milliseconds: the longest that a worker waits without a sign of life."""


# --- each in its own thread ---


def _wait(worker: Worker, waiting: Iterable[int], until: int) -> set[int]:
    """Wait for one of the descriptors until a time, but not longer than a sign of life may take."""
    left = _BEAT if until < 0 else until - now_milliseconds()
    poll = select.poll()
    for fd in waiting:
        if fd >= 0:
            poll.register(fd, select.POLLIN)
    group_beat(worker)
    with failing("poll()"):
        return {fd for fd, _ in poll.poll(max(0, min(left, _BEAT)))}


def _obey(labd: Labd, asked: int) -> None:
    """Do what the main thread asks for."""
    if asked & WAKE_LOOK:
        jobs_look(labd.jobs)
    if asked & WAKE_DRAIN:
        config, _ = config_get(labd.store)
        jobs_drain(labd.jobs, config.drain)
    if asked & WAKE_REAP:
        jobs_reap(labd.jobs)


def _queue(labd: Labd, worker: Worker) -> None:
    """When the last job has ended, it stops all. Asked to stop before that, it leaves what runs to
    the cleanup."""
    jobs, stop = labd.jobs, group_stop_fd(worker.group)
    while not jobs_drained(jobs):
        ready = _wait(worker, (stop, labd.queue.fd, *jobs_poll(jobs)), jobs_due(jobs))
        if stop in ready:
            return
        _obey(labd, wake_take(labd.queue))
        jobs_turn(jobs, ready)
    group_stop(worker.group)


def _config(labd: Labd, worker: Worker) -> None:
    stop, watch = group_stop_fd(worker.group), labd.watch
    while stop not in _wait(worker, (stop, labd.loader.fd, watch.way.fd), watch.next_look):
        if wake_take(labd.loader) & WAKE_LOAD:
            reload_now(labd, "HUP")
        reload_turn(labd)


def _report(labd: Labd) -> None:
    now = metrics_read(labd.metrics)
    log_event(
        labd.log,
        "info",
        "report",
        done=now.done,
        failed=now.failed,
        running=now.running,
        queue=now.queue,
        reloads=now.reloads,
        bad_reloads=now.bad_reloads,
        reaped=now.reaped,
        lost=now.lost,
    )


def _reporter(labd: Labd, worker: Worker) -> None:
    """The interval may become another while it waits."""
    stop = group_stop_fd(worker.group)
    last = now_milliseconds()
    while True:
        config, _ = config_get(labd.store)
        interval = config.report_interval
        if stop in _wait(worker, (stop,), last + interval if interval > 0 else -1):
            return
        now = now_milliseconds()
        if 0 < interval <= now - last:
            _report(labd)
            last = now  # those that were missed are not made up for


# --- all of them, in the main thread ---


def workers_start(labd: Labd) -> None:
    """Start them all, in the group that is open. Raises Failure; those that run then are stopped by
    workers_stop."""
    labd.queue = wake_open()
    labd.loader = wake_open()
    group_start(labd.group, "queue", lambda worker: _queue(labd, worker))
    group_start(labd.group, "config", lambda worker: _config(labd, worker))
    group_start(labd.group, "reporter", lambda worker: _reporter(labd, worker))


def workers_stop(labd: Labd) -> None:
    """Ask them all to stop, and wait for `stop_timeout`. Raises the first error, a Failure."""
    config, _ = config_get(labd.store)
    group_stop(labd.group)
    group_wait(labd.group, config.stop_timeout)


def _wait_for_end(labd: Labd, until: int) -> tuple[int, bool]:
    """Wait until a time for a signal or the first end of a worker. Returns the signal, as loop_wait
    does, and whether one has ended."""
    fd = group_fd(labd.group)
    number, ready = loop_wait(labd, (fd,), until)
    return number, fd in ready


def _drain(labd: Labd) -> None:
    """The queue ends by itself when there is nothing left to do. One that hangs would never.

    Late is who is late at two looks: after a SIGSTOP and a SIGCONT all are, until each has had its
    turn."""
    number, ended, late = 0, False, 0
    config, _ = config_get(labd.store)
    wake_send(labd.queue, WAKE_DRAIN)
    while number == 0 and not ended:
        late = late + 1 if group_late(labd.group, config.worker_timeout) else 0
        if late == 2:
            break
        number, ended = _wait_for_end(labd, now_milliseconds() + _BEAT)
    if number > 0:
        raise loop_force(labd, number)


def workers_serve(labd: Labd) -> None:
    """Let them work until a signal asks us to stop, or one of them fails.

    After the signal, the queue finishes what is under way; as loop_serve. A queue that gives no
    sign of life is not waited for. Stops the workers. Raises the first error, a Failure.
    """
    number, ended = 0, False
    try:
        while number == 0 and not ended:
            number, ended = _wait_for_end(labd, -1)
        if labd.health is not None:
            health_state(labd.health, STOPPING)  # also when one of them has failed
        if number > 0:
            loop_stop(labd, number)
            _drain(labd)
    except Failure:
        with suppress(Failure):  # one of theirs comes later than this one
            workers_stop(labd)
        raise
    workers_stop(labd)
