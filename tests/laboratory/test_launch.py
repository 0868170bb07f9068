"""What we chose is what a subject is born into, and when we leave, nothing of it remains."""

import errno
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from signal import Signals

import pytest
from daemonlab import keeper
from daemonlab.environment import BARE, ENVIRONMENTS, FRIENDLY, HOSTILE, Environment
from daemonlab.keeper import MOST_OUTPUT
from daemonlab.launch import LaunchError, folder, launch, remove_stale
from daemonlab.observe import Process, ProcessGone, Snapshot, alive, identity, snapshot
from launching import asleep, hostile, living, python, said_ready
from observed import until

pytestmark = pytest.mark.usefixtures("nothing_left")

QUIET = replace(FRIENDLY, name="quiet", terminal=False)
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may set groups")
LIMIT = 10
"""Seconds for what takes a moment: reached only when something is broken."""


def targets(seen: Snapshot) -> dict[int, str]:
    """Where each descriptor leads."""
    assert isinstance(seen.descriptors, tuple), seen
    return {descriptor.number: descriptor.target for descriptor in seen.descriptors}


def said(command: list[str], environment: Environment) -> str:
    """What a command prints that ends well."""
    with launch(command, environment) as subject:
        ended = subject.wait_starter(LIMIT)
        assert ended is not None and ended.code == 0, (ended, subject.output())
        return subject.output().decode()


# --- what it is born into


def test_terminal() -> None:
    """With a terminal: it controls, is on 0, 1 and 2, and nothing else is open."""
    with asleep(FRIENDLY) as (subject, seen):
        assert seen.tty != 0
        assert set(targets(seen)) == {0, 1, 2}
        assert len(set(targets(seen).values())) == 1 and targets(seen)[0].startswith("/dev/pts/")
        assert seen.session == subject.shell == seen.ppid


def test_no_terminal() -> None:
    """Without: none controls, 0 is /dev/null, 1 and 2 are one pipe, and nothing else is open."""
    with asleep(QUIET) as (subject, seen):
        assert seen.tty == 0
        assert set(targets(seen)) == {0, 1, 2}
        assert targets(seen)[0] == "/dev/null" and targets(seen)[1].startswith("pipe:")
        assert targets(seen)[1] == targets(seen)[2]
        assert seen.session == subject.shell == seen.ppid


@pytest.mark.parametrize("attempt", range(10))
def test_starts_in_the_foreground(attempt: int) -> None:
    """From its first instruction on it leads a group, which is in the foreground: cat(1) reads
    this of itself as early as a program can."""
    fields = said(["cat", "/proc/self/stat"], FRIENDLY).rpartition(")")[2].split()
    _, _, group, session, _, foreground = map(int, ["0", *fields[1:6]])
    assert group == foreground != session


def test_may_read_its_terminal_at_once() -> None:
    """A program that reads from its terminal is not stopped: it is in the foreground."""
    with launch(["sh", "-c", "stty -a; read line"], FRIENDLY) as subject:
        until(lambda: b"speed" in subject.output())
        assert alive(identity(subject.starter))
        assert snapshot(subject.starter).state != "T"


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
def test_umask(umask: int) -> None:
    """The umask is the one we chose."""
    with asleep(replace(QUIET, umask=umask)) as (_, seen):
        assert seen.umask == umask


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("closed", [{0}, {1}, {2}, {0, 2}, {0, 1, 2}], ids=str)
def test_closed(closed: set[int], terminal: bool) -> None:
    """Of 0, 1 and 2, those that we chose are closed, the others open, and no other is open."""
    with asleep(replace(FRIENDLY, terminal=terminal, closed=frozenset(closed))) as (_, seen):
        assert set(targets(seen)) == {0, 1, 2} - closed


@pytest.mark.parametrize("numbers", [(7, 300, 900), (3,), (3, 4, 5), (255, 256)], ids=str)
def test_leaked_descriptors(numbers: tuple[int, ...]) -> None:
    """Files are open at the numbers we chose, kept over exec, also above the limit we lowered."""
    environment = replace(FRIENDLY, descriptors=numbers, descriptor_limit=256)
    with asleep(environment) as (subject, seen):
        assert isinstance(seen.descriptors, tuple) and not isinstance(seen.limits, type(None))
        assert set(targets(seen)) == {0, 1, 2, *numbers}
        for number in numbers:
            assert targets(seen)[number] == str(subject.scratch / "leaked")
        assert not any(descriptor.close_on_exec for descriptor in seen.descriptors)
        assert seen.limits["Max open files"][0] == 256  # type: ignore[index]


@pytest.mark.parametrize("ours", [32, 256, None])
def test_our_own_descriptor_limit_does_not_matter(ours: int | None) -> None:
    """A laboratory with a low limit can still leak 900; a limit that we do not choose is ours."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowered = (before[0] if ours is None else ours, before[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, lowered)
    try:
        with asleep(replace(FRIENDLY, descriptors=(900,))) as (_, seen):
            assert set(targets(seen)) == {0, 1, 2, 900}
            assert seen.limits["Max open files"] == lowered  # type: ignore[index]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    ("ignored", "blocked"),
    [
        (set(), set()),
        ({Signals.SIGHUP}, {Signals.SIGHUP}),
        (HOSTILE.ignored, HOSTILE.blocked),
        ({Signals.SIGPIPE, Signals.SIGXFSZ}, {Signals.SIGINT, 34, 64}),
        (set(), signal.valid_signals() - {Signals.SIGKILL, Signals.SIGSTOP}),
        (signal.valid_signals() - {Signals.SIGKILL, Signals.SIGSTOP}, set()),
    ],
    ids=["none", "one", "hostile", "python's", "all blocked", "all ignored"],
)
def test_signals(ignored: set[Signals], blocked: set[Signals]) -> None:
    """Ignored and blocked are the signals that we chose: not those that Python ignores, nor those
    that whoever started us ignored or blocked."""
    environment = replace(QUIET, ignored=frozenset(ignored), blocked=frozenset(blocked))
    before = signal.signal(Signals.SIGUSR1, signal.SIG_IGN)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {Signals.SIGUSR2})
    try:
        with asleep(environment) as (_, seen):
            assert seen.sig_ignored == ignored
            assert seen.sig_blocked == blocked
            assert seen.sig_caught == frozenset()
            assert seen.sig_pending == seen.sig_shared_pending == frozenset()
    finally:
        signal.signal(Signals.SIGUSR1, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def test_directory() -> None:
    """It starts in the folder of the launch, or in one that has been deleted."""
    with asleep(QUIET) as (subject, seen):
        assert (seen.cwd, seen.cwd_deleted) == (str(subject.scratch), False)
    with asleep(replace(QUIET, directory_deleted=True)) as (_, seen):
        assert seen.cwd_deleted is True
    assert "No such file" in said(["sh", "-c", "/bin/pwd -P 2>&1 || :"], BARE_BUT_HEARD)


BARE_BUT_HEARD = replace(BARE, closed=frozenset())


@AS_ROOT
def test_groups() -> None:
    """The supplementary groups are those that we chose, or ours."""
    with asleep(replace(QUIET, groups=(0, 4, 27))) as (_, seen):
        assert seen.groups == (0, 4, 27)
    with asleep(QUIET) as (_, seen):
        assert isinstance(seen.groups, tuple) and set(seen.groups) == set(os.getgroups())


def test_variables() -> None:
    """It has the variables of its environment and those of the launch, and not one of ours."""
    os.environ["OURS"] = "1"
    try:
        for environment in (QUIET, HOSTILE):
            with asleep(environment, {"TZ": "UTC", "EMPTY": ""}) as (_, seen):
                expected = {**environment.variables, "TZ": "UTC", "EMPTY": ""}
                assert dict(seen.environ) == expected  # type: ignore[call-overload]
        with asleep(BARE) as (_, seen):
            assert seen.environ == {}
    finally:
        del os.environ["OURS"]


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=list(ENVIRONMENTS))
def test_named_environments(environment: Environment) -> None:
    """Each named environment arrives whole."""
    with asleep(environment) as (_, seen):
        assert (seen.tty != 0) == environment.terminal
        assert seen.umask == environment.umask
        assert set(targets(seen)) == {0, 1, 2, *environment.descriptors} - environment.closed
        assert seen.sig_ignored == environment.ignored
        assert seen.sig_blocked == environment.blocked
        assert seen.cwd_deleted == environment.directory_deleted
        assert seen.environ == environment.variables
        if environment.groups and os.geteuid() == 0:
            assert seen.groups == environment.groups
        limit = environment.descriptor_limit or resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        assert seen.limits["Max open files"][0] == limit  # type: ignore[index]


# --- how its starter ended


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=list(ENVIRONMENTS))
@pytest.mark.parametrize("code", [0, 1, 127, 255])
def test_exit_code(code: int, environment: Environment) -> None:
    """We learn the starter's exit code."""
    with launch(["sh", "-c", f"exit {code}"], environment) as subject:
        ended = subject.wait_starter(LIMIT)
        assert ended is not None and (ended.code, ended.signal) == (code, None)
        assert subject.not_executed == 0
        assert ended.pid == subject.starter
        assert 0 <= ended.time - subject.began < LIMIT


@pytest.mark.parametrize("number", [Signals.SIGTERM, Signals.SIGKILL, Signals.SIGSEGV])
def test_ended_by_a_signal(number: Signals) -> None:
    """We learn which signal ended the starter."""
    with launch(["sh", "-c", f"kill -{number.name[3:]} $$"], FRIENDLY) as subject:
        ended = subject.wait_starter(LIMIT)
        assert ended is not None and (ended.code, ended.signal) == (None, number)


def test_not_executed(tmp_path: Path) -> None:
    """A program that cannot be executed is told from one that failed: we learn errno."""
    for name, text, mode in (("plain", "", 0o644), ("format", "\0not a program", 0o755)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    expected = {
        "/nonexistent": errno.ENOENT,
        "no-such-program": errno.ENOENT,
        str(tmp_path): errno.EACCES,
        str(tmp_path / "plain"): errno.EACCES,
        str(tmp_path / "format"): errno.ENOEXEC,
    }
    for environment in ENVIRONMENTS.values():
        for program, number in expected.items():
            with launch([program], environment) as subject:
                assert subject.wait_starter(LIMIT) is not None
                assert subject.not_executed == number, (program, environment.name)
                assert subject.processes() == []


def test_not_executed_for_a_value_that_no_program_can_get() -> None:
    """A variable that execve(2) cannot pass on is reported too."""
    with launch(["true"], FRIENDLY, {"KEY": "a\0b"}) as subject:
        assert subject.wait_starter(LIMIT) is not None
        assert subject.not_executed == errno.EINVAL


def test_deadline() -> None:
    """Waiting for a starter that stays ends at the deadline, not before, not much later."""
    with asleep(QUIET) as (subject, seen):
        began = time.monotonic()
        assert subject.wait_starter(0.2) is None
        assert 0.2 <= time.monotonic() - began < 2
        assert subject.wait_ended(seen.process, 0.1) is None


# --- what it printed


@pytest.mark.parametrize("environment", [FRIENDLY, QUIET], ids=["terminal", "pipe"])
def test_output_is_whole(environment: Environment) -> None:
    """Who hears that the starter has ended finds all that it printed, to the last line."""
    for _ in range(10):
        lines = said(["seq", "3000"], environment).split()
        assert lines == [str(number) for number in range(1, 3001)]


@pytest.mark.parametrize("environment", [FRIENDLY, QUIET], ids=["terminal", "pipe"])
def test_flood(environment: Environment) -> None:
    """Of a flood the first MOST_OUTPUT bytes are kept, and the program is not held up."""
    script = "head -c 4000000 /dev/zero | tr '\\0' a"
    with launch(["sh", "-c", script], environment) as subject:
        ended = subject.wait_starter(LIMIT)
        assert ended is not None and ended.code == 0
        assert subject.output() == b"a" * MOST_OUTPUT


def test_flood_without_end() -> None:
    """A program that never stops printing can be looked at, logged out and ended."""
    with launch(["yes"], FRIENDLY) as subject:
        until(lambda: len(subject.output()) == MOST_OUTPUT)
        (process,) = subject.processes()
        subject.log_out()
        assert subject.wait_ended(process, LIMIT) is not None


# --- whom it hands us


def test_processes_and_daemons() -> None:
    """Every descendant is found, parents before children; a daemon's parent is the keeper."""
    with hostile(FRIENDLY, "stubborn.py", "daemon") as subject:
        until(lambda: len(subject.processes()) == 3 and len(subject.daemons()) == 1)
        processes = subject.processes()
        daemons = subject.daemons()
        assert len(processes) == 3 and len(daemons) == 1
        assert set(daemons) < set(processes)
        assert snapshot(daemons[0].pid).ppid == subject.keeper.pid
        starter = next(process for process in processes if process.pid == subject.starter)
        child = (set(processes) - {starter, *daemons}).pop()
        assert processes.index(daemons[0]) < processes.index(child)


def test_death_of_a_daemon_is_reported() -> None:
    """We learn how an adopted process ended, and when."""
    with hostile(FRIENDLY, "stubborn.py", "daemon") as subject:
        (daemon,) = subject.daemons()
        sent = time.monotonic()
        subject.send(daemon, signal.SIGTERM)
        ended = subject.wait_ended(daemon, LIMIT)
        assert ended is not None and ended.signal == signal.SIGTERM
        assert sent <= ended.time <= time.monotonic()


THREADS = """
import threading, time
for number in range(20):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print("ready", flush=True)
time.sleep(60)
"""


def cpu_of_children() -> float:
    """Seconds that our children have used which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_end_of_threads_is_not_stood_in_the_way_of() -> None:
    """When the threads of a subject end at once, its keeper does not spin until the last is gone:
    one that ran ahead of them did, in every third launch, for up to 0.95 s."""
    used = []
    for _ in range(20):
        before = cpu_of_children()
        with launch([sys.executable, "-I", "-S", "-c", THREADS], FRIENDLY) as subject:
            until(lambda: said_ready(subject))
            for status in Path(f"/proc/{subject.starter}/task").glob("*/status"):
                status.read_bytes()
        used.append(cpu_of_children() - before)
    used.sort()
    assert used[17] < 3 * used[9], used


def test_whose_death_it_is() -> None:
    """A process that has the number of one that ended before it is not taken for that one."""
    with launch(["sh", "-c", "setsid sleep 60 & exit 0"], QUIET) as subject:
        subject.wait_starter(LIMIT)
        (daemon,) = subject.daemons()
        before = Process(daemon.pid, daemon.start - 1)
        subject._hear(news="ended", pid=before.pid, start=before.start, status=256, time=1)
        assert subject.wait_ended(daemon, 0) is None
        ended = subject.wait_ended(before, 0)
        assert ended is not None and ended.code == 1
        subject.send(daemon, signal.SIGKILL)
        ended = subject.wait_ended(daemon, LIMIT)
        assert ended is not None and ended.signal == signal.SIGKILL


def test_no_signal_to_a_stranger() -> None:
    """A signal goes to the process that was meant, not to one that has its number by now."""
    with asleep(QUIET) as (subject, seen):
        other = Process(seen.process.pid, seen.process.start - 1)
        with pytest.raises(ProcessGone):
            subject.send(other, signal.SIGKILL)
        assert alive(seen.process)
        subject.send(seen.process, signal.SIGKILL)
        assert subject.wait_ended(seen.process, LIMIT) is not None
        with pytest.raises(ProcessGone):
            subject.send(seen.process, signal.SIGKILL)


def test_logout_hangs_up() -> None:
    """A logout ends the shell and hangs up the terminal: what stayed dies of SIGHUP."""
    with asleep(FRIENDLY) as (subject, seen):
        subject.log_out()
        ended = subject.wait_ended(seen.process, LIMIT)
        assert ended is not None and ended.signal == signal.SIGHUP
        shell = subject.shell
        until(lambda: not Path(f"/proc/{shell}").exists())


# --- what remains: nothing


@pytest.mark.parametrize(
    ("way", "count"),
    [
        ("daemon", 3),
        ("deaf", 4),
        ("stopped", 4),
        ("traced", 3),
        ("zombies", 2),
        ("threads", 2),
    ],
)
@pytest.mark.parametrize("environment", [FRIENDLY, HOSTILE], ids=["friendly", "hostile"])
def test_leaving_ends(way: str, count: int, environment: Environment) -> None:
    """On leaving the context every process is gone, whatever it did to stay."""
    with hostile(environment, "stubborn.py", way) as subject:
        # Parents on their way out may still be there when their children stand.
        until(lambda: len(subject.processes()) == count)
        processes = subject.processes()
        began = time.monotonic()
    assert living(processes) == []
    assert time.monotonic() - began < LIMIT
    assert not subject.keeper_lost
    assert not subject.scratch.exists()


def test_leaving_ends_those_who_replace_each_other() -> None:
    """Two processes that fork each other anew at every death are ended as well."""
    with hostile(FRIENDLY, "stubborn.py", "phoenix"):
        began = time.monotonic()
    assert time.monotonic() - began < 2, "they gave up by themselves"


def test_leaving_by_an_exception() -> None:
    """An exception in the context ends the processes too, and comes through."""
    with pytest.raises(ZeroDivisionError), asleep(FRIENDLY) as (_, seen):
        raise ZeroDivisionError
    assert not alive(seen.process)


def test_leaving_at_once() -> None:
    """Even a launch that nobody waited for leaves nothing."""
    for _ in range(20):
        with launch(["sh", "-c", "setsid sleep 60 & sleep 60"], HOSTILE):
            pass


@pytest.mark.parametrize("number", ["KILL", "TERM", "SEGV"])
def test_keeper_killed(number: str) -> None:
    """A daemon that kills the process which adopted it gains nothing: we are told, and end it."""
    with hostile(FRIENDLY, "stubborn.py", "keeper", number) as subject:
        subject.wait_starter(LIMIT)
        assert subject.keeper_lost
        assert subject.processes() == [] and subject.daemons() == []


def test_keeper_stopped() -> None:
    """A daemon that stops the keeper does not keep it from its work."""
    with launch(python("stubborn.py", "keeper", "STOP"), FRIENDLY) as subject:
        until(lambda: snapshot(subject.keeper.pid).state == "T")
        processes = subject.processes()
        assert len(processes) == 3
        began = time.monotonic()
    assert living(processes) == []
    assert time.monotonic() - began < LIMIT


@pytest.mark.parametrize("number", ["KILL", "STOP", "HUP"])
def test_shell_killed(number: str) -> None:
    """A starter that kills or stops the shell which waits for it gains nothing."""
    with launch(python("stubborn.py", "shell", number), FRIENDLY) as subject:
        until(lambda: b"ready" in subject.output() or not subject.processes())
        processes = subject.processes()
    assert living(processes) == []


def test_shell_killed_at_once() -> None:
    """We know the starter, and how it ended, though the shell that started it is killed at once."""
    for _ in range(10):
        with launch(["sh", "-c", "kill -9 $PPID; exit 3"], QUIET) as subject:
            ended = subject.wait_starter(LIMIT)
            assert ended is not None and ended.code == 3


def test_folder_of_the_caller_stays(tmp_path: Path) -> None:
    """A folder that the caller chose is the caller's to remove."""
    with launch(["true"], FRIENDLY, scratch=tmp_path) as subject:
        subject.wait_starter(LIMIT)
    assert tmp_path.exists()


# --- fork bombs: one at a time, and each ends by itself should we fail; see tests/hostile


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The fork bombs in C, compiled."""
    program = tmp_path_factory.mktemp("bomb") / "bomb"
    source = Path(__file__).parents[1] / "hostile" / "bomb.c"
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", program, source], check=True)
    return str(program)


def ends_before_it_would(command: list[str], own_end: float) -> None:
    """Let a bomb go off and leave: it is gone long before it would have given up."""
    began = time.monotonic()
    with launch(command, FRIENDLY) as subject:
        subject.wait_starter(0.3)
    took = time.monotonic() - began
    assert took < own_end, f"it ended by itself, after {took:.1f} s"
    assert not subject.keeper_lost


@pytest.mark.xdist_group("bombs")
@pytest.mark.parametrize("privileged", [True, False], ids=["ahead", "not ahead"])
@pytest.mark.parametrize("way", ["plain", "setsid", "deaf", "runaway", "elope"])
def test_fork_bomb_in_c(
    way: str, privileged: bool, bomb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork bomb is ended, also where the keeper may not run before others."""
    if not privileged:
        monkeypatch.setattr(keeper._Priority, "stay_ahead", lambda self: None)
    ends_before_it_would([bomb, way], 2.5 if way in ("runaway", "elope") else 4.5)


@pytest.mark.xdist_group("bombs")
@pytest.mark.parametrize("command", [python("bomb.py"), ["sh", "bomb.sh"]], ids=["python", "sh"])
def test_fork_bomb_in_a_script(command: list[str]) -> None:
    """The same in Python and as a shell function."""
    folder = Path(__file__).parents[1] / "hostile"
    ends_before_it_would([str(folder / a) if a == "bomb.sh" else a for a in command], 4.5)


@pytest.mark.xdist_group("bombs")
def test_too_many_processes_are_reported(bomb: str) -> None:
    """A subject with more than MOST_PROCESSES is ended while we wait, and we are told why."""
    with launch([bomb, "plain"], FRIENDLY) as subject:
        subject.wait_starter(LIMIT)
        assert subject.too_many
        until(lambda: not subject.processes())


def test_many_processes_are_no_bomb() -> None:
    """Negative control: a subject with a hundred processes is left alone."""
    script = "for i in $(seq 100); do sleep 60 & done; echo ready; wait"
    with launch(["sh", "-c", script], FRIENDLY) as subject:
        until(lambda: b"ready" in subject.output())
        assert len(subject.processes()) == 101
        assert not subject.wait_starter(0.1) and not subject.too_many


# --- what the system does not grant


def test_no_terminal_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a pseudo-terminal there is no launch, and what one can do is told."""

    def no_terminal() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "openpty", no_terminal)
    said = r"no pseudo-terminal is left: .*; .*/proc/sys/kernel/pty/max"
    with pytest.raises(LaunchError, match=said), launch(["true"], FRIENDLY) as subject:
        subject.wait_starter(LIMIT)
    with pytest.raises(LaunchError, match=said), launch(["true"], FRIENDLY) as subject:
        subject.processes()


@pytest.mark.parametrize("which", [1, 2, 3], ids=["keeper", "shell", "starter"])
def test_no_process_left(which: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a process of ours cannot be forked, it is told, and nothing is left open."""
    fork, forks = os.fork, 0

    def limited() -> int:
        nonlocal forks  # counted on by each child that was forked
        forks += 1
        if forks == which:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return fork()

    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(os, "fork", limited)
    with (
        pytest.raises(LaunchError, match=r"Resource temporarily unavailable; end some processes"),
        launch(["true"], QUIET) as subject,
    ):
        subject.wait_starter(LIMIT)
    assert os.listdir("/proc/self/fd") == before


def test_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a place for temporary files: why, and what one can do."""
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    with (
        pytest.raises(LaunchError, match=r"folder .*No such file or directory; let TMPDIR name"),
        launch(["true"], QUIET),
    ):
        pass


# --- when the laboratory itself is lost

LABORATORY = """
import sys
from daemonlab.environment import HOSTILE
from daemonlab.launch import launch
with launch([sys.executable, "-I", "-S", *sys.argv[1:]], HOSTILE) as subject:
    while b"ready" not in subject.output():
        assert subject.wait_starter(0.01) is None
    print(subject.keeper.pid, subject.shell, *(p.pid for p in subject.processes()), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def laboratory() -> Iterator[tuple["subprocess.Popen[str]", list[int]]]:
    """A laboratory in a process of its own that has launched daemons; and a hold on each of them.
    What it leaves comes to us, for we are a child subreaper, and fails the test if it lives."""
    command = [sys.executable, "-c", LABORATORY, *python("stubborn.py", "deaf")[3:]]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        handles = [os.pidfd_open(int(pid)) for pid in process.stdout.readline().split()]
        yield process, handles
        for handle in handles:
            os.close(handle)


def wait_for_death(handles: list[int]) -> None:
    for handle in handles:
        death = select.poll()
        death.register(handle, select.POLLIN)
        assert death.poll(LIMIT * 1000), "a process lives on"


def reap_orphans() -> None:
    """Take what a lost laboratory has left to us: its keeper, dead by now."""
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


@pytest.mark.parametrize("number", [Signals.SIGKILL, Signals.SIGTERM])
def test_laboratory_lost(
    number: Signals, laboratory: tuple["subprocess.Popen[str]", list[int]]
) -> None:
    """When the laboratory is killed, its keepers end everybody and remove the folders."""
    process, handles = laboratory
    assert len(handles) == 6
    process.send_signal(number)
    assert process.wait(LIMIT) == -number
    wait_for_death(handles)
    reap_orphans()
    assert list(Path(tempfile.gettempdir()).iterdir()) == []


def test_laboratory_stopped_cannot_be_lost(
    laboratory: tuple["subprocess.Popen[str]", list[int]],
) -> None:
    """Negative control: as long as the laboratory lives, so do its subjects."""
    process, handles = laboratory
    living = select.poll()
    for handle in handles:
        living.register(handle, select.POLLIN)
    assert not living.poll(300)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(LIMIT) == 0
    wait_for_death(handles)


@pytest.mark.parametrize("closed", [(0,), (1, 2), (0, 1, 2)], ids=str)
def test_laboratory_without_standard_streams(closed: tuple[int, ...], tmp_path: Path) -> None:
    """A laboratory that was itself started with 0, 1 or 2 closed does its work all the same."""
    script = """
import sys
from pathlib import Path
from daemonlab.environment import FRIENDLY
from daemonlab.launch import launch
with launch(["sh", "-c", "ls /proc/self/fd | tr '\\n' ' '; setsid sleep 60 &"], FRIENDLY) as it:
    code = it.wait_starter(10).code
    Path(sys.argv[1]).write_text(f"{code} {len(it.daemons())} {it.output().decode()}")
"""
    shut = " ".join(f"{fd}>&-" for fd in closed)
    result = tmp_path / "result"
    subprocess.run(
        ["sh", "-c", f'exec "$@" {shut}', "sh", sys.executable, "-c", script, str(result)],
        timeout=LIMIT,
        check=True,
    )
    code, daemons, *descriptors = result.read_text().split()
    assert (code, daemons) == ("0", "1")
    assert descriptors[:3] == ["0", "1", "2"] and len(descriptors) == 4, "and that of ls itself"


def holder_of_a_folder() -> tuple[int, Path]:
    """A process that has made the folder for a launch, and waits."""
    told, telling = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with folder() as made:
                os.write(telling, os.fsencode(made))
                signal.pause()
        finally:
            os._exit(1)
    os.close(telling)
    path = os.read(told, 4096)
    os.close(told)
    return pid, Path(os.fsdecode(path))


def test_folder_that_nobody_holds(temporary: Path) -> None:
    """The folder of who was killed is removed by the next who looks; not that of who lives, and
    nothing that only has such a name."""
    pid, made = holder_of_a_folder()
    (made / "labd.ini").touch()
    (temporary / "kept").mkdir()
    link = temporary / f"{made.name}-link"
    link.symlink_to(temporary / "kept")
    try:
        remove_stale()
        assert (made / "labd.ini").exists()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert made.is_dir()
    remove_stale()
    assert not made.exists() and link.is_symlink() and (temporary / "kept").is_dir()
    link.unlink()


def test_long_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever temporary files go, a socket in the folder of a launch can be bound, unix(7)."""
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with folder() as made, socket.socket(socket.AF_UNIX) as there:
        there.bind(str(made / "labd.sock"))
    assert not made.exists()
