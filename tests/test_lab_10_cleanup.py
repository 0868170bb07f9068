"""Lab 10: what chapter 10 claims about the way out, observed from outside."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from daemonlab.interfere import denying
from daemonlab.logwork import events
from daemonlab.scenarios import ROWS, STUCK
from hanging import hanging
from labresults import LANGUAGES, explain, facts, record
from spoolhouse import House
from waiting import until

both = pytest.mark.parametrize("language", LANGUAGES)

REVERSED = tuple(reversed(ROWS))
NO_START = ("no-database", "no-spool", "no-timer", "no-thread")


# --- the laboratory's own scenarios ---


@both
@pytest.mark.parametrize(
    ("scenario", "fact", "value"),
    [
        ("busy", "cleanups", REVERSED),
        ("busy", "at_TERM", "exit 0"),
        ("busy", "left_behind", ()),
        ("busy", "left", 0),
        ("busy", "job_ends_at_stop", ("look TERM",)),
        ("busy", "last_event", "stopped"),
        ("worker", "cleanups", REVERSED),
        ("worker", "at_fail", "exit 1"),
        ("worker", "left_behind", ()),
        ("worker", "left", 0),
        ("worker", "last_error", "worker reporter: poll(): Cannot allocate memory"),
        ("crashed", "at_KILL", "killed by SIGKILL"),
        ("crashed", "at_afresh", "exit 0"),
        ("crashed", "left_behind", ()),
        ("crashed", "left", 0),
        ("stuck", "at_TERM", "exit 1"),
        ("stuck", "last_event", "failed"),
        ("stuck", "pidfile_after", "its own"),
        ("stuck", "left", 0),
    ],
)
def test_cleanup(language: str, scenario: str, fact: str, value: object) -> None:
    """All that was taken is given back in reverse, whatever the reason to end."""
    assert facts(10, language, scenario)[fact].value == value, explain(10, language, scenario)


@both
def test_what_hangs_is_named_first(language: str) -> None:
    """And all that could not be undone because of it."""
    left = " ".join(REVERSED[REVERSED.index(STUCK) :])
    assert facts(10, language, "stuck")["last_error"].value == f"not undone within 1000 ms: {left}"


@both
@pytest.mark.parametrize("scenario", NO_START)
def test_start_that_fails(language: str, scenario: str) -> None:
    """What was taken until then is given back, and nothing else is."""
    found = facts(10, language, scenario)
    taken = found["taken"].value
    assert isinstance(taken, tuple)
    assert found["cleanups"].value == tuple(reversed(taken)), explain(10, language, scenario)
    assert found["left_behind"].value == () and found["left"].value == 0
    assert (found["starter_status"].value, found["last_event"].value) == (1, "failed")


def test_same_events_with_the_same_keys() -> None:
    """The lines of both daemons have the same keys in the same order, event by event."""
    for scenario in ("busy", "worker", "crashed", "stuck", *NO_START):
        c, python = (
            {(event["level"], *event) for event in events(record(10, language, scenario).log)}
            for language in LANGUAGES
        )
        assert c == python, scenario


# --- a start that fails at each row ---


def _folder(name: str) -> Callable[[House], None]:
    return lambda house: (house.folder / name).mkdir(parents=True)


def _no_spool(house: House) -> None:
    house.new.rmdir()
    house.spool.rmdir()


def _file(house: House) -> None:
    house.out.write_text("")


FAILURES: dict[str, tuple[Callable[[House], None] | None, tuple[str, ...]]] = {
    "pidfile_acquire": (_folder("labd.pid"), ()),
    "results_open": (_folder("results.db"), ()),
    "jobs_open": (_no_spool, ()),
    "capture_open": (_file, ()),
    "children_open": (None, denying("timerfd_create", "EMFILE")),
    "group_open": (None, denying("eventfd2", "EMFILE")),
    "workers_start": (None, denying("clone3", "EAGAIN")),
}
"""How each row of the table is made to fail. Those before log_open have nothing to give back, and
config_watch does not fail the start."""


@both
@pytest.mark.parametrize("row", FAILURES)
def test_start_that_fails_at_each_row(
    language: str, row: str, tmp_path: Path, nothing_left: None
) -> None:
    """Exit code 1, what was taken undone in reverse, no file left, and the cause told last."""
    house = House(language, tmp_path, "log_level = debug\n")
    breaks, through = FAILURES[row]
    if breaks is not None:
        breaks(house)
    before = {path for path in tmp_path.iterdir() if path.name not in ("results.db", "log")}
    run = subprocess.run(
        [*through, *house.command], env=house.variables, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 1, run.stderr
    taken = ROWS[: ROWS.index(row)] if row in ROWS else ROWS
    undone = [str(event["name"]) for event in house.events("cleanup")]
    assert [name for name in undone if name in ROWS] == list(reversed(taken))
    (failed,) = house.events("failed")
    assert house.log().splitlines()[-1].count('"event":"failed"') == 1
    assert run.stderr == f"labd: {failed['error']}\n"
    after = {path for path in tmp_path.iterdir() if path.name not in ("results.db", "log")}
    assert after == before, "files are left"
    assert not house.names("id")


@both
def test_a_config_that_cannot_be_watched_is_no_reason_not_to_start(
    language: str, tmp_path: Path, alone: None
) -> None:
    """SIGHUP is there still; and the spool is looked at now and then."""
    house = House(language, tmp_path, poll_interval="0.1")
    house.command = [*denying("inotify_init1", "EMFILE"), *house.command]
    with house.daemon():
        house.drop("job", "exit 0")
        until(lambda: house.names("done") == ["job"])
    assert house.count("watch_failed") == 1 and house.count("spool_unwatched") == 1


@both
def test_forced(language: str, tmp_path: Path, alone: None) -> None:
    """A second SIGTERM while a job is being waited for: all is undone all the same, and the job
    that was ended is recorded."""
    house = House(language, tmp_path, "log_level = debug\ndrain = 60\n")
    with house.start_ready() as daemon:
        house.drop("job", "exec sleep 600")
        until(lambda: house.count("job_started"))
        daemon.terminate()
        until(lambda: house.count("stop"))
        daemon.terminate()
        assert daemon.wait(60) == 1
    assert house.row("job")["signal"] in ("TERM", "KILL")
    assert house.idle() and not (tmp_path / "labd.pid").exists()
    assert not list(tmp_path.glob("results.db-*"))


@both
def test_the_log_hangs(language: str, tmp_path: Path, alone: None) -> None:
    """The limit holds there too: nothing can be told, but it ends."""
    house = House(language, tmp_path, "log_level = debug\nstop_timeout = 1\n")
    (tmp_path / "hang").mkdir()
    house.variables |= hanging(tmp_path / "hang")
    with house.start_ready() as daemon:
        (tmp_path / "hang" / "log").touch()
        daemon.terminate()
        try:
            assert daemon.wait(30) == 1
        finally:
            daemon.kill()
    assert house.count("stop") == 1 and house.count("cleanup") == 0


@pytest.mark.slow
@both
def test_stopped_and_continued_while_it_drains(language: str, tmp_path: Path, alone: None) -> None:
    """A SIGSTOP in that time makes all of its workers late, and none of them hung: its job may
    still come to its end."""
    house = House(language, tmp_path, "drain = 60\nworker_timeout = 3\n")
    with house.start_ready() as daemon:
        house.drop("job", "exec sleep 6")
        until(lambda: house.count("job_started"))
        daemon.terminate()
        until(lambda: house.count("stop"))
        os.kill(daemon.pid, signal.SIGSTOP)
        time.sleep(4)  # what it is about
        os.kill(daemon.pid, signal.SIGCONT)
        assert daemon.wait(60) == 0
    assert house.row("job")["code"] == 0
