"""Lab 4: what chapter 4 claims about a PID file, observed from outside."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from daemonlab import house, subjects
from daemonlab.environment import FRIENDLY
from daemonlab.interfere import denying
from daemonlab.perform import perform
from daemonlab.scenarios import ANOTHER, COPIES, PIDFILE, Scenario
from labresults import LANGUAGES, explain, facts, record

both = pytest.mark.parametrize("language", LANGUAGES)

WITH_PIDFILE = {"log": "{scratch}/log", "pidfile": f"{{scratch}}/{PIDFILE}"}


@both
@pytest.mark.parametrize("scenario", ["friendly", "stale", "garbage", "overtaken"])
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
def test_refusal_waits_for_nothing(language: str, tmp_path: Path) -> None:
    """A start is three processes. The best of ten that are refused takes at most 100 ms more than
    three that only look at the configuration: a busy machine slows down all of them."""
    subject = dict(zip(LANGUAGES, subjects.reference(), strict=True))[language]
    again = Scenario("again", FRIENDLY, WITH_PIDFILE, ("again",) * 10)
    observed = perform(partial(subject.command, 4), again)
    seconds = [reaction.again.seconds for reaction in observed.reactions if reaction.again]
    assert len(seconds) == 10
    assert min(seconds) < 3 * _best_look_at_the_configuration(subject, tmp_path) + 0.1, seconds


def _best_look_at_the_configuration(subject: subjects.Subject, folder: Path) -> float:
    (folder / "labd.ini").write_text("[labd]\n")
    command = (*subject.command(4, folder / "labd.ini"), "--check")
    seconds = []
    for _ in range(10):
        began = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.monotonic() - began)
    return min(seconds)


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
        ("hard-link", "PID file {path}: it has another name too: Invalid argument"),
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
    """The file at the other end of the link, or under its other name, holds what it held."""
    assert facts(4, language, "link")["victim"].value == ANOTHER.decode()
    assert facts(4, language, "hard-link")["victim"].value == ANOTHER.decode()


@both
def test_file_exchanged_between_open_and_lock(language: str) -> None:
    """It has locked a file that is gone, sees that, and takes the one that is there."""
    found = facts(4, language, "overtaken")
    assert found["overtaken"].value == 2, explain(4, language, "overtaken")
    assert found["pidfile"].value == "its own"
    assert found["pidfile_lock"].value == ("FLOCK",)
    assert f'"held":"{ANOTHER.decode().strip()}"'.encode() in record(4, language, "overtaken").log


def _run(
    language: str, folder: Path, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Start a daemon that must fail, with its PID file in that folder."""
    subject = dict(zip(LANGUAGES, subjects.reference(), strict=True))[language]
    configuration = folder.with_suffix(".ini")
    configuration.write_text(f"[labd]\npidfile = {folder}/{PIDFILE}\n")
    command = [*before, *subject.command(4, configuration)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    return done


@both
def test_folder_in_the_place_of_the_file(language: str, tmp_path: Path) -> None:
    """A folder is refused, and stays."""
    folder = tmp_path / "run"
    (folder / PIDFILE).mkdir(parents=True)
    assert _run(language, folder).stderr == f"labd: open({folder}/{PIDFILE}): Is a directory\n"
    assert (folder / PIDFILE).is_dir()


@both
def test_folder_that_it_may_not_write_to(language: str, tmp_path: Path) -> None:
    """It says so, and makes nothing. Root may write anywhere, unless setpriv(1) takes that away."""
    folder = tmp_path / "run"
    folder.mkdir(mode=0o555)
    lowered = ("setpriv", "--bounding-set", "-dac_override") if os.geteuid() == 0 else ()
    done = _run(language, folder, lowered)
    assert done.stderr == f"labd: open({folder}/{PIDFILE}): Permission denied\n"
    assert not list(folder.iterdir())


@both
@pytest.mark.parametrize("content", [None, "1\n"])
def test_lock_that_fails(language: str, content: str | None, tmp_path: Path) -> None:
    """A file system without locks: a plain failure. What it made is removed; a file that was there
    stays as it was."""
    folder = tmp_path / "run"
    folder.mkdir()
    if content is not None:
        (folder / PIDFILE).write_text(content)
    done = _run(language, folder, denying("flock", "ENOLCK"))
    assert done.stderr == f"labd: flock({folder}/{PIDFILE}): No locks available\n"
    left = {path.name: path.read_text() for path in folder.iterdir()}
    assert left == ({} if content is None else {PIDFILE: content})


FORKS_C = """
#include "pidfile.h"
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char *argv[]) {
    struct pidfile pidfile;
    struct failure why;

    if (argc != 2 || pidfile_acquire(&pidfile, argv[1], &why) < 0)
        return 1;
    if (fork() == 0) {
        pidfile_release(&pidfile);
        _exit(0);
    }
    wait(NULL);
    printf("%s", access(argv[1], F_OK) == 0 ? "kept " : "removed ");
    pidfile_release(&pidfile);
    printf("%s\\n", access(argv[1], F_OK) == 0 ? "kept" : "removed");
    return 0;
}
"""
"""A daemon whose child runs the same exit path: as atexit(3) would have it."""

FORKS_PYTHON = """
import os, sys
from labd.pidfile import pidfile_acquire, pidfile_release

pidfile = pidfile_acquire(sys.argv[1])
if os.fork() == 0:
    pidfile_release(pidfile)
    os._exit(0)
os.wait()
print("kept" if os.path.exists(sys.argv[1]) else "removed", end=" ")
pidfile_release(pidfile)
print("kept" if os.path.exists(sys.argv[1]) else "removed")
"""


def _forking(language: str, folder: Path, owner: str) -> str:
    """Fork while the file is ours, and say who removed it. owner stands for the question whether
    we are the one who took the lock."""
    if language == "c":
        source = (house.C / "src" / "pidfile.c").read_text(encoding="utf-8")
        asked = "pidfile->owner == getpid()"
        assert source.count(asked) == 1
        (folder / "pidfile.c").write_text(source.replace(asked, owner or asked))
        (folder / "forks.c").write_text(FORKS_C)
        parts = [folder / "forks.c", folder / "pidfile.c", house.C / "src" / "failure.c"]
        options = ["-std=gnu17", "-D_GNU_SOURCE", f"-I{house.C / 'src'}", "-o", folder / "forks"]
        subprocess.run(["cc", *options, *parts], check=True)
        command = [str(folder / "forks")]
        variables = {}
    else:
        source = (house.PORT / "pidfile.py").read_text(encoding="utf-8")
        asked = "pidfile.owner == os.getpid()"
        assert source.count(asked) == 1
        (folder / "pidfile.py").write_text(source.replace(asked, owner or asked))
        (folder / "forks.py").write_text(FORKS_PYTHON)
        command = [sys.executable, str(folder / "forks.py")]
        variables = {"LABD_OVERLAY": str(folder)}
    place = folder / "run"
    place.mkdir()
    done = subprocess.run(
        [*command, str(place / PIDFILE)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **variables},
    )
    return done.stdout.strip()


@both
def test_child_does_not_remove_its_parents_file(language: str, tmp_path: Path) -> None:
    """A child has a copy of all there is, and releases it; the file stays until its owner does."""
    assert _forking(language, tmp_path, "") == "kept removed"


@both
def test_child_that_does_not_ask_whose_file_it_is(language: str, tmp_path: Path) -> None:
    """Negative control: without the comparison of the owner the child removes it."""
    owner = "true" if language == "c" else "True"
    assert _forking(language, tmp_path, owner) == "removed removed"


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
        start_time=60,
    )
    assert len(observed.processes) == 1, observed.output
    assert observed.daemon is not None
    assert observed.files[PIDFILE].content == f"{observed.daemon.process.pid}\n".encode()
    assert observed.output.count(b"already running") == copies - 1, observed.output


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("languages", "rounds"), [("c", 200), ("python", 5), ("both", 10)])
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
