"""Between a subject and the kernel: calls that are denied, locks that wait for us."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from daemonlab.environment import FRIENDLY
from daemonlab.interfere import HOLDING, denying, locks
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
