"""Waiting for signals, and for what labs 1 to 7 do in one thread. Twin of `c/src/loop.c`."""

import select
import signal
from collections.abc import Iterable

from labd.clock import now_milliseconds
from labd.config import config_load
from labd.failure import Failure, failing
from labd.jobs import (
    jobs_drain,
    jobs_drained,
    jobs_due,
    jobs_look,
    jobs_poll,
    jobs_reap,
    jobs_turn,
)
from labd.log import log_event, log_reopen, log_set_level, log_text
from labd.metrics import metrics_reload
from labd.signals import signals_next
from labd.state import Labd
from labd.wake import WAKE_LOOK, WAKE_REAP, wake_send


def _reload(labd: Labd) -> None:
    """Of the configuration only the level of the log can change while we run."""
    try:
        config = config_load(labd.options.config)
    except Failure as failure:
        log_event(labd.log, "error", "reload_failed", error=log_text(failure.text))
        metrics_reload(labd.metrics, False)
        return
    log_set_level(labd.log, config.log_level)
    log_event(labd.log, "info", "reload", signal="HUP", log_level=config.log_level)
    metrics_reload(labd.metrics, True)


def _reopen(labd: Labd) -> None:
    try:
        log_reopen(labd.log)
    except Failure as failure:
        log_event(labd.log, "error", "reopen_failed", error=log_text(failure.text))
    else:
        log_event(labd.log, "info", "reopened")


def _look(labd: Labd) -> None:
    """The jobs belong to the worker, where there is one: it is told, and does it itself."""
    if labd.queue.fd >= 0:
        wake_send(labd.queue, WAKE_LOOK)
    else:
        jobs_look(labd.jobs)


def _reap(labd: Labd) -> None:
    if labd.queue.fd >= 0:
        wake_send(labd.queue, WAKE_REAP)
    elif labd.children.timer >= 0:
        jobs_reap(labd.jobs)


def _heed(labd: Labd, number: int) -> None:
    """Do what a signal asks for."""
    if number == signal.SIGHUP:
        _reload(labd)
        _look(labd)
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
    number, ready = loop_wait(labd, jobs_poll(labd.jobs), jobs_due(labd.jobs))
    if number == 0:
        jobs_turn(labd.jobs, ready)
    return number


def _drain(labd: Labd) -> None:
    """A second request to stop cuts it short."""
    jobs_drain(labd.jobs, labd.config.drain)
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
