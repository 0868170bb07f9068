"""Jobs in containers: each is run in one, and none is left, whatever ends the daemon.

The same tests with a runner that only behaves like podman, and with podman: what the first is
trusted in, the second has to confirm. See tests/containers.py.
"""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from containers import Runner, fake, podman
from daemonlab.mutants import Edit, Mutant, make
from daemonlab.observe import Process, children
from labresults import LANGUAGES
from spoolhouse import Dropper, House
from waiting import LIMIT, until

pytestmark = pytest.mark.usefixtures("alone")

both = pytest.mark.parametrize("language", LANGUAGES)

ENDS = int(os.environ.get("KILLS", "0"))
"""How many ends at random moments; 0: as many as may be done in the time of a usual run."""
USUAL = {"fake": 20, "podman": 6}
STUBBORN = "trap '' TERM; echo up; while :; do sleep 0.1; done"
HEARD = "sleep 0.5"
"""Before a job ends: podman copies what it says, and now and then is not quick enough for the last
words of a container that is gone at once. Seen with 4.3.1; what it does not pass on, nobody has."""
KINDS = [
    pytest.param("fake", id="fake"),
    pytest.param("podman", id="podman", marks=pytest.mark.xdist_group("podman")),
]


@pytest.fixture
def boxed(alone: None, tmp_path: Path) -> Iterator[Runner]:
    """podman; the test is skipped where there can be none."""
    folder = tmp_path / "podman"
    folder.mkdir()
    with podman(folder) as runner:
        yield runner


@pytest.fixture
def imitation(tmp_path: Path) -> Runner:
    """The runner that only behaves like podman, and can be told to misbehave."""
    return fake(tmp_path / "runner")


@pytest.fixture(params=KINDS)
def runner(request: pytest.FixtureRequest) -> Runner:
    """Each of the two."""
    name = "imitation" if request.param == "fake" else "boxed"
    found: Runner = request.getfixturevalue(name)
    return found


def _house(language: str, folder: Path, runner: Runner, settings: str = "") -> House:
    return House(language, folder, runner.settings() + settings, poll_interval="0.05")


def _said(house: House, job: str) -> str:
    """What a job has written so far."""
    path = house.out / job
    return path.read_text() if path.exists() else ""


@both
def test_jobs_run_in_containers(language: str, tmp_path: Path, runner: Runner) -> None:
    """Their output and their exit codes are those that the job had, and nothing is left."""
    house = _house(language, tmp_path / "house", runner)
    with house.daemon():
        house.drop("good", f"echo all is well; {HEARD}")
        house.drop("bad", f"echo oh >&2; {HEARD}; exit 7")
        until(house.idle)
    assert (house.row("good")["code"], house.row("bad")["code"]) == (0, 7)
    assert (_said(house, "good"), _said(house, "bad")) == ("all is well\n", "oh\n")
    assert house.names("done") == ["good"] and house.names("failed") == ["bad"]
    assert runner.names() == []


@both
def test_podman_gives_them_a_world_of_their_own(
    language: str, tmp_path: Path, boxed: Runner
) -> None:
    """The job is number 1 of its processes, finds itself as /job, cannot write to it, and sees no
    network."""
    house = _house(language, tmp_path / "house", boxed)
    with house.daemon():
        says = "echo $$ $0; (echo x >>/job) 2>&- || echo kept; cat /proc/net/dev"
        house.drop("job", f"{says}; {HEARD}")
        until(house.idle)
    first, *rest = _said(house, "job").splitlines()
    assert first == "1 /job" and "kept" in rest
    assert [line.split(":")[0].strip() for line in rest if ":" in line and "job" not in line] == [
        "lo"
    ]


@both
def test_time_limit(language: str, tmp_path: Path, runner: Runner) -> None:
    """SIGKILL ends the runner, and not the container: that is removed before the result is
    there."""
    house = _house(language, tmp_path / "house", runner, "job_timeout = 4\njob_grace = 0.2\n")
    with house.daemon():
        house.drop("job", STUBBORN)
        until(house.rows)
        assert runner.names() == []
        until(house.idle)
    assert house.row("job")["signal"] in ("TERM", "KILL")
    assert not house.events("container_failed")


@both
def test_asked_to_stop(language: str, tmp_path: Path, runner: Runner) -> None:
    """SIGTERM reaches a job that listens; one that does not is removed with its container."""
    house = _house(language, tmp_path / "house", runner, "job_grace = 5\ndrain = 0\n")
    with house.daemon():
        house.drop("deaf", STUBBORN)
        bye = f"trap 'echo bye; {HEARD}; exit 3' TERM"
        house.drop("polite", f"{bye}; echo up; while :; do sleep 0.1; done")
        until(lambda: "up" in _said(house, "deaf") and "up" in _said(house, "polite"))
    # podman passes SIGCONT on, too, and complains when the job has ended meanwhile. Now and then
    # the job has said its first word before podman is ready to pass anything on: then it ends.
    early = {"TERM"} if runner.image != "image" else set()
    assert house.row("deaf")["signal"] in {"KILL", *early}
    if house.row("polite")["signal"] not in early:
        assert house.row("polite")["code"] == 3
        assert _said(house, "polite").startswith("up\nbye\n")
    assert runner.names() == [] and house.idle()


@both
def test_forced(language: str, tmp_path: Path, runner: Runner) -> None:
    """A second SIGTERM is a failure, and the stack of cleanups has the container removed."""
    house = _house(
        language, tmp_path / "house", runner, "job_grace = 60\ndrain = 60\nlog_level = debug\n"
    )
    _force(house)
    assert runner.names() == [] and house.idle()
    assert house.row("deaf")["signal"] == "KILL"
    undone = [event["name"] for event in house.events("cleanup")]
    assert undone.index("children_open") + 1 == undone.index("container_open")


def _force(house: House) -> None:
    with house.start_ready() as daemon:
        house.drop("deaf", STUBBORN)
        until(lambda: "up" in _said(house, "deaf"))
        daemon.terminate()
        until(lambda: house.count("stop"))
        daemon.terminate()
        assert daemon.wait(LIMIT) == 1


@both
def test_after_sigkill(language: str, tmp_path: Path, runner: Runner) -> None:
    """The next start removes what the killed one left, and nothing that is another's: neither of a
    daemon that runs, nor of a copy of its spool, nor what has but one of the two marks."""
    house = _house(language, tmp_path / "house", runner, "job_grace = 0.2\n")
    other = _house(language, tmp_path / "other", runner)
    with other.daemon():
        other.drop("others", STUBBORN)
        until(lambda: "up" in _said(other, "others"))
        before = runner.names()
        with house.start_ready() as daemon:
            house.drop("job", STUBBORN)
            until(lambda: "up" in _said(house, "job"))
            daemon.kill()
        (mine,) = set(runner.names()) - set(before)
        copy = _copy(language, house, tmp_path / "copy", runner)
        with copy.daemon():
            assert mine in runner.names() and not copy.events("containers_removed")
            with house.start_ready() as daemon:
                (event,) = house.events("containers_removed")
                assert event["containers"] == 1
                until(lambda: house.count("job_started") == 2)
                daemon.terminate()
                assert daemon.wait(LIMIT) == 0
        assert runner.names() == before
        assert not other.names("done") and not other.names("failed")
        _end(other, "others")
    assert [row["job"] for row in house.rows()] == ["job"] and house.idle()


@both
def test_killed_while_one_is_made(language: str, tmp_path: Path, imitation: Runner) -> None:
    """podman takes the name first. Killed then, it leaves that, no list has it, and the job could
    not run again."""
    house = _house(language, tmp_path / "house", imitation)
    with house.start_ready() as daemon:
        house.drop("job", "echo up; sleep 60")
        until(lambda: "up" in _said(house, "job"))
        daemon.kill()
    (name,) = imitation.names()
    imitation.call("kill", "--signal", "KILL", name)
    state = imitation.program.parent / "containers" / name
    state.write_text('{"label": "", "pid": 0, "started": ""}')
    house.spool.joinpath("cur", "job").write_text("#!/bin/sh\nexit 3\n")
    with house.daemon():
        until(house.idle)
    assert house.row("job")["code"] == 3 and imitation.names() == []


def _copy(language: str, house: House, folder: Path, runner: Runner) -> House:
    """As somebody would make it who wants a second daemon like the first."""
    folder.mkdir()
    subprocess.run(["cp", "-a", house.spool, folder / "spool"], check=True)
    for path in (folder / "spool" / "cur").iterdir():
        path.unlink()
    return _house(language, folder, runner)


def _child(house: House, job: str) -> int:
    (event,) = (event for event in house.events("job_started") if event["job"] == job)
    child = event["child"]
    assert isinstance(child, int)
    return child


def _end(house: House, job: str) -> None:
    """Who ends a runner ends a job: the daemon removes the container."""
    os.kill(_child(house, job), signal.SIGKILL)
    until(lambda: house.names("failed"))


def _container(folder: Path, runner: Runner, label: str, name: str) -> "subprocess.Popen[bytes]":
    """One that somebody else has started."""
    job = folder / f"job-{name}"
    job.write_text(f"#!/bin/sh\n{STUBBORN}\n")
    job.chmod(0o755)
    words = ["--rm", "--label", label, "--name", name, "--network", "none"]
    words += ["--volume", f"{job}:/job:ro", runner.image, "/job"]
    begun = subprocess.Popen(
        [runner.program, "run", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    assert begun.stdout is not None and begun.stdout.readline() == b"up\n"
    return begun


@both
def test_both_marks_must_fit(language: str, tmp_path: Path, runner: Runner) -> None:
    """The label alone may come from an image, and a name alone from anybody: both stay."""
    house = _house(language, tmp_path / "house", runner)
    with house.daemon():
        pass
    link = house.spool / "instance"
    label = f"labd.instance={link.readlink()}.{link.lstat().st_ino}"
    ours = f"labd-{link.lstat().st_ino}-"
    names = ("somebody", f"{ours}{'0' * 32}", f"{ours}{'1' * 32}")
    begun = [
        _container(tmp_path, runner, label, names[0]),
        _container(tmp_path, runner, f"labd.instance={'0' * 32}.1", names[1]),
        _container(tmp_path, runner, label, names[2]),
    ]
    try:
        with house.daemon():
            assert runner.names() == sorted(names[:2])
        assert runner.names() == sorted(names[:2])
        (event,) = house.events("containers_removed")
        assert event["containers"] == 1
    finally:
        runner.call("kill", "--signal", "KILL", *names[:2])
        for one in begun:
            one.communicate(timeout=LIMIT)
        until(lambda: runner.names() == [])


# --- at random moments, under load ---


class Load(Dropper):
    """Drops jobs until it is stopped."""

    def run(self) -> None:
        number = 0
        while not self.over.wait(0.01):
            if len(self.house.names("new")) > 5:
                continue
            number += 1
            code = number % 3
            name = f"job{number}-{code}"
            self.dropped[name] += 1
            self.house.drop(name, f"echo ran; sleep 0.0{number % 7}; exit {code}")


def _end_at_random(house: House, number: random.Random, longest: float) -> str:
    """A start, and one of the three ends: mostly while it works, sometimes while it starts."""
    how = number.choice(("TERM", "failure", "KILL", "KILL"))
    ready = number.random() < 0.8
    with house.start_ready() if ready else house.start() as daemon:
        time.sleep(number.random() * longest)
        if how == "KILL":
            daemon.kill()
        elif how == "TERM" or not ready:
            daemon.terminate()
        else:
            stops = house.count("stop")
            daemon.terminate()
            until(lambda: house.count("stop") > stops or daemon.poll() is not None)
            daemon.terminate()
        daemon.wait(LIMIT)
    return how


@contextmanager
def _neighbour(house: House) -> Iterator[str]:
    """Another daemon with the same runner, whose one job runs all the time: its container."""
    with house.daemon():
        house.drop("others", STUBBORN)
        until(lambda: "up" in _said(house, "others"))
        (link,) = (house.spool / "id").iterdir()
        yield f"labd-{(house.spool / 'instance').lstat().st_ino}-{link.readlink()}"
        assert house.count("job_ended") == 0, "somebody has ended it"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@both
def test_ends_at_random_moments(
    language: str, tmp_path: Path, runner: Runner, request: pytest.FixtureRequest
) -> None:
    """TERM, failure and SIGKILL under load, then a fresh start: each job is recorded once, and all
    that is left of containers is what another daemon runs."""
    kind = "fake" if runner.image == "image" else "podman"
    house = _house(language, tmp_path / "house", runner, "job_grace = 0.2\n")
    other = _house(language, tmp_path / "other", runner, "job_timeout = 0\njob_grace = 0.2\n")
    seed = random.randrange(1 << 32)
    print("seed", seed)
    number = random.Random(seed)
    load, ends = Load(house), Counter[str]()
    with _neighbour(other) as neighbour:
        load.start()
        try:
            for _ in range(ENDS or USUAL[kind]):
                ends[_end_at_random(house, number, 0.3 if kind == "fake" else 2)] += 1
        finally:
            load.over.set()
            load.join()
        with house.daemon():
            until(house.idle, 300)
            assert runner.names() == [neighbour]
        assert runner.names() == [neighbour]
    assert runner.names() == []
    print("ends", dict(ends), "jobs", sum(load.dropped.values()))
    print("removed", [event["containers"] for event in house.events("containers_removed")])
    _judge(house, load.dropped)


def _judge(house: House, dropped: Counter[str]) -> None:
    """Each drop was recorded once. A job that the stop has ended has another result than its own;
    all others have theirs. The signal meets the runner, too: podman-run(1) then says with a code of
    its own, 125 to 127, that it could not begin, or that its container had gone."""
    recorded = Counter(row["job"] for row in house.rows())
    assert recorded == dropped, (dropped - recorded, recorded - dropped)
    signalled = {event["job"] for event in house.events("job_signalled")}
    for row in house.rows():
        code = row["code"] or 0
        ended = row["signal"] in ("TERM", "KILL") or code > 128
        runners = code in (125, 126, 127) and row["job"] in signalled
        told = (tuple(row), _said(house, row["job"]))
        assert ended or runners or row["code"] == int(row["job"][-1]), told
    assert not house.names("id") and not house.names("pipe")
    assert not list(house.folder.glob("results.db-*"))


# --- daemons with a bug, which the tests above must find ---


def _mutant(house: House, name: str, language: str, *edits: Edit) -> None:
    """Let the daemon of this house be one with a bug."""
    subject = make(Mutant(name, 10, "", (), (), "", {language: edits}), language)
    house.variables = {**os.environ, **subject.variables}
    house.command = [*subject.command(13, house.configuration), "--foreground"]


NOT_REMOVED = {
    "c": Edit(
        "container.c",
        "int error = container->runner[0] != '\\0' ? sweep(container, true, why) : 0;",
        "int error = 0;\n    (void)why;",
    ),
    "python": Edit(
        "container.py",
        "    if container.runner:\n        _sweep(container, True)",
        "    assert container",
    ),
}
MARKS_FORGOTTEN = {
    "c": (
        Edit("container.c", '"label=%s", container->label)', '"label=labd.instance")'),
        Edit("container.c", "return false;\n    bool meant", "return all;\n    bool meant"),
    ),
    "python": (
        Edit("container.py", 'f"label={container.label}"', '"label=labd.instance"'),
        Edit(
            "container.py",
            "return ours and (everything or ",
            "return bool(name) and (everything or ",
        ),
    ),
}
"""Each of the two alone protects what is another's."""


@both
def test_mutant_that_leaves_its_containers(
    language: str, tmp_path: Path, imitation: Runner
) -> None:
    """It forgets them on its way out: one is left where test_forced finds none."""
    house = _house(language, tmp_path / "house", imitation, "job_grace = 60\ndrain = 60\n")
    _mutant(house, "container-not-removed", language, NOT_REMOVED[language])
    _force(house)
    assert len(imitation.names()) == 1


@both
def test_mutant_that_forgets_both_marks(language: str, tmp_path: Path, imitation: Runner) -> None:
    """It removes what another daemon runs, as soon as it starts."""
    house = _house(language, tmp_path / "house", imitation)
    other = _house(language, tmp_path / "other", imitation, "job_grace = 0.2\n")
    _mutant(house, "marks-forgotten", language, *MARKS_FORGOTTEN[language])
    with other.daemon():
        other.drop("others", STUBBORN)
        until(lambda: "up" in _said(other, "others"))
        with house.daemon():
            assert imitation.names() == []
            until(lambda: other.names("failed"))


# --- runners that are missing, hang or fail ---


@both
@pytest.mark.parametrize("missing", ["/nowhere/runner", "{folder}"])
def test_runner_is_missing(language: str, tmp_path: Path, missing: str, nothing_left: None) -> None:
    """The start is refused, names it, and leaves nothing."""
    program = missing.format(folder=tmp_path / "house" / "labd.ini")
    house = House(language, tmp_path / "house", f"runner = {program}\nimage = image\n")
    run = subprocess.run(
        house.command, env=house.variables, capture_output=True, text=True, timeout=LIMIT
    )
    reason = "No such file or directory" if missing.startswith("/") else "Permission denied"
    assert (run.returncode, run.stderr) == (1, f"labd: runner {program}: {reason}\n")
    assert not (house.folder / "labd.pid").exists()


@both
def test_runner_hangs_at_the_start(
    language: str, tmp_path: Path, imitation: Runner, nothing_left: None
) -> None:
    """What was left cannot be known: so no job is started a second time beside it."""
    house = _house(language, tmp_path / "house", imitation)
    _limit(house, 2)
    (imitation.program.parent / "fault").write_text("ps hang")
    run = subprocess.run(
        house.command, env=house.variables, capture_output=True, text=True, timeout=LIMIT
    )
    said = f"labd: {imitation.program} ps: it did not end in time\n"
    assert (run.returncode, run.stderr) == (1, said)


def _limit(house: House, seconds: float) -> None:
    text = house.configuration.read_text()
    house.configuration.write_text(text.replace("stop_timeout = 60", f"stop_timeout = {seconds}"))


@both
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("rm hang", "it did not end in time"),
        ("rm fail", "rm: exit code 125: Error: as it was told to"),
        ("ps fail", "ps: exit code 125: Error: as it was told to"),
    ],
)
def test_runner_cannot_remove(
    language: str, tmp_path: Path, imitation: Runner, fault: str, reason: str
) -> None:
    """That is logged, and the job is recorded all the same; the next start removes it."""
    house = _house(language, tmp_path / "house", imitation)
    if "hang" in fault:
        _limit(house, 6)
    with house.start_ready() as daemon:
        house.drop("job", STUBBORN)
        until(lambda: "up" in _said(house, "job"))
        (imitation.program.parent / "fault").write_text(fault)
        _end(house, "job")
        daemon.terminate()
        assert daemon.wait(LIMIT) == 0, house.log()
    assert len(house.rows()) == 1
    errors = [str(event["error"]) for event in house.events("container_failed")]
    assert len(errors) == 2 and all(error.endswith(reason) for error in errors), errors
    (imitation.program.parent / "fault").unlink()
    with _house(language, house.folder, imitation).daemon():
        pass
    assert imitation.names() == []


@both
def test_runner_fails(language: str, tmp_path: Path, imitation: Runner) -> None:
    """125 is no exit code of the job: the result says whose it is, and the output why."""
    house = _house(language, tmp_path / "house", imitation)
    (imitation.program.parent / "fault").write_text("run fail")
    with house.daemon():
        house.drop("job", "exit 0")
        until(house.idle)
    error = f"{imitation.program} run: exit code 125: its output says why"
    assert (house.row("job")["error"], house.row("job")["code"]) == (error, None)
    assert _said(house, "job") == "Error: as it was told to\n"
    assert house.names("failed") == ["job"]
    (event,) = house.events("job_failed")
    assert event["error"] == error


@both
@pytest.mark.parametrize("fault", ["run hang", "created hang"])
def test_asked_before_the_job_runs(
    language: str, tmp_path: Path, imitation: Runner, fault: str
) -> None:
    """podman ends with 0 then: that is not the job's, which has not run; and nothing is left."""
    settings = "job_timeout = 1\njob_grace = 60\n"
    house = _house(language, tmp_path / "house", imitation, settings)
    (imitation.program.parent / "fault").write_text(fault)
    with house.daemon():
        house.drop("job", "exit 0")
        until(house.rows)
        assert imitation.names() == []
        until(house.idle)
    assert house.row("job")["signal"] == "TERM" and house.names("failed") == ["job"]


@both
@pytest.mark.parametrize("name", [b"at 12:30", b"\xff"])
def test_name_that_no_container_can_get(
    language: str, tmp_path: Path, imitation: Runner, name: bytes
) -> None:
    """It goes to failed, and the result says why; the next one runs."""
    house = _house(language, tmp_path / "house", imitation)
    with house.daemon():
        house.drop(os.fsdecode(name), "exit 0")
        until(lambda: house.names("failed"))
        house.drop("good", "exit 0")
        until(lambda: house.names("done"))
        until(house.idle)
    # No text, where the name in it is none.
    errors = [os.fsencode(row["error"]) for row in house.rows() if row["error"]]
    assert len(errors) == 1 and errors[0].endswith(b": a colon, or no UTF-8")


def test_same_events_with_the_same_keys(tmp_path: Path) -> None:
    """C and Python log the same of containers."""
    found = []
    for language in LANGUAGES:
        imitation = fake(tmp_path / f"runner-{language}")
        house = _house(language, tmp_path / language, imitation, "job_grace = 0.1\n")
        with house.start_ready() as daemon:
            house.drop("job", STUBBORN)
            until(lambda: "up" in _said(house, "job"))  # noqa: B023
            daemon.kill()
        with house.daemon():
            until(lambda: house.count("job_started") == 2)  # noqa: B023
            (imitation.program.parent / "fault").write_text("rm fail")
        names = ("containers_removed", "container_failed")
        found.append([(event["level"], *event) for name in names for event in house.events(name)])
    assert found[0] == found[1] and len({event[2] for event in found[0]}) == 1


def test_nothing_is_left_of_podman_in_a_box(tmp_path: Path) -> None:
    """The box itself: its cgroup is gone with all that ran there, also with what was not ended."""
    with podman(tmp_path) as boxed:
        begun = _container(tmp_path, boxed, "test=box", "labbox")
        ran = [process for process in map(_command, children(os.getpid())) if "conmon" in process]
        assert ran, "it has no process that could be left"
    begun.communicate(timeout=LIMIT)
    left = [process for process in map(_command, children(os.getpid())) if "conmon" in process]
    assert not left
    assert not list(Path("/sys/fs/cgroup").rglob(f"labd-test-{os.getpid()}"))


def _command(process: Process) -> str:
    """Empty for one that has ended."""
    with suppress(OSError):
        return Path(f"/proc/{process.pid}/cmdline").read_text()
    return ""
