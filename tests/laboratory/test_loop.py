"""The student's loop: what a failure says, what a change has broken, what is kept, what comes back."""

import json
import os
import re
from pathlib import Path

import pytest
from daemonlab import course, explain
from daemonlab.course import LANGUAGES
from daemonlab.house import LABS
from daemonlab.progress import NOT_BUILT, Progress
from student import SUFFIXES, Copy, Run

every_language = pytest.mark.parametrize("language", LANGUAGES)
LIMIT = 60
"""Seconds for any command: reached only when something is broken."""
UMASK = {"c": "    umask(mask);\n", "python": "    os.umask(mask)\n"}


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


# --- what a failure says


@every_language
def test_order_of_a_failure(language: str, house: Copy) -> None:
    """Observed, with the line of /proc; expected; why; whom it happened to; the next step."""
    path = house.fill_in(1, language)
    spoil(path, UMASK[language])
    run = lab(house, 1, "--plain")
    said = run.output[run.output.index("failure: ") :]
    labels = list(dict.fromkeys(re.findall(r"(?m)^([a-z ]+): ", said)))
    assert labels[:6] == ["failure", "observed", "expected", "why", "it happened", "next"]
    assert re.search(r"(?m)^observed: /proc/\d+/status: Umask: 0\d+$", said), said
    assert "uwsgi#2752" in said
    assert f"next: labs/01-detach/{path.name}, detach_settle\n" in said
    assert "next: docs/01-detach.md (#umask)\n" in said and "umask(2)" in said
    assert "make hint-1" in said


@every_language
def test_what_it_printed_is_kept(language: str, house: Copy) -> None:
    """Of a long output some lines are shown; all of it, the log and the settings are in a folder,
    which is gone when nothing fails any more."""
    noise = {
        "c": '    for (int i = 0; i < 40; i++)\n        dprintf(1, "line %d\\n", i);\n',
        "python": "for i in range(40):\n    os.write(1, b'line %d\\n' % i)",
    }
    path = house.hostile(1, language, "detach_settle", noise[language])
    spoil(path, UMASK[language])
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
    for words in (
        "detach_fork is not written yet. This is how an unfinished lab looks: it is meant to fail.",
        "Marked TODO: detach_settle, detach_report.",
        f"{path.relative_to(house.root)}, detach_fork",
    ):
        assert words in run.words, run.output


@pytest.mark.parametrize("path", sorted(LABS.glob("*/*.c")) + sorted(LABS.glob("*/*.py")), ids=str)
def test_functions_that_are_not_written(path: Path) -> None:
    """Each function of a skeleton is found, in the order of the file; in the reference none."""
    source = path.read_text()
    found = explain.unwritten(path)
    assert len(found) == len(re.findall(r"TODO: do what|failure\.todo\(", source)) > 0
    assert all(source.count(f"{name.split('.')[-1]}(") for name in found), found


HANGS = {
    "c": "    alarm(60);\n    for (;;)\n        pause();\n",
    "python": "import signal\nsignal.alarm(60)\nwhile True:\n    signal.pause()",
}
FLOODS = {
    "c": '    alarm(20);\n    for (;;)\n        write(1, "flood\\n", 6);\n',
    "python": "import signal\nsignal.alarm(20)\nwhile True:\n    os.write(1, b'flood\\n' * 100)",
}


@pytest.mark.parametrize(
    ("code", "says"),
    [(HANGS, "It hangs: in which call?"), (FLOODS, "look for a loop that prints and never ends")],
    ids=["hangs", "floods"],
)
@every_language
def test_plain_word(code: dict[str, str], says: str, language: str, house: Copy) -> None:
    """What hangs or floods is called so, and what is kept of it is bounded."""
    house.hostile(1, language, "detach_fork", code[language])
    run = lab(house, 1)
    assert run.code == 1 and says in run.words, run.output
    kept = house.root / f"build/last/lab-1-mine-{language}/output"
    assert kept.stat().st_size < 2 << 20
    if code is FLOODS:
        assert b"were not kept" in kept.read_bytes()[-100:]


@every_language
def test_does_not_compile(language: str, house: Copy) -> None:
    """It is the file that is wrong, not the laboratory; that is noted, too."""
    house.skeleton(1, language).write_text("int nothing(\n")
    run = lab(house, 1)
    assert "The laboratory is in order" in run.words and "make reset-N" in run.words
    assert known(house).entry(1, language).failing == NOT_BUILT


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


LEAK = {
    "c": '    open("/dev/null", O_RDONLY);\n    umask(077);\n',
    "python": "os.umask(0o077)",
}


@every_language
def test_a_change_that_breaks_what_was_green(language: str, house: Copy) -> None:
    """Lab 4's module spoils what lab 1 has set up: lab 1 passes without it, and fails with it."""
    green(house, language, 1, 2)
    top = {"c": "#include <sys/stat.h>\n", "python": ""}[language]
    code = {"c": "    umask(077);\n", "python": "os.umask(0o077)"}[language]
    # descriptors_close runs in labs 2 and up; a constructor or import runs in each.
    path = house.fill_in(3, language)
    late = {
        "c": "__attribute__((constructor)) static void spoil(void) {\n"
        '    setenv("SPOILT", "1", 1);\n}\n',
        "python": "",
    }
    del top, code, late, path
