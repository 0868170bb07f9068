"""The spool under SIGKILL: each job runs, and each result is recorded exactly once.

"Recorded once" means: the database holds one row for each time that a file was put into new/, no
more and no less, however often the daemon was killed. "May run twice" means: a job whose daemon was
killed before the result was in the database runs again, from its beginning. No daemon can do
better: between the end of a job and the commit there is always a moment. docs/decisions/spool.md.

The moments are of two kinds. Random ones, with many jobs on their way: KILLS=200 sets how many for
each language. And each one between two system calls that change anything, with a single job.
"""

import os
import random
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from daemonlab.house import ROOT
from daemonlab.observe import ProcessGone, children, snapshot
from labresults import LANGUAGES
from spoolhouse import Dropper, House
from waiting import LIMIT, until

both = pytest.mark.parametrize("language", LANGUAGES)

KILLS = int(os.environ.get("KILLS", "0"))
"""How many random moments; 0: as many as may be done in the time of a usual run."""
USUAL = {"c": 60, "python": 25}


@both
def test_left_with_a_result_is_only_moved(language: str, tmp_path: Path, alone: None) -> None:
    """And one without runs again, with the id that it had."""
    house = House(language, tmp_path)
    with house.daemon():
        house.drop("recorded", f"echo ran >>{tmp_path}/ran")
        until(house.idle)
    (row,) = house.rows()
    (house.spool / "done" / "recorded").rename(house.spool / "cur" / "recorded")
    (house.spool / "id" / "recorded").symlink_to(row["id"])
    house.make("lost", f"echo lost >>{tmp_path}/ran").rename(house.spool / "cur" / "lost")
    (house.spool / "id" / "lost").symlink_to("0" * 32)
    (house.spool / "id" / "stale").symlink_to("1" * 32)
    with house.daemon():
        until(house.idle)
    assert (tmp_path / "ran").read_text() == "ran\nlost\n"
    assert [(row["job"], row["id"]) for row in house.rows()] == [
        ("recorded", row["id"]),
        ("lost", "0" * 32),
    ]
    assert house.names("done") == ["lost", "recorded"]


@both
def test_what_was_left_running_is_ended(language: str, tmp_path: Path, alone: None) -> None:
    """The next daemon ends what the killed one left, with its group, before the job runs again; and
    nobody else, also none of another daemon that runs."""
    house, other = House(language, tmp_path / "one"), House(language, tmp_path / "other")
    stranger = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
    with other.daemon():
        other.drop("others", f"echo $$ >{other.folder}/pids; exec sleep 600")
        with house.start_ready() as daemon:
            # One that holds the pipe, one that does not, and one in a session of its own.
            house.drop(
                "job",
                f"sleep 600 & echo $! >>{house.folder}/pids\n"
                f"sleep 600 >/dev/null 2>&1 & echo $! >>{house.folder}/pids\n"
                f"setsid sleep 600 & echo $! >>{house.folder}/pids\n"
                f"echo $$ >>{house.folder}/pids; echo >>{house.folder}/runs; wait",
            )
            until(lambda: (house.folder / "runs").exists())
            until(lambda: (other.folder / "pids").exists())
            daemon.kill()
        left = [int(line) for line in (house.folder / "pids").read_text().split()]
        assert len(left) == 4 and all(map(_lives, left))
        with house.daemon():
            until(lambda: (house.folder / "runs").read_text().count("\n") == 2)
            assert not any(map(_lives, left)), "they ran beside the job's second run"
            assert house.count("leftovers_ended") == 1
        assert stranger.poll() is None
        assert _lives(int((other.folder / "pids").read_text()))
    stranger.kill()
    stranger.wait()


def _lives(pid: int) -> bool:
    """A child of ours by now: its number is not another's before we have asked for its status."""
    with suppress(ProcessGone):
        return snapshot(pid, {"status"}).state not in "ZX"
    return False


class Load(Dropper):
    """Drops jobs until it is stopped, some under a name that comes again and again."""

    def run(self) -> None:
        jobs = [
            self.house.make(f"exit{code}", f'echo "$0" >>{self.house.folder}/ran; exit {code}')
            for code in range(3)
        ]
        number = 0
        while not self.over.wait(0.001):
            if len(self.house.names("new")) > 20:
                continue
            number += 1
            code = number % 3
            name = f"again-{code}" if number % 5 == 0 else f"job{number}-{code}"
            with suppress(FileExistsError):  # the last of this name waits still
                os.link(jobs[code], self.house.new / name)
                self.dropped[name] += 1


def _kill_at_random(house: House, number: random.Random) -> None:
    """A start, and SIGKILL: mostly while it works, sometimes while it still starts."""
    with house.start_ready() if number.random() < 0.8 else house.start() as daemon:
        time.sleep(number.random() * 0.08)
        daemon.kill()


def _judge(house: House, dropped: Counter[str]) -> None:
    """Each drop was recorded once, with the right result, and its file lies where it belongs."""
    recorded = Counter(row["job"] for row in house.rows())
    assert recorded == dropped, (dropped - recorded, recorded - dropped)
    assert all(row["code"] == int(row["job"][-1]) for row in house.rows())
    assert house.names("done") == sorted(name for name in dropped if name.endswith("0"))
    assert house.names("failed") == sorted(name for name in dropped if not name.endswith("0"))
    runs = Counter(Path(line).name for line in (house.folder / "ran").read_text().splitlines())
    assert all(runs[name] >= times for name, times in dropped.items())
    assert not house.names("id") and not house.names("pipe")
    assert not list(house.folder.glob("results.db-*"))
    assert not any(_lives(child.pid) for child in children(os.getpid())), "a job is left"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@both
def test_kill_at_random_moments(language: str, tmp_path: Path, alone: None) -> None:
    """Under load, then a fresh start: each job once in the database, and none is lost."""
    house = House(language, tmp_path, poll_interval="0.02")
    seed = random.randrange(1 << 32)
    print("seed", seed)
    number = random.Random(seed)
    load = Load(house)
    load.start()
    kills = 0
    try:
        # A busy machine gets little done between two kills: then there are more of them.
        while kills < (KILLS or USUAL[language]) or load.dropped.total() <= 50:
            _kill_at_random(house, number)
            kills += 1
    finally:
        load.over.set()
        load.join()
    with house.daemon():
        until(house.idle, 120)
    _judge(house, load.dropped)


@pytest.fixture(scope="session")
def crash(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program that kills a command before the Nth call that changes anything."""
    program = tmp_path_factory.mktemp("crash") / "crash"
    source = ROOT / "tests" / "crash" / "crash.c"
    flags = ["-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Werror", "-O"]
    subprocess.run([os.environ.get("CC", "cc"), *flags, "-o", program, source], check=True)
    return str(program)


@pytest.mark.slow
@pytest.mark.timeout(600)
@both
def test_kill_between_any_two_calls(language: str, tmp_path: Path, crash: str, alone: None) -> None:
    """One job, and the daemon dies before its first call that changes anything, before its
    second, and so on, until it has outlived the job: one row each time."""
    step = 1 if language == "c" or KILLS else 5
    moments, outlived = 0, False
    while not outlived:
        moments += step
        folder = tmp_path / str(moments)
        folder.mkdir()
        house = House(language, folder)
        house.drop("job-0", f'echo "$0" >>{folder}/ran; exit 0')
        with house.start(crash, str(moments)) as tracer:
            until(lambda: tracer.poll() is not None or (house.names("done") and house.idle()))  # noqa: B023
            outlived = tracer.poll() is None
            tracer.terminate()
            # It may die on its way to the end, too: then there are more moments.
            outlived = tracer.wait(LIMIT) != 9 and outlived
        if not outlived:
            with house.daemon():
                until(house.idle)
        _judge(house, Counter({"job-0": 1}))
    assert moments > 20
