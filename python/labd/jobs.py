"""The daemon's work: what lies in the spool is run by children, logged, and recorded.

What goes wrong with one job is logged, and stops neither the daemon nor the others. What has failed
is tried again at the next look, and that is in a second then, if not before. A result that could
not be recorded is tried again at each look, and until it is no other job is started. The limits of
a job are those of the configuration that holds when it starts, all of one generation, which the
event job_started names.

One thread at a time: the loop of labs 1 to 7, or the worker "queue". It polls what jobs_poll says
until jobs_due, then calls jobs_turn. Twin of `c/src/jobs.c`.
"""

import errno
import os
import resource
import signal
import time
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from labd.capture import Capture, capture_begin, capture_end, capture_turn
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
from labd.container import (
    CONTAINER_OWN,
    Container,
    container_ended,
    container_remove,
    container_run,
)
from labd.failure import Failure
from labd.log import Log, log_event, log_text
from labd.metrics import Metrics, metrics_job, metrics_queue, metrics_reaped, metrics_running
from labd.results import Result, Results, results_find, results_record
from labd.spool import (
    SPOOL_CLAIMED,
    SPOOL_REFUSED,
    Claim,
    Spool,
    spool_again,
    spool_claim,
    spool_close,
    spool_count,
    spool_finish,
    spool_heard,
    spool_id,
    spool_job,
    spool_look,
    spool_open,
    spool_return,
    spool_watch,
)

_SOME = 64
"""Jobs that are taken in one turn."""
_AGAIN = 1000
"""Milliseconds until what has failed is tried again."""
_COUNT = 1000
"""Milliseconds between two counts of the queue: it may be long."""


@dataclass(slots=True)
class Jobs:
    """The spool, and when to look into it. All times are milliseconds of CLOCK_MONOTONIC."""

    children: Children = field(default_factory=Children)
    log: Log = field(default_factory=Log)
    metrics: Metrics = field(default_factory=Metrics)
    results: Results = field(default_factory=Results)
    capture: Capture = field(default_factory=Capture)
    spool: Spool = field(default_factory=Spool)
    container: Container = field(default_factory=Container)
    unrecorded: list[Result] = field(default_factory=list)
    """Results that wait for the database; their jobs are in cur/."""
    store: Store = field(default_factory=Store)
    next_look: int = -1
    """-1: when told to."""
    next_count: int = 0
    """Of those that wait."""
    next_again: int = 0
    """Try of those that could not be run."""
    failed: bool = False
    """In this look."""
    drain_until: int = -1
    """When what still runs is to be ended; -1: we do not drain."""
    ending: bool = False
    """It was told to end."""


def _log_failure(jobs: Jobs, level: str, event: str, job: str, text: str) -> None:
    log_event(jobs.log, level, event, job=log_text(job), error=log_text(text))


def jobs_open(jobs: Jobs, path: str) -> None:
    """Open the spool at path, or have none if path is empty.

    Where the spool cannot be watched, that is logged, and looked at each poll_interval alone.
    Raises Failure.
    """
    jobs.next_look = jobs.drain_until = -1
    if not path:
        return
    jobs.spool = spool_open(path)
    try:
        spool_watch(jobs.spool)
    except Failure as unwatched:
        _log_failure(jobs, "warning", "spool_unwatched", "", unwatched.text)
    jobs_look(jobs)


def jobs_look(jobs: Jobs) -> None:
    """Look for new jobs at the next jobs_turn."""
    if jobs.spool.fd >= 0:
        spool_look(jobs.spool)
        jobs.next_look = 0


def jobs_poll(jobs: Jobs) -> Sequence[int]:
    """Which descriptors to wait for; those of -1 do not count."""
    return jobs.children.timer, jobs.capture.epoll, jobs.spool.watch


def jobs_due(jobs: Jobs) -> int:
    """When jobs_turn is to be called at the latest; -1: when a descriptor is ready."""
    if jobs.drain_until < 0:
        return jobs.next_look
    return -1 if jobs.ending else jobs.drain_until


# --- the result ---


def _finish(jobs: Jobs, job: str, good: bool) -> None:
    try:
        spool_finish(jobs.spool, job, good)
    except Failure as failure:
        _log_failure(jobs, "error", "spool_failed", job, failure.text)


def _record(jobs: Jobs, result: Result) -> bool:
    """First the result, then the folder: whoever finds the job in done/ finds the result, too."""
    try:
        results_record(jobs.results, result)
    except Failure as failure:
        _log_failure(jobs, "error", "record_failed", result.job, failure.text)
        return False
    _finish(jobs, result.job, result.code == 0)
    return True


def _record_rest(jobs: Jobs) -> bool:
    """Whether all are recorded now. They wait in the order of their ends."""
    while jobs.unrecorded and _record(jobs, jobs.unrecorded[0]):
        del jobs.unrecorded[0]
    return not jobs.unrecorded


def _new_result(jobs: Jobs, job: str, milliseconds: int) -> Result:
    """What is known of a job that has run for so long. The time of its start is reckoned back from
    its end: the wall clock may have been set in between."""
    result = Result(job=job)
    try:
        result.id = spool_id(jobs.spool, job)
    except Failure as failure:
        _log_failure(jobs, "error", "spool_failed", job, failure.text)
    result.ended = time.time_ns()
    result.started = result.ended - milliseconds * 1_000_000
    result.kept, result.lost = capture_end(jobs.capture, job)
    return result


def _conclude(jobs: Jobs, result: Result, milliseconds: int) -> None:
    """A job whose container may run on is not over: its result waits until that is removed."""
    metrics_job(jobs.metrics, result.code == 0, milliseconds)
    # The database was waited for with the first: many ends together wait once.
    if jobs.container.left or jobs.unrecorded or not _record(jobs, result):
        jobs.unrecorded.append(result)


# --- the start ---

_SHORTAGES = {
    errno.EAGAIN,
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
    errno.ETXTBSY,
    errno.ENOSPC,
    errno.EDQUOT,
}
"""No fault of the job: there may be room for it later."""


def _run(jobs: Jobs, job: str, path: str, output: int) -> int:
    """In a container, where there is a runner. Returns its number. Raises Failure."""
    container = jobs.container
    if not container.runner:
        return children_spawn(jobs.children, job, path, [job], output)
    how = container_run(container, spool_id(jobs.spool, job), path)
    return children_spawn(jobs.children, job, container.runner, how, output)


def _delay(jobs: Jobs, job: str, why: Failure) -> bool:
    """Hold a job that cannot be run now. Returns whether another one may be: somebody still writes
    to this one."""
    spool_return(jobs.spool, job, False)
    _log_failure(jobs, "error", "job_delayed", job, why.text)
    if why.error == errno.ETXTBSY:
        return True
    spool_again(jobs.spool)  # it comes first, before more are claimed
    return False


def _spawn(jobs: Jobs, job: str) -> int:
    """Returns its number. Raises Failure, with nothing left open then."""
    output = -1 if jobs.capture.epoll < 0 else capture_begin(jobs.capture, job)
    try:
        return _run(jobs, job, spool_job(jobs.spool, job), output)
    except Failure:
        capture_end(jobs.capture, job)
        raise
    finally:
        if output >= 0:
            os.close(output)  # else the pipe would not end with the job


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
        pid = _spawn(jobs, job)
    except Failure as failure:
        if failure.error in _SHORTAGES:
            return _delay(jobs, job, failure)
        _log_failure(jobs, "error", "job_failed", job, failure.text)
        result = _new_result(jobs, job, 0)
        result.error = failure.text
        _conclude(jobs, result, 0)
    else:
        log_event(
            jobs.log, "info", "job_started", job=log_text(job), child=pid, generation=generation
        )
    return True


def _recover(jobs: Jobs, claim: Claim) -> bool:
    """One that was in cur/ already may have a result: then only its move is missing. Returns false
    when that cannot be known now."""
    try:
        good = results_find(jobs.results, claim.id)
    except Failure as failure:
        _log_failure(jobs, "error", "record_failed", claim.name, failure.text)
        spool_return(jobs.spool, claim.name, True)
        spool_again(jobs.spool)
        return False
    log_event(
        jobs.log,
        "warning",
        "job_recovered",
        job=log_text(claim.name),
        recorded=good is not None,
    )
    if good is None:
        return _start(jobs, claim.name)
    _finish(jobs, claim.name, good)
    return True


def _take_one(jobs: Jobs) -> bool:
    """Whether there may be more to take now."""
    claim = Claim()
    try:
        found = spool_claim(jobs.spool, claim)
    except Failure as failure:
        _log_failure(jobs, "error", "spool_failed", claim.name, failure.text)
        jobs.failed = True
        return claim.name != ""  # it is about that one alone
    if found == SPOOL_CLAIMED:
        return _recover(jobs, claim) if claim.left else _start(jobs, claim.name)
    if found == SPOOL_REFUSED:
        _log_failure(jobs, "warning", "spool_refused", claim.name, claim.why)
    return found == SPOOL_REFUSED


def _room(jobs: Jobs) -> bool:
    return jobs.children.running < jobs.children.size and not jobs.unrecorded


def _refresh(jobs: Jobs) -> None:
    """Now and then: the queue is counted, and those are due again that could not be run."""
    if now_milliseconds() >= jobs.next_count:
        metrics_queue(jobs.metrics, spool_count(jobs.spool))
        jobs.next_count = now_milliseconds() + _COUNT
    if now_milliseconds() >= jobs.next_again:
        spool_again(jobs.spool)
        jobs.next_again = now_milliseconds() + _AGAIN


def _next_look(jobs: Jobs) -> int:
    """When to look for more: what has failed waits for no event, and for no long interval."""
    config, _ = config_get(jobs.store)
    wait = config.poll_interval
    undone = jobs.failed or jobs.unrecorded or jobs.spool.held or jobs.spool.returned
    if undone and (wait == 0 or wait > _AGAIN):
        wait = _AGAIN
    return now_milliseconds() + wait if wait > 0 else -1


def _take(jobs: Jobs) -> None:
    """If it is time to look: as many jobs as there is room for, but not too many at once."""
    if jobs.next_look < 0 or jobs.next_look > now_milliseconds():
        return
    _refresh(jobs)
    jobs.failed = False
    more = _record_rest(jobs)
    taken = 0
    while more and taken < _SOME and _room(jobs):
        more = _take_one(jobs)
        taken += 1
    at_once = more and taken == _SOME and not jobs.failed
    jobs.next_look = 0 if at_once else _next_look(jobs)


# --- the end ---


def _signal_name(number: int) -> str:
    """ "TERM" for SIGTERM; the number for a real-time signal, which has no name: signal(7)."""
    if number == signal.SIGIO:
        return "POLL"  # as the C library calls it
    named = 0 < number < signal.SIGRTMIN and number in signal.valid_signals()
    return signal.Signals(number).name[3:] if named else str(number)


def _log_end(jobs: Jobs, child: Child, result: Result, ran: int) -> None:
    exited = result.code >= 0
    log_event(
        jobs.log,
        "info" if result.code == 0 else "warning",
        "job_ended",
        job=log_text(child.name),
        child=child.pid,
        milliseconds=ran,
        **({"code": result.code} if exited else {"signal": result.signal}),
    )


def _blame_runner(jobs: Jobs, result: Result) -> None:
    """What a runner says when it could not run the job is no exit code of the job."""
    runner = jobs.container.runner
    result.error = f"{runner} run: exit code {result.code}: its output says why"
    result.code = -1
    _log_failure(jobs, "error", "job_failed", result.job, result.error)


def _ended(jobs: Jobs, child: Child, how: os.waitid_result, usage: resource.struct_rusage) -> None:
    milliseconds = now_milliseconds() - child.started
    metrics_reaped(jobs.metrics)
    if not child.name:
        log_event(jobs.log, "debug", "orphan_ended", child=child.pid)
        return
    result = _new_result(jobs, child.name, milliseconds)
    if how.si_code == os.CLD_EXITED:
        result.code = how.si_status
    else:
        result.signal = _signal_name(how.si_status)
    result.usage = usage
    left = container_ended(jobs.container, result.id, result.code, child.sent != 0)
    if left and result.code == 0:
        result.code = -1  # perhaps it has not run
        result.signal = _signal_name(child.sent)
    if left and result.code == CONTAINER_OWN:
        _blame_runner(jobs, result)
    else:
        _log_end(jobs, child, result, milliseconds)
    _conclude(jobs, result, milliseconds)
    jobs_look(jobs)  # there is room for another


def jobs_reap(jobs: Jobs) -> None:
    """Log and record how each child ended, and put its job away: children_reap.

    Where a container may be left, it is removed before that: container_remove. What this could not
    remove is logged, and left to container_close. Raises Failure.
    """
    try:
        children_reap(jobs.children, lambda child, how, usage: _ended(jobs, child, how, usage))
    finally:
        if jobs.container.left:
            _remove_left(jobs)


def _remove_left(jobs: Jobs) -> None:
    try:
        container_remove(jobs.container)
    except Failure as failure:
        log_event(jobs.log, "error", "container_failed", error=log_text(failure.text))
    _record_rest(jobs)


# --- the turn ---


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
    """Do all that is due: read output, end what is late, take new jobs, unless we drain.

    Looks for new jobs when told to, when the spool was heard of, or each poll_interval. When they
    are many, takes only some of them, and is due again at once. Raises Failure.
    """
    if jobs.capture.epoll in ready:
        capture_turn(jobs.capture)
    if jobs.spool.watch in ready and spool_heard(jobs.spool):
        jobs_look(jobs)
    if jobs.drain_until < 0:
        _take(jobs)
    elif not jobs.ending and now_milliseconds() >= jobs.drain_until:
        children_end(jobs.children)
        jobs.ending = True
    metrics_running(jobs.metrics, jobs.children.running)
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
    """End the children that still run, and put their jobs away: children_close. Results that still
    cannot be recorded are given up: their jobs stay in cur/, and will run again."""
    children_close(jobs.children, lambda child, how, usage: _ended(jobs, child, how, usage))
    _record_rest(jobs)
    jobs.unrecorded.clear()


def jobs_close(jobs: Jobs) -> None:
    """Close the spool."""
    spool_close(jobs.spool)
