"""Lab 7: what chapter 7 claims about the configuration, observed from outside."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from daemonlab import subjects
from daemonlab.configwork import ANSWERS, mount
from daemonlab.interfere import denying
from labresults import LANGUAGES, explain, facts
from waiting import until

both = pytest.mark.parametrize("language", LANGUAGES)
in_loop_and_worker = pytest.mark.parametrize("lab", [7, 8])

Event = dict[str, Any]


@both
@pytest.mark.parametrize(
    ("scenario", "fact", "value"),
    [
        ("friendly", "when_hung_up", ("HUP+1",)),
        ("friendly", "generations", (2, 3)),
        ("friendly", "at_TERM", "exit 0"),
        ("rename", "when_beside", ()),
        ("rename", "when_renamed", ("file+1",)),
        ("rename", "when_away", ()),
        ("rename", "when_back", ("file+1",)),
        ("in-place", "when_cut", ()),
        ("in-place", "when_cut_closed", ("file+1",)),
        ("in-place", "when_made", ()),
        ("in-place", "when_made_closed", ("file+1",)),
        ("swap", "when_swapped", ("file+1",)),
        ("swap", "when_swapped_again", ("file+1",)),
        ("restart", "when_fixed", ("file+1", "restart:umask,workers")),
        ("restart", "when_fixed_again", ("HUP+1", "restart:umask,workers")),
        ("restart", "when_unfixed", ("file+1",)),
        ("limits", "when_bad", ("file:kept",)),
        ("limits", "when_good", ("file+1",)),
        ("limits", "job_signals", ("second:TERM", "second:KILL")),
    ],
)
def test_reload(language: str, scenario: str, fact: str, value: object) -> None:
    """Each change is noticed once, when it is whole; a bad file changes nothing."""
    assert facts(7, language, scenario)[fact].value == value, explain(7, language, scenario)


@both
def test_answers(language: str) -> None:
    """--check names the line that is wrong, and what stands there."""
    found = facts(7, language, "friendly")["answers"]
    assert isinstance(found.value, tuple)
    assert len(found.value) == len(ANSWERS)
    assert all(" 78 " in answer for answer in found.value), found


# --- a daemon of our own to look at: in the foreground, so that it is our child ---


class Daemon:
    """A labd that runs, with its configuration and its log."""

    def __init__(self, process: subprocess.Popen[bytes], path: Path, log: Path) -> None:
        self.process, self.path, self.log = process, path, log

    def events(self, *names: str) -> list[Event]:
        """What it has logged, or of that what has these names."""
        text = self.log.read_bytes() if self.log.exists() else b""
        whole = text[: text.rfind(b"\n") + 1]
        events = [json.loads(line) for line in whole.splitlines()]
        return [event for event in events if not names or event["event"] in names]

    def reloads(self) -> list[Event]:
        """Each time that it has read its configuration, well or badly."""
        return self.events("reload", "reload_failed")

    def settings(self, **changed: str) -> str:
        """A configuration with these settings beside its log."""
        lines = [f"log = {self.log}", *(f"{key} = {value}" for key, value in changed.items())]
        return "\n".join(["[labd]", *lines, ""])

    def rename_over(self, text: str) -> None:
        """Put another file in the place of the configuration."""
        new = self.path.with_name("new.ini")
        new.write_text(text)
        new.rename(self.path)

    def hang_up(self) -> None:
        """SIGHUP."""
        self.process.send_signal(signal.SIGHUP)


@contextmanager
def _labd(
    language: str,
    lab: int,
    path: Path,
    around: Sequence[str] = (),
    code: int = 0,
    **settings: str,
) -> Iterator[Daemon]:
    """One that is ready, and stops cleanly at the end."""
    subject = dict(zip(LANGUAGES, subjects.reference(), strict=True))[language]
    command = [*around, *subject.command(lab, path), "--foreground"]
    log = path.parent.parent / "log"
    path.parent.mkdir(exist_ok=True)
    daemon = Daemon(None, path, log)  # type: ignore[arg-type]
    path.write_text(daemon.settings(**settings))
    with subprocess.Popen(command, env={**os.environ, **subject.variables}) as process:
        daemon.process = process
        try:
            until(lambda: daemon.events("ready"))
            yield daemon
            process.terminate()
            assert process.wait(30) == code
        finally:
            process.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a configuration, in a folder of its own."""
    return tmp_path / "etc" / "labd.ini"


@both
@in_loop_and_worker
def test_folder_that_is_removed_and_comes_back(language: str, lab: int, path: Path) -> None:
    """It is looked for each second, and watched again: also what is changed after that."""
    with _labd(language, lab, path) as daemon:
        path.unlink()
        path.parent.rmdir()
        path.parent.mkdir()
        path.write_text(daemon.settings(drain="0.1"))
        until(lambda: len(daemon.reloads()) == 1)
        daemon.rename_over(daemon.settings(drain="0.2"))
        until(lambda: len(daemon.reloads()) == 2)
    assert [event["cause"] for event in daemon.events("reload")] == ["file", "file"]


@both
def test_folder_that_is_exchanged(language: str, path: Path) -> None:
    """A folder that is renamed away is not the one on the way any more; its file is not ours."""
    with _labd(language, 7, path) as daemon:
        other = path.parent.with_name("other")
        other.mkdir()
        (other / path.name).write_text(daemon.settings(drain="0.1"))
        path.parent.rename(path.parent.with_name("old"))
        other.rename(path.parent)
        until(lambda: len(daemon.events("reload")) == 1)
        (path.parent.with_name("old") / path.name).write_text("rubbish")
        daemon.rename_over(daemon.settings(drain="0.2"))
        until(lambda: len(daemon.events("reload")) == 2)
    assert not daemon.events("reload_failed")


@both
@in_loop_and_worker
def test_links_over_folders(language: str, lab: int, path: Path) -> None:
    """A link far up the way, as releases are switched, and one into another folder."""
    root = path.parent.parent
    for name in ("1", "2", "far"):
        (root / name).mkdir()
    (root / "etc").symlink_to("1")
    (root / "1" / "labd.ini").symlink_to(root / "far" / "labd.ini")
    with _labd(language, lab, path) as daemon:
        (root / "far" / "labd.ini").write_text(daemon.settings(drain="0.1"))
        until(lambda: len(daemon.events("reload")) == 1)
        (root / "2" / "labd.ini").write_text(daemon.settings(drain="0.2"))
        (root / "next").symlink_to("2")
        (root / "next").rename(root / "etc")
        until(lambda: len(daemon.events("reload")) == 2)
        daemon.path = root / "2" / "labd.ini"
        daemon.rename_over(daemon.settings(drain="0.3"))
        until(lambda: len(daemon.events("reload")) == 3)


def _watches(process: subprocess.Popen[bytes]) -> int:
    """How many folders it watches: proc_pid_fdinfo(5)."""
    files = Path(f"/proc/{process.pid}/fdinfo").iterdir()
    return sum(file.read_text().count("inotify wd:") for file in files)


@both
def test_no_watch_is_left_behind(language: str, path: Path) -> None:
    """However often a link is exchanged, only the folders on the way are watched."""
    path.parent.mkdir()
    mount(path.parent)
    with _labd(language, 7, path) as daemon:
        folder = path.parent
        for number in range(2, 42):
            (folder / f"..{number}").mkdir()
            (folder / f"..{number}" / path.name).write_text(daemon.settings())
            (folder / "..tmp").symlink_to(f"..{number}")
            (folder / "..tmp").rename(folder / "..data")
            until(lambda n=number: len(daemon.events("reload")) == n - 1)  # type: ignore[misc]
        until(lambda: _watches(daemon.process) <= 3)  # labd.ini, ..data, the folder behind it


@both
@in_loop_and_worker
def test_file_that_has_vanished(language: str, lab: int, path: Path) -> None:
    """It goes on with what it has, and says nothing, until it is told to read it."""
    with _labd(language, lab, path) as daemon:
        path.unlink()
        daemon.hang_up()
        until(daemon.reloads)
    (failed,) = daemon.reloads()
    assert failed["cause"] == "HUP"
    assert failed["generation"] == 1
    assert failed["error"] == f"open({path}): No such file or directory"


@both
@in_loop_and_worker
def test_change_while_it_starts(language: str, lab: int, path: Path) -> None:
    """Between the first reading and the watch lies all of the start-up: nothing in it is missed."""
    path.parent.mkdir()
    subject = dict(zip(LANGUAGES, subjects.reference(), strict=True))[language]
    daemon = Daemon(None, path, path.parent.parent / "log")  # type: ignore[arg-type]
    path.write_text(daemon.settings(warmup="0.5"))
    command = [*subject.command(lab, path), "--foreground"]
    with subprocess.Popen(command, env={**os.environ, **subject.variables}) as process:
        daemon.process = process
        try:
            until(lambda: daemon.events("starting"))
            daemon.rename_over(daemon.settings(warmup="0.5", drain="0.1"))
            until(lambda: daemon.events("reload"))
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()


@both
def test_without_inotify(language: str, path: Path) -> None:
    """It says so, and starts all the same: there is SIGHUP."""
    denied = denying("inotify_init1", "EMFILE")
    with _labd(language, 7, path, denied) as daemon:
        daemon.hang_up()
        until(daemon.reloads)
    (failed,) = daemon.events("watch_failed")
    assert failed["error"] == "inotify_init1(): Too many open files"
    assert failed["level"] == "warning"


@both
@in_loop_and_worker
def test_level_of_the_log(language: str, lab: int, path: Path) -> None:
    """It counts from the reload on, whatever brought that."""
    with _labd(language, lab, path) as daemon:
        daemon.rename_over(daemon.settings(log_level="debug"))
        until(daemon.reloads)
    assert daemon.events("cleanup")


@both
@in_loop_and_worker
def test_drain_that_is_shortened(language: str, lab: int, path: Path) -> None:
    """The one that holds when the daemon is asked to stop is the one that counts."""
    with _labd(language, lab, path, drain="600") as daemon:
        daemon.rename_over(daemon.settings(drain="0"))
        until(daemon.reloads)


@both
@in_loop_and_worker
def test_hangup_does_not_cancel_the_stop(language: str, lab: int, path: Path) -> None:
    """Supervisor 3.3.5: a SIGHUP while it stopped had it run on."""
    with _labd(language, lab, path, drain="1") as daemon:
        daemon.process.terminate()
        until(lambda: daemon.events("stop"))
        daemon.hang_up()
        until(daemon.reloads)
        daemon.process.wait(30)
    assert [event["event"] for event in daemon.events()][-1] == "stopped"


@both
@in_loop_and_worker
def test_poll_interval_that_is_shortened(language: str, lab: int, path: Path) -> None:
    """The next look may have been far away: jobs are looked for at once, and then as often."""
    spool = path.parent.parent / "spool"
    spool.mkdir()
    with _labd(language, lab, path, spool=str(spool), poll_interval="86400") as daemon:
        daemon.rename_over(daemon.settings(spool=str(spool), poll_interval="0.05"))
        until(daemon.reloads)
        job = spool / "job"
        job.write_text("#!/bin/sh\n")
        job.chmod(0o755)
        job.rename(spool / "new" / "job")
        until(lambda: daemon.events("job_ended"))


# --- a storm, under load ---

_RELOADS = 1000
_PAIRS = {"a": (0.2, 1.2), "b": (1.2, 0.2)}
"""job_timeout and job_grace, which belong together."""
_BETWEEN = 0.7
"""Seconds: what is shorter is not the long one. The log's times are those of the lines, not of what
they tell, and may be late on a busy machine."""
_JOB = "#!/bin/sh\ntrap '' TERM\nexec sleep 60\n"
"""Ended by SIGKILL alone."""


def _seconds(event: Event) -> float:
    return datetime.fromisoformat(event["ts"]).timestamp()


def _lives(events: Sequence[Event]) -> Iterator[tuple[int, float, float]]:
    """Of each job that was ended by its limits: its generation, the seconds to SIGTERM, and from
    there to SIGKILL."""
    started: dict[int, Event] = {}
    asked: dict[int, Event] = {}
    for event in events:
        if event["event"] == "stop":  # after that all are ended before their time
            return
        child = event.get("child", 0)
        if event["event"] == "job_started":
            started[child] = event
        elif event["event"] == "job_signalled" and event["signal"] == "TERM":
            asked[child] = event
        elif event["event"] == "job_signalled":
            begun, told = started[child], asked[child]
            yield (
                begun["generation"],
                _seconds(told) - _seconds(begun),
                _seconds(event) - _seconds(told),
            )


class _Follower:
    """Reads a log that grows, each line once."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "rb")  # noqa: SIM115
        self._rest = b""
        self.events: list[Event] = []

    def reloads(self) -> int:
        """How many there have been, good and bad."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        new = [json.loads(line) for line in lines]
        self.events += new
        self._count = getattr(self, "_count", 0) + sum(
            event["event"] in ("reload", "reload_failed") for event in new
        )
        return self._count

    def close(self) -> None:
        """No more."""
        self._file.close()


def _feed(spool: Path, number: int) -> None:
    if number % 3 == 0:  # now before one of a pair, now before the other
        job = spool / f"job{number}"
        job.write_text(_JOB)
        job.chmod(0o755)
        job.rename(spool / "new" / job.name)


def _enough(events: Sequence[Event], pair_of: dict[int, str]) -> bool:
    """Whether jobs of each pair have lived: which one a job gets is chance."""
    pairs = [pair_of[generation] for generation, *_ in _lives(events)]
    return len(pairs) >= 20 and min(pairs.count(name) for name in _PAIRS) >= 3


@pytest.mark.slow
@pytest.mark.timeout(300)
@both
@in_loop_and_worker
def test_thousand_reloads_under_load(language: str, lab: int, path: Path) -> None:
    """Every tenth file is bad. The good ones count up, one by one; the bad ones change nothing; and
    no job gets half of a configuration."""
    spool = path.parent.parent / "spool"
    spool.mkdir()
    fixed = {"spool": str(spool), "workers": "20", "poll_interval": "0.02"}
    pair_of = {1: "a"}
    first = dict(zip(("job_timeout", "job_grace"), map(str, _PAIRS["a"]), strict=True))
    with _labd(language, lab, path, **fixed, **first) as daemon:
        log = _Follower(daemon.log)
        number = 0
        while number < _RELOADS or not _enough(log.events, pair_of):
            number += 1
            bad, name = number % 10 == 0, "ab"[number % 2]
            limits = dict(zip(("job_timeout", "job_grace"), map(str, _PAIRS[name]), strict=True))
            last = {"umask": "none"} if bad else {}
            settings = {**limits, **fixed, **last}
            _feed(spool, number)
            daemon.rename_over(daemon.settings(**settings))
            until(lambda n=number: log.reloads() == n)  # type: ignore[misc]
            if not bad:
                pair_of[len(pair_of) + 1] = name
        log.close()
    good, bad_ones = daemon.events("reload"), daemon.events("reload_failed")
    assert [event["generation"] for event in good] == list(range(2, len(pair_of) + 1))
    assert len(bad_ones) == number // 10
    assert all(re.search('line [0-9]+: "umask = none"', event["error"]) for event in bad_ones)
    assert {event["cause"] for event in good} == {"file"}
    for generation, to_term, to_kill in _lives(daemon.events()):
        timeout, grace = _PAIRS[pair_of[generation]]
        # Never early. How late says only how busy the machine is.
        assert timeout < _BETWEEN or to_term > _BETWEEN, (generation, to_term, to_kill)
        assert grace < _BETWEEN or to_kill > _BETWEEN, (generation, to_term, to_kill)


@both
@in_loop_and_worker
def test_storm_without_a_pause(language: str, lab: int, path: Path) -> None:
    """Faster than it can read: it need not read each, but the last one holds in the end."""
    with _labd(language, lab, path) as daemon:
        for number in range(300):
            daemon.rename_over(daemon.settings(drain=f"0.{number:03}"))
            if number % 3 == 0:
                daemon.hang_up()
        daemon.rename_over(daemon.settings(log_level="debug"))
        until(lambda: daemon.reloads() and _at_rest(daemon))
    assert daemon.events("cleanup")
    assert not daemon.events("reload_failed")


def _at_rest(daemon: Daemon) -> bool:
    """Nothing more has come for a while in which every thread slept: state S of each."""
    before = len(daemon.events())
    for _ in range(20):
        tasks = Path(f"/proc/{daemon.process.pid}/task").iterdir()
        if any((task / "stat").read_text().rpartition(") ")[2][0] != "S" for task in tasks):
            return False
        time.sleep(0.005)
    return len(daemon.events()) == before
