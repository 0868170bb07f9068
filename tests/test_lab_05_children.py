"""Lab 5: what chapter 5 claims about children, observed from outside."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from daemonlab import course, subjects
from daemonlab.house import ROOT
from daemonlab.observe import Process, ProcessGone, alive, children, descendants, snapshot
from daemonlab.scenarios import WORKERS
from labresults import LANGUAGES, explain, facts, record
from waiting import until

both = pytest.mark.parametrize("language", LANGUAGES)

MANY = 5000


@both
@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("child_parent", "daemon"),
        ("child_group", "own"),
        ("child_blocked", ()),
        ("child_ignored", ()),
        ("child_stdin", "/dev/null r"),
        ("child_stdout", "/dev/null w"),
        ("child_stderr", "/dev/null w"),
        ("child_descriptors", ()),
        ("child_variables", ("PATH",)),
    ],
)
def test_child(language: str, fact: str, value: object) -> None:
    """Out of a hostile launch comes a child that knows nothing of it."""
    assert facts(5, language, "child")[fact].value == value, explain(5, language, "child")


@both
def test_the_c_library_leaves_two_signals_ignored(language: str) -> None:
    """posix_spawn(3) of glibc: 32 and 33 are its own, and ignored in the child."""
    reaction = record(5, language, "child").reaction("look")
    assert reaction is not None
    assert reaction.work is not None
    (child,) = reaction.work.children
    assert child.sig_ignored in (frozenset(), frozenset({32, 33}))


@both
def test_stop_ends_the_jobs(language: str) -> None:
    """SIGTERM to the daemon: it asks each of its jobs, which may end in its own way."""
    found = facts(5, language, "child")
    assert (found["at_TERM"].value, found["left"].value) == ("exit 0", 0)
    assert found["job_ends_at_stop"].value == ("heeds 7", "look TERM")


@both
def test_stop_ends_a_job_that_does_not_heed_it(language: str) -> None:
    """One that ignores SIGTERM is ended after the grace, and the daemon then ends as asked."""
    found = facts(5, language, "burst")
    assert (found["at_TERM"].value, found["left"].value) == ("exit 0", 0)
    assert found["job_ends_at_stop"].value == ("deaf KILL",)


@both
def test_forced_stop_waits_for_what_it_kills(language: str) -> None:
    """A second SIGTERM within a grace of a minute: the job is ended, and its end was asked for."""
    found = facts(5, language, "overlap")
    assert (found["at_TERM_TERM"].value, found["left"].value) == ("exit 1", 0)
    assert found["unreaped"].value == (), explain(5, language, "overlap")


@both
def test_one_signal_for_many_ends(language: str) -> None:
    """Five children end while the daemon is stopped. One SIGCHLD waits, and all are reaped."""
    found = facts(5, language, "burst")
    assert found["ended_while_stopped"].value == 5
    assert found["pending_while_stopped"].value == ("CHLD",)
    assert found["zombies"].value == 0


@both
def test_every_end_is_known(language: str) -> None:
    """Exit codes and signals, also of a job that closed its descriptors. More jobs than workers
    that cannot be started take no place from the others."""
    found = facts(5, language, "ends")
    broken = tuple(f"broken{number} not started" for number in range(WORKERS + 1))
    ends = ("closed 4", "good 0", "killed KILL", "leaver 0", "orphan 0")
    assert found["job_ends"].value == ("bad 3", *broken, *ends)
    assert found["unfinished"].value == ()


@both
def test_deadlines(language: str) -> None:
    """SIGTERM to the whole group at the deadline, SIGKILL after the grace; nothing is left."""
    found = facts(5, language, "late")
    ends = ("deaf KILL", "group TERM", "polite TERM", "stopped TERM")
    assert found["job_ends"].value == ends
    assert found["left_by_jobs"].value == 0
    assert found["ended_early"].value == ()
    sent = [
        (event["job"], event["signal"])
        for line in record(5, language, "late").log.splitlines()
        if (event := json.loads(line))["event"] == "job_signalled"
    ]
    asked = [(name, "TERM") for name in ("deaf", "group", "polite", "stopped")]
    assert sorted(sent[:4]) == asked
    assert sent[4:] == [("deaf", "KILL")]


@both
def test_the_deadline_that_comes_first(language: str) -> None:
    """While one job has a grace of a minute, another is ended at its own deadline."""
    found = facts(5, language, "overlap")
    assert found["job_ends"].value == ("polite TERM",), explain(5, language, "overlap")


def _order(language: str, folder: Path) -> list[str]:
    """The program that tells the order of signals and status, with the module of one language."""
    source = ROOT / "tests" / "order"
    if language == "python":
        return [sys.executable, str(source / "order.py")]
    modules = [ROOT / "c" / "src" / f"{name}.c" for name in ("children", "failure")]
    flags = [
        "-std=gnu17",
        "-D_GNU_SOURCE",
        f"-I{ROOT}/c/src",
        "-Wl,--wrap=kill,--wrap=wait4,--wrap=waitid",
    ]
    program = folder / "order"
    command = [os.environ.get("CC", "cc"), *flags, "-o", program, source / "order.c", *modules]
    subprocess.run(command, check=True)
    return [str(program)]


@both
def test_first_the_signals_then_the_status(language: str, tmp_path: Path) -> None:
    """Once the status is taken, the number may be a stranger's. The lab does not look at that: from
    outside, a group that was signalled a moment too late is gone just the same."""
    told = subprocess.run(_order(language, tmp_path), stdout=subprocess.PIPE, check=True, text=True)
    *signals, last = told.stdout.split()
    assert (set(signals), last) == ({"signal"}, "status")


# --- storms: more processes than the laboratory allows a student's daemon ---


def _end(daemon: subprocess.Popen[bytes], me: Process) -> None:
    """SIGKILL to all of it, each while it still is who we take it for."""
    left = descendants(me.pid) if alive(me) else []
    if daemon.poll() is None:
        daemon.kill()
        daemon.wait()
    for process in left:
        if alive(process):
            os.kill(process.pid, signal.SIGKILL)


@contextmanager
def _labd(language: str, folder: Path, settings: str) -> Iterator[Process]:
    """A daemon in the foreground, with a spool in the folder; ended when the context is left."""
    (folder / "spool").mkdir(exist_ok=True)
    configuration = folder / "labd.ini"
    configuration.write_text(
        f"[labd]\nlog = {folder}/log\nspool = {folder}/spool\npoll_interval = 0.05\n{settings}"
    )
    subject = dict(zip(LANGUAGES, subjects.reference(), strict=True))[language]
    command = [*subject.command(5, configuration), "--foreground"]
    with subprocess.Popen(command, env={**os.environ, **subject.variables}) as daemon:
        stat = snapshot(daemon.pid, {"status"})
        try:
            until(lambda: (folder / "spool" / "failed").exists(), 20)
            yield stat.process
        finally:
            _end(daemon, stat.process)


def _job(folder: Path, script: str) -> Path:
    job = folder / "job"
    job.write_text(f"#!/bin/sh\n{script}\n")
    job.chmod(0o755)
    return job


def _living(daemon: Process) -> int:
    living = 0
    for child in children(daemon.pid):
        with suppress(ProcessGone):
            living += snapshot(child.pid, {"status"}).state not in "ZX"
    return living


@pytest.mark.slow
@pytest.mark.timeout(300)
@both
def test_five_thousand_children_that_exit_at_once(language: str, tmp_path: Path) -> None:
    """All wait for one FIFO; when it is opened and closed they end. 1 s later: no zombie."""
    os.mkfifo(tmp_path / "gate")
    job = _job(tmp_path, f": <{tmp_path}/gate")
    with _labd(language, tmp_path, f"workers = {MANY}\njob_timeout = 0\n") as daemon:
        for number in range(MANY):
            os.link(job, tmp_path / "spool" / "new" / f"job{number}")
        until(lambda: len(children(daemon.pid)) == MANY, 120)
        os.close(os.open(tmp_path / "gate", os.O_WRONLY))
        until(lambda: not _living(daemon), 120)
        until(lambda: not children(daemon.pid), 1.0)
        assert len(list((tmp_path / "spool" / "done").iterdir())) == MANY
    ended = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    codes = [event["code"] for event in ended if event["event"] == "job_ended"]
    assert codes == [0] * MANY


@pytest.mark.slow
@pytest.mark.timeout(300)
@both
def test_five_thousand_orphans(language: str, tmp_path: Path) -> None:
    """A job that forks 5,000 times and ends: all of them are ended and reaped, none is lost."""
    job = _job(tmp_path, f"i=0; while [ $i -lt {MANY} ]; do sleep 600 & i=$((i + 1)); done")
    with _labd(language, tmp_path, "job_timeout = 0\nlog_level = debug\n") as daemon:
        job.rename(tmp_path / "spool" / "new" / "job")
        until(lambda: (tmp_path / "spool" / "done" / "job").exists(), 120)
        until(lambda: not _living(daemon), 60)
        until(lambda: not children(daemon.pid), 1.0)
        assert descendants(daemon.pid) == []
    events = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert events.count("orphan_ended") == MANY


@both
def test_a_table_that_is_full_makes_jobs_wait(language: str, tmp_path: Path) -> None:
    """As many children as workers, never more; the jobs that waited run when there is room."""
    os.mkfifo(tmp_path / "gate")
    job = _job(tmp_path, f": <{tmp_path}/gate")
    most = 0
    with _labd(language, tmp_path, "workers = 2\n") as daemon:
        for number in range(6):
            os.link(job, tmp_path / "spool" / "new" / f"job{number}")
        until(lambda: len(children(daemon.pid)) == 2, 20)  # they stay until the gate is opened

        def done() -> bool:
            nonlocal most
            most = max(most, len(children(daemon.pid)))
            with suppress(OSError):  # ENXIO: nobody waits at the gate just now
                os.close(os.open(tmp_path / "gate", os.O_WRONLY | os.O_NONBLOCK))
            return len(list((tmp_path / "spool" / "done").iterdir())) == 6

        until(done, 20)
    assert most == 2


@both
def test_odd_jobs(language: str, tmp_path: Path) -> None:
    """What is no program fails and is put away; the daemon goes on."""
    with _labd(language, tmp_path, "") as daemon:
        new = tmp_path / "spool" / "new"
        (new / "not executable").write_text("exit 0\n")
        (new / "link").symlink_to("/bin/true")
        os.mkfifo(new / "fifo")
        (new / "folder").mkdir()
        (new / ".hidden").write_text("")
        until(lambda: len(list((tmp_path / "spool" / "failed").iterdir())) == 4, 20)
        _job(tmp_path, "exit 0").rename(new / "good")
        until(lambda: (tmp_path / "spool" / "done" / "good").exists(), 20)
        assert alive(daemon)
        assert [left.name for left in new.iterdir()] == [".hidden"]


@both
def test_what_was_running_runs_again(language: str, tmp_path: Path) -> None:
    """A daemon that was killed leaves its job in cur/; the next one runs it again."""
    (tmp_path / "spool" / "cur").mkdir(parents=True)
    _job(tmp_path, "exit 0").rename(tmp_path / "spool" / "cur" / "job")
    with _labd(language, tmp_path, ""):
        until(lambda: (tmp_path / "spool" / "done" / "job").exists(), 20)


def test_the_laboratory_looks_in_the_foreground() -> None:
    """The check of a child's descriptors also looks at a daemon whose 0, 1 and 2 are a
    terminal's."""
    (check,) = (one for one in course.lab(5).checks if one.id == "child-descriptors")
    assert "foreground" in check.scenarios
    for language in LANGUAGES:
        assert record(5, language, "foreground").output, "its log is its standard error"
        found = facts(5, language, "foreground")
        assert found["child_stderr"].value == "/dev/null w", explain(5, language, "foreground")


@both
def test_a_job_in_the_foreground_has_none_of_our_streams(language: str, tmp_path: Path) -> None:
    """Our standard error is the log of a service there: a job could write lines of its own."""
    seen: list[str] = []
    with _labd(language, tmp_path, "") as daemon:
        _job(tmp_path, "exec sleep 60").rename(tmp_path / "spool" / "new" / "job")

        def asleep() -> bool:
            for child in children(daemon.pid):
                with suppress(ProcessGone):
                    now = snapshot(child.pid, {"status", "descriptors"})
                    if now.comm == "sleep" and isinstance(now.descriptors, tuple):
                        seen[:] = [f"{one.number} {one.target}" for one in now.descriptors]
            return len(seen) > 0

        until(asleep, 20)
    assert seen == ["0 /dev/null", "1 /dev/null", "2 /dev/null"]
