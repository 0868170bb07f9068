"""A scenario performed on programs whose behaviour we know: the record says what they did."""

import os
import signal
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from daemonlab import perform as performing
from daemonlab.environment import BARE, FRIENDLY, HOSTILE, Environment
from daemonlab.facts import facts_of
from daemonlab.launch import Launch
from daemonlab.observe import Process, identity
from daemonlab.patience import until
from daemonlab.perform import perform
from daemonlab.record import Reaction, Record
from daemonlab.scenarios import LABS as SCENARIOS
from daemonlab.scenarios import Scenario, of_any
from daemonlab.subjects import reference
from launching import python

pytestmark = pytest.mark.usefixtures("nothing_left")

QUIET = replace(FRIENDLY, name="quiet", terminal=False)

DAEMON = """
import os, signal, sys, time
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, ())
if os.fork(): os._exit(0)
os.setsid()
signal.alarm(60)
{0}
while True:
    signal.pause()
"""
"""It sets its session leader free at once, and then does what it is told."""
DEAF = "for n in (signal.SIGHUP, signal.SIGTERM): signal.signal(n, signal.SIG_IGN)"
CLEAN = (
    "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    "signal.signal(signal.SIGTERM, lambda *_: os._exit(0))"
)
TWICE = (
    "signal.signal(signal.SIGTERM, lambda *_: "
    "signal.signal(signal.SIGTERM, lambda *_: os._exit(1)))"
)


def observed(command: list[str], actions: tuple[str, ...] = (), at: Environment = QUIET) -> Record:
    """Perform this on any program."""
    scenario = Scenario("test", at, actions=actions, any_program=True)
    return perform(lambda configuration: command, scenario, start_time=2)


def daemon(does: str, *actions: str) -> tuple[Reaction, ...]:
    """What a daemon does that was prepared so."""
    record = observed([sys.executable, "-I", "-S", "-c", DAEMON.format(does)], actions)
    assert record.starter_code == 0 and record.daemon is not None, record
    return record.reactions


def test_daemon() -> None:
    """The daemon is the process that was left; the record holds its snapshot and the command's."""
    record = observed(["sh", "-c", "echo said; setsid sleep 60 & exit 0"])
    assert (record.starter_code, record.starter_signal, record.not_executed) == (0, None, 0)
    assert record.starter_seconds is not None and 0 < record.starter_seconds < 2
    assert record.daemon is not None and record.daemon.command == ("sleep", "60")
    assert record.processes == (record.daemon,)
    assert record.daemon.ppid == record.keeper
    assert record.output == b"said\n"
    assert record.trouble == "" and record.reactions == ()
    assert not Path(record.scratch).exists()


def test_service_in_the_foreground() -> None:
    """A starter that stays is the daemon itself, and is told to have stayed."""
    record = perform(lambda _: ["sleep", "60"], of_any(QUIET), start_time=0.3)
    assert record.starter_seconds is record.starter_code is record.starter_signal is None
    assert record.daemon is not None and record.daemon.process.pid == record.starter
    assert record.waited == 0.3


def test_nothing_left_to_look_at() -> None:
    """A command that just ends has left no daemon, and nothing is done to it."""
    record = observed(["sh", "-c", "exit 7"], ("TERM",))
    assert record.starter_code == 7
    assert (record.daemon, record.processes, record.reactions) == (None, (), ())


@pytest.mark.parametrize("at", [FRIENDLY, HOSTILE, BARE], ids=lambda at: at.name)
def test_not_executed(at: Environment) -> None:
    """A program that is not there is told as that."""
    record = observed(["/nonexistent"], at=at)
    assert record.not_executed == 2 and record.daemon is None


def test_clean_end() -> None:
    """SIGHUP is survived, SIGTERM ends it with 0: each in its time."""
    hangup, term = daemon(CLEAN, "HUP", "TERM")
    assert (hangup.action, hangup.alive) == ("HUP", True)
    assert (term.action, term.alive, term.code, term.signal) == ("TERM", False, 0, None)
    assert 0 < term.seconds < performing.STOP_TIME


def test_one_that_was_missed(tmp_path: Path) -> None:
    """A daemon whose parent leaves it while we look may be missed once; it is looked for again."""
    known, looks = identity(os.getpid()), [0]

    class Forking:
        scratch = tmp_path

        def processes(self) -> list[Process]:
            looks[0] += 1
            return [known] if looks[0] > 1 else []

    (tmp_path / "log").write_text('{"event":"ready"}\n')
    scenario = SCENARIOS[1][0]
    assert performing._settle(cast(Launch, Forking()), scenario) == [known]
    looks[0] = -1000
    assert performing._settle(cast(Launch, Forking()), scenario) == [] and looks[0] == -998


def test_killed_by_a_signal() -> None:
    """One that a signal kills is told from one that exits; what was to come is not tried then."""
    (hangup,) = daemon("", "HUP", "TERM")
    assert (hangup.alive, hangup.code, hangup.signal) == (False, None, signal.SIGHUP)


def test_deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not end is given its time, and told to run on."""
    monkeypatch.setattr(performing, "STOP_TIME", 0.3)
    (term,) = daemon(DEAF, "TERM")
    assert (term.alive, term.code, term.signal) == (True, None, None)
    assert 0.3 <= term.seconds < 2


def test_two_signals() -> None:
    """Of two signals in a row the second is sent when the first has been taken."""
    (twice,) = daemon(TWICE, "TERM TERM")
    assert (twice.alive, twice.code) == (False, 1)


@pytest.mark.parametrize(("does", "alive"), [(DEAF, True), ("", False)])
def test_storm(does: str, alive: bool) -> None:
    """Stopped, continued and hung up many times: who ignores SIGHUP lives on."""
    (storm,) = daemon(does, "storm")
    assert storm.alive == alive


@pytest.mark.parametrize(("command", "alive"), [("setsid sleep 60", True), ("sleep 60", False)])
def test_logout(command: str, alive: bool) -> None:
    """Who left the session outlives the logout; who is still in the foreground does not."""
    record = observed(["sh", "-c", f"{command} & exit 0"], ("logout",), FRIENDLY)
    assert [reaction.alive for reaction in record.reactions] == [alive]


# --- subjects that mean no good


def test_folder_removed() -> None:
    """A subject that removes the folder of the launch is observed all the same."""
    record = observed(["sh", "-c", 'rm -rf "$PWD"; setsid sleep 60 &'])
    assert record.daemon is not None and record.daemon.cwd_deleted is True


@pytest.mark.parametrize(
    "trap",
    [
        "mkfifo log",
        "mkfifo log; sleep 60 >log & exec 3<log",
        "ln -s /etc/passwd log",
        "mkdir log",
        "ln -s log log",
    ],
)
def test_log_that_is_no_file(trap: str) -> None:
    """A log that is a pipe, a folder or leads elsewhere is not read; nor does it hold us up."""
    began = time.monotonic()
    record = observed(["sh", "-c", f"{trap}; setsid sleep 60 &"])
    assert record.log == b"" and record.daemon is not None
    assert time.monotonic() - began < 5


def test_large_log() -> None:
    """Of an endless log the beginning is read."""
    record = observed(["sh", "-c", "head -c 3000000 /dev/zero >log; setsid sleep 60 &"])
    assert record.log == bytes(1 << 20)


def test_keeper_killed() -> None:
    """A subject that kills its keeper has its launch cut short, and that is told."""
    record = observed(python("stubborn.py", "keeper", "KILL"), ("TERM",))
    assert record.trouble == "it killed the process that watched it"
    assert record.daemon is None


@pytest.mark.parametrize(
    "trap", ["mkdir labd.pid", "mkfifo labd.pid", "mkdir other.pid", 'rm -rf "$PWD"']
)
def test_file_that_cannot_be_replaced(trap: str) -> None:
    """Whatever stands where a file is to be put, there is a record of it."""
    record = observed(["sh", "-c", f"{trap}; setsid sleep 60 &"], ("replace",))
    assert [reaction.action for reaction in record.reactions] == ["replace"]
    assert record.reactions[0].alive


def test_largest_file() -> None:
    """A file ends at 16 MiB, and so does who goes on writing; a core is not dumped."""
    record = observed(["sh", "-c", "exec head -c 100000000 /dev/zero >much"])
    assert record.starter_signal == signal.SIGXFSZ
    limits = observed(["sh", "-c", "ulimit -Hf; ulimit -Sf; ulimit -Hc; ulimit -Sc; ulimit -v"])
    assert limits.output.split() == [b"32768", b"32768", b"0", b"0", b"unlimited"]


def labd(script: str, copies: int = 1) -> Record:
    """Perform what is said to be a labd."""
    scenario = Scenario("test", QUIET, {}, ("TERM",), copies=copies)
    return perform(lambda configuration: ["sh", "-c", script], scenario, start_time=1)


def test_starter_of_a_labd_that_does_not_return() -> None:
    """It has failed: nothing is done to it, and what it started is seen."""
    record = labd("sleep 60 & wait")
    assert record.starter_seconds is None and record.reactions == ()
    assert sorted(process.comm for process in record.processes) == ["sh", "sleep"]


_WORKS = """sh -c 'echo "{\\"event\\": \\"starting\\", \\"pid\\": $$}" >log; sleep 0.6
echo "{\\"event\\": \\"ready\\"}" >>log; exec sleep 60' &"""
"""A daemon that takes a while until it is ready."""


@pytest.mark.parametrize(
    ("starter", "ready_first"),
    [
        (f"sleep 1; {_WORKS}", False),  # slow to begin, as on a busy machine: this is not waiting
        (f"{_WORKS} sleep 0.1", False),  # it is seen to rest, but not to wait
        (f"{_WORKS} until grep ready log; do sleep 0.1; done", True),
        (f"{_WORKS} wait", True),
        ("exit 0", False),
        ("sleep 60 & wait", None),
    ],
)
def test_starter_that_waits_until_the_daemon_is_ready(starter: str, ready_first: object) -> None:
    """What counts is which comes first, not how long it takes; a daemon that never says so is no
    daemon that is ready."""
    scenario = Scenario("test", QUIET, {}, held_early=True)
    seconds = 1 if ready_first is None else 5
    record = perform(lambda configuration: ["sh", "-c", starter], scenario, None, seconds)
    assert record.ready_first is ready_first, record
    assert all(process.state != "T" for process in record.processes)


@pytest.mark.parametrize(
    ("lab", "name", "fact", "value"),
    [(1, "abandoned", "at_loss", "exit 1"), (9, "friendly", "readyz_starting", "503 starting")],
)
def test_laboratory_that_comes_too_late_looks_again(
    lab: int, name: str, fact: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine the daemon may be ready before anything has been done to it."""
    look, stalls = performing._await_starting, [True, False]

    def stalled(subject: Launch, seconds: float) -> Process | None:
        if stalls.pop(0):
            until(lambda: performing._says_ready(subject), 30)
        return look(subject, seconds)

    monkeypatch.setattr(performing, "_await_starting", stalled)
    scenario = next(one for one in SCENARIOS[lab] if one.name == name)
    (c,) = (subject for subject in reference() if subject.name == "c")
    record = perform(partial(c.command, lab), scenario)
    assert not stalls and not record.late
    assert facts_of(record)[fact].value == value


def test_many_that_hang_are_given_no_more_time_than_one() -> None:
    """Eight that wait for each other, or for nobody, would else take eight times as long."""
    record = labd("sleep 60", copies=8)
    assert record.starter_seconds is None and record.waited < 8, record.waited


def test_one_that_works_is_given_more_time() -> None:
    """On a busy machine it may have had no processor; who only sleeps has had its time."""
    spin = "import time; until = time.monotonic() + 1.5\nwhile time.monotonic() < until: pass"
    assert labd(f"{sys.executable} -I -S -c '{spin}'").starter_code == 0


def test_those_that_were_refused_are_waited_for() -> None:
    """Of many that started at once one says that it is ready: the others are given time to be gone,
    though their starters have returned."""
    log = """echo '{"event": "ready"}' >log"""
    record = labd(f"mkdir first 2>/dev/null && {log} && setsid sleep 60 & setsid sleep 0.3 &", 3)
    assert [process.command for process in record.processes] == [("sleep", "60")], record


def test_the_command_cannot_be_made() -> None:
    """An error of ours leaves nothing either."""

    def no_command(configuration: Path) -> list[str]:
        assert configuration.exists()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        perform(no_command, of_any(QUIET))
