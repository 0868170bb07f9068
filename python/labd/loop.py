"""Waiting for signals, and for what labs 1 to 7 do in one thread. Twin of `c/src/loop.c`."""

import select
import signal
from collections.abc import Iterable

from labd.clock import now_milliseconds
from labd.config import config_get
from labd.failure import Failure, failing
from labd.jobs import (
    jobs_drain,
    jobs_drained,
    jobs_due,
    jobs_poll,
    jobs_reap,
    jobs_turn,
)
from labd.log import log_event, log_reopen, log_text
from labd.reload import reload_look, reload_now, reload_turn
from labd.signals import signals_next
from labd.state import Labd
from labd.wake import WAKE_LOAD, WAKE_REAP, wake_send


def _reload(labd: Labd) -> None:
    """The configuration belongs to the worker, where there is one."""
    if labd.loader.fd >= 0:
        wake_send(labd.loader, WAKE_LOAD)
    else:
        reload_now(labd, "HUP")


def _reopen(labd: Labd) -> None:
    try:
        log_reopen(labd.log)
    except Failure as failure:
        log_event(labd.log, "error", "reopen_failed", error=log_text(failure.text))
    else:
        log_event(labd.log, "info", "reopened")


def _reap(labd: Labd) -> None:
    """So do the jobs."""
    if labd.queue.fd >= 0:
        wake_send(labd.queue, WAKE_REAP)
    elif labd.children.timer >= 0:
        jobs_reap(labd.jobs)


def _heed(labd: Labd, number: int) -> None:
    """Do what a signal asks for."""
    if number == signal.SIGHUP:
        _reload(labd)
        reload_look(labd)  # also when it is no good
    if number == signal.SIGUSR1:
        _reopen(labd)
    if number == signal.SIGCHLD:
        _reap(labd)


def loop_wait(labd: Labd, waiting: Iterable[int], until: int) -> tuple[int, set[int]]:
    """Wait until a time, for a signal or for one of the descriptors.

    until is milliseconds of CLOCK_MONOTONIC; -1: for ever. Of waiting, descriptors of -1 do not
    count: poll(2). Does what a signal asks for, whatever else we are doing. Returns the signal when
    it asks us to stop, 0 when it was something else; and the descriptors that are readable. Raises
    Failure.
    """
    left = None if until < 0 else max(0, until - now_milliseconds())
    poll = select.poll()
    for fd in (labd.signals, *waiting):
        if fd >= 0:
            poll.register(fd, select.POLLIN)
    # Before lab 3 there is nothing to wait for: a signal's default action ends us.
    with failing("poll()"):
        ready = {fd for fd, _ in poll.poll(left)}
    number = 0 if labd.signals < 0 else signals_next(labd.signals)
    _heed(labd, number)
    return number if number in (signal.SIGTERM, signal.SIGINT) else 0, ready


def loop_stop(labd: Labd, number: int) -> None:
    """Log which signal asks us to stop."""
    log_event(labd.log, "info", "stop", signal=signal.Signals(number).name[3:])


def loop_force(labd: Labd, number: int) -> Failure:
    """A second one did: log it. Returns the failure that this is."""
    log_event(labd.log, "warning", "forced", signal=signal.Signals(number).name[3:])
    return Failure("forced to stop by a second signal")


def _turn(labd: Labd) -> int:
    """Wait for something to do, and do it. Returns the signal, as loop_wait does."""
    until = min(
        (time for time in (jobs_due(labd.jobs), labd.watch.next_look) if time >= 0), default=-1
    )
    number, ready = loop_wait(labd, (labd.watch.way.fd, *jobs_poll(labd.jobs)), until)
    if number == 0:
        reload_turn(labd)
        jobs_turn(labd.jobs, ready)
    return number


def _drain(labd: Labd) -> None:
    """A second request to stop cuts it short."""
    config, _ = config_get(labd.store)
    jobs_drain(labd.jobs, config.drain)
    while not jobs_drained(labd.jobs):
        number = _turn(labd)
        if number > 0:
            raise loop_force(labd, number)


def loop_serve(labd: Labd) -> None:
    """Do the jobs until a signal asks us to stop, then finish what is under way.

    For at most `drain`; then the jobs are ended. A second signal cuts it short, and is a failure.
    Raises Failure.
    """
    number = 0
    while number == 0:
        number = _turn(labd)
    loop_stop(labd, number)
    _drain(labd)
