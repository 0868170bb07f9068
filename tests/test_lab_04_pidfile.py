"""Lab 4: what chapter 4 claims about a PID file, observed from outside."""

import os
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from daemonlab import subjects
from daemonlab.environment import FRIENDLY
from daemonlab.perform import perform
from daemonlab.scenarios import ANOTHER, COPIES, PIDFILE, Scenario
from labresults import LANGUAGES, explain, facts, record

both = pytest.mark.parametrize("language", LANGUAGES)

WITH_PIDFILE = {"log": "{scratch}/log", "pidfile": f"{{scratch}}/{PIDFILE}"}


@both
@pytest.mark.parametrize("scenario", ["friendly", "stale", "garbage"])
@pytest.mark.parametrize(
    ("fact", "value"),
    [("pidfile", "its own"), ("pidfile_mode", "644"), ("pidfile_lock", ("FLOCK",))],
)
def test_file(language: str, scenario: str, fact: str, value: object) -> None:
    """Whatever it found there, the file names the daemon, and the daemon holds its lock."""
    assert facts(4, language, scenario)[fact].value == value, explain(4, language, scenario)


@both
def test_the_kernel_names_the_daemon_as_the_holder(language: str) -> None:
    """/proc/locks and fdinfo name the process that took the lock: the daemon, no parent of it."""
    daemon = record(4, language, "friendly").daemon
    assert daemon is not None
    assert isinstance(daemon.locks, tuple)
    (lock,) = daemon.locks
    assert (lock.kind, lock.mode, lock.pid) == ("FLOCK", "WRITE", daemon.process.pid)


@both
@pytest.mark.parametrize(
    ("scenario", "held"), [("stale", "1"), ("garbage", "??[2J not a number"), ("friendly", None)]
)
def test_takeover_is_logged(language: str, scenario: str, held: str | None) -> None:
    """What was found in the file is told in the log, without a byte that a terminal would obey."""
    log = record(4, language, scenario).log
    assert b"\x1b" not in log
    events = facts(4, language, scenario)["log_events"].value
    assert isinstance(events, tuple)
    assert ("stale_pidfile" in events) == (held is not None)
    if held is not None:
        assert f'"held":"{held}"'.encode() in log


@both
def test_second_start_is_refused(language: str) -> None:
    """Exit code 3, the owner's number in the message, and the owner lives on."""
    observed = record(4, language, "friendly")
    reaction = observed.reaction("again")
    assert reaction is not None
    assert reaction.again is not None
    assert observed.daemon is not None
    assert reaction.again.code == 3
    assert reaction.alive
    pid, path = observed.daemon.process.pid, f"{observed.scratch}/{PIDFILE}"
    text = f"labd: already running with PID {pid}: it holds the lock on {path}\r\n"
    assert reaction.again.output.decode() == text
    assert facts(4, language, "friendly")["again_pidfile"].value == "its own"


@both
def test_refusal_takes_less_than_100_ms(language: str) -> None:
    """The best of ten second starts: nothing in it waits. A busy machine may delay any one."""
    subject = dict(zip(LANGUAGES, subjects.reference(), strict=True))[language]
    again = Scenario("again", FRIENDLY, WITH_PIDFILE, ("again",) * 10)
    observed = perform(partial(subject.command, 4), again)
    seconds = [reaction.again.seconds for reaction in observed.reactions if reaction.again]
    assert len(seconds) == 10
    assert min(seconds) < 0.1, seconds


@both
def test_start_after_sigkill(language: str) -> None:
    """The killed daemon leaves its file; the next one takes it over."""
    found = facts(4, language, "stale")
    assert found["at_KILL"].value == "killed by SIGKILL"
    assert found["again"].value == (0, True)
    assert found["again_pidfile"].value == "the second's"


@both
@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        ("link", "open({path}): Too many levels of symbolic links"),
        ("fifo", "PID file {path}: not a regular file: Invalid argument"),
        ("shared", "PID file {path}: everybody may write to {folder}: Operation not permitted"),
    ],
)
def test_refused_forms(language: str, scenario: str, reason: str) -> None:
    """Exit code 1, and a message that names the file and what is wrong with it."""
    observed = record(4, language, scenario)
    folder = observed.scratch + ("/shared" if scenario == "shared" else "")
    text = reason.format(path=f"{folder}/{PIDFILE}", folder=folder)
    assert observed.output.decode() == f"labd: {text}\r\n"
    assert observed.starter_code == 1
    assert observed.files == observed.files_after


@both
def test_link_target_is_untouched(language: str) -> None:
    """The file at the other end of the link holds what it held."""
    assert facts(4, language, "link")["victim"].value == ANOTHER.decode()


@both
def test_removed_by_its_owner_alone(language: str) -> None:
    """Its own file is removed at the end; another's in its place is not."""
    assert facts(4, language, "friendly")["pidfile_after"].value == "no file"
    assert facts(4, language, "garbage")["pidfile_after"].value == ANOTHER.decode()


def _race(commands: Sequence[Sequence[str]], copies: int) -> None:
    """Start them all at once, in one launch; see that one lives and the others were refused."""
    script = f"""
        i=0
        while [ $i -lt {copies} ]; do
            {" ".join(commands[0])} --lab 4 -c "$1" &
            {" ".join(commands[-1])} --lab 4 -c "$1" &
            i=$((i + 2))
        done
        wait
    """
    observed = perform(
        lambda configuration: ("/bin/sh", "-c", script, "sh", str(configuration)),
        Scenario("race", FRIENDLY, WITH_PIDFILE),
        start_time=30,
    )
    assert len(observed.processes) == 1, observed.output
    assert observed.daemon is not None
    assert observed.files[PIDFILE].content == f"{observed.daemon.process.pid}\n".encode()
    assert observed.output.count(b"already running") == copies - 1, observed.output


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("languages", "rounds"), [("c", 200), ("python", 10), ("both", 20)])
def test_of_fifty_simultaneous_starts_one_wins(languages: str, rounds: int) -> None:
    """In every round exactly one daemon; also of C and Python against each other."""
    c, python = (subject.program for subject in subjects.reference())
    commands = {"c": (c,), "python": (python,), "both": (c, python)}[languages]
    for _ in range(rounds):
        _race(commands, 50)


def test_race_is_a_race() -> None:
    """Negative control: without the lock (the rows up to lab 3) all of them would run."""
    observed = record(4, "c", "race")
    assert len(observed.processes) == 1
    unlocked = Scenario("race", FRIENDLY, {"log": "{scratch}/log"}, copies=COPIES)
    c, _ = subjects.reference()
    assert len(perform(partial(c.command, 4), unlocked).processes) == COPIES


def _in_namespace(script: str, folder: Path, program: Sequence[str]) -> tuple[str, ...]:
    """A command that runs a script with mounts of its own, as root there: unshare(1)."""
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    return ("unshare", *user, "--mount", "/bin/sh", "-c", script, "sh", str(folder), *program)


def _mounts_allowed() -> bool:
    command = _in_namespace('mount -t tmpfs none "$1"', Path("/mnt"), ())
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@both
@pytest.mark.parametrize(
    ("mount", "fill", "reason"),
    [
        ("-o ro,mode=755", "", "Read-only file system"),
        (
            "-o size=4k,mode=755",
            'dd if=/dev/zero of="$1"/full bs=4k count=1 2>&-; ',
            "No space left on device",
        ),
    ],
)
def test_broken_file_systems(
    language: str, mount: str, fill: str, reason: str, tmp_path: Path
) -> None:
    """A read-only file system and a full disk: a message naming the file, and nothing left."""
    if not _mounts_allowed():
        pytest.skip("mounting needs root or user namespaces: see unshare(1)")
    subject = dict(zip(LANGUAGES, subjects.reference(), strict=True))[language]
    configuration = tmp_path / "labd.ini"
    folder = tmp_path / "mounted"
    folder.mkdir()
    configuration.write_text(f"[labd]\npidfile = {folder}/{PIDFILE}\n")
    after = 'shift; "$@"; code=$?; ls "$folder"; exit $code'
    script = f'folder=$1; mount -t tmpfs {mount} none "$1" && {fill}{after}'
    command = _in_namespace(script, folder, subject.command(4, configuration))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    assert (
        f"labd: {'open' if reason.startswith('Read') else 'write'}({folder}/{PIDFILE}): {reason}"
        in done.stderr
    )
    assert PIDFILE not in done.stdout
