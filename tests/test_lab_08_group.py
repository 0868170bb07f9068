"""Lab 8: what chapter 8 claims about workers, observed from outside."""

import errno
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
        _until(lambda: event in self.names())

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
        assert not self.subject.processes()
        return str(last["error"])


def _until(happened: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@contextmanager
def _running(language: str, folder: Path, *held: str, **settings: str) -> Iterator[Daemon]:
    (reference,) = (one for one in subjects.reference() if one.name == language)
    keys = {"log": f"{folder}/log", "pidfile": f"{folder}/pid", **settings}
    lines = ["[labd]", *(f"{key} = {value}" for key, value in keys.items()), ""]
    (folder / "labd.ini").write_text("\n".join(lines))
    command = [*HOLDING_WAITS, *reference.command, "--lab", "8", "-c", f"{folder}/labd.ini"]
    with (
        waits(folder, held) as holding,
        launch(command, FRIENDLY, reference.variables, folder) as subject,
    ):
        ended = subject.wait_starter(30)
        assert ended is not None
        assert ended.code == 0, subject.output()
        (process,) = subject.daemons()
        yield Daemon(subject, process, holding, folder)


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
        daemon.until("stop")
        assert daemon.waits.fail(worker, errno.ENOMEM, 30)
        assert daemon.failed() == f"worker {worker}: {NO_MEMORY}"


@both
@each
def test_worker_that_hangs_is_named(
    language: str, worker: str, tmp_path: Path, nothing_left: None
) -> None:
    """It does not heed the stop: the process ends, and names it. So it is with the queue, whose
    last jobs would be waited for: it gives no sign of life."""
    settings = {"stop_timeout": "1", "worker_timeout": "2", "drain": "60"}
    with _running(language, tmp_path, worker, **settings) as daemon:
        if worker != "queue":  # without a spool it would wait for all of `drain`
            settings["drain"] = "0"
        daemon.subject.send(daemon.process, signal.SIGTERM)
        daemon.until("stop")
        if worker != "queue":
            daemon.subject.send(daemon.process, signal.SIGTERM)
            ended = daemon.end()
            assert ended.code == 1
        else:
            assert daemon.failed() == f"worker {worker} did not stop within 1000 ms"
        hung = [event["worker"] for event in daemon.events() if event["event"] == "worker_hung"]
        assert hung == [worker]
        assert not (tmp_path / "pid").exists()
