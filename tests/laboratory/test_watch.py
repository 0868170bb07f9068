"""`daemonlab watch`, on a terminal: a save runs the lab again, keys do the rest, and whatever ends
it, the terminal is as it was and nothing is left behind."""

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from daemonlab.course import labs
from daemonlab.keyboard import END, Keyboard
from daemonlab.observe import children
from daemonlab.screen import Screen
from observed import until
from rich.console import Console
from student import Copy
from terminal import Terminal, on_terminal

WATCH = (sys.executable, "-m", "daemonlab.cli", "watch")
KEYS = "q quit"
"""The end of the line of keys: what was asked for is done."""
OVERVIEW = "where it stands"
"""In what `l` shows."""
ICANON = 0o2
"""In c_lflag: a line is read as a whole, termios(3)."""
COMMAND_LAB = b"daemonlab.cli\0lab\0"


def quick(house: Copy) -> None:
    """Leave but one check in the first three labs: what is tested here are not the checks."""
    for path in sorted((house.root / "labs").glob("0[123]-*/lab.toml")):
        head, _, checks = path.read_text().partition("[[check]]")
        check = re.sub(r"scenarios = .*", 'scenarios = ["friendly"]', checks.split("[[check]]")[0])
        path.write_text(f"{head}[[check]]{re.sub('after = .*', '', check)}")
        (name,) = re.findall(r'(?m)^id = "(\w+)"', check)
        hints = path.with_name("hints.toml")
        kept = re.findall(rf"(?ms)^\[{name}\].*?(?=^\[|\Z)", hints.read_text())
        hints.write_text("".join(kept))


@pytest.fixture
def course(house: Copy) -> Copy:
    """A student's copy of the house whose labs do not take long."""
    quick(house)
    return house


def watching(course: Copy, *arguments: str, **variables: str) -> AbstractContextManager[Terminal]:
    """The watch on a terminal, in a session of its own."""
    path = {"PYTHONPATH": str(course.root / "python"), **variables}
    return on_terminal((*WATCH, *arguments), course.root, path)


def by_rename(file: Path, text: str) -> None:
    """Save as vim and many others do: a new file takes the place of the old."""
    beside = file.with_name(f".{file.name}.swp")
    beside.write_text(text)
    beside.rename(file)


def by_truncation(file: Path, text: str) -> None:
    """Save as the simple ones do: the old file is emptied, then written."""
    file.write_text(text)


def save(file: Path) -> None:
    """Save it as it is."""
    by_truncation(file, file.read_text())


def results(terminal: Terminal) -> int:
    """How many runs were shown."""
    return len(re.findall(r"Lab \d+ was run at", terminal.words))


def settle(terminal: Terminal) -> None:
    """See that no run is under way or due: only then is a key that asks for the list heard."""
    terminal.type("l")
    terminal.see(OVERVIEW)
    terminal.see(KEYS)


# --- saves


@pytest.mark.parametrize("language", ["c", "python"])
@pytest.mark.parametrize("saved", [by_rename, by_truncation])
def test_save_runs_again(saved: Callable[[Path, str], None], language: str, course: Copy) -> None:
    """However an editor saves, the lab runs again and shows what is new."""
    file = course.skeleton(1, language)
    with watching(course) as terminal:
        assert "Your turn." in terminal.see(KEYS)
        done = course.reference("detach", language).read_text()
        saved(file, done.replace("setsid(", "setsidd("))
        terminal.see(f"{file.name} was saved")
        terminal.see("was run at")
        terminal.see(KEYS)
        saved(file, done)
        terminal.see("yours (")
        terminal.see("Lab 1 is green: every check passed. n goes on to lab 2")
        terminal.see(KEYS)
        assert results(terminal) == 3
        terminal.type("q")
        assert terminal.end() == 0


def test_link_to_the_file(course: Copy, tmp_path: Path) -> None:
    """A link to where one keeps the work: a save there is a save; one to nowhere is told."""
    file = course.skeleton(1, "c")
    elsewhere = file.rename(tmp_path / "mine.c")
    file.symlink_to(elsewhere)
    with watching(course) as terminal:
        terminal.see("Your turn")
        terminal.see(KEYS)
        by_truncation(elsewhere, elsewhere.read_text() + "/* begun */\n")
        terminal.see("labs/01-detach/detach.c was saved")
        terminal.see("yours (C)")
    elsewhere.unlink()
    with watching(course) as terminal:
        terminal.see("is no regular file")


def test_what_is_no_save(course: Copy) -> None:
    """Swap files, copies, reading and an emptied file that is not closed yet start nothing."""
    file = course.skeleton(1, "c")
    with watching(course) as terminal:
        terminal.see(KEYS)
        file.with_name(".detach.c.swp").write_text("x")
        file.with_name("detach.c~").write_bytes(file.read_bytes())
        with file.open("r+") as kept:
            kept.truncate()
            settle(terminal)
            assert results(terminal) == 1
            kept.write("int nothing;\n")
        terminal.see("was run at")
        terminal.see(KEYS)
        settle(terminal)
        assert results(terminal) == 2


def test_quick_saves_run_once(course: Copy) -> None:
    """Ten saves at once are one run, of the last."""
    file = course.skeleton(1, "c")
    done = course.reference("detach", "c").read_text()
    with watching(course, "1") as terminal:
        terminal.see(KEYS)
        for number in range(9):
            by_rename(file, f"#error {number}\n")
        by_truncation(file, done)
        terminal.see("Lab 1 is green")
        settle(terminal)
        assert results(terminal) == 2
        assert "#error" not in terminal.words


def test_module_that_does_not_compile(course: Copy) -> None:
    """It is told, and the watching goes on."""
    file = course.skeleton(1, "c")
    with watching(course) as terminal:
        terminal.see(KEYS)
        by_rename(file, "int nothing(\n")
        terminal.see("labs/01-detach/detach.c does not compile")
        terminal.see(KEYS)
        course.fill_in(1, "c")
        terminal.see("Lab 1 is green")


def hanging(course: Copy) -> Path:
    """A module of lab 1 whose starter never returns; returns the file."""
    return course.hostile(1, "c", "detach_fork", "    for (;;) pause();\n")


def lab_runs(terminal: Terminal) -> list[int]:
    """The children of the watch that run a lab: their numbers."""
    found = []
    for child in children(terminal.process.pid):
        command = Path(f"/proc/{child.pid}/cmdline").read_bytes()
        found += [child.pid] if COMMAND_LAB in command else []
    return found


def judging(temporary: Path) -> bool:
    """Whether the lab under way has come to its subjects: each is given a configuration."""
    return bool(list(temporary.glob("daemonlab-*/labd.ini")))


def building(terminal: Terminal) -> bool:
    """Whether the lab under way has started a compiler."""
    return any(list(children(run)) for run in lab_runs(terminal))


def test_save_during_a_run(course: Copy, temporary: Path) -> None:
    """The run that is under way ends, tidies up, and is not shown; the next one is."""
    hanging(course)
    with watching(course, "1") as terminal:
        terminal.see("is running")
        until(lambda: judging(temporary))
        (first,) = lab_runs(terminal)
        course.fill_in(1, "c")
        terminal.see("Lab 1 is green")
        assert results(terminal) == 1
        assert not Path(f"/proc/{first}").exists()


# --- which lab


def test_which_lab(course: Copy) -> None:
    """That asked for; else that of the file saved last; else the first that is not green."""
    later, last = course.fill_in(3, "c"), course.fill_in(2, "python")
    os.utime(later, (1000, 1000))
    with watching(course, "3") as terminal:
        terminal.see("Lab 3 is green")
    with watching(course) as terminal:
        terminal.see("Lab 2 is green")
        save(later)
        terminal.see("labs/03-signals/signals.c was saved")
        terminal.see("Lab 3 is green")
        settle(terminal)
    with watching(course, "--language", "python") as terminal:
        terminal.see("Lab 2 is green")
        save(later)
        settle(terminal)
        save(last)
        terminal.see("Lab 2 is green")
        assert results(terminal) == 2


def test_first_lab_that_is_not_green(course: Copy) -> None:
    """Where nothing is begun it goes by the progress; green in either language will do."""
    (course.root / "progress.toml").write_text(
        "[lab.1.python]\npoints = 20\nof = 20\n[lab.2.c]\npoints = 3\nof = 20\n"
    )
    with watching(course) as terminal:
        terminal.see("Lab 2 is running")
    with watching(course, "--language", "c") as terminal:
        terminal.see("Lab 1 is running")


def test_never_goes_on_by_itself(course: Copy) -> None:
    """A green lab stays, and runs again; the next one comes by a key and a yes, not by a no."""
    file = course.fill_in(1, "c")
    with watching(course) as terminal:
        terminal.see("Lab 1 is green: every check passed. n goes on to lab 2, descriptors.")
        save(file)
        terminal.see("Lab 1 is green")
        terminal.see(KEYS)
        terminal.type("n")
        terminal.see("Go on to lab 2, descriptors? [y/n] ")
        terminal.type("x")
        terminal.see(KEYS)
        assert "Lab 2 is running" not in terminal.words
        terminal.type("n")
        terminal.see("[y/n] ")
        terminal.type("y")
        terminal.see("Lab 2 is running")
        terminal.see("Lab 2 was run at")


# --- keys


def test_enter_runs_again(course: Copy) -> None:
    """Enter runs again; arrows and unknown keys do nothing; Ctrl-D ends, as q does."""
    with watching(course) as terminal:
        terminal.see(KEYS)
        terminal.type("\x1b[A\x1bOP\x1b[1;5Cäx")
        terminal.type("\n")
        terminal.see("you pressed Enter")
        terminal.see(KEYS)
        settle(terminal)
        assert results(terminal) == 2
        terminal.type("\x04")
        assert terminal.end() == 0


def test_keys_wait_for_the_end_of_a_run(course: Copy) -> None:
    """What is typed meanwhile is done after the run, in order."""
    with watching(course) as terminal:
        terminal.see("is running")
        terminal.type("ln")
        terminal.see("was run at")
        terminal.see(OVERVIEW)
        terminal.see("Go on to lab 2")


def test_hints(course: Copy) -> None:
    """h shows one tier after the other for what failed, in the language that was saved."""
    file = course.skeleton(1, "python")
    with watching(course) as terminal:
        terminal.see(KEYS)
        terminal.type("h")
        terminal.see("You have not run a lab 1 of your own yet")
        by_rename(file, file.read_text() + "# begun\n")
        terminal.see("was run at")
        terminal.type("hh")
        terminal.see("(lab 1, Python)")
        terminal.see("question:")
        terminal.see("pointer:")
        terminal.see("Hint 2 of 3")


def test_what_the_instructor_decided(course: Copy) -> None:
    """course.toml holds here, too: what is given is not to be done, other labs are not gone on to,
    and a hint says what it costs."""
    (course.root / "course.toml").write_text(
        'labs = [1, 3]\ngiven = "c"\n[hints]\nquestion = 0.5\n'
    )
    course.fill_in(1, "c")
    file = course.skeleton(1, "python")
    with watching(course) as terminal:
        terminal.see("Save labs/01-detach/detach.py and it runs again.")
        assert "is green" not in terminal.words
        by_rename(file, file.read_text() + "# begun\n")
        terminal.see("detach.py was saved.")
        terminal.see(KEYS)
        terminal.type("h")
        terminal.see("It takes 0.5 off your points")
        terminal.see(KEYS)
        terminal.type("n")
        terminal.see("Go on to lab 3, signals? [y/n] ")
    with watching(course, "--language", "c") as terminal:
        assert terminal.end() == 2
        terminal.see("course.toml has python to do")


def test_reset(course: Copy) -> None:
    """r asks; a yes brings the skeleton back, says where the old file is, and runs once."""
    file = course.skeleton(1, "c")
    pristine = file.read_bytes()
    done = course.fill_in(1, "c").read_bytes()
    with watching(course) as terminal:
        terminal.see("Lab 1 is green")
        terminal.type("r")
        terminal.see("labs/01-detach/detach.c back?")
        terminal.see("[y/n] ")
        terminal.type("\n")
        settle(terminal)
        assert file.read_bytes() == done
        terminal.type("r")
        terminal.see("[y/n] ")
        terminal.type("y")
        terminal.see("is the skeleton again; yours is kept")
        terminal.see("Your turn.")
        settle(terminal)
        assert results(terminal) == 2
    assert file.read_bytes() == pristine
    assert file.with_name("detach.c.1").read_bytes() == done


def test_what_is_wrong_with_the_progress(course: Copy) -> None:
    """A progress that cannot be read is told when it is asked for; the watching goes on."""
    with watching(course, "1") as terminal:
        terminal.see(KEYS)
        (course.root / "progress.toml").write_text("no toml\n")
        terminal.type("l")
        terminal.see("✗")
        terminal.see("progress.toml: ")
        terminal.see(KEYS)
        (course.root / "progress.toml").unlink()
        settle(terminal)


# --- the end


def brought_to(moment: str, terminal: Terminal, temporary: Path) -> None:
    """Wait for the moment."""
    terminal.see("is running")
    if moment == "in a run":
        until(lambda: judging(temporary))
    elif moment == "in a build":
        until(lambda: building(terminal))
    else:
        terminal.see(KEYS)


@pytest.mark.parametrize("moment", ["at rest", "in a build", "in a run"])
@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("q", 0),
        ("\x03", 130),
        ("\x1c", 131),
        (signal.SIGTERM, 143),
        (signal.SIGHUP, 129),
        (signal.SIGINT, 130),
    ],
    ids=["q", "Ctrl-C", "Ctrl-Backslash", "TERM", "HUP", "INT"],
)
def test_terminal_is_given_back(
    end: str | int, code: int, moment: str, course: Copy, temporary: Path
) -> None:
    """However it ends, the terminal is as before; the fixtures see that nothing is left."""
    if moment != "at rest":
        hanging(course)
    with watching(course, "1") as terminal:
        before = terminal.modes()
        brought_to(moment, terminal, temporary)
        assert not terminal.modes()[3] & ICANON
        terminal.type(end) if isinstance(end, str) else terminal.send(end)
        assert terminal.end() == code
        assert terminal.modes() == before
    assert not list(temporary.iterdir()), "files are left"
    assert not list((course.root / "build").glob("compiler-*")), "files of a compiler are left"
    assert "Traceback" not in terminal.words


def test_terminal_is_given_back_after_a_failure(course: Copy) -> None:
    """So it is when the watch itself fails."""
    script = (
        "from daemonlab import cli, watch\n"
        "def fail(self): raise RuntimeError('as it happens')\n"
        "watch.Watch.enter = fail\n"
        "cli.main(['watch'])\n"
    )
    command = (sys.executable, "-c", script)
    path = {"PYTHONPATH": str(course.root / "python")}
    with on_terminal(command, course.root, path) as terminal:
        before = terminal.modes()
        terminal.see(KEYS)
        terminal.type("\n")
        assert terminal.end() == 1
        assert terminal.modes() == before
        assert "as it happens" in terminal.words


def test_suspended(course: Copy) -> None:
    """Ctrl-Z gives the terminal back to the shell; fg takes it again, and keys are heard."""
    job = " ".join((*WATCH, "1"))
    script = f"set -m; stty -a; {job}; stty -a; echo stopped; fg; echo ended $?; stty -a"
    path = {"PYTHONPATH": str(course.root / "python")}
    with on_terminal(("sh", "-c", script), course.root, path) as terminal:
        terminal.see(KEYS)
        before = terminal.words
        terminal.type("\x1a")
        between = terminal.see("\nstopped\n")
        terminal.see(KEYS)
        terminal.type("l")
        terminal.see(OVERVIEW)
        terminal.type("q")
        after = terminal.see("ended 0")
        terminal.end()
        after = terminal.words.rpartition("ended 0")[2]
    for text in (before, between, after):
        modes = re.findall(r"[ ](-?icanon|-?echo)\b", text)
        assert modes == ["icanon", "echo"], text


def test_terminal_that_closes_while_suspended() -> None:
    """A terminal that is closed while the watch is stopped ends it in order, as any other."""
    master, slave = os.openpty()
    keys = Keyboard(slave)
    os.close(master)
    keys.take()
    assert keys.read() == END
    keys.give_back()
    os.close(slave)


def test_run_that_any_signal_ends() -> None:
    """A subject may send what it likes to the run that watches it, also a signal without a name."""
    for number in (signal.SIGKILL, signal.SIGRTMIN + 1, 33):
        shown = io.StringIO()
        Screen(Console(file=shown, width=80), True).verdict(
            labs()[0], -number, False, None, ["detach.c"]
        )
        assert "Somebody ended the run by SIG" in shown.getvalue()


def test_run_that_is_killed(course: Copy, temporary: Path) -> None:
    """Somebody ends the run: that is told, and the watching goes on."""
    hanging(course)
    with watching(course, "1") as terminal:
        until(lambda: judging(temporary))
        os.kill(lab_runs(terminal)[0], signal.SIGTERM)
        terminal.see("Somebody ended the run by SIGTERM")
        terminal.see(KEYS)
        course.fill_in(1, "c")
        terminal.see("Lab 1 is green")


# --- without a terminal


def test_without_keys(course: Copy) -> None:
    """Where input is no terminal it runs at saves alone, and nothing in its output moves a cursor;
    SIGTERM ends it."""
    with subprocess.Popen(
        [*WATCH, "1"],
        cwd=course.root,
        env={**os.environ, "PYTHONPATH": str(course.root / "python"), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        shown = _lines_to("runs again", process.stdout)
        course.fill_in(1, "c")
        shown += _lines_to("Lab 1 is green", process.stdout)
        process.terminate()
        shown += process.stdout.read()
        assert process.wait() == 143
    assert "\x1b" not in shown and KEYS not in shown
    assert all(len(line) <= 80 for line in shown.splitlines()), shown


def _lines_to(text: str, lines: Iterator[str]) -> str:
    """Lines up to that which holds the text; pytest's time limit ends a wait in vain."""
    seen = ""
    for line in lines:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"{text!r} is not shown:\n{seen}")


def test_plain_and_without_colour(course: Copy) -> None:
    """--plain clears nothing; with NO_COLOR no colour is sent; the verdict is a sign and a word."""
    course.fill_in(1, "c")
    with watching(course, "--plain") as terminal:
        terminal.see("Lab 1 is green")
        assert "✓ Lab 1 is green" in terminal.words
        terminal.see("Keys: Enter run again, h hint")
        assert "\x1b[2J" not in terminal.shown
    with watching(course, NO_COLOR="1") as terminal:
        terminal.see("Lab 1 is green")
        assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", terminal.shown)
