"""What was predicted is graded by what the kernel says, and each miss is explained."""

import json
import re
from functools import cache
from pathlib import Path

import pytest
from daemonlab import course, predict, questions, subjects
from daemonlab.birth import born
from daemonlab.course import CourseError
from daemonlab.environment import BARE, FRIENDLY, HOSTILE
from daemonlab.facts import facts_of
from daemonlab.house import LABS
from daemonlab.questions import FORMS, Question, Quiz
from daemonlab.record import Record
from dialogue import at_terminal, typed
from student import Copy, Run

pytestmark = [pytest.mark.usefixtures("nothing_left"), pytest.mark.timeout(300)]

every_lab = pytest.mark.parametrize("lab", [lab.number for lab in course.labs()])
every_language = pytest.mark.parametrize("language", course.LANGUAGES)


@cache
def quiz(lab: int) -> Quiz:
    return questions.quiz(course.lab(lab))


@cache
def observed(lab: int, language: str) -> tuple[dict[str, str | None], Record]:
    """What the kernel says of the reference, by fact."""
    subject = next(one for one in subjects.reference() if one.name == language)
    record = predict.observe(quiz(lab), subject)
    facts = facts_of(record)
    named = (question.fact for question in quiz(lab).questions)
    return {name: predict.value(facts, name, record.scratch) for name in named}, record


def another(question: Question, right: str) -> str:
    """A wrong answer to a question, one that is explained if there is any."""
    if question.misses:
        return next(iter(question.misses))
    return {"octal": "123", "number": "99", "signals": "QUIT"}[question.form]


def as_typed(question: Question, value: str) -> str:
    """A choice by its number, the rest as it is."""
    return str([*question.choices].index(value) + 1) if question.choices else value


def keys(lab: int, change: dict[str, str] | None = None) -> str:
    """All right answers in the order of the questions, but for those that are changed."""
    right = {name: str(value) for name, value in observed(lab, "c")[0].items()} | (change or {})
    return "".join(f"{as_typed(one, right[one.fact])}\n" for one in quiz(lab).questions)


def fits(run: Run, columns: int = 80) -> None:
    """Lines that fit, and nothing that a terminal would obey."""
    assert all(len(line) <= columns for line in run.output.splitlines()), run.output
    assert all(c.isprintable() or c in "\n\f" for c in run.output + run.errors), run


# --- the questions


@every_language
@every_lab
def test_the_kernel_says_what_the_author_holds_for_right(lab: int, language: str) -> None:
    """In both languages: the observed value is the one choice that no miss explains, or an answer
    of the question's form that is no known miss."""
    values, record = observed(lab, language)
    for question in quiz(lab).questions:
        value = values[question.fact]
        assert value is not None, (question.fact, record)
        assert value not in question.misses, question.fact
        if question.choices:
            assert question.held == (value,), question.fact
        assert question.understand(value) == value, question.fact


@every_lab
def test_the_starter_or_the_daemon_or_a_child_is_asked_about(lab: int) -> None:
    """Each lab has a few questions, none longer than its place; a choice by its number, its value
    and its text means the same."""
    assert 4 <= len(quiz(lab).questions) <= 12
    for question in quiz(lab).questions:
        for number, (value, text) in enumerate(question.choices.items(), 1):
            assert question.understand(str(number)) == value
            assert question.understand(value) == value
            assert question.understand(f" {text.upper()} ") == value


GOOD = (LABS / "01-detach" / "predict.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('scenario = "friendly"', 'scenario = "kind"', 'there is no scenario "kind"'),
        ('scenario = "friendly"', "", "the key 'scenario' is missing"),
        ('fact = "parent"', 'fact = "parrent"', 'there is no fact "parrent"'),
        ('check = "parent"', 'check = "parrent"', 'there is no check "parrent"'),
        ('fact = "session"', 'fact = "parent"', "the same fact is asked for twice"),
        ('of = "starter"', 'of = "thread"', 'there is no process "thread"'),
        ('form = "octal"', 'form = "hex"', 'there is no form "hex"'),
        ('ask = "Who is its parent?"', 'ask = " "', "ask: expected a text"),
        ('ask = "Who is its parent?"', 'ask = "?"\nhint = "?"', "there is no key ['hint']"),
        ('form = "octal"', 'form = "octal"\nchoices = {a = "b"}', "it has a form and choices, too"),
        ('002 = "That', '9 = "That', "no answer of this form is ['9']"),
        ('reaper = "the reaper', '7 = "the reaper', "taken for the number of a choice: ['7']"),
        ('starter = "It was', 'midwife = "It was', "misses of no choice: ['midwife']"),
        ('shell = "The shell made', 'reaper = "The shell made', None),
        ('yes = "Who calls', '# yes = "Who calls', "each choice but one needs its miss"),
        ('reaper = "the reaper', '"SHELL" = "the reaper', "two choices are the same"),
        ("[[question]]", "[[question", "predict.toml: "),
    ],
)
def test_questions_that_are_wrong_are_refused(
    old: str, new: str, says: str | None, tmp_path: Path
) -> None:
    """The file is named, and what is wrong in it. That the author holds a wrong answer for right
    is none of these: only the kernel can tell."""
    assert old in GOOD
    path = tmp_path / "predict.toml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    if says is None:
        held = {one.fact: one.held for one in questions.read(path, course.lab(1)).questions}
        assert held["parent"] == ("shell",)
        return
    with pytest.raises(CourseError) as caught:
        questions.read(path, course.lab(1))
    assert str(path) in str(caught.value) and says in str(caught.value)


@pytest.mark.parametrize(
    ("form", "text", "value"),
    [
        ("octal", "22", "022"),
        ("octal", " 0o022 ", "022"),
        ("octal", "0022", "022"),
        ("octal", "8", None),
        ("octal", "rw-r--r--", None),
        ("octal", "٢٢", None),
        ("number", "00", "0"),
        ("number", "-1", None),
        ("number", "²", None),
        ("signals", "sigterm, HUP", "HUP TERM"),
        ("signals", "15 1", "HUP TERM"),
        ("signals", "none", "none"),
        ("signals", "NONE TERM", None),
        ("signals", "TERM HUP TREM", None),
        ("signals", "999999999999", None),
        ("signals", "SIG", None),
    ],
)
def test_what_is_typed_is_understood(form: str, text: str, value: str | None) -> None:
    """As people write it, and nothing else."""
    assert FORMS[form].understand(text) == value


def test_words_that_are_of_two_choices_mean_none() -> None:
    """Who types the beginning of two choices is asked once more."""
    (stdin,) = [one for one in quiz(2).questions if one.fact == "stdin"]
    assert stdin.understand("to") is None
    assert stdin.understand("to the") == "/dev/pts/N rw"
    assert stdin.understand("") is stdin.understand("0") is stdin.understand("5") is None


def test_what_it_is_born_into_is_told() -> None:
    """In words, whatever the environment."""
    friendly, hostile, bare = (dict(born(one)) for one in (FRIENDLY, HOSTILE, BARE))
    assert set(friendly) == {"terminal", "directory", "umask"} and friendly["umask"] == "002"
    assert hostile["ignored"] == "signals HUP USR2 PIPE CHLD"
    assert hostile["blocked"] == "signals USR1 ALRM TERM"
    assert "7, 300 and 900" in hostile["leaked"] and "256" in hostile["leaked"]
    assert "PYTHONHOME" in hostile["variables"] and "PATH" not in hostile["variables"]
    assert bare["terminal"].startswith("none; descriptors 0, 1 and 2 are closed")
    assert "removed" in bare["directory"] and bare["variables"] == "none"


# --- grading


@every_lab
def test_all_right(lab: int) -> None:
    """Who predicts what the kernel says has all of them right."""
    run = typed("predict", str(lab), keys=keys(lab))
    number = len(quiz(lab).questions)
    assert run.code == 0 and f"\n{number} of {number} right.\n" in run.output, run.output
    assert "✗" not in run.output and "wrong" not in run.output and run.errors == ""
    fits(run)


@every_language
@every_lab
def test_all_wrong(lab: int, language: str) -> None:
    """A wrong prediction is graded wrong: what was said, what the kernel says and where, and why.
    It is no failure of anybody's: the exit code is 0."""
    values, _ = observed(lab, "c")
    wrong = {one.fact: another(one, str(values[one.fact])) for one in quiz(lab).questions}
    run = typed("predict", str(lab), "--language", language, keys=keys(lab, wrong))
    assert run.code == 0 and f"\n0 of {len(wrong)} right.\n" in run.output, run.output
    told = run.words.split("What the kernel says of the reference")[1]
    for question in quiz(lab).questions:
        assert question.check.why in told
        assert question.check.section in told.replace(" ", "")
        assert question.misses.get(wrong[question.fact], "") in told
    fits(run)


def test_one_wrong() -> None:
    """Of signals it is told which are missing, and which are too many; the evidence stands by."""
    ignored = str(observed(3, "c")[0]["ignored"])
    missing = [name for name in ignored.split() if name != "PIPE"]
    assert "PIPE" in ignored and "HUP" not in ignored and len(missing) > 2
    run = typed("predict", "3", keys=keys(3, {"ignored": "PIPE HUP"}))
    assert f"{len(quiz(3).questions) - 1} of {len(quiz(3).questions)} right." in run.output
    assert f"you said HUP PIPE the kernel {ignored} " in run.words
    assert f"you left out {' '.join(missing)}; it does not have HUP" in run.words
    assert re.search(r"read from +/proc/\d+/status: SigIgn: [0-9a-f]{16}\n", run.output)


# --- talking


@pytest.mark.parametrize("end", ["", "q\n", "Q", "q"])
def test_the_end_of_the_answers(end: str) -> None:
    """The end of the input, or q, with or without a newline: what was answered is graded."""
    run = typed("predict", "1", keys="0\nshell\n" + end)
    assert run.code == 0 and run.errors == "", run
    assert f"1 of 2 right, {len(quiz(1).questions) - 2} open." in run.output
    told = run.output.split("What the kernel says")[1]
    assert told.count("not answered") == len(quiz(1).questions) - 2
    assert "PPid: " in told and "Umask: " not in told, "only what was predicted is told"


@pytest.mark.parametrize("end", ["", "\n", "q\n", "\n\n\nq"])
def test_nothing_predicted(end: str) -> None:
    """Who predicts nothing is shown nothing."""
    run = typed("predict", "1", keys=end)
    assert run.code == 0 and "Nothing was predicted" in run.output, run
    assert "What the kernel says" not in run.output


def test_asked_once_more() -> None:
    """What is no answer is asked for again, whatever bytes it is; a question can be left out."""
    strange = b"yes\n\xff\x1b[2J\x07\n" + b"9" * 100_000 + b"\n0\n"
    run = typed("predict", "1", keys=strange + b"\n1\nq\n")
    assert run.code == 0 and run.words.count("is no answer here. Asked for: a number") == 3, run
    assert '"yes" is no' in run.output
    assert "1 of 2 right" in run.output or "2 of 2 right" in run.output
    assert "\x1b" not in run.output and "\x07" not in run.output


def test_the_wrong_word_is_named() -> None:
    """Of several words that one which means nothing."""
    run = typed("predict", "3", keys="PIPE, FOO TSTP\nq\n")
    question = quiz(3).questions[0]
    assert question.form == "signals" and '"FOO" is no answer here.' in run.output, run
    assert question.wrong("HUP BAR BAZ") == "BAR" and question.wrong("HUP") == "HUP"


def test_plain() -> None:
    """--plain has one line a row, and no sign."""
    run = typed("predict", "1", "--plain", keys=keys(1, {"umask": "002"}))
    assert run.code == 0 and "\nwrong: 7. What is its umask?\nyou said: 002\n" in run.output, run
    assert "\nright: 2. Who is its parent?\n" in run.output
    assert run.output.isascii() or not re.search("[✓✗─│]", run.output)
    assert not re.search(r"(?m)^ ", run.output), "nothing is indented"


def test_at_a_terminal() -> None:
    """A person is asked one question after the other; Ctrl-D ends it; colour only adds."""
    with at_terminal("predict", "1") as talk:
        talk.until(r"1 of 9\.")
        talk.until("> ")
        talk.type("0\n")
        talk.until(r"2 of 9\.")
        talk.until("> ")
        talk.type("the sh\n")
        talk.until(r"3 of 9\.")
        talk.until("> ")
        talk.type("\x04")
        talk.until("✓ right")
        talk.until("✗ wrong")
        talk.until(r"1 of 2 right, 7 open\.")
        assert talk.end() == 0
        assert "\x1b[" in talk.said


def test_no_colour() -> None:
    """NO_COLOR is heeded: no colour at a terminal, and all is said all the same."""
    with at_terminal("predict", "1", NO_COLOR="1") as talk:
        talk.until("> ")
        talk.type("1\n\x04")
        talk.until(r"0 of 1 right, 8 open\.")
        assert talk.end() == 0
        assert not re.search(r"\x1b\[[0-9;]*3[0-9]", talk.said)


def test_interrupted() -> None:
    """Ctrl-C ends it at once, says so in a line of its own, and leaves nothing."""
    with at_terminal("predict", "1") as talk:
        talk.until("> ")
        talk.type("0\n")
        talk.until("> ")
        talk.type("\x03")
        talk.until(r"\nStopped: nothing was run\. make predict-1 asks again\.\n")
        assert talk.end() == 130
        assert "Traceback" not in talk.said and "What the kernel says" not in talk.said
        assert "Aborted" not in talk.said


# --- without a person


def test_answers_by_line(tmp_path: Path) -> None:
    """One answer a line, an empty line for none."""
    lines = keys(1).split("\n")
    lines[1] = ""
    path = tmp_path / "answers"
    path.write_text("\n".join(lines))
    run = typed("predict", "1", "--answers", str(path), keys="unread\n")
    assert run.code == 0 and "8 of 8 right, 1 open." in run.output, run
    assert "> " not in run.output


def test_answers_in_toml(tmp_path: Path) -> None:
    """Or TOML, by the names of the facts; here with one that is wrong."""
    path = tmp_path / "answers.toml"
    path.write_text('parent = "reaper"\numask = "002"\nstarter_status = 0\n')
    run = typed("predict", "1", "--answers", str(path), "--json", "--language", "python")
    data = json.loads(run.output)
    assert (run.code, data["right"], data["answered"]) == (0, 2, 3), run
    by_fact = {one["fact"]: one for one in data["questions"]}
    assert (by_fact["umask"]["predicted"], by_fact["umask"]["observed"]) == ("002", "022")
    assert by_fact["umask"]["right"] is False and by_fact["parent"]["right"] is True
    assert by_fact["session"]["right"] is by_fact["session"]["predicted"] is None
    assert data["language"] == "python" and by_fact["umask"]["evidence"].endswith(
        "/status: Umask: 0022"
    )


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("answers.toml", 'parrent = "reaper"', "nothing is asked about 'parrent'"),
        ("answers.toml", 'parent = "nobody"', "parent: 'nobody' is not a number from 1 to 3"),
        ("answers.toml", "parent = ", "answers.toml: "),
        ("answers", "zero\n", "starter_status: 'zero' is not a number"),
        ("answers", "\n" * 9 + "1\n", "9 questions, and still '1'"),
        ("answers", b"\xff\xfe", "answers: "),
    ],
)
def test_answers_that_cannot_be_used(
    name: str, text: str | bytes, says: str, tmp_path: Path
) -> None:
    """The file is named, and what is wrong; nothing is run."""
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    run = typed("predict", "1", "--answers", str(path))
    assert (run.code, run.output) == (2, "") and says in run.errors, run
    assert str(path) in run.errors and "Traceback" not in run.errors


def test_json_asks_elsewhere() -> None:
    """With --json what is data stands alone on standard output: questions are on the other."""
    run = typed("predict", "1", "--json", keys="0\nq\n")
    assert json.loads(run.output)["answered"] == 1 and "2 of 9." in run.errors


@every_language
def test_paper(language: str) -> None:
    """A sheet with boxes to be filled in, and a second page with what was observed."""
    run = typed("predict", "1", "--paper", "--language", language, keys="")
    sheet, answers = run.output.split("\f")
    assert run.code == 0 and run.errors == "", run
    choices = [text for one in quiz(1).questions for text in one.choices.values()]
    assert sheet.count("[ ]") == len(choices) and all(f"[ ] {text}" in sheet for text in choices)
    assert sheet.count("____  (") == 2 and "Umask: 0022" not in sheet
    assert "Umask: 0022" in answers and "the reaper: whoever adopts orphans here" in answers
    fits(run)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["99"], "there is no lab 99"),
        (["1", "--paper", "--json"], "--paper has the answers on its second page"),
        (["1", "--language", "perl"], "'perl' is not one of"),
        (["1", "--answers", "/nowhere"], "/nowhere"),
    ],
    ids=" ".join,
)
def test_usage(arguments: list[str], says: str) -> None:
    """What cannot be asked for ends with 2, and standard error says why."""
    run = typed("predict", *arguments)
    assert (run.code, run.output) == (2, "") and says in run.errors, run


def test_lab_without_questions(house: Copy) -> None:
    """A lab that asks nothing says so."""
    (house.skeleton(1, "c").parent / "predict.toml").unlink()
    run = house.daemonlab("predict", "1")
    assert run.code == 2 and "lab 1 has nothing to predict" in run.words, run
    assert house.daemonlab("lab", "1").code == 0
