"""Between a subject and the kernel: calls that are denied, locks and waits that wait for us."""

import errno
import subprocess
import sys
import time
from pathlib import Path

import pytest
from daemonlab.environment import FRIENDLY
from daemonlab.interfere import HOLDING, HOLDING_WAITS, denying, locks, waits
from daemonlab.launch import launch

OPEN_AND_LOCK = """
import fcntl, os, sys
fd = os.open("file", os.O_RDWR | os.O_CREAT)
getattr(fcntl, sys.argv[1])(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
sys.exit(0 if os.path.exists("file") else 7)
"""
"""Exits with 7 if the file is gone when the lock is had."""
WITHOUT_LOCKS = "import fcntl; fcntl.fcntl(0, fcntl.F_GETFD)"


def _hold(folder: Path, script: str, *arguments: str) -> tuple[int, int]:
    """How often a script was held, and its exit code; its file is removed before its first lock."""
    command = (*HOLDING, sys.executable, "-I", "-c", script, *arguments)
    with locks(folder) as held, launch(command, FRIENDLY, scratch=folder) as subject:
        times = held.overtake(
            lambda: (folder / "file").unlink(),
            lambda: subject.wait_starter(0) is not None,
            time.monotonic() + 10,
        )
        ended = subject.wait_starter(10)
        assert ended is not None
        assert ended.code is not None, subject.output()
        return times, ended.code


@pytest.mark.parametrize("lock", ["flock", "lockf"])
def test_file_is_exchanged_before_the_lock(lock: str, tmp_path: Path, nothing_left: None) -> None:
    """Whichever way it locks, it waits until we have acted: the file is gone when it goes on."""
    assert _hold(tmp_path, OPEN_AND_LOCK, lock) == (1, 7)


def test_without_a_lock_nothing_is_held(tmp_path: Path, nothing_left: None) -> None:
    """Other commands of fcntl(2) pass; we stop waiting when the subject has ended."""
    assert _hold(tmp_path, WITHOUT_LOCKS) == (0, 0)


def test_long_path(tmp_path: Path, nothing_left: None) -> None:
    """An address of unix(7) has at most 108 bytes; a folder's path may have more."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    assert _hold(folder, OPEN_AND_LOCK, "flock") == (1, 7)


@pytest.mark.parametrize(("error", "number"), [("ENOSYS", "38"), ("ENOLCK", "37")])
def test_call_is_denied(error: str, number: str) -> None:
    """With that error, in every descendant, and nothing else is."""
    script = "import fcntl, os; fcntl.lockf(9, 2 | 4); print(1); fcntl.flock(9, 2)"
    shell = f"exec 9> /dev/null; {sys.executable} -I -c '{script}'"
    command = [*denying("flock", error), "sh", "-c", shell]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert f"[Errno {number}]" in done.stderr
    assert done.stdout == "1\n"  # lockf(3) went through


def test_signals_are_passed_on_at_their_default() -> None:
    """What Python ignores, the command does not inherit."""
    command = [*denying("flock", "ENOSYS"), "grep", "SigIgn", "/proc/self/status"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[1], 16) & (1 << 12 | 1 << 24) == 0


WORKERS = """
import select, sys, threading
from pathlib import Path

def work(name):
    Path("/proc/thread-self/comm").write_text(name)
    waiting = select.poll()
    waiting.register(0, select.POLLPRI)
    try:
        print(name, "found", waiting.poll(50), flush=True)
    except OSError as error:
        print(name, "failed", error.errno, flush=True)

workers = [threading.Thread(target=work, args=(name,)) for name in sys.argv[1:]]
for worker in workers:
    try:
        worker.start()
    except RuntimeError:
        print("one not started", flush=True)
for worker in workers:
    if worker.ident:
        worker.join()
"""
"""Threads with names, each of which waits once."""
LEFT_ALONE = "other found []"


def _wait(folder: Path, act: str, bad_start: int = 0) -> tuple[bool, list[str]]:
    """What was said of the act, and what two threads print the first of which is held."""
    command = (*HOLDING_WAITS, sys.executable, "-I", "-c", WORKERS, "held", "other")
    with (
        waits(folder, ["held"], bad_start) as held,
        launch(command, FRIENDLY, scratch=folder) as subject,
    ):
        done = held.fail("held", errno.ENOMEM, 10) if act == "fail" else held.pretend("held", 10)
        ended = subject.wait_starter(10)
        assert ended is not None
        assert ended.code == 0, subject.output()
        return done, sorted(subject.output().decode().splitlines())


def test_wait_of_one_thread_fails(tmp_path: Path, nothing_left: None) -> None:
    """With the error that we say; that of the other goes on as if nothing were."""
    assert _wait(tmp_path, "fail") == (True, [f"held failed {errno.ENOMEM}", LEFT_ALONE])


def test_wait_of_one_thread_is_told_a_lie(tmp_path: Path, nothing_left: None) -> None:
    """It sees its first descriptor readable, which nobody has made so."""
    assert _wait(tmp_path, "pretend") == (True, ["held found [(0, 1)]", LEFT_ALONE])


def test_start_of_a_thread_fails(tmp_path: Path, nothing_left: None) -> None:
    """The second alone; the first is held and can be let fail as before."""
    found = _wait(tmp_path, "fail", bad_start=2)
    assert found == (True, [f"held failed {errno.ENOMEM}", "one not started"])


def test_wait_that_nobody_makes(tmp_path: Path, nothing_left: None) -> None:
    """We wait for a thread of that name no longer than we said."""
    with waits(tmp_path, ["nobody"]) as held:
        assert not held.fail("nobody", errno.ENOMEM, 0.05)
        assert not held.pretend("nobody", 0.05)
