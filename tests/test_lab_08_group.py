"""Lab 8: what chapter 8 claims about workers, observed from outside."""

import errno
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from daemonlab import subjects
from daemonlab.environment import FRIENDLY
from daemonlab.house import ROOT
from daemonlab.interfere import HOLDING_WAITS, Waits, waits
from daemonlab.launch import Ended, Launch, launch
from daemonlab.logwork import events, read
from daemonlab.observe import Process
from daemonlab.scenarios import WORKERS_NAMED
from labresults import LANGUAGES, explain, facts, record
from waiting import until

both = pytest.mark.parametrize("language", LANGUAGES)
each = pytest.mark.parametrize("worker", WORKERS_NAMED)

NO_MEMORY = "poll(): Cannot allocate memory"


# --- the laboratory's own scenarios ---


@both
@pytest.mark.parametrize(
    ("scenario", "fact", "value"),
    [
        ("friendly", "threads", WORKERS_NAMED),
        ("friendly", "thread_signals", ()),
        ("friendly", "at_TERM", "exit 0"),
        ("friendly", "last_event", "stopped"),
        ("denied", "starter_status", 1),
        ("denied", "last_event", "failed"),
        ("denied", "left", 0),
        ("failing", "at_fail", "exit 1"),
        ("failing", "last_error", f"worker reporter: {NO_MEMORY}"),
        ("both", "at_fail_both", "exit 1"),
        ("both", "last_error", f"worker reporter: {NO_MEMORY}"),
        ("gone", "at_vanish", "exit 1"),
        ("gone", "last_error", "worker reporter ended by itself"),
        ("stopping", "at_TERM_fail", "exit 1"),
        ("stopping", "last_error", f"worker reporter: {NO_MEMORY}"),
        ("hung", "at_TERM", "exit 1"),
        ("hung", "last_error", "worker reporter did not stop within 1000 ms"),
    ],
)
def test_group(language: str, scenario: str, fact: str, value: object) -> None:
    """Workers have names and no signals; the first to fail ends all, and is the cause."""
    assert facts(8, language, scenario)[fact].value == value, explain(8, language, scenario)


@both
@pytest.mark.parametrize("scenario", ["friendly", "hung"])
def test_stop_takes_its_time(language: str, scenario: str) -> None:
    """The queue has its drain for the work that is left, a worker that hangs its stop_timeout."""
    assert facts(8, language, scenario)["waited"].value is True, explain(8, language, scenario)


@both
def test_of_two_failures_both_are_logged(language: str) -> None:
    """The second is not the cause, but it is not lost."""
    ends = facts(8, language, "both")["worker_ends"].value
    assert isinstance(ends, tuple)
    assert ends[0] == "failed reporter", explain(8, language, "both")
    assert sorted(ends[1:]) == ["ended config", "failed queue"], explain(8, language, "both")


def test_same_events_with_the_same_keys() -> None:
    """The lines of both daemons have the same keys in the same order, event by event."""
    for scenario in ("friendly", "both", "gone", "hung"):
        c, python = (
            {(event["level"], *event) for event in events(record(8, language, scenario).log)}
            for language in LANGUAGES
        )
        assert c == python, scenario


# --- each worker, at every time ---


@dataclass
class Daemon:
    """A labd that runs, and whose workers may be held."""

    subject: Launch
    process: Process
    waits: Waits
    folder: Path

    def events(self) -> list[dict[str, Any]]:
        return events(read(self.folder / "log"))

    def names(self) -> list[object]:
        return [event.get("event") for event in self.events()]

    def until(self, event: str) -> None:
        until(lambda: event in self.names())

    def end(self) -> Ended:
        ended = self.subject.wait_ended(self.process, 30)
        assert ended is not None, self.events()
        return ended

    def failed(self) -> str:
        """The cause that the last line tells of a daemon that has failed."""
        ended = self.end()
        assert ended.code == 1, (ended, self.events())
        last = self.events()[-1]
        assert last["event"] == "failed", self.events()
        until(lambda: not self.subject.processes())
        return str(last["error"])


@contextmanager
def _launched(
    language: str, folder: Path, *held: str, bad_start: int = 0, **settings: str
) -> Iterator[tuple[Launch, Waits]]:
    (reference,) = (one for one in subjects.reference() if one.name == language)
    keys = {"log": f"{folder}/log", "pidfile": f"{folder}/pid", **settings}
    lines = ["[labd]", *(f"{key} = {value}" for key, value in keys.items()), ""]
    (folder / "labd.ini").write_text("\n".join(lines))
    command = [*HOLDING_WAITS, *reference.command(8, folder / "labd.ini")]
    with (
        waits(folder, held, bad_start) as holding,
        launch(command, FRIENDLY, reference.variables, folder) as subject,
    ):
        yield subject, holding


@contextmanager
def _running(language: str, folder: Path, *held: str, **settings: str) -> Iterator[Daemon]:
    with _launched(language, folder, *held, **settings) as (subject, holding):
        ended = subject.wait_starter(30)
        assert ended is not None
        assert ended.code == 0, subject.output()
        (process,) = subject.daemons()
        yield Daemon(subject, process, holding, folder)


@both
@pytest.mark.parametrize("place", range(len(WORKERS_NAMED)))
def test_worker_cannot_be_started(
    language: str, place: int, tmp_path: Path, nothing_left: None
) -> None:
    """The first, the second, the third: the starter hears which; those that ran were stopped."""
    with _launched(language, tmp_path, bad_start=place + 1) as (subject, _):
        ended = subject.wait_starter(30)
        assert ended is not None
        assert ended.code == 1, subject.output()
        found = events(read(tmp_path / "log"))
        started = [one["worker"] for one in found if one["event"] == "worker_started"]
        stopped = [one["worker"] for one in found if one["event"] == "worker_ended"]
        assert len(started) == place
        assert sorted(started) == sorted(stopped)
        (missing,) = (f"worker {name}".encode() for name in _missing(subject.output()))
        assert missing.decode().removeprefix("worker ") not in started
        assert found[-1]["event"] == "failed"
        assert "Resource temporarily unavailable" in found[-1]["error"]
        until(lambda: not subject.processes())  # the starter hears of it a moment before
        assert not (tmp_path / "pid").exists()


def _missing(output: bytes) -> list[str]:
    return [name for name in WORKERS_NAMED if f"worker {name}:".encode() in output]


@both
@each
def test_worker_fails_at_work(
    language: str, worker: str, tmp_path: Path, nothing_left: None
) -> None:
    """Whichever it is: all others end, the daemon exits with 1, and names it last."""
    with _running(language, tmp_path, worker) as daemon:
        assert daemon.waits.fail(worker, errno.ENOMEM, 30)
        assert daemon.failed() == f"worker {worker}: {NO_MEMORY}"
        ends = [event["worker"] for event in daemon.events() if event["event"] == "worker_ended"]
        assert sorted([*ends, worker]) == sorted(WORKERS_NAMED)
        assert not (tmp_path / "pid").exists()


@both
@each
def test_worker_fails_while_stopping(
    language: str, worker: str, tmp_path: Path, nothing_left: None
) -> None:
    """It was asked to stop, and its failure is one all the same."""
    with _running(language, tmp_path, worker) as daemon:
        daemon.subject.send(daemon.process, signal.SIGTERM)
        # All are asked to stop by the queue, when it has nothing left to do.
        daemon.until("stop" if worker == "queue" else "worker_ended")
        assert daemon.waits.fail(worker, errno.ENOMEM, 30)
        assert daemon.failed() == f"worker {worker}: {NO_MEMORY}"


@both
@each
def test_worker_that_hangs_is_named(
    language: str, worker: str, tmp_path: Path, nothing_left: None
) -> None:
    """It does not heed the stop: the process ends, and names it. So it is with the queue, although
    a day of work is left to it: it gives no sign of life."""
    settings = {"stop_timeout": "2", "worker_timeout": "2"}
    if worker == "queue":
        settings["drain"] = "86400"
    with _running(language, tmp_path, worker, **settings) as daemon:
        daemon.subject.send(daemon.process, signal.SIGTERM)
        assert daemon.failed() == f"worker {worker} did not stop within 2000 ms"
        hung = [event["worker"] for event in daemon.events() if event["event"] == "worker_hung"]
        assert hung == [worker]
        assert not (tmp_path / "pid").exists()


@both
def test_all_hang(language: str, tmp_path: Path, nothing_left: None) -> None:
    """Each is named, and the first that was started is the cause."""
    settings = {"stop_timeout": "2", "worker_timeout": "0.5"}
    with _running(language, tmp_path, *WORKERS_NAMED, **settings) as daemon:
        daemon.subject.send(daemon.process, signal.SIGTERM)
        cause = daemon.failed()
        hung = [event["worker"] for event in daemon.events() if event["event"] == "worker_hung"]
        assert sorted(hung) == sorted(WORKERS_NAMED)
        assert cause == f"worker {hung[0]} did not stop within 2000 ms"


@both
def test_reports(language: str, tmp_path: Path, nothing_left: None) -> None:
    """The reporter says each report_interval what was done so far."""
    with _running(language, tmp_path, report_interval="0.05") as daemon:
        until(lambda: daemon.names().count("report") >= 3)
        report = next(event for event in daemon.events() if event["event"] == "report")
        counters = [
            "done",
            "failed",
            "running",
            "queue",
            "reloads",
            "bad_reloads",
            "reaped",
            "lost",
        ]
        assert list(report)[4:] == counters
        assert {report[name] for name in counters} == {0}
        daemon.subject.send(daemon.process, signal.SIGTERM)
        assert daemon.end().code == 0


@both
def test_no_report_is_made_up_for(language: str, tmp_path: Path, nothing_left: None) -> None:
    """A daemon that was stopped for a while, or had a longer interval, reports once and then as
    often as it should: not once for each that it has missed."""
    interval = 0.5
    with _running(language, tmp_path, report_interval=str(interval)) as daemon:
        daemon.subject.send(daemon.process, signal.SIGSTOP)
        began = time.monotonic()
        until(lambda: time.monotonic() > began + 8 * interval)
        missed = daemon.names().count("report")
        daemon.subject.send(daemon.process, signal.SIGCONT)
        until(lambda: daemon.names().count("report") >= missed + 3)
        times = [one["ts"] for one in daemon.events() if one["event"] == "report"][missed:]
        first, _, third = map(datetime.fromisoformat, times[:3])
        assert (third - first).total_seconds() > interval / 2, times
        daemon.subject.send(daemon.process, signal.SIGTERM)
        assert daemon.end().code == 0


# --- what labs 3, 5 and 6 have shown of the loop holds for the workers ---


def _with_job(folder: Path, script: str) -> dict[str, str]:
    """Settings with a spool, in which a job waits that says when it runs."""
    for name in ("spool", "spool/new"):
        (folder / name).mkdir()
    _drop(folder / "spool", "job", f">{folder}/runs; {script}")
    return {"spool": f"{folder}/spool", "job_grace": "0.2"}


@both
def test_jobs_are_finished(language: str, tmp_path: Path, nothing_left: None) -> None:
    """At SIGTERM no other job is taken; the one that runs is waited for, and ends well."""
    script = f"while [ ! -e {tmp_path}/enough ]; do sleep 0.01; done"
    with _running(language, tmp_path, **_with_job(tmp_path, script), drain="60") as daemon:
        until(lambda: (tmp_path / "runs").exists())
        daemon.subject.send(daemon.process, signal.SIGTERM)
        daemon.until("stop")
        _drop(tmp_path / "spool", "late", "exit 0")
        (tmp_path / "enough").touch()
        assert daemon.end().code == 0
        (ended,) = (event for event in daemon.events() if event["event"] == "job_ended")
        assert (ended["job"], ended["code"]) == ("job", 0)
        assert (tmp_path / "spool" / "new" / "late").exists()


@both
def test_jobs_are_ended_after_drain(language: str, tmp_path: Path, nothing_left: None) -> None:
    """One that does not end in time is asked, and then killed; the daemon exits with 0."""
    settings = _with_job(tmp_path, "trap '' TERM; while :; do sleep 0.1; done")
    with _running(language, tmp_path, **settings, drain="0.1") as daemon:
        until(lambda: (tmp_path / "runs").exists())
        daemon.subject.send(daemon.process, signal.SIGTERM)
        assert daemon.end().code == 0
        sent = [one["signal"] for one in daemon.events() if one["event"] == "job_signalled"]
        assert sent == ["TERM", "KILL"]


@both
def test_second_signal_forces(language: str, tmp_path: Path, nothing_left: None) -> None:
    """While the job is waited for; the workers end all the same, and the job with them."""
    with _running(language, tmp_path, **_with_job(tmp_path, "exec sleep 60"), drain="60") as daemon:
        until(lambda: (tmp_path / "runs").exists())
        daemon.subject.send(daemon.process, signal.SIGTERM)
        daemon.until("stop")
        daemon.subject.send(daemon.process, signal.SIGTERM)
        assert daemon.failed() == "forced to stop by a second signal"
        ends = [one["worker"] for one in daemon.events() if one["event"] == "worker_ended"]
        assert sorted(ends) == sorted(WORKERS_NAMED)


@both
def test_rotation_and_reload(language: str, tmp_path: Path, nothing_left: None) -> None:
    """SIGUSR1 opens the log anew, and SIGHUP reads the configuration, whoever does it."""
    with _running(language, tmp_path) as daemon:
        (tmp_path / "log").rename(tmp_path / "log.1")
        daemon.subject.send(daemon.process, signal.SIGUSR1)
        until(lambda: (tmp_path / "log").exists())
        daemon.until("reopened")
        daemon.subject.send(daemon.process, signal.SIGHUP)
        daemon.until("reload")
        daemon.subject.send(daemon.process, signal.SIGTERM)
        assert daemon.end().code == 0


# --- under load ---

SANITIZERS = ("thread", "address,undefined")


@cache
def _sanitized(sanitizer: str) -> Path:
    """labd, built with a sanitizer; skips where the compiler has none."""
    folder = ROOT / "build" / f"sanitize-{sanitizer.partition(',')[0]}"
    make = ["make", "-s", "-C", str(ROOT / "c"), f"SANITIZE={sanitizer}", f"BUILD={folder}"]
    with subjects.alone(folder.name):  # another worker of pytest may be about to make it, too
        done = subprocess.run(make, capture_output=True, text=True, check=False)
    if done.returncode != 0 and "cannot find" in done.stderr:
        pytest.skip(f"the compiler lacks -fsanitize={sanitizer}")
    assert done.returncode == 0, done.stderr
    program = folder / "labd"
    if subprocess.run([program, "--check"], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"a program with -fsanitize={sanitizer} cannot run here")
    return program


def _drop(spool: Path, name: str, script: str) -> None:
    aside = spool / f".{name}"
    aside.write_text(f"#!/bin/sh\n{script}\n")
    aside.chmod(0o755)
    aside.rename(spool / "new" / name)


@contextmanager
def _loaded(program: Path, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A labd in the foreground, with a spool, all of whose sanitizers write to files."""
    spool = folder / "spool"
    spool.mkdir()
    (folder / "labd.ini").write_text(
        f"[labd]\nlog = {folder}/log\nlog_level = debug\nspool = {spool}\npoll_interval = 0.01\n"
        "report_interval = 0.01\njob_timeout = 0.2\njob_grace = 0.1\nworkers = 8\n"
    )
    options = f"log_path={folder}/sanitizer:exitcode=66"
    variables = {f"{name}_OPTIONS": options for name in ("TSAN", "ASAN", "UBSAN")}
    command = [program, "--lab", "8", "--foreground", "-c", folder / "labd.ini"]
    with subprocess.Popen(command, env={**os.environ, **variables}) as daemon:
        try:
            until(lambda: (folder / "log").exists() and _logged(folder, "ready") > 0)
            yield daemon, spool
        finally:
            daemon.kill()


def _told(folder: Path) -> str:
    """What a sanitizer had to say."""
    return "".join(path.read_text() for path in folder.glob("sanitizer*"))


def _logged(folder: Path, event: str) -> int:
    return (folder / "log").read_bytes().count(f'"event":"{event}"'.encode())


@pytest.mark.slow
@pytest.mark.timeout(600)  # most of it for the build
@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_sanitizers_find_nothing_under_load(sanitizer: str, tmp_path: Path) -> None:
    """Jobs that end, fail, are too late and are dropped all the while; reloads and rotations: no
    data race, no lost memory, nothing undefined; and each job has ended once."""
    scripts = ("exit 0", "exit 3", "kill -SEGV $$", "exec sleep 60", "sleep 0.01")
    jobs = 200
    with _loaded(_sanitized(sanitizer), tmp_path) as (daemon, spool):
        for number in range(jobs):
            _drop(spool, f"job{number}", scripts[number % 5 if number < 100 else number % 3])
            daemon.send_signal(signal.SIGHUP)
            if number % 10 == 0:
                (tmp_path / "log").rename(tmp_path / f"log.{number}")
                daemon.send_signal(signal.SIGUSR1)
                until((tmp_path / "log").exists)
        until(lambda: not any((spool / "new").iterdir()) and not any((spool / "cur").iterdir()))
        daemon.send_signal(signal.SIGTERM)
        code = daemon.wait(30)
    assert _told(tmp_path) == ""
    assert code == 0
    logs = b"".join(path.read_bytes() for path in tmp_path.glob("log*"))
    ended = [event["job"] for event in events(logs) if event["event"] == "job_ended"]
    assert sorted(ended) == sorted(f"job{number}" for number in range(jobs))


@pytest.mark.slow
@pytest.mark.timeout(600)  # most of it for the build
@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_sanitizers_find_nothing_in_a_failure(sanitizer: str, tmp_path: Path) -> None:
    """The same when one worker fails while jobs run: they are ended, and nothing is raced for."""
    program = _sanitized(sanitizer)
    (tmp_path / "spool").mkdir()
    (tmp_path / "labd.ini").write_text(
        f"[labd]\nlog = {tmp_path}/log\nspool = {tmp_path}/spool\npoll_interval = 0.01\n"
    )
    options = f"log_path={tmp_path}/sanitizer:exitcode=66"
    variables = {f"{name}_OPTIONS": options for name in ("TSAN", "ASAN", "UBSAN")}
    command = [*HOLDING_WAITS, str(program), "--lab", "8", "-c", f"{tmp_path}/labd.ini"]
    with (
        waits(tmp_path, ["reporter"]) as holding,
        launch(command, FRIENDLY, {**os.environ, **variables}, tmp_path) as subject,
    ):
        started = subject.wait_starter(60)
        assert started is not None
        assert started.code == 0, subject.output()
        (process,) = subject.daemons()
        for number in range(4):
            _drop(tmp_path / "spool", f"job{number}", "exec sleep 60")
        until(lambda: _logged(tmp_path, "job_started") == 4)
        assert holding.fail("reporter", errno.ENOMEM, 30)
        ended = subject.wait_ended(process, 30)
        assert ended is not None
        assert ended.code == 1, subject.output()
    assert _logged(tmp_path, "job_ended") == 4
    assert _told(tmp_path) == ""
