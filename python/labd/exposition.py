"""exposition - the numbers of the daemon as text: for Prometheus, and for people.

Names and units as node_exporter has them: a counter ends with _total, a time is in seconds, a size
in bytes. What the kernel knows about the process has the names that Prometheus' own libraries give
it. Where a number cannot be had, its family is missing: 0 would be a lie.
https://prometheus.io/docs/instrumenting/exposition_formats/

Twin of `c/src/exposition.c`, which writes the format by hand. Here prometheus_client does.
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING

from labd.metrics import METRICS_BOUNDS, Counters

if TYPE_CHECKING:
    from prometheus_client.core import Metric

VERSION = "0.1.0"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of what exposition_metrics makes."""

_LANGUAGE = "python"


# --- what the kernel knows about us ---


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _started_after_boot() -> float:
    """Seconds from the machine's boot to our start. proc_pid_stat(5), field 22."""
    # The name before the ')' may hold anything.
    fields = _read("/proc/self/stat").rpartition(b")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _uptime() -> float | None:
    with suppress(OSError):
        return time.clock_gettime(time.CLOCK_BOOTTIME) - _started_after_boot()
    return None


def _booted() -> int:
    """When the machine was booted, in seconds since 1970. proc_stat(5), btime."""
    lines = _read("/proc/stat").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(b"btime "))


def _started_at() -> float | None:
    """From what does not change while we run. What is reckoned back from now is a little different
    each time, and to Prometheus' changes() that is one restart after the other."""
    with suppress(OSError, StopIteration):
        return _booted() + _started_after_boot()
    return None


def _open_descriptors() -> int | None:
    with suppress(OSError):
        return len(os.listdir("/proc/self/fd")) - 1  # the folder itself
    return None


def _resident_bytes() -> int | None:
    with suppress(OSError):
        pages = int(_read("/proc/self/statm").split()[1])
        return pages * os.sysconf("SC_PAGESIZE")
    return None


# --- for Prometheus ---


class _Numbers:
    """What prometheus_client writes: it asks a collector for families of metrics.

    Imported only when somebody asks for them: with its servers for HTTP, which we do not use, that
    takes as long as all else that a daemon does until it is ready.
    """

    def __init__(self, counters: Counters) -> None:
        from prometheus_client import core

        self._core = core
        self._counters = counters

    def _gauge(self, name: str, text: str, value: float | None) -> Iterator["Metric"]:
        """A family with one value and no labels; none if there is no value."""
        if value is not None:
            yield self._core.GaugeMetricFamily(name, text, value)

    def _pair(self, name: str, text: str, results: dict[str, int]) -> "Metric":
        """A family of values that differ in the label "result"."""
        family = self._core.CounterMetricFamily(name, text, labels=["result"])
        for result, value in results.items():
            family.add_metric([result], value)
        return family

    def _build(self) -> "Metric":
        text = "Which labd this is; the value is always 1."
        family = self._core.GaugeMetricFamily(
            "labd_build_info", text, labels=["language", "version"]
        )
        family.add_metric([_LANGUAGE, VERSION], 1)
        return family

    def _histogram(self) -> "Metric":
        """Each bucket counts those of the smaller ones, too."""
        bounds = [*(str(float(bound)) for bound in METRICS_BOUNDS), "+Inf"]
        buckets = list(zip(bounds, accumulate(self._counters.buckets), strict=True))
        name, text = "labd_job_duration_seconds", "How long jobs ran, from start to end."
        seconds = self._counters.milliseconds / 1000
        return self._core.HistogramMetricFamily(name, text, buckets, seconds)

    def _jobs(self) -> Iterator["Metric"]:
        counters = self._counters
        jobs = {"done": counters.done, "failed": counters.failed}
        yield self._pair("labd_jobs_total", "Jobs that have ended, by result.", jobs)
        yield self._histogram()
        yield from self._gauge("labd_jobs_running", "Jobs that run now.", counters.running)
        text = "Jobs that waited at the last look."
        yield from self._gauge("labd_queue_length", text, counters.queue)

    def _others(self) -> Iterator["Metric"]:
        counters = self._counters
        reloads = {"good": counters.reloads, "bad": counters.bad_reloads}
        text = "Times that the configuration was read again, by result."
        yield self._pair("labd_reloads_total", text, reloads)
        text = "Children whose status was taken, orphans too."
        yield self._core.CounterMetricFamily("labd_children_reaped_total", text, counters.reaped)
        text = "Lines of the log that could not be written."
        yield self._core.CounterMetricFamily("labd_log_lines_lost_total", text, counters.lost)

    def collect(self) -> Iterator["Metric"]:
        yield self._build()
        text = "Time since the process started."
        yield from self._gauge("labd_uptime_seconds", text, _uptime())
        yield from self._jobs()
        yield from self._others()
        text = "When the process started, in seconds since 1970."
        yield from self._gauge("process_start_time_seconds", text, _started_at())
        text = "File descriptors that are open."
        yield from self._gauge("process_open_fds", text, _open_descriptors())
        text = "Memory that is resident."
        yield from self._gauge("process_resident_memory_bytes", text, _resident_bytes())


def exposition_metrics(counters: Counters) -> str:
    """The text format, version 0.0.4."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Numbers(counters))
    return generate_latest(registry).decode()


# --- for people ---


def _row(name: str, path: str, text: str) -> str:
    import html  # not at the top: a table of two thousand names, for a page that few daemons show

    good = text == "ok\n"
    told = "yes" if good else html.escape(text.replace("\n", ""))
    kind = "good" if good else "bad"
    return f'<tr><th><a href="{path}">{name}</a></th><td class="{kind}">{told}</td></tr>\n'


def _number(name: str, value: int) -> str:
    return f"<tr><th>{name}</th><td>{value}</td></tr>\n"


def _row_uptime() -> str:
    uptime = _uptime()
    if uptime is None:
        return ""
    days, rest = divmod(int(uptime), 86400)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"<tr><th>Running for</th><td>{days} d {clock}</td></tr>\n"


# The system's own fonts and colours: dark where the reader has it dark.
_HEAD = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>labd</title>
<style>
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem 0; border-bottom: 1px solid #8886; }
th { font-weight: normal; width: 12rem; vertical-align: top; }
td { font-variant-numeric: tabular-nums; }
.good::before { content: "\\2713  "; }
.bad::before { content: "\\2717  "; }
.bad { font-weight: bold; }
</style>
</head>
"""


def exposition_page(counters: Counters, alive: str, ready: str) -> str:
    """A page of HTML. alive and ready are lines of plain text, "ok" among them: what /healthz and
    /readyz say now."""
    return "".join(
        (
            _HEAD,
            f"<body>\n<h1>labd</h1>\n<p>Version {VERSION}, in Python. ",
            "As it is now; reload for news.</p>\n<table>\n",
            _row("Alive", "/healthz", alive),
            _row("Ready", "/readyz", ready),
            _row_uptime(),
            _number("Jobs running", counters.running),
            _number("Jobs waiting", counters.queue),
            _number("Jobs done", counters.done),
            _number("Jobs failed", counters.failed),
            '</table>\n<p>All numbers, for Prometheus: <a href="/metrics">/metrics</a></p>\n',
            "</body>\n</html>\n",
        )
    )
