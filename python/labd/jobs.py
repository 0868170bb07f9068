"""The daemon's work: what lies in the spool is run by children, and logged.

What goes wrong with one job is logged and does not stop the daemon. The limits of a job are those
of the configuration that holds when it starts, all of one generation, which the event job_started
names.

One thread at a time: the loop of labs 1 to 7, or the worker "queue". It polls what jobs_poll says
until jobs_due, then calls jobs_turn. Twin of `c/src/jobs.c`.
"""

import errno
import os
import signal
from collections.abc import Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field

from labd.children import (
    Child,
    Children,
    children_close,
    children_end,
    children_expire,
    children_reap,
    children_spawn,
)
from labd.clock import now_milliseconds
from labd.config import Store, config_get
from labd.failure import Failure
from labd.log import Log, log_event, log_text
from labd.metrics import Metrics, metrics_job, metrics_reaped, metrics_running
from labd.spool import (
    Spool,
    spool_claim,
    spool_close,
    spool_finish,
    spool_job,
    spool_open,
    spool_return,
)


@dataclass(slots=True)
class Jobs:
    """The spool, and when to look into it. All times are milliseconds of CLOCK_MONOTONIC."""

    children: Children = field(default_factory=Children)
    log: Log = field(default_factory=Log)
    metrics: Metrics = field(default_factory=Metrics)
    spool: Spool = field(default_factory=Spool)
    store: Store = field(default_factory=Store)
    next_look: int = -1
    """-1: when told to."""
    drain_until: int = -1
    """When what still runs is to be ended; -1: we do not drain."""
    ending: bool = False
    """It was told to end."""


def jobs_open(log: Log, metrics: Metrics, store: Store, path: str) -> Jobs:
    """Open the spool at path, or have none if path is empty. Raises Failure."""
    jobs = Jobs(log=log, metrics=metrics, store=store)
    if path:
        jobs.spool = spool_open(path)
        jobs_look(jobs)
    return jobs


def jobs_poll(jobs: Jobs) -> Sequence[int]:
    """Which descriptors to wait for; those of -1 do not count."""
    return (jobs.children.timer,)


def jobs_due(jobs: Jobs) -> int:
    """When jobs_turn is to be called at the latest; -1: when a descriptor is ready."""
    if jobs.drain_until < 0:
        return jobs.next_look
    return -1 if jobs.ending else jobs.drain_until


def jobs_look(jobs: Jobs) -> None:
    """Look for new jobs at the next jobs_turn."""
    if jobs.spool.fd >= 0:
        jobs.next_look = 0


def _log_failure(jobs: Jobs, event: str, job: str, failure: Failure) -> None:
    log_event(jobs.log, "error", event, job=log_text(job), error=log_text(failure.text))


def _finish(jobs: Jobs, job: str, good: bool) -> None:
    try:
        spool_finish(jobs.spool, job, good)
    except Failure as failure:
        _log_failure(jobs, "spool_failed", job, failure)


_SHORTAGES = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY}
"""No fault of the job: there may be room for it later."""


def _return(jobs: Jobs, job: str) -> bool:
    with suppress(Failure):
        spool_return(jobs.spool, job)
        return True
    return False


def _set_limits(jobs: Jobs) -> int:
    """The limits for the next job, all of one generation, which is returned."""
    config, generation = config_get(jobs.store)
    jobs.children.timeout = config.job_timeout
    jobs.children.grace = config.job_grace
    return generation


def _start(jobs: Jobs, job: str) -> bool:
    """Whether another job could be started now."""
    generation = _set_limits(jobs)
    try:
        pid = children_spawn(jobs.children, job, spool_job(jobs.spool, job))
    except Failure as failure:
        if failure.error in _SHORTAGES and _return(jobs, job):
            _log_failure(jobs, "job_delayed", job, failure)
            return False
        _log_failure(jobs, "job_failed", job, failure)
        _finish(jobs, job, False)
    else:
        log_event(
            jobs.log, "info", "job_started", job=log_text(job), child=pid, generation=generation
        )
    return True


def _take(jobs: Jobs) -> None:
    """If it is time to look: as many jobs as there is room for."""
    if jobs.next_look < 0 or jobs.next_look > now_milliseconds():
        return
    try:
        while jobs.children.running < jobs.children.size:
            if not (job := spool_claim(jobs.spool)) or not _start(jobs, job):
                break
    except Failure as failure:
        _log_failure(jobs, "spool_failed", "", failure)
    metrics_running(jobs.metrics, jobs.children.running)
    interval = config_get(jobs.store)[0].poll_interval
    jobs.next_look = now_milliseconds() + interval if interval > 0 else -1


def _signal_name(number: int) -> str:
    """ "TERM" for SIGTERM; the number for a real-time signal, which has no name: signal(7)."""
    if number == signal.SIGIO:
        return "POLL"  # as the C library calls it
    named = 0 < number < signal.SIGRTMIN and number in signal.valid_signals()
    return signal.Signals(number).name[3:] if named else str(number)


def _ended(jobs: Jobs, child: Child, how: os.waitid_result) -> None:
    metrics_reaped(jobs.metrics)
    if not child.name:
        log_event(jobs.log, "debug", "orphan_ended", child=child.pid)
        return
    milliseconds = now_milliseconds() - child.started
    exited = how.si_code == os.CLD_EXITED
    good = exited and how.si_status == 0
    log_event(
        jobs.log,
        "info" if good else "warning",
        "job_ended",
        job=log_text(child.name),
        child=child.pid,
        milliseconds=milliseconds,
        **({"code": how.si_status} if exited else {"signal": _signal_name(how.si_status)}),
    )
    _finish(jobs, child.name, good)
    metrics_job(jobs.metrics, good, milliseconds)
    metrics_running(jobs.metrics, jobs.children.running)
    jobs_look(jobs)  # there is room for another


def jobs_reap(jobs: Jobs) -> None:
    """Log how each child ended, and put its job away: children_reap. For SIGCHLD. Raises
    Failure."""
    children_reap(jobs.children, lambda child, how: _ended(jobs, child, how))


def _late(jobs: Jobs, child: Child) -> None:
    log_event(
        jobs.log,
        "warning",
        "job_signalled",
        job=log_text(child.name),
        child=child.pid,
        signal=_signal_name(child.sent),
    )


def jobs_turn(jobs: Jobs, ready: Set[int]) -> None:
    """Do all that is due: end what is late; take new jobs, unless we drain. Raises Failure."""
    if jobs.drain_until < 0:
        _take(jobs)
    elif not jobs.ending and now_milliseconds() >= jobs.drain_until:
        children_end(jobs.children)
        jobs.ending = True
    if jobs.children.timer in ready:
        children_expire(jobs.children, lambda child: _late(jobs, child))


def jobs_drain(jobs: Jobs, limit: int) -> None:
    """Take no more; what runs may do so for so many milliseconds, then it is ended."""
    jobs.drain_until = now_milliseconds() + limit


def jobs_drained(jobs: Jobs) -> bool:
    """Whether we drain, and nothing is under way any more. Where there is no spool, waiting stands
    for it."""
    waits = jobs.spool.fd < 0 and now_milliseconds() < jobs.drain_until
    return jobs.drain_until >= 0 and not waits and jobs.children.running == 0


def jobs_end(jobs: Jobs) -> None:
    """End the children that still run, and put their jobs away: children_close."""
    children_close(jobs.children, lambda child, how: _ended(jobs, child, how))


def jobs_close(jobs: Jobs) -> None:
    """Close the spool."""
    spool_close(jobs.spool)
