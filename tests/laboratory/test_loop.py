"""The student's loop: what a failure says, what a change has broken, what is kept, what comes
back."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from daemonlab import course, explain, last, subjects, workfile
from daemonlab.course import LANGUAGES
from daemonlab.house import LABS
from daemonlab.judge import run_lab
from daemonlab.progress import NOT_BUILT, Progress
from daemonlab.stuck import Stuck
from student import Copy, Run

every_language = pytest.mark.parametrize("language", LANGUAGES)
LIMIT = 120
"""Seconds for any command: reached only when something is broken."""
UMASK = {"c": "umask(mask);", "python": "os.umask(mask)"}
NOTHING = {"c": "(void)mask;", "python": "str(mask)"}
"""Lab 1 is spoilt when this stands in its place."""


def spoil(path: Path, old: str, new: str = "") -> None:
    """Plant a mistake."""
    text = path.read_text()
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new))


def lab(house: Copy, number: int, *options: str) -> Run:
    """Run a lab of the copy."""
    run = house.daemonlab("lab", str(number), *options, limit=LIMIT)
    assert "Traceback" not in run.errors, run.errors
    return run


def known(house: Copy) -> Progress:
    """What the copy has noted."""
    return Progress.load(house.root / "progress.toml")


def told(run: Run, *texts: str) -> None:
    """Each of these stands in what it says, wherever its lines end."""
    for text in texts:
        assert text in run.words, run.output


# --- what a failure says


@every_language
def test_order_of_a_failure(language: str, house: Copy) -> None:
    """Observed, with the line of /proc; expected; why; whom it happened to; the next step."""
    path = house.fill_in(1, language)
    spoil(path, UMASK[language], NOTHING[language])
    run = lab(house, 1, "--plain")
    said = run.output[run.output.index("failure: ") :]
    labels = list(dict.fromkeys(re.findall(r"(?m)^([a-z ]+): ", said)))
    assert labels[:6] == ["failure", "observed", "expected", "why", "it happened", "next"]
    assert re.search(r"(?m)^observed: /proc/\d+/status: Umask: 0\d+$", said), said
    assert "uwsgi#2752" in said
    assert f"next: labs/01-detach/{path.name}, detach_settle\n" in said
    assert "next: docs/01-detach.md (#umask)\n" in said and "umask(2)" in said
    assert "make hint-1" in said


def test_failure_on_a_low_screen(house: Copy) -> None:
    """What is to be done next stands on a screen of 24 lines, below it the lines of `make watch`;
    on a high one there is the table, too."""
    path = house.fill_in(1, "c")
    spoil(path, *FORK["kept"]["c"])
    run = house.daemonlab("lab", "1", "--in-watch", variables={"LINES": "24"}, limit=LIMIT)
    assert run.code == 1 and len(run.output.splitlines()) <= 24 - 7, run.output
    told(run, "yours (C): starts, and leaves", "does not return", "held by itself", "make hint")
    run = house.daemonlab("lab", "1", "--in-watch", variables={"LINES": "60"}, limit=LIMIT)
    assert "20 of 20" in run.words and "why The rest can" in run.words, run.output


@every_language
def test_cells_that_differ(language: str, house: Copy) -> None:
    """Of a check that failed the table shows the whole, so that one sees what differs."""
    path = house.fill_in(1, language)
    spoil(path, *SILENT[language])
    run = lab(house, 1)
    table, _, _ = run.output.partition("points")
    assert run.code == 1 and "does not" in " ".join(table.split()), run.output
    assert max(map(len, table.splitlines())) <= 80


@every_language
def test_what_it_printed_is_kept(language: str, house: Copy) -> None:
    """Of a long output some lines are shown; all of it, the log and the settings are in a folder,
    which is gone when nothing fails any more."""
    noise = {
        "c": "    for (int i = 0; isatty(1) && i < 40; i++)\n"
        '        dprintf(1, "line %d\\n", i);\n',
        "python": "for i in range(40 if os.isatty(1) else 0):\n    os.write(1, b'line %d\\n' % i)",
    }
    path = house.hostile(1, language, "detach_settle", noise[language])
    spoil(path, UMASK[language], NOTHING[language])
    run = lab(house, 1)
    folder = house.root / f"build/last/lab-1-mine-{language}"
    assert "more lines" in run.words and str(folder.relative_to(house.root)) in run.words
    assert (folder / "output").read_text().split()[1::2] == [str(i) for i in range(40)]
    assert '"event"' in (folder / "log").read_text()
    assert (folder / "labd.ini").read_text().startswith("[labd]\n")
    assert "\nUmask:" in (folder / "status").read_text()
    house.fill_in(1, language)
    assert lab(house, 1).code == 0
    assert not folder.exists()


@every_language
def test_unfinished(language: str, house: Copy) -> None:
    """A skeleton is meant to fail, and says so; the function to write is the next step."""
    path = house.skeleton(1, language)
    path.write_text(path.read_text() + {"c": "/* begun */\n", "python": "# begun\n"}[language])
    run = lab(house, 1)
    assert run.code == 1
    told(
        run,
        "detach_fork is not written yet. This is how an unfinished lab looks: it is meant to fail.",
        "Marked TODO: detach_settle, detach_report.",
        f"{path.relative_to(house.root)}, detach_fork",
    )


def test_unfinished_in_the_daemon(house: Copy) -> None:
    """What is not written may be called when the starter is long gone: the log tells which it is,
    and it is the next step, whatever function the check is about."""
    todo = 'import labd.failure\nraise labd.failure.todo("group_late")'
    path = house.hostile(8, "python", "group_late", todo)
    run = lab(house, 8)
    assert run.code == 1
    told(
        run,
        "all stop, and it exits with 0",
        "group_late is not written yet. This is how an unfinished lab looks: it is meant to fail.",
        f"{path.relative_to(house.root)}, group_late",
    )


@pytest.mark.parametrize("path", sorted(LABS.glob("*/*.c")) + sorted(LABS.glob("*/*.py")), ids=str)
def test_functions_that_are_not_written(path: Path) -> None:
    """Each function of a skeleton is found, in the order of the file; in the reference none."""
    source = path.read_text()
    found = explain.unwritten(path)
    assert len(found) == len(re.findall(r"TODO: do what|failure\.todo\(", source)) > 0
    assert all(source.count(f"{name.split('.')[-1]}(") for name in found), found


@pytest.mark.parametrize("lab", course.labs(), ids=lambda lab: lab.module)
def test_sentences_of_the_start(lab: course.Lab) -> None:
    """Of each public function the first sentence of its contract, whole."""
    found = workfile.functions(lab)
    written = explain.unwritten(lab.skeleton("c"))
    assert sorted(name for name, _ in found) == sorted(written)
    assert all(re.fullmatch(r"[A-Za-z][^\n]+\.", what) for _, what in found), found


SILENT = {
    "c": ("    if (verdict.text[0] != '\\0')\n", "    if (verdict.text[0] == '\\1')\n"),
    "python": ("    if text:\n", "    if not text:\n"),
}
"""The starter prints nothing."""
HANGS = {
    "c": "    alarm(60);\n    for (;;)\n        pause();\n",
    "python": "import signal\nsignal.alarm(60)\nwhile True:\n    signal.pause()",
}
LOOPS = {"c": "    for (;;)\n        continue;\n", "python": "while True:\n    pass"}
EXITS = {"c": "    exit(0);\n", "python": "os._exit(0)"}


@every_language
@pytest.mark.parametrize(
    ("code", "function", "says", "blames"),
    [
        (LOOPS, "detach_settle", r"Process \d+ was running, and had", "detach_fork, detach_settle"),
        (HANGS, "detach_report", r"Process \d+ slept in \w+", "detach_report"),
        (EXITS, "detach_report", 'The last line of its log is "ready"', "detach_report"),
        (EXITS, "detach_fork", "Its log was not opened yet", "detach_fork, detach_settle"),
    ],
    ids=["loops", "sleeps", "exits late", "exits early"],
)
def test_where_it_stopped(
    code: dict[str, str], function: str, says: str, blames: str, language: str, house: Copy
) -> None:
    """A start that comes to no good end: how its processes stood, how far its log got, and the
    functions that it got no further than: not always the first one."""
    path = house.hostile(1, language, function, code[language])
    run = lab(house, 1, "--language", language)
    assert run.code == 1 and re.search(says, run.words), run.output
    assert f"{path.relative_to(house.root)}, {blames} docs/" in run.words, run.output


FORK = {
    "kept": {
        "c": ("        close(ends[1]);\n        starter_waits", "        starter_waits"),
        "python": ("        os.close(write_end)\n        _starter_waits", "        _starter_waits"),
    },
    "crashes": {
        "c": ("    _exit(verdict.exit_code);", "    raise(SIGSEGV);"),
        "python": ("    os._exit(verdict[0])", "    signal.raise_signal(signal.SIGSEGV)"),
    },
    "other status": {
        "c": ("    _exit(verdict.exit_code);", "    _exit(7);"),
        "python": ("    os._exit(verdict[0])", "    os._exit(7)"),
    },
    "other end": {
        "c": ("    *verdict = ends[1];", "    *verdict = 99;"),
        "python": ("    return write_end", "    return 99"),
    },
    "pipe": {
        "c": ("    close(ends[0]);\n    if (middle", "    if (middle"),
        "python": ("    os.close(read_end)\n    try:\n        _mid", "    try:\n        _mid"),
    },
}
"""Mistakes in detach_fork that show when detach_report has done its part."""


@every_language
@pytest.mark.parametrize(
    ("mistake", "says", "blames"),
    [
        ("kept", "The end to write to is held by itself.", "detach_fork"),
        ("crashes", "ended with SIGSEGV", "detach_fork"),
        ("other status", "ended with 7", "detach_fork, detach_report"),
        ("other end", "Bad file descriptor", "detach_fork, detach_report"),
        ("pipe", "no end of the starter's pipe", "detach_fork"),
    ],
)
def test_mistake_of_an_earlier_function(
    mistake: str, says: str, blames: str, language: str, house: Copy
) -> None:
    """A log that ends with "ready" tells that all had begun well, not who is to blame then."""
    path = house.fill_in(1, language)
    spoil(path, *FORK[mistake][language])
    run = lab(house, 1, "--language", language)
    assert run.code == 1 and says in run.words, run.output
    assert f"{path.relative_to(house.root)}, {blames} docs/" in run.words, run.output


@every_language
def test_daemon_that_ends_right_after_it_was_ready(language: str, house: Copy) -> None:
    """It has not started: what is seen of it while it goes is no daemon."""
    path = house.fill_in(1, language)
    ends = {
        "c": ("        *verdict = -1;\n    }\n", "        exit(0);\n    }\n"),
        "python": ("        os.close(verdict)", "        os.close(verdict)\n        sys.exit(0)"),
    }
    spoil(path, *ends[language])
    run = lab(house, 1, "--language", language)
    assert run.code == 1 and "no daemon" in run.words, run.output
    assert f"{path.relative_to(house.root)}, detach_report docs/" in run.words, run.output


@pytest.mark.parametrize(("seconds", "loops"), [(9.8, True), (0.2, False)])
def test_endless_loop(seconds: float, loops: bool) -> None:
    """Much CPU in a start is a loop without an end; how much a busy machine gives is no promise."""
    said = explain._standing(Stuck(7, "R", seconds, "", ""), SimpleNamespace(starter=7))  # type: ignore[arg-type]
    assert said.startswith(f"The starter 7 was running, and had used {seconds} s of CPU")
    assert said.endswith(": an endless loop.") == loops


def test_traceback_names_the_function(house: Copy) -> None:
    """What Python tells of a start that failed is taken for the next step."""
    path = house.fill_in(1, "python")
    spoil(path, "os.umask(mask)", "os.nothing_of_that_name(mask)")
    run = lab(house, 1, "--language", "python")
    assert run.code == 1 and "nothing_of_that_name" in run.words, run.output
    assert f"{path.relative_to(house.root)}, detach_settle docs/" in run.words, run.output
    assert "Its log was" not in run.words


FLOODS = {
    "c": '    alarm(20);\n    for (;;)\n        write(1, "flood\\n", 6);\n',
    "python": "import signal\nsignal.alarm(20)\nwhile True:\n    os.write(1, b'flood\\n' * 100)",
}


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (HANGS, "It waits for what does not come. docs/00-working.md"),
        (LOOPS, "It runs without end. docs/00-working.md"),
        (FLOODS, "more than 100,000 bytes: look for a loop that prints and never ends"),
    ],
    ids=["hangs", "loops", "floods"],
)
@every_language
def test_plain_word(code: dict[str, str], says: str, language: str, house: Copy) -> None:
    """What hangs or floods is called so, and what is kept of it is bounded."""
    house.hostile(1, language, "detach_fork", code[language])
    run = lab(house, 1)
    assert run.code == 1 and says in run.words, run.output
    kept = house.root / f"build/last/lab-1-mine-{language}/output"
    assert kept.stat().st_size < 2 << 20


def test_what_is_kept_is_bounded() -> None:
    """Of a file that is too long the beginning is kept, and how much there was."""
    kept = last._cut(b"x" * (last.MOST + 5))
    assert kept.startswith(b"x" * last.MOST + b"\n") and b" 5 more bytes" in kept
    assert last._cut(b"x" * last.MOST) == b"x" * last.MOST


@every_language
def test_does_not_compile(language: str, house: Copy) -> None:
    """It is the file that is wrong, not the laboratory; that is noted, too."""
    house.skeleton(1, language).write_text("int nothing(\n")
    run = lab(house, 1)
    assert "The laboratory is in order" in run.words and "make reset-1 " in run.words
    assert known(house).entry(1, language).failing == NOT_BUILT


def test_compiler_without_end(house: Copy) -> None:
    """A source without end: the compiler runs out of its own memory, not the machine of its."""
    house.skeleton(1, "c").write_text('#include "/dev/zero"\n')
    run = lab(house, 1)
    assert "out of memory" in run.words and "The laboratory is in order" in run.words


# --- what is noted


@every_language
def test_noted(language: str, house: Copy) -> None:
    """A run with a module of one's own is noted; one without is not."""
    assert lab(house, 2).code == 0
    assert not (house.root / "progress.toml").exists()
    house.fill_in(2, language)
    assert lab(house, 2).code == 0
    entry = known(house).entry(2, language)
    assert entry.green and entry.runs == 1 and entry.first_green
    assert known(house).labs == ((2, language),)


def test_not_noted(house: Copy) -> None:
    """A progress.toml that is broken keeps nobody from working: the results count more."""
    path = house.root / "progress.toml"
    path.write_text("what = \n")
    house.fill_in(2, "c")
    run = lab(house, 2)
    assert run.code == 0 and "this run was not noted" in run.errors and str(path) in run.errors
    assert path.read_text() == "what = \n"


# --- what was green


def green(house: Copy, language: str, *numbers: int) -> None:
    """Do labs, and run them."""
    for number in numbers:
        house.fill_in(number, language)
        assert lab(house, number, "--alone").code == 0


SPOILS = {"c": "    umask(077);\n", "python": "os.umask(0o077)"}
"""In signals_open, which comes after detach_settle."""
TOP = {"c": "#include <sys/stat.h>\n", "python": ""}


@every_language
def test_a_change_that_breaks_what_was_green(language: str, house: Copy) -> None:
    """Lab 3's module spoils what lab 1 has set up: all is well in lab 3, and lab 1 says who it
    was; lab 2, which nothing has happened to, is still green."""
    green(house, language, 1, 2)
    house.hostile(3, language, "signals_open", SPOILS[language], TOP[language])
    run = lab(house, 3)
    assert run.code == 1
    assert "lab 1 was green; your change in lab 3 broke: umask" in run.words, run.output
    assert re.search(r"/proc/\d+/status: Umask: 0077", run.words)
    assert "lab 2 is still green: 12 of 12" in run.words
    assert (house.root / f"build/last/lab-1-mine-{language}/status").exists()
    assert known(house).entry(3, language).green, "lab 3 itself has passed"
    run = lab(house, 3, "--json")
    back = {one["lab"]: one for one in json.loads(run.output)["regressions"]}
    assert run.code == 1 and back.keys() == {1, 2}
    assert (back[1]["passed"], back[1]["by_this_lab"], back[2]["passed"]) == (False, True, True)
    assert lab(house, 3, "--alone").code == 0


@every_language
def test_a_change_elsewhere(language: str, house: Copy) -> None:
    """What broke in lab 1's own file is not laid at the door of lab 2."""
    green(house, language, 1)
    spoil(house.skeleton(1, language), UMASK[language], NOTHING[language])
    house.fill_in(2, language)
    run = lab(house, 2)
    assert run.code == 1
    assert "lab 1 was green, and fails now, also without your lab 2: umask" in run.words


@every_language
def test_all_still_green(language: str, house: Copy) -> None:
    """Who broke nothing is told so, one line a lab."""
    green(house, language, 1)
    house.fill_in(2, language)
    run = lab(house, 2, "--plain")
    assert run.code == 0 and "lab 1 is still green: 20 of 20" in run.output, run.output


def test_what_is_not_looked_back_at(house: Copy) -> None:
    """Nothing without a daemon; not what was never green, nor what has been taken back, nor what
    was done in the other language."""
    green(house, "c", 1, 2)
    path = house.skeleton(3, "c")
    path.write_text(path.read_text() + "/* begun */\n")
    run = lab(house, 3)
    assert "what was green (lab 1, 2) is run again once this starts" in run.words
    assert "broke" not in run.words
    assert house.daemonlab("reset", "1").code == 0
    spoil(house.skeleton(2, "c"), " | O_CLOEXEC")
    lab(house, 2)
    path.unlink()
    house.fill_in(3, "python")
    run = lab(house, 3)
    assert run.code == 0 and "what was green" not in run.words, run.output


NUMBERS = [lab.number for lab in course.labs()]
PAIRS = sorted({(n, through) for n in NUMBERS[:-1] for through in (n + 1, NUMBERS[-1])})
"""A lab, and through which later one the daemon goes: the next, and all. What a step does wrong in
between is still there at the end, and not all pairs have to be run as there come more labs."""


@pytest.mark.slow
@pytest.mark.parametrize(("earlier", "through"), PAIRS)
@every_language
def test_the_reference_breaks_nothing(language: str, earlier: int, through: int) -> None:
    """Whatever a later lab does is right in the eyes of each earlier one: what is found when one
    looks back is the student's doing."""
    subject = next(one for one in subjects.reference() if one.name == language)
    (result,) = run_lab(course.lab(earlier), [replace(subject, through=through)])
    assert result.passed, [(one.check.id, one.verdict) for one in result.outcomes]


# --- reset and start


@every_language
def test_reset(language: str, house: Copy) -> None:
    """The skeleton is back, the old file is beside it; of several resets none loses anything."""
    path = house.skeleton(1, language)
    pristine = path.read_bytes()
    for number, text in enumerate(("first\n", "second\n"), 1):
        path.write_text(text)
        run = house.daemonlab("reset", "1")
        aside = path.with_name(f"{path.name}.{number}")
        assert run.code == 0 and str(aside.relative_to(house.root)) in run.words, run
        assert (path.read_bytes(), aside.read_text()) == (pristine, text)
    assert path.with_name(f"{path.name}.1").read_text() == "first\n"
    assert sorted(path.parent.glob(f".{path.name}*")) == []


def test_reset_of_what_was_not_begun(house: Copy) -> None:
    """It says that there is nothing to do, and does nothing."""
    before = sorted(os.listdir(house.root / "labs/01-detach"))
    run = house.daemonlab("reset", "1")
    assert run.code == 0 and run.words.count("is the skeleton already: nothing was changed") == 2
    assert sorted(os.listdir(house.root / "labs/01-detach")) == before


def test_reset_of_both(house: Copy) -> None:
    """Which one is asked, not guessed."""
    for language in LANGUAGES:
        house.fill_in(1, language)
    run = house.daemonlab("reset", "1")
    assert run.code == 2 and "--language python" in run.errors, run
    assert house.daemonlab("reset", "1", "--language", "python").code == 0
    assert "todo(" in house.skeleton(1, "python").read_text()
    assert "TODO" not in house.skeleton(1, "c").read_text()


def test_reset_of_one_of_two(house: Copy) -> None:
    """Where both were begun with, what is to be typed is said, and works as it stands."""
    for language in LANGUAGES:
        house.fill_in(1, language)
    run = house.daemonlab("reset", "1")
    assert run.code == 2 and "Traceback" not in run.errors, run
    for language in LANGUAGES:
        assert f'\n  make reset-1 ARGS="--language {language}"\n' in run.errors, run.errors


def test_reset_of_something_else(house: Copy) -> None:
    """A folder or a link in the place of the file is put aside, too, and not looked into."""
    path = house.skeleton(1, "c")
    pristine = path.read_bytes()
    path.unlink()
    path.mkdir()
    (path / "precious").touch()
    assert house.daemonlab("reset", "1", "--language", "c").code == 0
    assert path.read_bytes() == pristine
    assert path.with_name("detach.c.1").joinpath("precious").exists()
    path.unlink()
    path.symlink_to("detach.py")
    assert house.daemonlab("reset", "1", "--language", "c").code == 0
    assert path.read_bytes() == pristine and not path.is_symlink()
    assert path.with_name("detach.c.2").is_symlink()


def test_reset_without_the_reference(house: Copy) -> None:
    """Where no skeleton can be made, nothing is touched."""
    path = house.fill_in(1, "c")
    before = path.read_bytes()
    house.reference("detach", "c").unlink()
    run = house.daemonlab("reset", "1")
    assert run.code == 1 and "no skeleton can be made" in run.words and "git" in run.words, run
    assert path.read_bytes() == before and "Traceback" not in run.errors


@pytest.mark.parametrize("this", course.labs(), ids=lambda this: this.module)
def test_start(this: course.Lab, house: Copy) -> None:
    """What to read, to open and to write: each public function, in order. A file that is missing is
    there again; one that was begun is left alone."""
    missing, mine = house.skeleton(this.number, "c"), house.fill_in(this.number, "python")
    pristine, begun = missing.read_bytes(), mine.read_bytes()
    missing.unlink()
    run = house.daemonlab("start", str(this.number))
    assert run.code == 0 and run.errors == "", run
    assert (missing.read_bytes(), mine.read_bytes()) == (pristine, begun)
    header = house.reference(this.module, "c").with_suffix(".h").read_text()
    public = re.findall(rf"(?m)^(?!typedef)\w[\w *]*\b({this.module}_\w+)\(", header)
    assert re.findall(r"(?m)^   (\w+): ", run.output) == public
    for words in (f"c/src/{this.module}.h", f"make lab-{this.number}", f"{this.folder.name}.md"):
        assert words in run.output
    assert max(map(len, run.output.splitlines())) <= 80


# --- progress


def test_progress(house: Copy) -> None:
    """Thirteen labs, as a table that fits, in plain lines, as data."""
    house.fill_in(2, "c")
    assert lab(house, 2).code == 0
    run = house.daemonlab("progress")
    assert run.code == 0 and "✓ 12 of 12" in run.words and "to come" in run.words
    assert max(map(len, run.output.splitlines())) <= 80
    assert all(c.isprintable() or c == "\n" for c in run.output)
    plain = house.daemonlab("progress", "--plain").output.splitlines()
    assert not re.search(r"[│━┃✓✗]", "".join(plain))
    assert any(line.startswith("lab 2, descriptors, C, 12 of 12 points, 1 run,") for line in plain)
    data = json.loads(house.daemonlab("progress", "--json").output)
    assert sorted({row["lab"] for row in data}) == list(range(1, 14))
    (row,) = [row for row in data if row["lab"] == 2]
    assert (row["language"], row["green"], row["points"], row["of"]) == ("c", True, 12, 12)


def test_progress_that_cannot_be_read(house: Copy) -> None:
    """It is named, with the remedy, and left as it is."""
    path = house.root / "progress.toml"
    path.write_text("lab = 1\n")
    run = house.daemonlab("progress")
    assert run.code == 1 and str(path) in run.words and "move it away" in run.words
    assert path.read_text() == "lab = 1\n" and "Traceback" not in run.errors


# --- plain


def test_plain(house: Copy) -> None:
    """`lab` and `mine` without boxes and signs: a word for each verdict, one line a row."""
    path = house.fill_in(1, "c")
    spoil(path, UMASK["c"], NOTHING["c"])
    rows = {
        ("lab", "1"): r"umask \| .*yours \(C\): FAIL, 0\d+",
        ("mine",): r"FAIL, lab 1, detach, yours \(C\), 19 of 20, fails: umask",
    }
    for command, row in rows.items():
        run = house.daemonlab(*command, "--plain", limit=LIMIT)
        assert run.code == 1
        assert not re.search(r"[│━┃┼═╇✓✗·]", run.output), run.output
        assert re.search(rf"(?m)^{row}$", run.output), run.output
        assert "" not in run.output.splitlines()
