"""labd, the daemon of the book: the start-up table, and the way out. Twin of `c/src/labd.c`.

usage: labd [--lab N] [--foreground] [--check] [-c CONFIG]
"""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from labd.capture import capture_close, capture_open
from labd.children import children_open
from labd.cleanup import cleanup_push, cleanup_unwind
from labd.clock import now_milliseconds
from labd.config import config_get, config_open, config_watch_close, config_watch_open
from labd.container import container_close, container_open
from labd.descriptors import descriptors_close, descriptors_null
from labd.detach import detach_fork, detach_report, detach_settle
from labd.failure import EXIT_STARTED, Failure, bug, failing
from labd.group import group_close, group_open
from labd.health import (
    READY,
    STOPPING,
    Sources,
    health_close,
    health_listen,
    health_start,
    health_state,
)
from labd.jobs import jobs_close, jobs_end, jobs_open
from labd.log import log_attach, log_close, log_event, log_open, log_text
from labd.loop import loop_serve, loop_wait
from labd.options import USAGE, Options, options_read, options_settle
from labd.pidfile import pidfile_acquire, pidfile_release
from labd.results import results_close, results_open
from labd.signals import signals_open, signals_reset
from labd.state import Labd
from labd.usable import usable_check
from labd.wake import wake_close
from labd.workers import workers_serve, workers_start, workers_stop

# --- the steps, as the table below calls them; what each takes, it pushes on the cleanup ---


def _push(labd: Labd, name: str, undo: Callable[[Labd], None]) -> None:
    cleanup_push(labd.cleanup, name, lambda: undo(labd))


def _start_signals_reset(labd: Labd) -> None:
    signals_reset()


def _start_descriptors_close(labd: Labd) -> None:
    descriptors_close()


def _start_detach_fork(labd: Labd) -> None:
    labd.verdict = detach_fork()


def _start_detach_settle(labd: Labd) -> None:
    detach_settle(labd.config.umask, labd.config.directory)


def _start_descriptors_null(labd: Labd) -> None:
    descriptors_null()


def _stop_log(labd: Labd) -> None:
    """The last line tells how we ended."""
    if labd.cause is None:
        log_event(labd.log, "info", "stopped")
    else:
        with suppress(Failure):  # one of an unfinished log must not hide this one
            log_event(labd.log, "error", "failed", error=log_text(labd.cause.text))
    log_close(labd.log)


def _start_log(labd: Labd) -> None:
    config = labd.config
    if labd.options.foreground and not config.log:
        labd.log = log_attach(config.log_level)  # a service manager reads it
    else:
        labd.log = log_open(config.log, config.log_level)
    labd.log.metrics = labd.metrics
    labd.cleanup.log = labd.log
    _push(labd, "log_open", _stop_log)


def _stop_signals(labd: Labd) -> None:
    # The signals stay blocked: one more SIGTERM must not end a clean exit with a kill.
    os.close(labd.signals)
    labd.signals = -1


def _start_signals(labd: Labd) -> None:
    labd.signals = signals_open()
    _push(labd, "signals_open", _stop_signals)


def _stop_pidfile(labd: Labd) -> None:
    pidfile_release(labd.pidfile)


def _start_pidfile(labd: Labd) -> None:
    if not labd.config.pidfile:
        return
    labd.pidfile = pidfile_acquire(labd.config.pidfile)
    if labd.pidfile.stale:
        log_event(
            labd.log,
            "warning",
            "stale_pidfile",
            path=log_text(labd.config.pidfile),
            held=log_text(labd.pidfile.stale),
        )
    _push(labd, "pidfile_acquire", _stop_pidfile)


def _stop_results(labd: Labd) -> None:
    results_close(labd.jobs.results)


def _start_results(labd: Labd) -> None:
    labd.jobs.results = results_open(labd.config.database)
    _push(labd, "results_open", _stop_results)


def _stop_watch(labd: Labd) -> None:
    config_watch_close(labd.watch)


def _start_watch(labd: Labd) -> None:
    """Without it, SIGHUP is there still: no reason not to start."""
    try:
        labd.watch = config_watch_open(labd.store)
    except Failure as failure:
        log_event(labd.log, "warning", "watch_failed", error=log_text(failure.text))
    _push(labd, "config_watch", _stop_watch)


def _stop_jobs(labd: Labd) -> None:
    jobs_close(labd.jobs)


def _start_jobs(labd: Labd) -> None:
    jobs = labd.jobs
    jobs.log, jobs.metrics, jobs.store = labd.log, labd.metrics, labd.store
    jobs_open(jobs, labd.config.spool)
    _push(labd, "jobs_open", _stop_jobs)


def _stop_capture(labd: Labd) -> None:
    capture_close(labd.jobs.capture)


def _start_capture(labd: Labd) -> None:
    config = labd.config
    capture = labd.jobs.capture = capture_open(config.spool, config.workers, config.output_limit)
    if capture.ended > 0:
        log_event(labd.log, "warning", "leftovers_ended", processes=capture.ended)
    _push(labd, "capture_open", _stop_capture)


def _stop_container(labd: Labd) -> None:
    try:
        container_close(labd.jobs.container)
    except Failure as failure:
        log_event(labd.log, "error", "container_failed", error=log_text(failure.text))


def _start_container(labd: Labd) -> None:
    config = labd.config
    # Half of it: at the stop there has to be time to say that it was not enough.
    container = labd.jobs.container = container_open(
        config.runner, config.image, config.spool, config.stop_timeout // 2
    )
    if container.removed > 0:
        log_event(labd.log, "warning", "containers_removed", containers=container.removed)
    if config.runner:
        _push(labd, "container_open", _stop_container)


def _stop_children(labd: Labd) -> None:
    jobs_end(labd.jobs)


def _start_children(labd: Labd) -> None:
    config = labd.config
    labd.children = children_open(config.workers, config.job_timeout, config.job_grace)
    labd.jobs.children = labd.children
    _push(labd, "children_open", _stop_children)


def _stop_group(labd: Labd) -> None:
    with suppress(Failure):  # those that run still, because the start-up has failed
        workers_stop(labd)
    wake_close(labd.loader)
    wake_close(labd.queue)
    group_close(labd.group)


def _start_group(labd: Labd) -> None:
    labd.group = group_open(labd.log)
    _push(labd, "group_open", _stop_group)


def _start_health(labd: Labd) -> None:
    sources = Sources(
        labd.group,
        labd.metrics,
        lambda: usable_check(labd.config.spool, labd.config.database),
        lambda: config_get(labd.store)[0].worker_timeout,
        labd.log,
    )
    health = labd.health = health_listen(labd.config.listen, sources)
    _push(labd, "health", lambda _: health_close(health))
    health_start(health)


def _start_work(labd: Labd) -> None:
    """What a real daemon does before it can serve: load, connect, check. Ours only waits, but
    as it must be done: a SIGTERM meanwhile ends it at once."""
    until = now_milliseconds() + labd.config.warmup
    log_event(labd.log, "info", "starting")
    while now_milliseconds() < until:
        number, _ = loop_wait(labd, (), until)
        if number > 0:
            raise Failure(f"stopped by {signal.Signals(number).name} while starting")


def _start_ready(labd: Labd) -> None:
    if labd.health is not None:
        health_state(labd.health, READY)
    log_event(labd.log, "info", "ready")
    if labd.verdict >= 0:  # in the foreground nobody waits
        detach_report(labd.verdict)
        labd.verdict = -1


@dataclass(frozen=True, slots=True)
class Step:
    """A row of the start-up table."""

    name: str
    lab: int
    foreground: bool
    start: Callable[[Labd], None]


# The start-up table, in the order of daemon(7). --lab N runs the rows with lab <= N; lab 0 is
# given from the start. Rows that are about leaving a terminal make no sense in the foreground.
STEPS = (
    Step("signals_reset", 3, True, _start_signals_reset),
    Step("descriptors_close", 2, True, _start_descriptors_close),
    Step("detach_fork", 1, False, _start_detach_fork),
    Step("detach_settle", 1, False, _start_detach_settle),
    Step("descriptors_null", 2, False, _start_descriptors_null),
    Step("log_open", 0, True, _start_log),
    Step("signals_open", 3, True, _start_signals),
    Step("pidfile_acquire", 4, True, _start_pidfile),
    Step("config_watch", 7, True, _start_watch),
    Step("results_open", 7, True, _start_results),
    Step("jobs_open", 5, True, _start_jobs),
    Step("capture_open", 7, True, _start_capture),
    Step("container_open", 10, True, _start_container),
    Step("children_open", 5, True, _start_children),
    Step("group_open", 8, True, _start_group),
    Step("health", 9, True, _start_health),
    Step("work", 0, True, _start_work),
    Step("workers_start", 8, True, workers_start),
    Step("ready", 1, True, _start_ready),
)


def _included(step: Step, options: Options) -> bool:
    return step.lab <= options.lab and (step.foreground or not options.foreground)


def _start(labd: Labd) -> None:
    """Run the table from the top."""
    for step in STEPS:
        if _included(step, labd.options):
            step.start(labd)


def _serve(labd: Labd) -> None:
    """Until lab 8, one thread does it all."""
    if labd.options.lab < 8:
        loop_serve(labd)
    else:
        workers_serve(labd)


# --- the command line ---


def _say(text: str) -> None:
    """An answer that did not arrive is a failure, also when the disk is full."""
    with failing("write() to standard output"):
        os.write(1, text.encode())


def _tell(labd: Labd, failure: Failure) -> None:
    """Tell whoever can hear it: the starter while it waits, else standard error."""
    if labd.verdict >= 0:
        with suppress(Failure):
            detach_report(labd.verdict, failure)
    else:
        # By hand: print() would escape the bytes of a path that are not UTF-8.
        with suppress(OSError):
            if sys.stderr is not None:  # None: came closed
                os.write(2, os.fsencode(f"labd: {failure.text}\n"))


def _run(labd: Labd) -> None:
    try:
        _start(labd)
        _serve(labd)
    except Exception as error:
        labd.cause = error if isinstance(error, Failure) else bug(error)
        raise labd.cause from error
    finally:
        if labd.health is not None:
            health_state(labd.health, STOPPING)
        config, _ = config_get(labd.store)
        try:
            cleanup_unwind(labd.cleanup, config.stop_timeout)
        except Failure:  # of one that is not written yet: the first failure is the one to tell
            if labd.cause is None:
                raise


def _obey(labd: Labd) -> None:
    if labd.options.help:
        _say(USAGE)
        return
    labd.store = config_open(labd.options.config)
    if labd.options.check:
        _say("labd: the configuration is good\n")
        return
    options_settle(labd.options)
    labd.store.path = labd.options.config  # absolute by now
    labd.config, _ = config_get(labd.store)
    _run(labd)


def main() -> int:
    """Returns the exit code."""
    labd = Labd(options_read(sys.argv[1:]))
    try:
        _obey(labd)
    except Failure as failure:
        # Last of all: whoever hears of the failure finds nothing left behind.
        _tell(labd, failure)
        return failure.exit_code
    return EXIT_STARTED


if __name__ == "__main__":
    sys.exit(main())
