"""What the daemon has done so far, in numbers. Twin of `c/src/metrics.c`.

Written where things happen (jobs, config, log), read by the reporter and by health. Every function
may be called from any thread.
"""

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from threading import Lock

METRICS_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Upper bounds of the histogram's buckets, in seconds; one more bucket has no bound."""


@dataclass(slots=True)
class Counters:
    """All but running and queue only grow."""

    done: int = 0
    """Jobs that ended with exit code 0."""
    failed: int = 0
    """Jobs that ended otherwise, or could not be started."""
    buckets: tuple[int, ...] = (0,) * (len(METRICS_BOUNDS) + 1)
    """Jobs by time: up to the bound, above the last one."""
    milliseconds: int = 0
    """All jobs together."""
    running: int = 0
    """Jobs that run now."""
    queue: int = 0
    """Jobs that waited at the last look."""
    reloads: int = 0
    """Of the configuration, that were good."""
    bad_reloads: int = 0
    reaped: int = 0
    """Children whose status was taken, orphans too."""
    lost: int = 0
    """Lines of the log that could not be written."""


@dataclass(slots=True)
class Metrics:
    """The counters, and what guards them."""

    lock: Lock = field(default_factory=Lock)
    counters: Counters = field(default_factory=Counters)


def metrics_job(metrics: Metrics, good: bool, milliseconds: int) -> None:
    """A job has ended, after so many milliseconds."""
    bucket = bisect_left(METRICS_BOUNDS, milliseconds / 1000)
    with metrics.lock:
        counters = metrics.counters
        if good:
            counters.done += 1
        else:
            counters.failed += 1
        buckets = list(counters.buckets)
        buckets[bucket] += 1
        counters.buckets = tuple(buckets)
        counters.milliseconds += milliseconds


def metrics_running(metrics: Metrics, running: int) -> None:
    """So many jobs run now."""
    with metrics.lock:
        metrics.counters.running = running


def metrics_queue(metrics: Metrics, queue: int) -> None:
    """So many jobs wait now."""
    with metrics.lock:
        metrics.counters.queue = queue


def metrics_reload(metrics: Metrics, good: bool) -> None:
    """The configuration was read again: good, or the old one kept."""
    with metrics.lock:
        if good:
            metrics.counters.reloads += 1
        else:
            metrics.counters.bad_reloads += 1


def metrics_reaped(metrics: Metrics) -> None:
    """The status of a child was taken."""
    with metrics.lock:
        metrics.counters.reaped += 1


def metrics_lost(metrics: Metrics, lines: int) -> None:
    """So many more lines of the log were lost."""
    with metrics.lock:
        metrics.counters.lost += lines


def metrics_read(metrics: Metrics) -> Counters:
    """A copy of all of them, as they were at one moment."""
    with metrics.lock:
        return replace(metrics.counters)
