"""Whatever a student's module is (not begun, unfinished, wrong, hostile), the laboratory says what
it is in words, ends with the exit code it promises, in time, and leaves nothing behind.

Each test works in a copy of the house; the fixture `house` is the witness that nothing is left.
"""

import os
import shutil
from pathlib import Path

import pytest
from student import SUFFIXES, Copy, Run

FIRST = {
    1: "detach_fork",
    2: "descriptors_close",
    3: "signals_reset",
    4: "pidfile_acquire",
}
"""The function of each lab's module that is called first."""
TITLES = {"c": "yours (C)", "python": "yours (Python)"}
COMMENTS = {"c": "/* begun */\n", "python": "# begun\n"}

pytestmark = pytest.mark.timeout(60)
every_language = pytest.mark.parametrize("language", list(SUFFIXES))
every_lab = pytest.mark.parametrize("lab", list(FIRST))


def begin(path: Path, language: str) -> None:
    """Add a comment: the smallest change that says that one has begun."""
    path.write_text(path.read_text() + COMMENTS[language])


def failed(house: Copy, run: Run, *words: str) -> None:
    """It ended with 1, said so in these words, in lines that fit and do nothing to a terminal."""
    assert run.code == 1, run
    for word in words:
        assert word in run.words, run.output + run.errors
    assert "Traceback" not in run.errors, run.errors
    assert "\x1b" not in run.output + run.errors
    assert house.root.exists()


# --- as it should go


@every_lab
def test_not_begun(lab: int, house: Copy) -> None:
    """An untouched skeleton: the reference is shown, and which files to open; exit code 0."""
    run = house.daemonlab("lab", str(lab))
    assert run.code == 0, run
    for language in SUFFIXES:
        assert str(house.skeleton(lab, language).relative_to(house.root)) in run.words
        assert TITLES[language] not in run.words
    assert f"make lab-{lab}" in run.words


@every_language
@every_lab
def test_begun(lab: int, language: str, house: Copy) -> None:
    """A comment added: a third column, and the function that is to be written is named."""
    path = house.skeleton(lab, language)
    begin(path, language)
    run = house.daemonlab("lab", str(lab))
    failed(house, run, TITLES[language], f"TODO: {FIRST[lab]}() is not written yet")
    assert str(path.relative_to(house.root)) in run.words, "the file to mend"


@every_language
@every_lab
def test_done(lab: int, language: str, house: Copy) -> None:
    """The reference's module in the student's place has all points, and the exit code is 0."""
    house.fill_in(lab, language)
    run = house.daemonlab("lab", str(lab))
    assert run.code == 0, run.output + run.errors
    assert TITLES[language] in run.words
    points = next(line for line in run.output.splitlines() if line.startswith("points"))
    reached = [cell.strip() for cell in points.replace("points", "").split("│")[1:]]
    assert len(reached) == len(set(reached)) + 2 == 3, "three columns, all alike"
    got, full = reached[0].split(" of ")
    assert got == full != "0"


def test_both_languages(house: Copy) -> None:
    """Who has done it in both languages has two columns."""
    for language in SUFFIXES:
        house.fill_in(1, language)
    run = house.daemonlab("lab", "1")
    assert run.code == 0, run
    assert run.words.count("18 of 18") == 4


# --- what does not compile

WRONG = {"c": "int detach_fork( { return 0 }\n", "python": "def detach_fork(:\n    pass\n"}
SAID = {"c": "error:", "python": "SyntaxError: invalid syntax"}


@every_language
def test_syntax_error(language: str, house: Copy) -> None:
    """The file is named, and the compiler's own words are shown, with the line."""
    path = house.skeleton(1, language)
    path.write_text(WRONG[language])
    run = house.daemonlab("lab", "1")
    shown = path.relative_to(house.root)
    failed(house, run, f"{shown} does not compile:", SAID[language], WRONG[language].split("\n")[0])
    assert "18 of 18" in run.words, "the reference is shown all the same"


@every_language
def test_empty_file(language: str, house: Copy) -> None:
    """An empty file lacks its functions: the first that is missing is named."""
    house.skeleton(1, language).write_bytes(b"")
    failed(house, house.daemonlab("lab", "1"), "detach_fork")


@every_language
def test_no_text(language: str, house: Copy) -> None:
    """A file of bytes that are no text is a compiler's error like any other."""
    path = house.skeleton(1, language)
    path.write_bytes(b"\0\xff\x1b[2J\x07" * 1000)
    failed(house, house.daemonlab("lab", "1"), f"{path.relative_to(house.root)} does not compile:")


@every_language
def test_deleted_file(language: str, house: Copy) -> None:
    """A file that is gone was not begun with."""
    house.skeleton(1, language).unlink()
    run = house.daemonlab("lab", "1")
    assert run.code == 0 and "Your turn." in run.words, run
    assert TITLES[language] not in run.words


@every_language
def test_folder_in_place_of_the_file(language: str, house: Copy) -> None:
    """A folder in its place is told as what it is."""
    path = house.skeleton(1, language)
    path.unlink()
    path.mkdir()
    run = house.daemonlab("lab", "1")
    failed(house, run, f"{path.relative_to(house.root)} is no regular file")


@every_language
def test_restored_file(language: str, house: Copy) -> None:
    """An older file put back with its old time of change is what is judged then."""
    path = house.skeleton(1, language)
    begin(path, language)
    os.utime(path, (1e9, 1e9))
    backup = Path(shutil.copy2(path, house.root / "backup"))
    assert house.daemonlab("lab", "1").code == 1
    house.fill_in(1, language)
    assert house.daemonlab("lab", "1").code == 0
    shutil.copy2(backup, path)
    failed(house, house.daemonlab("lab", "1"), "TODO: detach_fork()")


@pytest.mark.parametrize(("present", "lacking"), [((), "make"), (("make",), "gcc")])
def test_missing_tool(present: tuple[str, ...], lacking: str, house: Copy, tmp_path: Path) -> None:
    """Without make or a compiler: the package that has it is named."""
    path = tmp_path / "bin"
    path.mkdir()
    for tool in present:
        (path / tool).symlink_to(str(shutil.which(tool)))
    run = house.daemonlab("lab", "1", variables={"PATH": str(path), "CC": "cc"})
    failed(house, run, f"the package is called {lacking}")


# --- what misbehaves when it runs; each would end by itself, should the laboratory fail


def act(house: Copy, language: str, function: str, code: dict[str, str], lab: int = 1) -> Run:
    """Run a lab with a module that does this at the beginning of one of its functions."""
    tops = {"c": "#include <signal.h>\n#include <unistd.h>\n", "python": ""}
    house.hostile(lab, language, function, code[language], tops[language])
    return house.daemonlab("lab", str(lab))


@every_language
@every_lab
def test_hangs(lab: int, language: str, house: Copy) -> None:
    """A function that never returns: so it is said, and soon enough."""
    code = {
        "c": "    alarm(60);\n    for (;;)\n        pause();\n",
        "python": "import signal\nsignal.alarm(60)\nwhile True:\n    signal.pause()",
    }
    run = act(house, language, FIRST[lab], code, lab)
    failed(house, run, TITLES[language], "does not return")
    assert run.seconds < 15


@every_language
def test_exits_at_once(language: str, house: Copy) -> None:
    """A starter that exits with 0, and nothing else, has left no daemon."""
    run = act(house, language, "detach_fork", {"c": "    _exit(0);\n", "python": "os._exit(0)"})
    failed(house, run, TITLES[language], "no daemon")


@every_language
def test_kills_its_parent(language: str, house: Copy) -> None:
    """A starter that kills the shell it was started by: how it ended itself is known still."""
    code = {
        "c": "    kill(getppid(), SIGKILL);\n    _exit(7);\n",
        "python": "os.kill(os.getppid(), 9)\nos._exit(7)",
    }
    failed(house, act(house, language, "detach_fork", code), "the starter ended with 7")


@every_language
def test_kills_its_keeper(language: str, house: Copy) -> None:
    """A daemon that kills the process which adopted it: it is told, and the daemon ended."""
    code = {  # the middle process is in our session, the keeper in another
        "c": "    alarm(20);\n    while (getsid(getppid()) == getsid(0))\n        usleep(1000);\n"
        "    kill(getppid(), SIGKILL);\n",
        "python": "import signal, time\nsignal.alarm(20)\n"
        "while os.getsid(os.getppid()) == os.getsid(0):\n    time.sleep(0.001)\n"
        "os.kill(os.getppid(), 9)",
    }
    run = act(house, language, "detach_settle", code)
    failed(house, run, "it killed the process that watched it")


@every_language
def test_floods_the_terminal(language: str, house: Copy) -> None:
    """Of endless output a few lines are shown, harmless ones, and the rest is counted."""
    code = {
        "c": '    alarm(20);\n    for (;;)\n        write(1, "\\033[2Jflood\\n", 10);\n',
        "python": "import signal\nsignal.alarm(20)\n"
        "while True:\n    os.write(1, b'\\033[2Jflood\\n')",
    }
    run = act(house, language, "detach_fork", code)
    failed(house, run, "does not return", r"\x1b[2Jflood", "more lines")
    assert run.seconds < 15 and len(run.output) < 20_000


@every_language
def test_dies_unheard(language: str, house: Copy) -> None:
    """A daemon that dies when 0, 1 and 2 are on /dev/null already: its starter has heard it."""
    code = {"c": "    raise(SIGSEGV);\n", "python": "raise ZeroDivisionError('unheard')"}
    said = {"c": "died before it was ready", "python": "ZeroDivisionError: unheard"}
    run = act(house, language, "descriptors_open", code, lab=2)
    failed(house, run, "the starter ended with 1", said[language])


BOMB = {
    "c": """
    atomic_int *forks =
        mmap(NULL, sizeof *forks, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    alarm(5);
    while (forks != MAP_FAILED && atomic_fetch_add(forks, 1) < 2000 && fork() >= 0)
        alarm(5);
    for (;;)
        pause();
""",
    "python": """
import mmap, signal
forks = mmap.mmap(-1, 4096)
signal.alarm(5)
while (made := int.from_bytes(forks[:4], "little")) < 2000:
    forks[:4] = (made + 1).to_bytes(4, "little")  # a race may lose a few
    os.fork()
    signal.alarm(5)
signal.pause()
""",
}
"""At most 2000 forks, and each process lives for 5 s: harmless whatever becomes of us."""


@pytest.mark.xdist_group("bombs")
@every_language
def test_fork_bomb(language: str, house: Copy) -> None:
    """A fork bomb is ended, and named."""
    tops = {
        "c": "#include <stdatomic.h>\n#include <sys/mman.h>\n#include <unistd.h>\n",
        "python": "",
    }
    house.hostile(1, language, "detach_fork", BOMB[language], tops[language])
    failed(house, house.daemonlab("lab", "1"), "it had more than 256 processes, and was ended")
