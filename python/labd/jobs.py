"""The daemon's work: what lies in the spool is run by children, and logged.

What goes wrong with one job is logged and does not stop the daemon. Twin of `c/src/jobs.c`.
"""

import errno
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field

from labd.children import (
    Child,
    Children,
    children_close,
    children_expire,
    children_reap,
    children_spawn,
)
from labd.clock import now_milliseconds
from labd.failure import Failure
from labd.log import Log, log_event, log_text
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
    """The spool, and when to look into it."""

    children: Children = field(default_factory=Children)
    log: Log = field(default_factory=Log)
    spool: Spool = field(default_factory=Spool)
    poll_interval: int = 0
    """Milliseconds; 0: look only when told to."""
    next_look: int = -1
    """Milliseconds of CLOCK_MONOTONIC; -1: when told to."""


def jobs_open(log: Log, path: str, poll_interval: int) -> Jobs:
    """Open the spool at path, or have none if path is empty. Raises Failure."""
    jobs = Jobs(log=log, poll_interval=poll_interval)
    if path:
        jobs.spool = spool_open(path)
        jobs_look(jobs)
    return jobs


def jobs_look(jobs: Jobs) -> None:
    """Look for new jobs at the next jobs_take."""
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


def _start(jobs: Jobs, job: str) -> bool:
    """Whether another job could be started now."""
    try:
        pid = children_spawn(jobs.children, job, spool_job(jobs.spool, job))
    except Failure as failure:
        if failure.error in _SHORTAGES and _return(jobs, job):
            _log_failure(jobs, "job_delayed", job, failure)
            return False
        _log_failure(jobs, "job_failed", job, failure)
        _finish(jobs, job, False)
    else:
        log_event(jobs.log, "info", "job_started", job=log_text(job), child=pid)
    return True


def jobs_take(jobs: Jobs) -> None:
    """If it is time to look: start as many jobs as there is room for."""
    if jobs.next_look < 0 or jobs.next_look > now_milliseconds():
        return
    try:
        while jobs.children.running < jobs.children.size:
            if not (job := spool_claim(jobs.spool)) or not _start(jobs, job):
                break
    except Failure as failure:
        _log_failure(jobs, "spool_failed", "", failure)
    jobs.next_look = now_milliseconds() + jobs.poll_interval if jobs.poll_interval > 0 else -1


def _signal_name(number: int) -> str:
    """ "TERM" for SIGTERM; the number for a real-time signal, which has no name: signal(7)."""
    if number == signal.SIGIO:
        return "POLL"  # as the C library calls it
    named = 0 < number < signal.SIGRTMIN and number in signal.valid_signals()
    return signal.Signals(number).name[3:] if named else str(number)


def _ended(jobs: Jobs, child: Child, how: os.waitid_result) -> None:
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
    jobs_look(jobs)  # there is room for another


def jobs_reap(jobs: Jobs) -> None:
    """Log how each child ended, and put its job away: children_reap. Raises Failure."""
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


def jobs_expire(jobs: Jobs) -> None:
    """Log which children were sent a signal: children_expire. Raises Failure."""
    children_expire(jobs.children, lambda child: _late(jobs, child))


def jobs_end(jobs: Jobs) -> None:
    """End the children that still run, and put their jobs away: children_close."""
    children_close(jobs.children, lambda child, how: _ended(jobs, child, how))


def jobs_close(jobs: Jobs) -> None:
    """Close the spool."""
    spool_close(jobs.spool)
