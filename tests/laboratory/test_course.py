"""The course: how labs and hints are described, and what is said of a wrong description."""

from collections.abc import Callable
from pathlib import Path

import pytest
from daemonlab import course
from daemonlab.course import CourseError
from daemonlab.house import LABS

# --- the description of a lab

GOOD_LAB = (LABS / "01-detach" / "lab.toml").read_text(encoding="utf-8")


def write_lab(folder: Path, text: str) -> Path:
    """A lab 1 with this description."""
    path = folder / "01-detach" / "lab.toml"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace("title = ", "titel = ", 1), "the key 'title' is missing"),
        (lambda text: text.replace("points = ", "point = ", 1), "the key 'points' is missing"),
        (lambda text: text.replace('"parent"', '"parrent"', 1), 'check "parrent"'),
        (lambda text: text.replace('"bare"', '"bear"', 1), "unknown scenarios ['bear']"),
        (lambda text: text + "\n= 3\n", "line"),
        (lambda text: "", "the key 'check' is missing"),
    ],
    ids=["no title", "no points", "unknown check", "unknown scenario", "no TOML", "empty"],
)
def test_wrong_description(change: Callable[[str], str], says: str, tmp_path: Path) -> None:
    """A description that is wrong is refused; file and mistake are named."""
    path = write_lab(tmp_path, change(GOOD_LAB))
    with pytest.raises(CourseError) as caught:
        course._read(path.parent)
    assert str(path) in str(caught.value) and says in str(caught.value)


def test_missing_description(tmp_path: Path) -> None:
    """So is one that is not there."""
    with pytest.raises(CourseError, match=r"01-detach/lab\.toml: .*No such file"):
        course._read(tmp_path / "01-detach")


def test_description_as_it_is(tmp_path: Path) -> None:
    """Negative control: the same without a mistake is read, whole."""
    lab = course._read(write_lab(tmp_path, GOOD_LAB).parent)
    assert (lab.number, lab.module, lab.points) == (1, "detach", 20)
    assert lab.skeleton("py") == tmp_path / "01-detach" / "detach.py"
    assert {check.after for check in lab.checks} - {""} <= {check.id for check in lab.checks}


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (0, "there is no lab 0; there are labs 1"),
        (14, "there is no lab 14"),
        (-1, "there is no lab -1"),
        (9, "lab 9 is not there yet; there are labs 1"),
    ],
)
def test_no_such_lab(
    number: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lab that is still to come is told from one that never will."""
    write_lab(tmp_path, GOOD_LAB)
    monkeypatch.setattr(course, "LABS", tmp_path)
    with pytest.raises(CourseError) as caught:
        course.lab(number)
    assert says in str(caught.value)
    assert course.lab(1).module == "detach"


# --- the hints

GOOD_HINTS = (LABS / "01-detach" / "hints.toml").read_text(encoding="utf-8")
EXAMPLE = """
[parent]
question = "Whose child is it?"
pointer = "fork(2)"
recipe.c = "Call _exit."
recipe.python = "Call os._exit."
"""
PARENT = GOOD_HINTS[GOOD_HINTS.index("[parent]") : GOOD_HINTS.index("[session]")]


def write_hints(folder: Path, text: str) -> course.Lab:
    """A lab 1 with these hints."""
    path = write_lab(folder, GOOD_LAB)
    (path.parent / "hints.toml").write_text(text, encoding="utf-8")
    return course._read(path.parent)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace(PARENT, ""), "checks: missing ['parent']"),
        (lambda text: text + EXAMPLE.replace("parent", "parrent"), "there is no ['parrent']"),
        (lambda text: text.replace(PARENT, "[parent]\n"), "parent: missing ['pointer', 'question'"),
        (lambda text: text.replace("pointer = ", "pointre = ", 1), "starts: missing ['pointer']"),
        (lambda text: text + "reciped = 'too much'\n", "abandoned: there is no ['reciped']"),
        (lambda text: text.replace("recipe.python", "recipe.perl", 1), "starts.recipe: missing"),
        (lambda text: text.replace(PARENT, EXAMPLE.replace("fork(2)", " ")), "parent.pointer: "),
        (
            lambda text: text.replace(PARENT, EXAMPLE.replace("Call os._exit.", "")),
            "parent.recipe.python: expected a text, found ''",
        ),
        (lambda text: text.replace(PARENT, EXAMPLE.replace('"fork(2)"', "2")), "parent.pointer: "),
        (lambda text: "parent = 3\n" + text.replace(PARENT, ""), "parent: expected a table"),
        (lambda text: text + "\n= 3\n", "line"),
    ],
    ids=[
        "missing check",
        "extra check",
        "no tier",
        "misspelt tier",
        "extra tier",
        "another language",
        "blank tier",
        "empty in one language",
        "a number",
        "no table",
        "no TOML",
    ],
)
def test_wrong_hints(change: Callable[[str], str], says: str, tmp_path: Path) -> None:
    """Hints that are wrong are refused; file and key are named."""
    lab = write_hints(tmp_path, change(GOOD_HINTS))
    with pytest.raises(CourseError) as caught:
        course.hints(lab)
    assert str(lab.folder / "hints.toml") in str(caught.value) and says in str(caught.value)


def test_missing_hints(tmp_path: Path) -> None:
    """So are hints that are not there."""
    with pytest.raises(CourseError, match=r"01-detach/hints\.toml: .*No such file"):
        course.hints(course._read(write_lab(tmp_path, GOOD_LAB).parent))


def test_hints_by_language(tmp_path: Path) -> None:
    """One text serves both languages, or each has its own."""
    hints = course.hints(write_hints(tmp_path, GOOD_HINTS.replace(PARENT, EXAMPLE)))["parent"]
    assert hints["c"].recipe == "Call _exit." and hints["python"].recipe == "Call os._exit."
    assert hints["c"].pointer == hints["python"].pointer == "fork(2)"


@pytest.mark.parametrize("lab", course.labs(), ids=lambda lab: lab.module)
def test_every_check_has_its_hints(lab: course.Lab) -> None:
    """Every check that can fail has help, which fits on a terminal and names where to look."""
    hints = course.hints(lab)
    for check in lab.checks:
        for hint in hints[check.id].values():
            lines = "\n".join((hint.question, hint.pointer, hint.recipe)).split("\n")
            assert max(map(len, lines)) <= 78, (check.id, max(lines, key=len))
            assert "?" in hint.question, check.id
            assert f"{lab.folder.name}.md#" in hint.pointer, check.id
