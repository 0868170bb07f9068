"""labd, the daemon of the book: the start-up table and the loop. Twin of `c/src/labd.c`.

usage: labd [--lab N] [--foreground] [--check] [-c CONFIG]
"""

import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from labd.capture import capture_close, capture_open
from labd.children import Children, children_end, children_open
from labd.clock import now_milliseconds
from labd.config import Config, config_load
from labd.descriptors import descriptors_close, descriptors_null
from labd.detach import detach_fork, detach_report, detach_settle
from labd.failure import EXIT_STARTED, Failure, bug, failing
from labd.jobs import (
    Jobs,
    jobs_close,
    jobs_end,
    jobs_look,
    jobs_open,
    jobs_poll,
    jobs_reap,
    jobs_take,
    jobs_turn,
)
from labd.log import (
    Log,
    log_attach,
    log_close,
    log_event,
    log_open,
    log_reopen,
    log_set_level,
    log_text,
)
from labd.options import USAGE, Options, options_read, options_settle
from labd.pidfile import Pidfile, pidfile_acquire, pidfile_release
from labd.results import results_close, results_open
from labd.signals import signals_next, signals_open, signals_reset


@dataclass(slots=True)
class Labd:
    """What the daemon holds, from one step of the table to the next."""

    options: Options
    config: Config
    log: Log = field(default_factory=Log)
    pidfile: Pidfile = field(default_factory=Pidfile)
    verdict: int = -1
    """Write end of the pipe to the starter; -1: nobody waits."""
    signals: int = -1
    """The signalfd; -1: signals do what their default is."""
    children: Children = field(default_factory=Children)
    jobs: Jobs = field(default_factory=Jobs)


# --- the steps, as the table below calls them ---


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


def _start_log(labd: Labd) -> None:
    if labd.options.foreground and not labd.config.log:
        labd.log = log_attach(labd.config.log_level)  # a service manager reads it
        return
    labd.log = log_open(labd.config.log, labd.config.log_level)


def _stop_log(labd: Labd) -> None:
    log_event(labd.log, "info", "stopped")
    log_close(labd.log)


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


def _stop_pidfile(labd: Labd) -> None:
    pidfile_release(labd.pidfile)


def _start_signals(labd: Labd) -> None:
    labd.signals = signals_open()


def _stop_signals(labd: Labd) -> None:
    # The signals stay blocked: one more SIGTERM must not end a clean exit with a kill.
    os.close(labd.signals)
    labd.signals = -1


def _start_results(labd: Labd) -> None:
    labd.jobs.results = results_open(labd.config.database)


def _stop_results(labd: Labd) -> None:
    results_close(labd.jobs.results)


def _start_capture(labd: Labd) -> None:
    config = labd.config
    labd.jobs.capture = capture_open(config.spool, config.workers, config.output_limit)


def _stop_capture(labd: Labd) -> None:
    capture_close(labd.jobs.capture)


def _start_children(labd: Labd) -> None:
    config = labd.config
    labd.children = children_open(config.workers, config.job_timeout, config.job_grace)
    labd.jobs.children = labd.children


def _stop_children(labd: Labd) -> None:
    jobs_end(labd.jobs)


def _start_jobs(labd: Labd) -> None:
    config = labd.config
    labd.jobs.log = labd.log
    jobs_open(labd.jobs, config.spool, config.poll_interval)


def _stop_jobs(labd: Labd) -> None:
    jobs_close(labd.jobs)


# --- waiting ---


def _reload(labd: Labd) -> None:
    """Of the configuration only the level of the log can change while we run."""
    try:
        config = config_load(labd.options.config)
    except Failure as failure:
        log_event(labd.log, "error", "reload_failed", error=log_text(failure.text))
        return
    log_set_level(labd.log, config.log_level)
    log_event(labd.log, "info", "reload", signal="HUP", log_level=config.log_level)


def _reopen(labd: Labd) -> None:
    try:
        log_reopen(labd.log)
    except Failure as failure:
        log_event(labd.log, "error", "reopen_failed", error=log_text(failure.text))
    else:
        log_event(labd.log, "info", "reopened")


def _heed(labd: Labd, number: int) -> None:
    """Do what a signal asks for, whatever we are doing."""
    if number == signal.SIGHUP:
        _reload(labd)
        jobs_look(labd.jobs)
    if number == signal.SIGUSR1:
        _reopen(labd)
    if number == signal.SIGCHLD and labd.children.timer >= 0:
        jobs_reap(labd.jobs)


def _wait_for_stop(labd: Labd, until: int = -1) -> int:
    """Wait until a time (-1: for ever) or a signal that asks us to stop, which it returns; 0 when
    it was something else.

    Before lab 3 there is nothing to wait for: a signal's default action ends us.
    """
    left = None if until < 0 else max(0, until - now_milliseconds())
    waiting = select.poll()
    for fd in (labd.signals, *jobs_poll(labd.jobs)):
        if fd >= 0:
            waiting.register(fd, select.POLLIN)
    with failing("poll()"):
        waiting.poll(left)
    number = 0 if labd.signals < 0 else signals_next(labd.signals)
    _heed(labd, number)
    jobs_turn(labd.jobs)
    return number if number in (signal.SIGTERM, signal.SIGINT) else 0


# --- the work ---


def _start_work(labd: Labd) -> None:
    """What a real daemon does before it can serve: load, connect, check. Ours only waits, but
    as it must be done: a SIGTERM meanwhile ends it at once."""
    until = now_milliseconds() + labd.config.warmup
    log_event(labd.log, "info", "starting")
    while now_milliseconds() < until:
        number = _wait_for_stop(labd, until)
        if number > 0:
            raise Failure(f"stopped by {signal.Signals(number).name} while starting")


def _start_ready(labd: Labd) -> None:
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
    stop: Callable[[Labd], None] | None = None


# The start-up table, in the order of daemon(7). --lab N runs the rows with lab <= N; lab 0 is
# given from the start. Rows that are about leaving a terminal make no sense in the foreground.
# Stops run in reverse.
STEPS = (
    Step("signals_reset", 3, True, _start_signals_reset),
    Step("descriptors_close", 2, True, _start_descriptors_close),
    Step("detach_fork", 1, False, _start_detach_fork),
    Step("detach_settle", 1, False, _start_detach_settle),
    Step("descriptors_null", 2, False, _start_descriptors_null),
    Step("log_open", 0, True, _start_log, _stop_log),
    Step("signals_open", 3, True, _start_signals, _stop_signals),
    Step("pidfile_acquire", 4, True, _start_pidfile, _stop_pidfile),
    Step("results_open", 7, True, _start_results, _stop_results),
    Step("jobs_open", 5, True, _start_jobs, _stop_jobs),
    Step("capture_open", 7, True, _start_capture, _stop_capture),
    Step("children_open", 5, True, _start_children, _stop_children),
    Step("work", 0, True, _start_work),
    Step("ready", 1, True, _start_ready),
)


def _included(step: Step, options: Options) -> bool:
    return step.lab <= options.lab and (step.foreground or not options.foreground)


def _start(labd: Labd, done: list[Step]) -> None:
    """Run the table from the top; done collects the rows that need their stop."""
    for step in STEPS:
        if _included(step, labd.options):
            step.start(labd)
            done.append(step)


def _stop(labd: Labd, done: list[Step]) -> None:
    for step in reversed(done):
        try:
            if step.stop is not None:
                step.stop(labd)
        except Exception as error:  # what is left must be undone all the same
            log_event(labd.log, "error", "failed", error=log_text(bug(error).text))


# --- the loop ---


def _is_busy(labd: Labd, until: int) -> bool:
    """Jobs are the work that is under way. Where there is no spool, waiting stands for it."""
    waits = labd.jobs.spool.fd < 0 and now_milliseconds() < until
    return waits or labd.children.running > 0


def _drain(labd: Labd) -> None:
    """Finish what is under way, for at most `drain`; then the jobs are ended. A second request
    cuts it short."""
    until = now_milliseconds() + labd.config.drain
    ended = False
    while _is_busy(labd, until):
        if not ended and now_milliseconds() >= until:
            children_end(labd.children)
            ended = True
        number = _wait_for_stop(labd, -1 if ended else until)
        if number > 0:
            log_event(labd.log, "warning", "forced", signal=signal.Signals(number).name[3:])
            raise Failure("forced to stop by a second signal")


def _serve(labd: Labd) -> None:
    number = 0
    while number == 0:
        jobs_take(labd.jobs)
        number = _wait_for_stop(labd, labd.jobs.next_look)
    log_event(labd.log, "info", "stop", signal=signal.Signals(number).name[3:])
    _drain(labd)


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
    done: list[Step] = []
    try:
        _start(labd, done)
        _serve(labd)
    except Exception as error:
        failure = error if isinstance(error, Failure) else bug(error)
        with suppress(Failure):  # one of an unfinished log must not hide this one
            log_event(labd.log, "error", "failed", error=log_text(failure.text))
        raise failure from error
    finally:
        _stop(labd, done)


def _obey(labd: Labd) -> None:
    if labd.options.help:
        _say(USAGE)
        return
    labd.config = config_load(labd.options.config)
    if labd.options.check:
        _say("labd: the configuration is good\n")
        return
    options_settle(labd.options)
    _run(labd)


def main() -> int:
    """Returns the exit code."""
    labd = Labd(options_read(sys.argv[1:]), Config())
    try:
        _obey(labd)
    except Failure as failure:
        # Last of all: whoever hears of the failure finds nothing left behind.
        _tell(labd, failure)
        return failure.exit_code
    return EXIT_STARTED


if __name__ == "__main__":
    sys.exit(main())
