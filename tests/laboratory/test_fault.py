"""A daemon with one fault runs, only its PID is told, and in the end nothing of it is left."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from daemonlab import course, fault, subjects
from daemonlab.checks import CHECKS
from daemonlab.facts import facts_of
from daemonlab.fault import LOOKS, Fault, candidates
from daemonlab.mutants import mutants
from dialogue import Dialogue, at_terminal, dialogue, typed
from launching import gone
from observed import until
from student import Copy

pytestmark = [pytest.mark.usefixtures("nothing_left"), pytest.mark.timeout(300)]

every_language = pytest.mark.parametrize("language", course.LANGUAGES)
FOUND = candidates(course.labs())


@cache
def seed(mutant: str) -> tuple[str, ...]:
    """The arguments that bring this mutant."""
    lab = next(lab for found, lab in FOUND if found.name == mutant)
    for number in range(10_000):
        if fault.choose([lab], lab.number, number, "c").mutant.name == mutant:
            return ("--lab", str(lab.number), "--seed", str(number))
    raise AssertionError(f"no seed brings {mutant}")


def heard(talk: Dialogue) -> int:
    """Wait until it asks; returns the number of the daemon, which runs by then."""
    pid = int(talk.until(r"Process (\d+) is a daemon of lab \d")[1])
    talk.until(rf"\nPID {pid}(> |, answer: )")
    assert not gone(pid)
    return pid


@contextmanager
def hunting(mutant: str, *arguments: str) -> Iterator[tuple[Dialogue, int]]:
    """Start a search for this mutant, and wait until it asks."""
    with dialogue("fault", *seed(mutant), *arguments) as talk:
        yield talk, heard(talk)


def ended(talk: Dialogue, pid: int, code: int = 0) -> None:
    """It came to its end, in words and with this exit code, and the daemon is gone."""
    assert talk.end() == code, talk.said
    assert "Traceback" not in talk.said and gone(pid), talk.said


# --- which faults there are


@pytest.mark.slow
@every_language
@pytest.mark.parametrize("mutant", [mutant.name for mutant, _ in FOUND])
def test_it_can_be_seen(mutant: str, language: str) -> None:
    """Each fault that may be given is seen in a daemon that merely runs, and not in the reference
    beside it; what passes in its place is no other check that one may answer with."""
    chosen, lab = next((one, lab) for one, lab in FOUND if one.name == mutant)
    built = Fault(chosen, lab, language)
    with fault.planted(built, built.build()) as there:
        verdict = there.verdict(chosen.killed_by)
        assert verdict.passed is False and verdict.evidence, verdict
        failing = [
            check.id
            for check in lab.checks
            if check.id in LOOKS and there.verdict(check.id).passed is False
        ]
        assert set(failing) <= {chosen.killed_by, *chosen.also}
        scenario = there.scenario
    reference = next(one for one in subjects.reference() if one.name == language)
    with fault._running(reference, lab, fault._quiet(scenario)) as (_, record):
        assert CHECKS[chosen.killed_by](facts_of(record)).passed


def test_most_labs_have_some() -> None:
    """Each of labs 1 to 6 has two or more. Faults that only a race or an action shows are none."""
    for number in range(1, 7):
        assert len(candidates(course.labs(), number)) >= 2
    names = {mutant.name for mutant, _ in FOUND}
    assert names & {"ready-early", "never-removed", "storm", "second-unheard"} == set()
    shown = {name for mutant in mutants() for name in (mutant.killed_by, *mutant.also)}
    assert set(LOOKS) <= shown, "a way to look at what no mutant does"


def test_the_seed_decides() -> None:
    """The same seed has the same fault; seeds have different ones."""
    labs = course.labs()
    first = [fault.choose(labs, None, number, "c").mutant.name for number in range(50)]
    assert first == [fault.choose(labs, None, number, "python").mutant.name for number in range(50)]
    assert len(set(first)) > 15


# --- looking


@every_language
def test_brought_again(language: str) -> None:
    """The options that are told bring the same fault again."""
    with dialogue("fault", "--lab", "3", "--language", language) as talk:
        heard(talk)
        options = re.search(r'make fault\s+ARGS="([^"]*)"', talk.said)
        talk.type("give up\n\n")
        assert options and talk.end() == 0, talk.said
        told = re.search(r"The fault: .*", talk.said)
    run = typed("fault", *options[1].split(), keys="give up\n")
    assert told and told[0] in run.output


@every_language
def test_only_its_number_is_told(language: str) -> None:
    """Neither what is said nor what its processes show names the mutant or its file."""
    with hunting("no-chdir", "--language", language) as (talk, pid):
        shown = (
            Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        )
        program = os.readlink(f"/proc/{pid}/exe")
        for text in (talk.said, shown.decode(), program):
            assert "no-chdir" not in text and "mutant" not in text and "chdir" not in text
            assert not re.search(r"detach\.(c|py|o)", text)
        talk.close()
        ended(talk, pid)
        assert "directory" in talk.said and "cannot be unmounted" not in talk.said, "not given away"


def test_looked_at_from_elsewhere() -> None:
    """Another process of the same user sees it: it is a plain process of the machine."""
    with hunting("umask-zero") as (talk, pid):
        seen = subprocess.run(
            [sys.executable, "-m", "daemonlab.cli", "observe", str(pid)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert seen.returncode == 0 and re.search(r"(?m)^umask +000 *$", seen.stdout), seen
        told = re.search(r"(?s)\n +FOLDER +(/.*?)\n +shell ", talk.said)
        assert told, talk.said
        scratch = Path("".join(told[1].split()))  # a long one is folded
        assert (scratch / "labd.ini").exists()
        talk.close()
        ended(talk, pid)
        assert not scratch.exists()


def test_its_job_runs_for_as_long_as_one_looks() -> None:
    """In lab 5 the child is what one has to look at: it is there."""
    with hunting("group-of-the-daemon") as (talk, pid):
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        assert Path(f"/proc/{child}/comm").read_text() == "sleep\n"
        talk.type("the child's group\n")
        talk.until("✓ right")
        talk.until("Enter ends it")
        assert not gone(int(child)), "one may look again"
        talk.type("\n")
        ended(talk, pid)
        assert gone(int(child))


# --- answering


@every_language
def test_right(language: str) -> None:
    """It is told what it was: the story, what the kernel says of it and of the reference."""
    with hunting("mask-kept", "--language", language) as (talk, pid):
        talk.type("blocked signals\n\n")
        ended(talk, pid)
        words = " ".join(talk.said.split())
        assert '✓ right "blocked signals" fails here.' in words
        assert "The mask is not emptied" in words and f"grep SigBlk /proc/{pid}/status" in words
        lines = re.findall(r"SigBlk: ([0-9a-f]{16})\n", talk.said)
        alarm = 1 << signal.SIGALRM - 1
        assert [bool(int(line, 16) & alarm) for line in lines] == [True, False]
        assert "nothing of it is left" in words


def test_wrong_and_once_more() -> None:
    """A wrong answer is told, with what the kernel says of that; one may try again."""
    with hunting("umask-kept") as (talk, pid):
        talk.type("directory\n")
        talk.until('✗ wrong  it is not "directory"')
        talk.until(r"that passes +/\n +read from +/proc/\d+/cwd -> /\n")
        talk.type("ready\n")
        talk.until('✗ wrong  it is not "starter waits until ready"')
        talk.type("no such thing\n")
        talk.until("That is none of the 13")
        assert "The fault" not in talk.said
        talk.type("7\n")
        talk.until('✓ right  "umask" fails here')
        talk.type("\n")
        ended(talk, pid)
        assert "status: Umask: 0002" in talk.said and "status: Umask: 0022" in talk.said


def test_also_right() -> None:
    """Where one cause has several effects each of them is a right answer."""
    with hunting("no-setsid") as (talk, pid):
        talk.type("terminal\n\n")
        ended(talk, pid)
        assert "✓ right" in talk.said and "fails too" in talk.said


def test_give_up() -> None:
    """Who gives up is shown it."""
    with hunting("inherited-kept") as (talk, pid):
        talk.type("Give up\n\n")
        ended(talk, pid)
        assert "The fault: inherited descriptors" in talk.said and "✓" not in talk.said
        assert re.search(r"fd/900 ?-> ?FOLDER/leaked|900 -> FOLDER", " ".join(talk.said.split())), (
            talk.said
        )


@pytest.mark.parametrize("keys", [b"", b"q\n", b"q", b"\xff\x1b[2J\n" + b"x" * 100_000])
def test_left(keys: bytes) -> None:
    """The end of the input, q, and what is no text: nothing is given away, nothing left."""
    run = typed("fault", *seed("no-chdir"), keys=keys)
    assert run.code == 0 and run.errors == "" and "The fault" not in run.output, run
    assert "\x1b" not in run.output and "nothing of it is left" in run.output
    lines = [line for line in run.output.splitlines() if "xxx" not in line]
    assert all(len(line) <= 80 for line in lines), run.output


def test_plain() -> None:
    """--plain has one line a row, and no sign."""
    run = typed("fault", *seed("umask-kept"), "--plain", keys="parent\numask\n")
    assert run.code == 0 and '\nwrong: it is not "parent".\n' in run.output, run
    assert '\nright: "umask" fails here.\n' in run.output
    lines = r"\nobserved: 002\n\S+: Umask: 0002\nthe reference: 022\n\S+: Umask: 0022\n"
    assert re.search(lines, run.output), run.output
    assert not re.search("[✓✗─│]", run.output)


# --- how it ends


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_interrupted(number: signal.Signals) -> None:
    """Whoever ends the command ends the daemon."""
    with hunting("no-chdir") as (talk, pid):
        talk.process.send_signal(number)
        ended(talk, pid, 128 + number)


def test_killed() -> None:
    """Also who kills it: then its keeper does it."""
    with hunting("no-chdir") as (talk, pid):
        talk.process.kill()
        talk.process.wait()
        until(lambda: gone(pid))
        keeper = int(re.search(r"reaper +process (\d+)", talk.said)[1])  # type: ignore[index]
        os.waitpid(keeper, 0)  # it has come to us
        until(lambda: not any(Path(os.environ["TMPDIR"]).glob("daemonlab-*")))


@pytest.mark.parametrize("mutant", ["no-chdir", "mask-kept"])
def test_the_student_kills_the_daemon(mutant: str) -> None:
    """That is told, with the signal; one may answer all the same, or have it started anew."""
    with hunting(mutant) as (talk, pid):
        os.kill(pid, signal.SIGKILL)
        talk.until(rf"Process {pid} has ended: signal 9")
        talk.until("> ")
        talk.type("again\n")
        other = heard(talk)
        assert other != pid and gone(pid)
        os.kill(other, signal.SIGKILL)
        talk.until(rf"Process {other} has ended")
        talk.type("give up\n\n")
        ended(talk, other)
        assert talk.said.count("has ended") == 2 and "The fault: " in talk.said


def test_at_a_terminal() -> None:
    """A person finds it: a wrong answer, a right one, a last look."""
    with at_terminal("fault", *seed("umask-zero")) as talk:
        pid = heard(talk)
        talk.type("parent\n")
        talk.until("✗ wrong")
        talk.until("> ")
        talk.type("umask\n")
        talk.until("✓ right")
        talk.until("Enter ends it")
        assert not gone(pid)
        talk.type("\n")
        ended(talk, pid)


@pytest.mark.parametrize(("key", "code"), [("\x03", 130), ("\x04", 0)], ids=["Ctrl-C", "Ctrl-D"])
def test_keys_that_end(key: str, code: int) -> None:
    """Ctrl-C and Ctrl-D at a terminal."""
    with at_terminal("fault", *seed("no-chdir")) as talk:
        pid = heard(talk)
        talk.type(key)
        ended(talk, pid, code)
        assert "The fault" not in talk.said and "Aborted" not in talk.said
        assert "nothing of it is left" in talk.said


# --- without a person


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        ("umask", 0, '✓ right  "umask" fails here.'),
        ("7", 0, '✓ right  "umask" fails here.'),
        ("leader", 1, '✗ wrong  it is not "session leader".'),
        ("starter", 2, "lab 1 has no check 'starter', or more than one"),
        ("", 2, "lab 1 has no check '', or more than one"),
    ],
)
def test_answered_beforehand(given: str, code: int, says: str) -> None:
    """The exit code says whether the answer is right; then the fault is told in any case."""
    run = typed("fault", *seed("umask-kept"), "--answer", given)
    assert run.code == code and says in run.output + run.errors, run
    assert ("The fault: umask" in run.output) == (code < 2)
    assert "PID " not in run.output


def test_no_such_lab() -> None:
    """A lab that is not there."""
    run = typed("fault", "--lab", "99")
    assert (run.code, run.output) == (2, "") and "there is no lab 99" in run.errors, run


def test_handed_out_without_mutants(house: Copy) -> None:
    """A copy that has none says so."""
    run = house.daemonlab("fault")
    assert (run.code, run.output) == (2, ""), run
    assert "this copy was handed out without tests/mutants" in run.words


def test_mutant_that_does_not_fit(house: Copy) -> None:
    """Where the reference has been changed, the fault cannot be planted: that is said."""
    source = Path(__file__).parents[1] / "mutants" / "no-chdir.toml"
    there = house.root / "tests" / "mutants"
    there.mkdir(parents=True)
    (there / "no-chdir.toml").write_bytes(source.read_bytes())
    assert house.daemonlab("fault", "--answer", "directory").code == 0
    text = house.reference("detach", "c").read_text()
    house.reference("detach", "c").write_text(text.replace("chdir(", "(chdir)("))
    run = house.daemonlab("fault", "--answer", "directory")
    assert run.code == 1 and "the fault cannot be planted" in run.words, run
    assert "Traceback" not in run.errors
