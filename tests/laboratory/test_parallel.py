"""Jobs in processes of their own: results in order, errors told, and nobody left behind."""

import mmap
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from daemonlab import parallel
from daemonlab.parallel import WorkerLost, run_all
from observed import until

pytestmark = pytest.mark.usefixtures("nothing_left")

LIMIT = 10
"""Seconds for what takes a moment: reached only when something is broken."""


def value(result: object) -> object:
    """A job without effects."""
    return result


def fail(error: BaseException) -> None:
    """A job that raises."""
    raise error


def signal_self(number: int) -> None:
    """A job whose process is ended."""
    os.kill(os.getpid(), number)
    time.sleep(LIMIT)


def stay(began: Path, tidied: Path) -> None:
    """A job that lasts, and tidies up when it is told to end."""
    try:
        began.write_text(str(os.getpid()))
        time.sleep(LIMIT)
    finally:
        tidied.touch()


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_order(at_once: int) -> None:
    """Results come in the order of the jobs, whichever is done first."""
    assert run_all([partial(value, n) for n in range(20)], at_once) == list(range(20))
    assert run_all([], at_once) == []

    def late(n: int) -> int:
        time.sleep(0.02 * (3 - n))
        return n

    assert run_all([partial(late, n) for n in range(4)], at_once) == [0, 1, 2, 3]


@pytest.mark.parametrize("at_once", [1, 3])
def test_so_many_at_once(at_once: int) -> None:
    """No more than that run at a time, and no fewer: each waits to see the others."""
    shared = mmap.mmap(-1, 4096)

    def job(n: int) -> int:
        shared[n] = 1
        until(lambda: sum(shared[:9]) == at_once)
        time.sleep(0.01)
        most = sum(shared[:9])
        shared[9 + n] = 1
        group = n - n % at_once
        until(lambda: sum(shared[9 + group : 9 + group + at_once]) == at_once)
        shared[n] = 0
        return most

    assert run_all([partial(job, n) for n in range(at_once)], at_once) == [at_once] * at_once
    most = run_all([partial(count_around, shared, n) for n in range(9)], at_once)
    assert max(most) <= at_once


def count_around(shared: mmap.mmap, n: int) -> int:
    """How many run while we do."""
    shared[100 + n] = 1
    time.sleep(0.005)
    most = sum(shared[100:109])
    shared[100 + n] = 0
    return most


def test_jobs_run_elsewhere() -> None:
    """Each job has a process of its own, and what it changes is not changed here."""
    here = [1]
    pids = run_all([lambda: (here.append(2), os.getpid())[1]] * 3, 3)
    assert len({*pids, os.getpid()}) == 4 and here == [1]


def test_large_results() -> None:
    """A result may be larger than a pipe."""
    large = b"x" * 5_000_000
    assert run_all([partial(value, large)] * 2, 2) == [large] * 2


@pytest.mark.parametrize(
    "error", [ValueError("a", 1), SystemExit(3), KeyboardInterrupt()], ids=repr
)
def test_exception(error: BaseException, tmp_path: Path) -> None:
    """An exception of a job is raised here, with what it says; jobs that still run have ended by
    then and have tidied up."""
    began, tidied = tmp_path / "began", tmp_path / "tidied"

    def raise_late() -> None:
        until(began.exists)
        raise error

    started = time.monotonic()
    with pytest.raises(type(error)) as raised:
        run_all([partial(stay, began, tidied), raise_late], 2)
    assert raised.value.args == error.args
    assert tidied.exists()
    assert time.monotonic() - started < LIMIT / 2


def test_jobs_not_begun_are_not_begun_after_an_error(tmp_path: Path) -> None:
    """After an error no further job is started."""
    with pytest.raises(ZeroDivisionError):
        run_all([partial(fail, ZeroDivisionError()), (tmp_path / "begun").touch], 1)
    assert not (tmp_path / "begun").exists()


@pytest.mark.parametrize("job", [partial(signal_self, signal.SIGKILL), lambda: lambda: 0])
def test_no_result(job: Callable[[], object]) -> None:
    """A worker that is killed, or whose result cannot be brought over, is told as lost."""
    with pytest.raises(WorkerLost, match="worker"):
        run_all([partial(value, 1), job, partial(value, 2)], 3)


def test_no_descriptor_left(tmp_path: Path) -> None:
    """Neither results nor errors leave a descriptor open."""
    before = os.listdir("/proc/self/fd")
    run_all([partial(value, n) for n in range(5)], 3)
    for error in (ValueError(), SystemExit()):
        with pytest.raises(type(error)):
            run_all([partial(stay, tmp_path / "a", tmp_path / "b"), partial(fail, error)], 2)
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("at_once", [1, 3])
def test_stopped(at_once: int) -> None:
    """A worker that somebody stops goes on: a subject can stop the one that watches it."""

    def stop(n: int) -> int:
        os.kill(os.getpid(), signal.SIGSTOP)
        return n

    assert run_all([partial(stop, n) for n in range(3)], at_once) == [0, 1, 2]


def test_stopped_when_it_is_to_end(tmp_path: Path) -> None:
    """A worker that is stopped when it shall end is woken, and has tidied up by then."""
    began, tidied = tmp_path / "began", tmp_path / "tidied"

    def stop_the_other() -> None:
        until(lambda: began.exists() and began.read_text() != "")
        os.kill(int(began.read_text()), signal.SIGSTOP)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_all([partial(stay, began, tidied), stop_the_other], 2)
    assert tidied.exists()


def test_stubborn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that does not end in its time is killed."""
    monkeypatch.setattr(parallel, "_PATIENCE", 0.3)
    began = tmp_path / "began"

    def deaf() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        began.touch()
        time.sleep(LIMIT)

    def raise_late() -> None:
        until(began.exists)
        raise ZeroDivisionError

    started = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        run_all([deaf, raise_late], 2)
    assert time.monotonic() - started < LIMIT / 2


LABORATORY = """
import sys
from functools import partial
from pathlib import Path
from daemonlab.environment import HOSTILE
from daemonlab.parallel import run_all
from daemonlab.perform import perform
from daemonlab.scenarios import of_any

def command(number, configuration):
    Path(sys.argv[1], str(number)).touch()
    return ["sh", "-c", "setsid sleep 60 & sleep 60"]

jobs = [partial(perform, partial(command, n), of_any(HOSTILE), start_time=60) for n in range(4)]
run_all(jobs, 4)
"""


@pytest.mark.parametrize("whom", ["group", "laboratory"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(number: signal.Signals, whom: str, tmp_path: Path) -> None:
    """Ctrl-C reaches the laboratory and its workers at once, kill(1) one of them: no process of any
    subject is left then, and no folder. The fixture looks when this is over."""
    begun = tmp_path / "begun"
    begun.mkdir()
    script = LABORATORY
    if number == signal.SIGTERM:
        script = "import signal\nfrom daemonlab.ending import leave\n" + script
        script = script.replace("run_all(jobs", "signal.signal(15, leave)\nrun_all(jobs")
    with subprocess.Popen(
        [sys.executable, "-c", script, str(begun)], process_group=0, stderr=subprocess.PIPE
    ) as process:
        try:
            until(lambda: len(list(begun.iterdir())) == 4)
            if whom == "group":
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
            errors = process.communicate(timeout=LIMIT)[1].decode()
        finally:
            process.kill()
    assert process.returncode != 0
    assert errors.count("Traceback") <= 1, errors
