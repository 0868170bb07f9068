"""The proof of the course: a course that is broken in any way is found to be, and how."""

import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from daemonlab import cli, course, coursecheck, courseruns, subjects
from daemonlab.checks import Verdict
from daemonlab.coursecheck import Problem, Proof
from daemonlab.house import MUTANTS
from daemonlab.judge import Outcome, Result
from daemonlab.subjects import Subject
from observed import until
from student import Copy

LAB = course.lab(1)


@pytest.fixture
def whole(house: Copy) -> Copy:
    """A copy of the house with its mutants."""
    shutil.copytree(MUTANTS, house.root / "tests" / "mutants")
    return house


def edit(path: Path, find: str, put: str) -> None:
    """Change a text in a file, at its first place."""
    text = path.read_text("utf-8")
    assert find in text, f"{find!r} is not in {path}"
    path.write_text(text.replace(find, put, 1), "utf-8")


def check(house: Copy, proof: str, labs: str = "1", limit: float = 60) -> dict[str, str]:
    """The problems that one proof finds: text by file."""
    run = house.daemonlab("check-course", "--labs", labs, "--only", proof, "--json", limit=limit)
    assert run.errors == "", run
    found = json.loads(run.output)
    problems = [problem for one in found["proofs"] for problem in one["problems"]]
    assert found["proofs"] and all(problem["remedy"] for problem in problems)
    assert run.code == (1 if problems else 0) and found["holds"] is not bool(problems)
    return {problem["file"]: problem["text"] for problem in problems}


# --- by reading: what is broken, which proof finds it, in which file, and what it says

TOML, HINTS = "labs/01-detach/lab.toml", "labs/01-detach/hints.toml"


def in_file(name: str, find: str, put: str) -> Callable[[Path], None]:
    return lambda root: edit(root / name, find, put)


def put(name: str, text: str) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)

    return write


def remove(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).unlink()


def without_mutants_of(check: str) -> Callable[[Path], None]:
    def remove_all(root: Path) -> None:
        for path in (root / "tests" / "mutants").glob("*.toml"):
            if f'"{check}"' in path.read_text("utf-8"):
                path.unlink()

    return remove_all


HEADER = "c/src/detach.h"
BROKEN: dict[str, tuple[str, Callable[[Path], None], str, str]] = {
    "stray file": ("files", put("labs/01-detach/notes.txt", ""), "labs/01-detach/notes.txt", ""),
    "stray folder": ("files", put("labs/solutions/x.c", ""), "labs/solutions/x.c", "not belong"),
    "skeleton begun": (
        "generated",
        in_file("labs/01-detach/detach.c", "TODO", "DONE"),
        "labs/01-detach/detach.c",
        "it is not the skeleton",
    ),
    "skeleton missing": (
        "generated",
        remove("labs/01-detach/detach.py"),
        "labs/01-detach/detach.py",
        "not there",
    ),
    "contract changed": (
        "generated",
        in_file(HEADER, "\nint detach_settle(", "\n/* More. */\nint detach_settle("),
        "labs/01-detach/detach.c",
        "the reference has changed",
    ),
    "hash missing": (
        "generated",
        put("labs/skeletons.sha256", ""),
        "labs/01-detach/detach.c",
        "no hash",
    ),
    "no reason": ("words", in_file(TOML, 'why = "The rest', 'why = "" #'), TOML, "starts: why"),
    "no sentence": ("words", in_file(TOML, 'daemon that runs."', 'daemon"'), TOML, "no whole"),
    "no points": ("words", in_file(TOML, "points = 1", "points = 0"), TOML, "worth 0"),
    "no such function": (
        "words",
        in_file(TOML, '"detach_fork"', '"detach_frok"'),
        TOML,
        "has no public detach_frok",
    ),
    "no hint": ("hints", in_file(HINTS, "[session]", "[sessions]"), HINTS, "missing ['session']"),
    "no hints": ("hints", remove(HINTS), HINTS, "No such file"),
    "a wide hint": ("hints", in_file(HINTS, "detach_fork", "x" * 80), HINTS, "longer than 78"),
    "no question": ("hints", in_file(HINTS, "how does each of the other two end?", ""), HINTS, ""),
    "no section": (
        "sections",
        in_file(TOML, "01-detach.md#umask", "01-detach.md#mask"),
        TOML,
        "01-detach.md#mask: there is no such section",
    ),
    "no chapter": (
        "sections",
        in_file(TOML, "01-detach.md#umask", "01-attach.md#umask"),
        TOML,
        "docs/01-attach.md is not there",
    ),
    "section without an anchor": (
        "sections",
        in_file(TOML, "01-detach.md#umask", "01-detach.md"),
        TOML,
        "is no PAGE.md#ANCHOR",
    ),
    "section of a hint": (
        "sections",
        in_file(HINTS, "01-detach.md#parent", "01-detach.md#parrent"),
        HINTS,
        "#parrent",
    ),
    "section renamed in the book": (
        "sections",
        in_file("docs/01-detach.md", "{#umask}", "{#the-mask}"),
        TOML,
        "#umask",
    ),
    "names no page": ("manual", in_file(TOML, 'man = "daemon(7)"', 'man = "see"'), TOML, "no page"),
    "check without a mutant": (
        "proved",
        without_mutants_of("directory"),
        "tests/mutants/",
        "lab 1: no mutant fails directory",
    ),
    "mutant of no check": (
        "proved",
        in_file("tests/mutants/umask-zero.toml", 'killed_by = "umask"', 'killed_by = "mask"'),
        "tests/mutants/",
        "lab 1 has no check mask",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken(what: str, whole: Copy) -> None:
    """Each way to break the course is found, in its file, with a remedy; before, all was well."""
    proof, break_it, file, says = BROKEN[what]
    break_it(whole.root)
    found = check(whole, proof)
    assert file in found and says in found[file], found


@pytest.mark.parametrize("proof", [*coursecheck.WHOLE, *coursecheck.READ])
def test_whole(proof: str, whole: Copy) -> None:
    """Negative control: the course as it is has no problem, in any of its labs."""
    everything = f"1-{len(course.labs())}"
    assert check(whole, proof, everything) == {}


@pytest.mark.skipif(not coursecheck.manual_is_here(), reason="apt install man-db manpages-dev")
def test_page_that_is_not_there(whole: Copy) -> None:
    """A page that `man` does not find."""
    edit(whole.root / TOML, "umask(2)", "mask(2)")
    assert "mask(2): no such page" in check(whole, "manual")[TOML]


def test_description_that_cannot_be_read(whole: Copy) -> None:
    """One line, no traceback."""
    edit(whole.root / TOML, "title = ", "titel = ")
    run = whole.daemonlab("check-course", "--times", "0")
    assert run.code == 1 and "the key 'title' is missing" in run.words
    assert "Traceback" not in run.errors


# --- by running


def test_reference_that_fails(whole: Copy) -> None:
    """One wing does not do what the lab asks for."""
    assert check(whole, "reference") == {}
    source = whole.root / "c/src/detach.c"
    edit(source, "if (chdir(directory) < 0)", "if (access(directory, X_OK) < 0)")
    (text,) = check(whole, "reference").values()
    assert text.startswith('C: directory in "'), text


def test_reference_that_cannot_be_built(whole: Copy) -> None:
    """Told like any other problem, with the compiler's words; nothing is run then."""
    edit(whole.root / "c/src/detach.c", "#include", "#inclood")
    (text,) = check(whole, "reference").values()
    assert "inclood" in text


def test_skeleton_that_fails_otherwise(whole: Copy) -> None:
    """The first message is not that of the function in which one is to begin."""
    assert check(whole, "skeleton") == {}
    edit(whole.root / TOML, 'function = "detach_fork"', 'function = "detach_settle"')
    text = check(whole, "skeleton")[TOML]
    assert "says 'labd: TODO: detach_fork() is not written yet" in text


def test_mutant_that_survives(whole: Copy) -> None:
    """A mutant that no check sees, one that another check kills, and one that does not fit."""
    folder = whole.root / "tests" / "mutants"
    for path in folder.glob("*.toml"):
        if path.stem not in ("no-chdir", "umask-zero", "umask-kept"):
            path.unlink()
    assert check(whole, "mutants") == {}
    edit(folder / "no-chdir.toml", "os.stat(directory)", "os.chdir(directory)  # as it was")
    edit(folder / "umask-zero.toml", 'killed_by = "umask"', 'killed_by = "session"')
    edit(folder / "umask-kept.toml", "umask(mask)", "umask(musk)")
    found = check(whole, "mutants")
    assert "(Python): not killed by directory: it survives" in found["tests/mutants/no-chdir.toml"]
    assert "not killed by session: umask" in found["tests/mutants/umask-zero.toml"]
    assert "it cannot be made" in found["tests/mutants/umask-kept.toml"]


def results(passed: bool) -> list[Result]:
    """What a run of the lab came to, in C alone."""
    verdicts = [Verdict(True, "fine", "fine")] * len(LAB.checks)
    verdicts[1] = Verdict(passed, "observed this", "that")
    outcomes = [Outcome(*both, "friendly") for both in zip(LAB.checks, verdicts, strict=True)]
    subject = Subject("c", "C", ("x",))
    return [Result(subject, LAB, tuple(outcomes), {}, {})]


def test_flake_is_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nothing_left: None
) -> None:
    """Of so many runs so many passed, several at a time; each that did not is told."""
    monkeypatch.setattr(subjects, "reference", lambda: ())
    times = courseruns.BUSY + 2

    def run(lab: course.Lab, those: Sequence[Subject]) -> list[Result]:
        (tmp_path / str(os.getpid())).touch()
        until(lambda: len(list(tmp_path.iterdir())) >= courseruns.BUSY)
        return results(passed=(tmp_path / "one-has-failed").exists() or not fails())

    def fails() -> bool:
        with suppress(FileExistsError):
            (tmp_path / "one-has-failed").touch(exist_ok=False)
            return True
        return False

    proof = courseruns.under_load(LAB, times, run)
    at_a_time = f"{courseruns.BUSY} labs at a time"
    assert proof.claim == f"{times - 1} of {times} runs passed, {at_a_time}"
    (problem,) = proof.problems
    told = f'run \\d+ of {times}: C: parent in "friendly": observed observed this, expected that'
    assert re.fullmatch(told, problem.text)
    always = courseruns.under_load(LAB, 2, lambda lab, those: results(True))
    assert always.holds and always.claim.startswith("2 of 2 runs passed")


def test_not_reached_is_no_pass() -> None:
    """A reference whose check could not be looked at has not passed."""
    (result,) = results(passed=True)
    first = result.outcomes[0]
    outcomes = (Outcome(first.check, Verdict(None, "not reached", ""), "friendly"),)
    unreached = Result(result.subject, LAB, outcomes, {}, {})
    assert courseruns.failure(unreached) == "C: not reached: starts"
    assert courseruns.failure(result) == ""


def test_the_skeleton_must_fail() -> None:
    """A skeleton that passes, or fails in another check, is no skeleton."""
    (passes,) = results(passed=True)
    assert "fails no check" in courseruns.skeleton_fault(passes)
    (fails,) = results(passed=False)
    facts = {"friendly": {"output": SimpleNamespace(value="TODO")}}
    late = Result(fails.subject, LAB, fails.outcomes, {}, facts)  # type: ignore[arg-type]
    assert courseruns.skeleton_fault(late) == "C: fails first in parent"


# --- what is asked for, and how it is told


@pytest.mark.parametrize(
    ("text", "found"), [("", [1, 2, 3, 5]), ("2", [2]), ("1,3", [1, 3]), ("2-5,1", [1, 2, 3, 5])]
)
def test_numbers(text: str, found: list[int]) -> None:
    """Numbers and ranges, in order; all without a word."""
    assert coursecheck.numbers(text, [1, 2, 3, 5]) == found


@pytest.mark.parametrize("text", ["4", "3-2", "0", "x", "1-", "1,,2", "1-9"])
def test_wrong_numbers(text: str) -> None:
    """A lab that is not here, and what is no number."""
    with pytest.raises(ValueError, match="--labs"):
        coursecheck.numbers(text, [1, 2, 3, 5])


def test_lines() -> None:
    """One line a proof, then file and remedy of each problem; never by a sign alone in --plain."""
    good = Proof(0, "files", "no stray file")
    bad = Proof(2, "hints", "has hints", (Problem("labs/x", "two\nlines", "mend it"),))
    assert coursecheck.lines(good, False) == ["✓ course: files: no stray file"]
    shown = coursecheck.lines(bad, False)
    assert shown == ["✗ lab 2: hints: does not hold: has hints", "    labs/x: two lines",
                     "        mend it"]  # fmt: skip
    assert coursecheck.lines(good, True) == ["ok course: files: no stray file"]
    assert coursecheck.lines(bad, True)[0].startswith("FAILED lab 2")
    assert coursecheck.summary([good, bad]) == "1 of 2 proofs hold; 1 do not."
    assert coursecheck.summary([good]) == "1 of 1 proofs hold."


def test_anchors() -> None:
    """Those that are written and those of headings; not what stands in a block of code."""
    folder = coursecheck.anchors()
    assert {"umask", "your-turn"} <= folder["01-detach"]
    assert coursecheck._slug("What is `fork`, really?") == "what-is-fork-really"


@pytest.mark.parametrize(
    "options",
    ["--labs 99", "--labs x", "--only files --without files", "--only load --times 0"],
)
def test_nothing_to_prove(options: str) -> None:
    """A proof of nothing is none: usage, not success."""
    run = CliRunner().invoke(cli.main, ["check-course", *options.split()])
    assert run.exit_code == 2, run.output


def test_labs_of_the_course(house: Copy) -> None:
    """What make labs runs: those that the instructor has chosen."""
    (house.root / "course.toml").write_text("labs = [1, 3]\n")
    assert house.daemonlab("labs").output == "1 3\n"
