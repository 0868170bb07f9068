"""Whatever a student's module is (not begun, unfinished, wrong, hostile), the laboratory says what
it is in words, ends with the exit code it promises, in time, and leaves nothing behind.

Each test works in a copy of the house; the fixture `house` is the witness that nothing is left.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from daemonlab.house import ROOT
from observed import until
from student import FULL, LIMIT, SUFFIXES, Copy, Run

FIRST = {
    1: "detach_fork",
    2: "descriptors_close",
    3: "signals_reset",
    4: "pidfile_acquire",
}
"""The function of each lab's module that is called first."""
TITLES = {"c": "yours (C)", "python": "yours (Python)"}
COMMENTS = {"c": "/* begun */\n", "python": "# begun\n"}

pytestmark = pytest.mark.timeout(300)
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
    assert run.words.count(FULL) == 4


# --- what does not compile

WRONG = {"c": "int detach_fork( { return 0 }\n", "python": "def detach_fork(:\n    pass\n"}
SAID = {"c": "error:", "python": "SyntaxError: invalid syntax"}


@every_language
def test_syntax_error(language: str, house: Copy) -> None:
    """The file is named, and the compiler's own words are shown, with the line; no table pushes
    them off the screen."""
    path = house.skeleton(1, language)
    path.write_text(WRONG[language])
    run = house.daemonlab("lab", "1")
    shown = path.relative_to(house.root)
    failed(house, run, f"{shown} does not compile:", SAID[language], WRONG[language].split("\n")[0])
    assert FULL not in run.words and str(house.root) not in run.output, run.output
    assert len(run.output.splitlines()) <= 20, run.output
    assert "make reset-1 brings the skeleton back" in run.words


def test_syntax_error_in_one_of_two(house: Copy) -> None:
    """The other language takes a line, and what brings the skeleton back can be typed."""
    house.fill_in(1, "python")
    house.skeleton(1, "c").write_text(WRONG["c"])
    run = house.daemonlab("lab", "1")
    failed(house, run, "✓ lab 1, yours (Python): 20 of 20", "detach.c does not compile:")
    assert 'make reset-1 ARGS="--language c" brings' in run.words
    assert len(run.output.splitlines()) <= 20, run.output


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


def folder_in_its_place(path: Path) -> None:
    path.mkdir()


def pipe_in_its_place(path: Path) -> None:
    os.mkfifo(path)


def link_to_nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def link_to_zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


NO_FILES = (
    folder_in_its_place,
    pipe_in_its_place,
    link_to_nowhere,
    link_to_itself,
    link_to_zeros,
)


@pytest.mark.parametrize("language", list(SUFFIXES))
@pytest.mark.parametrize("put", NO_FILES, ids=lambda put: str(put.__name__))
def test_something_in_place_of_the_file(
    put: Callable[[Path], None], language: str, house: Copy
) -> None:
    """What is no file is told as that, also if one could read from it for ever; reset brings the
    skeleton back."""
    path = house.skeleton(1, language)
    path.unlink()
    put(path)
    run = house.daemonlab("mine")
    failed(house, run, f"{path.relative_to(house.root)} is no regular file")
    assert house.daemonlab("progress").code == 0
    assert house.daemonlab("reset", "1").code == 0 and path.is_file()


@every_language
def test_file_without_end(language: str, house: Copy) -> None:
    """A file that is larger than any module is not read to its end, by nobody."""
    path = house.skeleton(1, language)
    os.truncate(path, 1 << 40)
    run = house.daemonlab("mine")
    failed(house, run, f"{path.relative_to(house.root)} is larger than 1 MiB: no module is")
    assert house.daemonlab("reset", "1").code == 0 and path.stat().st_size < 1 << 20


@every_language
def test_link_to_the_file(language: str, house: Copy, tmp_path: Path) -> None:
    """Who keeps the work elsewhere may put a link there: begun is what is not the skeleton."""
    path = house.skeleton(1, language)
    elsewhere = path.rename(tmp_path / f"my.{SUFFIXES[language]}")
    path.symlink_to(elsewhere)
    assert "not begun with any lab" in house.daemonlab("mine").words
    elsewhere.write_bytes(house.reference("detach", language).read_bytes())
    run = house.daemonlab("lab", "1", "--plain")
    assert run.code == 0 and f"{TITLES[language]}: {FULL}" in run.output, run


def test_hashes_that_are_gone(house: Copy) -> None:
    """Where nothing can be told from a skeleton, each command says so in a line."""
    (house.root / "labs/skeletons.sha256").unlink()
    for command in ("lab 1", "progress", "hint 1", "reset 1", "mine", "watch 1"):
        run = house.daemonlab(*command.split())
        assert run.code == 1 and "no hash of 01-detach/detach.c" in run.errors, run
        assert len(run.errors.splitlines()) == 1, run


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


def test_compiled_once(house: Copy) -> None:
    """What the port imports was compiled before the first daemon starts, also when none but the
    student's own is started: each would compile it anew, and on a busy machine be too late. The
    student's file itself is read each time, whatever was made of it before."""
    shutil.rmtree(house.root / "build/pycache")
    house.fill_in(2, "python")
    assert house.daemonlab("mine").code == 0
    made = {file.name.split(".")[0] for file in (house.root / "build/pycache").rglob("*.pyc")}
    assert made >= {"detach", "pidfile", "__main__"}
    mine = house.skeleton(2, "python").parent
    assert not list((house.root / "build/pycache").joinpath(*mine.parts[1:]).glob("*"))


@pytest.mark.timeout(300)
def test_runs_side_by_side(house: Copy) -> None:
    """Two terminals, one save: neither run stumbles over what the other is building."""
    path = house.skeleton(1, "c")
    for save in range(3):
        path.write_text(f"no C {save}\n")
        runs = [house.start("mine", "--plain") for _ in range(3)]
        for said in [run.communicate(timeout=LIMIT) for run in runs]:
            assert f"no C {save}" in said[0] and "cannot go on" not in said[1], said


def test_build_waits_for_another(house: Copy) -> None:
    """While somebody builds a module, nobody else does."""
    house.skeleton(1, "c").write_text("no C\n")
    lock = house.root / "build/locks/mine-01"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waits = re.compile(rf"-> FLOCK .*:{os.fstat(held.fileno()).st_ino} ")
        run = house.start("mine", "--plain")
        until(lambda: waits.search(Path("/proc/locks").read_text()) is not None)
    said = run.communicate(timeout=LIMIT)
    assert run.returncode == 1 and "no C" in said[0], said


@pytest.mark.timeout(300)
def test_build_that_is_run(house: Copy) -> None:
    """A save does not take away the program that a run beside it is still looking at; but not all
    that was ever built stays."""
    path = house.skeleton(1, "c")
    programs = []
    for save in range(5):
        path.write_text(f"no C {save}\n")
        assert house.daemonlab("mine").code == 1
        programs += [one for one in (house.root / "build/mine").iterdir() if one not in programs]
        assert save == 0 or programs[-2].is_dir()
    assert len(programs) == 5 and not programs[0].is_dir()


def committed(house: Copy) -> None:
    """Let git know the copy as it is."""
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "course"]):
        who = ["-c", "user.name=x", "-c", "user.email=x@localhost"]
        subprocess.run(["git", *who, *words], cwd=house.root, check=True)


def test_reference_that_fails(house: Copy) -> None:
    """A reference that does not do its lab is named as such, with the file that was changed."""
    committed(house)
    path = house.reference("detach", "c")
    path.write_text(path.read_text().replace("umask(mask);", "(void)mask, umask(0);"))
    run = house.daemonlab("lab", "1")
    failed(house, run, "The reference itself fails (C)", "git restore c/src/detach.c")


def test_reference_that_does_not_compile(house: Copy) -> None:
    """The file that the compiler names is the reference's, and not the student's."""
    committed(house)
    path = house.reference("detach", "c")
    path.write_text(path.read_text() + WRONG["c"])
    house.fill_in(2, "c")
    run = house.daemonlab("lab", "2")
    failed(house, run, "the reference in c/src does not compile", "git restore c/src/detach.c")
    assert "descriptors.c" not in run.words
    shutil.copytree(ROOT / "tools", house.root / "tools")
    told = subprocess.run(["tools/reference"], cwd=house.root, capture_output=True, text=True)
    assert told.returncode == 0 and "git restore c/src/detach.c" in told.stderr, told


def test_reference_header_that_changes(house: Copy) -> None:
    """What of the reference is within the student's daemon is compiled again when a header changes:
    a word in one of its structures more, and the old objects would look for the rest elsewhere."""
    house.fill_in(1, "c")
    assert house.daemonlab("lab", "1").code == 0
    header = house.root / "c/src/log.h"
    text = header.read_text()
    assert text.count("int fd;") == 1
    header.write_text(text.replace("int fd;", "char more[4096];\n    int fd;"))
    run = house.daemonlab("mine")
    assert run.code == 0, run.output + run.errors
    (built,) = (house.root / "build/mine").iterdir()
    old = [made.name for made in built.iterdir() if made.stat().st_mtime < header.stat().st_mtime]
    users = {made.stem for made in built.glob("*.d") if "log.h" in made.read_text()}
    assert users >= {"log", "labd"} and not users & {name.split(".")[0] for name in old}, old


@pytest.mark.parametrize(("present", "lacking"), [((), "make"), (("make",), "gcc")])
def test_missing_tool(present: tuple[str, ...], lacking: str, house: Copy, tmp_path: Path) -> None:
    """Without make or a compiler: the package that has it is named."""
    path = tmp_path / "bin"
    path.mkdir()
    for tool in present:
        (path / tool).symlink_to(str(shutil.which(tool)))
    run = house.daemonlab("lab", "1", variables={"PATH": str(path), "CC": "cc"})
    failed(house, run, f"the package is called {lacking}")


@every_language
def test_missing_name(language: str, house: Copy) -> None:
    """A header or a module that does not exist: told in plain words."""
    path = house.fill_in(1, language)
    line = {"c": '#include "nowhere.h"\n', "python": "import nowhere\n"}
    said = {
        "c": "nowhere.h: No such file or directory",
        "python": "ModuleNotFoundError: No module named 'nowhere'",
    }
    path.write_text(line[language] + path.read_text())
    run = house.daemonlab("lab", "1")
    failed(house, run, said[language], "The laboratory is in order")
    assert FULL not in run.words and len(run.output.splitlines()) <= 20, run.output


def test_python_that_fails_while_it_is_imported(house: Copy) -> None:
    """The line of the student's own file is shown, however deep below it the mistake came out."""
    path = house.fill_in(1, "python")
    path.write_text(path.read_text() + "\nimport json\n\njson.loads('{')\n")
    run = house.daemonlab("lab", "1")
    failed(house, run, "detach.py cannot be imported:", "json.loads('{')", "JSONDecodeError")
    assert "decoder.py" not in run.output and FULL not in run.words, run.output


def test_warnings_of_a_skeleton(house: Copy) -> None:
    """A parameter that is not used yet is no news; any other warning comes before the failure."""
    path = house.skeleton(1, "c")
    path.write_text(path.read_text().replace("    (void)verdict;\n", ""))
    run = house.daemonlab("lab", "1")
    failed(house, run, "detach_fork is not written yet")
    assert "warning" not in run.words, run.output
    path.write_text(path.read_text() + "static int unused;\n")
    run = house.daemonlab("lab", "1")
    assert "-Wunused-variable" in run.words
    assert run.output.index("-Wunused-variable") < run.output.index("✗ yours (C)")


# --- what misbehaves when it runs; each would end by itself, should the laboratory fail

HANGS = {
    "c": "    alarm(60);\n    for (;;)\n        pause();\n",
    "python": "import signal\nsignal.alarm(60)\nwhile True:\n    signal.pause()",
}
EXITS = {"c": "    _exit(0);\n", "python": "os._exit(0)"}
# The shell leads the session: with it gone, SIGHUP comes to the starter, credentials(7).
KILLS_ITS_PARENT = {
    "c": "    signal(SIGHUP, SIG_IGN);\n    kill(getppid(), SIGKILL);\n    _exit(7);\n",
    "python": "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    "os.kill(os.getppid(), 9)\nos._exit(7)",
}
FLOODS = {
    "c": '    alarm(20);\n    for (;;)\n        write(1, "\\033[2Jflood\\n", 10);\n',
    "python": "import signal\nsignal.alarm(20)\nwhile True:\n    os.write(1, b'\\033[2Jflood\\n')",
}
FILLS_THE_DISK = {
    "c": '    static char much[1 << 20];\n    int fd = open("much", O_WRONLY | O_CREAT, 0600);\n\n'
    "    for (int i = 0; i < 100; i++)\n        write(fd, much, sizeof much);\n",
    "python": "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
    "fd = os.open('much', os.O_WRONLY | os.O_CREAT)\n"
    "for i in range(100):\n    os.write(fd, bytes(1 << 20))",
}
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
TOPS = {
    "c": "#include <fcntl.h>\n#include <signal.h>\n#include <stdatomic.h>\n"
    "#include <stdlib.h>\n#include <sys/mman.h>\n#include <unistd.h>\n",
    "python": "",
}
SOON = 40
"""Seconds within which it is said that something hangs; on a machine at rest it takes 6."""


def act(
    house: Copy, language: str, function: str, code: dict[str, str], lab: int = 1, *options: str
) -> Run:
    """Run a lab with a module that does this at the beginning of one of its functions."""
    house.hostile(lab, language, function, code[language], TOPS[language])
    return house.daemonlab("lab", str(lab), *options)


@every_language
@every_lab
def test_hangs(lab: int, language: str, house: Copy) -> None:
    """A function that never returns: so it is said, and soon enough."""
    run = act(house, language, FIRST[lab], HANGS, lab)
    failed(house, run, TITLES[language], "does not return", "not reached")
    assert run.seconds < SOON


@every_language
def test_hangs_when_imported(language: str, house: Copy) -> None:
    """One that hangs before main() does, or while it is imported, hangs like any other."""
    path = house.fill_in(1, language)
    body = {
        "c": "#include <unistd.h>\n__attribute__((constructor)) static void hang(void) {\n"
        f"{HANGS['c']}}}\n",
        "python": f"{HANGS['python']}\n",
    }
    path.write_text(path.read_text() + body[language])
    run = house.daemonlab("lab", "1")
    failed(house, run, TITLES[language], "does not return")
    assert run.seconds < SOON


@every_language
def test_waits_for_the_lock(language: str, house: Copy) -> None:
    """A second start that waits for the first to end has hung, though the first did not."""
    path = house.fill_in(4, language)
    waiting, replaced = re.subn(r" \| (fcntl\.)?LOCK_NB", "", path.read_text())
    assert replaced == 1
    path.write_text(waiting)
    run = house.daemonlab("lab", "4", "--json")
    assert run.code == 1 and "does not return" in run.observed(f"mine-{language}", 4, "refuses")


@every_language
def test_exits_at_once(language: str, house: Copy) -> None:
    """A starter that exits with 0, and nothing else, has left no daemon."""
    run = act(house, language, "detach_fork", EXITS)
    failed(house, run, TITLES[language], "no daemon")


@every_language
def test_kills_its_parent(language: str, house: Copy) -> None:
    """A starter that kills the shell it was started by: how it ended itself is known still."""
    run = act(house, language, "detach_fork", KILLS_ITS_PARENT)
    failed(house, run, "the starter ended with 7")


@every_language
def test_fills_the_disk(language: str, house: Copy) -> None:
    """A file that would grow without end is cut off, and that is told."""
    run = act(house, language, "detach_fork", FILLS_THE_DISK)
    failed(house, run, "the starter ended with SIGXFSZ")


@every_language
def test_stops_the_laboratory(language: str, house: Copy) -> None:
    """One that stops the process which watches its keeper is judged all the same."""
    script = r"""
keeper=$(cut -d" " -f4 /proc/$PPID/stat)
while [ "$(cut -d" " -f6 /proc/$keeper/stat)" = "$(cut -d" " -f6 /proc/$$/stat)" ]; do
    keeper=$(cut -d" " -f4 /proc/$keeper/stat)
done
kill -STOP $(cut -d" " -f4 /proc/$keeper/stat)
"""
    escaped = script.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    code = {"c": f'    system("{escaped}");\n', "python": f'os.system("{escaped}")'}
    run = act(house, language, "detach_fork", code, 1, "--json")
    assert run.observed(f"mine-{language}", 1, "parent") == "reaper", run


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
    run = act(house, language, "detach_fork", FLOODS)
    failed(house, run, "does not return", r"\x1b[2Jflood", "more lines")
    assert run.seconds < SOON and len(run.output) < 20_000


@every_language
def test_dies_unheard(language: str, house: Copy) -> None:
    """A daemon that dies when 0, 1 and 2 are on /dev/null already: its starter has heard it."""
    code = {"c": "    raise(SIGSEGV);\n", "python": "raise ZeroDivisionError('unheard')"}
    said = {"c": "died before it was ready", "python": "ZeroDivisionError: unheard"}
    run = act(house, language, "descriptors_open", code, lab=2)
    failed(house, run, "the starter ended with 1", said[language])


@pytest.mark.xdist_group("bombs")
@every_language
def test_fork_bomb(language: str, house: Copy) -> None:
    """A fork bomb is ended, and named."""
    run = act(house, language, "detach_fork", BOMB)
    failed(house, run, "it had more than 256 processes, and was ended")


# --- the same in one's own daemon, whole

MISBEHAVIOUR = {
    "hangs": (HANGS, "the starter does not return"),
    "exits": (EXITS, "no daemon"),
    "floods": (FLOODS, "the starter does not return"),
    "kills its parent": (KILLS_ITS_PARENT, "the starter ended with 7"),
    "bomb": (BOMB, "it had more than 256 processes, and was ended"),
}


@pytest.mark.slow
@pytest.mark.xdist_group("bombs")
@every_language
@pytest.mark.parametrize("what", list(MISBEHAVIOUR))
def test_mine(what: str, language: str, house: Copy) -> None:
    """Whatever it does, `mine` says so of the first lab; one that hangs takes no longer there."""
    code, said = MISBEHAVIOUR[what]
    house.hostile(1, language, "detach_fork", code[language], TOPS[language])
    run = house.daemonlab("mine", "--json", limit=60)
    assert run.code == 1, run
    if what == "kills its parent" and "a worker of the laboratory was killed" in run.errors:
        # Of the many that lab 4 starts at once each kills the next: shell, keeper, worker.
        return
    assert run.errors == "", run
    assert run.observed(f"mine-{language}", 1, "starts") == said
    if said == "the starter does not return":
        assert {result["lab"] for result in json.loads(run.output)["results"]} == {1}
        assert run.seconds < SOON


@pytest.mark.slow
@every_language
def test_mine_says_where_it_stopped(language: str, house: Copy) -> None:
    """Labs that were not run with a daemon that does not start are not passed over in silence."""
    house.hostile(3, language, "signals_reset", HANGS[language], TOPS[language])
    run = house.daemonlab("mine", limit=60)
    name = {"c": "C", "python": "Python"}[language]
    failed(house, run, "does not return", f"your daemon ({name}) does not start: no later lab")
    assert len(re.findall(r"(?m)^[✓✗] lab ", run.output)) == 3, run.output


@every_language
def test_mine_that_does_not_compile(language: str, house: Copy) -> None:
    """The file is named, and the compiler's own words are shown."""
    house.skeleton(1, language).write_text(WRONG[language])
    failed(house, house.daemonlab("mine"), "does not compile:", SAID[language])
