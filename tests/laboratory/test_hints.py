"""Hints come one at a time, in one's own language, and are counted; `lab.toml` names for each check
a function that is there and a daemon that it happened to."""

import json
import re
from pathlib import Path

import pytest
from daemonlab import course, hints, policy
from daemonlab.course import CheckInfo, Lab
from daemonlab.hints import HintError, next_hint
from daemonlab.house import PORT, C
from daemonlab.progress import NOT_BUILT, Progress, now
from student import SUFFIXES, Copy

CHECKS = [
    pytest.param(lab, check, id=f"{lab.module}-{check.id}")
    for lab in course.labs()
    for check in lab.checks
]
LAB = course.lab(1)
_REPORT = r"#\d+|CVE-\d{4}-\d+|ticket \d+|[0-9a-f]{7,}\)|\d\.\d|daemonize|libdaemon"
"""A report by its number, a commit, or a program with its version, or one that was looked at."""


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    """Lab 1 was run in Python, and its umask failed."""
    known = Progress(tmp_path / "progress.toml")
    known.entry(1, "python").ran(points=1, of=20, failing="umask", when=now())
    return known


# --- what lab.toml says


@pytest.mark.parametrize(("lab", "check"), CHECKS)
def test_function_is_there(lab: Lab, check: CheckInfo) -> None:
    """It is a public function of the module, in both languages."""
    header = (C / "src" / f"{lab.module}.h").read_text()
    port = (PORT / f"{lab.module}.py").read_text()
    for function in check.functions:
        assert function.startswith(f"{lab.module}_")
        assert re.search(rf"(?m)^\w[\w *]*\b{function}\(", header), "not in the header"
        assert re.search(rf"(?m)^def {function}\(", port), "not in the port"


@pytest.mark.parametrize(("lab", "check"), CHECKS)
def test_story_is_told(lab: Lab, check: CheckInfo) -> None:
    """Every check but the first has happened to somebody: one sentence, which names the program."""
    if check.id == "starts" and not check.story:
        return
    assert check.story.endswith(".") and len(check.story) < 200
    assert check.story != check.why
    named = re.search(_REPORT, check.story)
    assert named, "no report, no version"


@pytest.mark.parametrize("lab", course.labs(), ids=lambda lab: lab.module)
def test_the_first_step_is_not_a_hint(lab: Lab) -> None:
    """The function that a failure names is one that its pointer names, too: they do not lead
    astray."""
    if not (lab.folder / "hints.toml").exists():
        pytest.skip("it has no hints yet")
    for check in lab.checks:
        for hint in course.hints(lab)[check.id].values():
            told = f"{hint.pointer} {hint.recipe}"
            elsewhere = "starter's part" in told or "Nothing to be written" in told
            assert all(one in told for one in check.functions) or elsewhere, check.id


# --- one at a time


def test_three_and_no_more(progress: Progress) -> None:
    """A question, a pointer, a recipe, each counted; then what to read."""
    texts = course.hints(LAB)["umask"]["python"]
    for number, tier in enumerate(course.TIERS, 1):
        shown = next_hint(LAB, progress, "python")
        assert shown.texts == ((tier, getattr(texts, tier)),)
        assert shown.tier == number == progress.entry(1, "python").hints["umask"]
    assert "That was the last: read docs/01-detach.md (#umask), and daemon(7)" in shown.words
    shown = next_hint(LAB, progress, "python")
    assert (shown.tier, shown.texts) == (0, ())
    assert "no more hints for it: read docs/01-detach.md (#umask)" in shown.words
    assert progress.entry(1, "python").hints == {"umask": 3}


def test_again_counts_nothing(progress: Progress) -> None:
    """What was shown already is shown again, and nothing more."""
    assert next_hint(LAB, progress, "python", again=True).texts == ()
    next_hint(LAB, progress, "python")
    shown = next_hint(LAB, progress, "python", again=True)
    assert [tier for tier, _ in shown.texts] == ["question"]
    assert progress.entry(1, "python").hints == {"umask": 1}


@pytest.mark.parametrize("name", ["leader", "session leader"])
def test_another_check(name: str, progress: Progress) -> None:
    """Any check of the lab can be asked about, by its name or its title."""
    shown = next_hint(LAB, progress, "c", name)
    assert shown.check is not None and shown.check.id == "leader"
    assert progress.entry(1, "c").hints == {"leader": 1}


def test_no_such_check(progress: Progress) -> None:
    """One that does not exist is answered with those that do."""
    with pytest.raises(HintError, match='no check "masks"; it has, in the order of the table'):
        next_hint(LAB, progress, "c", "masks")


@pytest.mark.parametrize(
    ("failing", "says"),
    [
        ("", "Nothing failed in your last run of lab 1 in Python."),
        (NOT_BUILT, "labs/01-detach/detach.py did not compile"),
        ("gone", 'Lab 1 has no check "gone" any more'),
    ],
)
def test_nothing_to_help_with(failing: str, says: str, progress: Progress) -> None:
    """It says why there is no hint, and counts none."""
    progress.entry(1, "python").failing = failing
    shown = next_hint(LAB, progress, "python")
    assert says in shown.words and shown.texts == () and shown.check is None
    assert not progress.entry(1, "python").hints


def test_never_run(progress: Progress) -> None:
    """A lab that was not run, or not in this language, has no failing check."""
    assert "not run lab 1 in C yet" in next_hint(LAB, progress, "c").words
    assert "not run a lab 2 of your own" in next_hint(course.lab(2), progress, "c").words


def test_language(progress: Progress) -> None:
    """That of the last run; what was asked for comes first; it is asked for when nobody knows."""
    assert hints.language_of(LAB, progress, None, None) == "python"
    assert hints.language_of(LAB, progress, "c", None) == "c"
    with pytest.raises(HintError, match="--language"):
        hints.language_of(course.lab(2), progress, None, "starts")


def test_what_is_printed(progress: Progress) -> None:
    """Lines that fit; plain: no empty one."""
    shown = next_hint(LAB, progress, "python")
    terms = policy.read({}, course.labs())
    assert max(map(len, hints.lines(shown, False, terms))) <= 78
    assert "" not in hints.lines(shown, True, terms)
    assert hints.data(shown)["tier"] == 1


# --- by the command line


@pytest.mark.parametrize("language", list(SUFFIXES))
def test_hint_after_a_run(language: str, house: Copy) -> None:
    """What failed last is what it helps with, in the language it was run in, also after a break."""
    path = house.skeleton(1, language)
    path.write_text(path.read_text() + "\n")
    source = house.fill_in(1, language).read_text()
    umask = {"c": "umask(mask);", "python": "os.umask(mask)"}[language]
    assert source.count(umask) == 1
    path.write_text(source.replace(umask, {"c": "", "python": "pass"}[language]))
    assert house.daemonlab("lab", "1").code == 1
    run = house.daemonlab("hint", "1", "--json")
    told = json.loads(run.output)
    assert run.code == 0 and (told["check"], told["language"], told["tier"]) == (
        "umask",
        language,
        1,
    )
    run = house.daemonlab("hint", "1", "--plain")
    assert run.output.splitlines()[1] == "pointer:" and "\n\n" not in run.output
    assert Progress.load(house.root / "progress.toml").entry(1, language).hints == {"umask": 2}


def test_hint_without_a_run(house: Copy) -> None:
    """Nothing was run: it says so, and writes nothing."""
    run = house.daemonlab("hint", "1")
    assert run.code == 0 and "make lab-1" in run.words
    assert not (house.root / "progress.toml").exists()


def test_hints_that_cannot_be_counted(house: Copy) -> None:
    """A progress.toml that cannot be read is named and left alone."""
    path = house.root / "progress.toml"
    path.write_text("[lab\n")
    run = house.daemonlab("hint", "1")
    assert run.code == 1 and str(path) in run.words and "Traceback" not in run.errors
    assert path.read_text() == "[lab\n"
