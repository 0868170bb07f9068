"""Predict, then observe: ask what the kernel will say, run the reference, grade the answers."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from daemonlab.birth import FOLDER, born, configured
from daemonlab.checks import show
from daemonlab.explain import relative
from daemonlab.facts import Facts, facts_of
from daemonlab.house import CHAPTERS
from daemonlab.page import Lines, Page
from daemonlab.perform import perform
from daemonlab.questions import PROCESSES, Question, Quiz
from daemonlab.record import Record
from daemonlab.subjects import Subject
from daemonlab.text import printable

LEAVE = "q"
"""What one types to answer no more questions."""
_BOX = "[ ]"
_MOST_SHOWN = 40
"""Characters of what was typed that are shown."""


class AnswersError(Exception):
    """A file of answers that cannot be used; the text names the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class Grade:
    """One prediction beside what the kernel said."""

    question: Question
    predicted: str | None
    """As Question.understand() gave it; None: not answered."""
    observed: str | None
    """None: it could not be seen here, and the evidence says why."""
    evidence: str

    @property
    def right(self) -> bool | None:
        """None: not answered, or not seen."""
        if self.predicted is None or self.observed is None:
            return None
        return self.predicted == self.observed


# --- observing and grading: no input, no output ---


def observe(quiz: Quiz, subject: Subject) -> Record:
    """Run the launch that the questions are about. Raises LaunchError."""
    return perform(partial(subject.command, quiz.lab.number), quiz.scenario, subject.variables)


def value(facts: Facts, name: str, scratch: str) -> str | None:
    """A fact's value in words, without what is another each time. None: it is not known."""
    if facts[name].value is None:
        return None
    return re.sub(r"^/dev/pts/\d+", "/dev/pts/N", show(facts[name].value).replace(scratch, FOLDER))


def grade(quiz: Quiz, answers: Mapping[str, str], record: Record) -> tuple[Grade, ...]:
    """Each answer, by its fact, beside what the kernel said."""
    facts = facts_of(record)
    return tuple(
        Grade(
            question,
            answers.get(question.fact),
            value(facts, question.fact, record.scratch),
            facts[question.fact].evidence.replace(record.scratch, FOLDER),
        )
        for question in quiz.questions
    )


# --- answers ---


def read_answers(path: Path, quiz: Quiz) -> dict[str, str]:
    """The answers in a file: TOML, with facts for keys, if its name ends so; else one a line, in
    the order of the questions, an empty line for none. Raises AnswersError."""
    try:
        text = path.read_text(encoding="utf-8")
        given = tomllib.loads(text) if path.suffix == ".toml" else _by_line(text, quiz)
    except (OSError, ValueError) as error:
        raise AnswersError(f"{path}: {error}") from error
    questions = {question.fact: question for question in quiz.questions}
    answers = {}
    for fact, one in given.items():
        if fact not in questions:
            raise AnswersError(f"{path}: nothing is asked about {fact!r}")
        understood = questions[fact].understand(str(one))
        if understood is None:
            raise AnswersError(f"{path}: {fact}: {one!r} is not {questions[fact].wanted}")
        answers[fact] = understood
    return answers


def _by_line(text: str, quiz: Quiz) -> dict[str, str]:
    lines = [line.strip() for line in text.splitlines()]
    if more := [line for line in lines[len(quiz.questions) :] if line]:
        raise ValueError(f"{len(quiz.questions)} questions, and still {more[0]!r}")
    named = zip((question.fact for question in quiz.questions), lines, strict=False)
    return {fact: line for fact, line in named if line}


# --- asking ---


def print_head(page: Page, quiz: Quiz) -> None:
    """What will be started, and where."""
    page.say(f"Lab {quiz.lab.number} · {quiz.lab.module}: predict, then observe", "bold")
    page.say(
        f"The daemon is started as a shell does, with what you see here. {FOLDER} stands for the "
        "name of a folder that is made for it."
    )
    page.say()
    page.rows([*born(quiz.scenario.environment), *configured(quiz.scenario)], 2)


def _grouped(quiz: Quiz) -> Iterator[tuple[str, list[tuple[int, Question]]]]:
    numbered = enumerate(quiz.questions, 1)
    for of, group in groupby(numbered, lambda one: one[1].of):
        yield PROCESSES[of], list(group)


def ask(page: Page, lines: Lines, quiz: Quiz) -> dict[str, str]:
    """Ask all that there is to ask, until the end or until one leaves."""
    print_head(page, quiz)
    page.say()
    page.say(f"Type a number or a word. Enter alone: the next question. {LEAVE}: no more of them.")
    answers: dict[str, str] = {}
    for process, group in _grouped(quiz):
        page.say()
        page.say(process, "bold")
        for number, question in group:
            page.say()
            page.item(f"{number} of {len(quiz.questions)}. ", question.ask, indent=2)
            _print_choices(page, question)
            answer = _answer(page, lines, question)
            if answer is None:
                return answers
            if answer:
                answers[question.fact] = answer
    return answers


def _print_choices(page: Page, question: Question) -> None:
    for number, meaning in enumerate(question.choices.values(), 1):
        page.item(f"{number}  ", meaning, indent=4)
    if not question.choices:
        page.say(f"({question.wanted})", indent=4)


def _answer(page: Page, lines: Lines, question: Question) -> str | None:
    """The answer, "" for none to this question, None for none any more."""
    while True:
        typed = lines.ask(page)
        if typed is None or typed.casefold() == LEAVE:
            return None
        if not typed or (understood := question.understand(typed)) is not None:
            return understood if typed else ""
        wrong = printable(question.wrong(typed)[:_MOST_SHOWN])
        wanted = f"{question.wanted}. Once more, or {LEAVE} to leave."
        page.say(f'"{wrong}" is no answer here. Asked for: {wanted}')


# --- telling ---


def _meaning(question: Question, observed: str) -> str:
    """A value in the words of the choice, if it is one."""
    return printable(question.choices.get(observed, observed))


def _difference(grade: Grade) -> str:
    """Of two sets of signals: what was forgotten, what was added."""
    observed, predicted = (
        [name for name in (text or "").split() if name != "none"]
        for text in (grade.observed, grade.predicted)
    )
    missing = [name for name in observed if name not in predicted]
    added = [name for name in predicted if name not in observed]
    parts = [f"you left out {' '.join(missing)}" if missing else ""]
    parts += [f"it does not have {' '.join(added)}" if added else ""]
    return "; ".join(filter(None, parts))


def _explained(grade: Grade) -> Iterator[tuple[str, str]]:
    """A miss: what was predicted, what the kernel says, why."""
    question, check = grade.question, grade.question.check
    predicted, observed = grade.predicted or "", grade.observed or ""
    yield "you said", _meaning(question, predicted)
    yield "the kernel", _meaning(question, observed)
    if grade.evidence:
        yield "read from", printable(grade.evidence)
    if question.form == "signals":
        yield "difference", _difference(grade)
    if miss := question.misses.get(predicted):
        yield "but", miss
    yield "why", check.why
    yield "read", f"{check.man}; {relative(CHAPTERS)}/{check.section}"


def print_grades(page: Page, quiz: Quiz, title: str, grades: tuple[Grade, ...]) -> None:
    """Each prediction, and each miss explained."""
    page.say()
    page.say(f"What the kernel says of the reference in {title}", "bold")
    for number, one in enumerate(grades, 1):
        page.say()
        page.mark(one.right, f"{number}. {one.question.ask}")
        if one.right is False:
            page.rows(_explained(one), 4)
        elif one.observed is None:
            page.say(f"It could not be seen here: {one.evidence}", indent=4)
        elif one.right:
            page.say(f"{_meaning(one.question, one.observed)}", indent=4)
        else:
            page.say("not answered; once you have predicted it, it is shown", indent=4)
    page.say()
    page.say(summary(grades), "bold")


def summary(grades: tuple[Grade, ...]) -> str:
    """How many were right, in a line."""
    graded = [one.right for one in grades if one.right is not None]
    left = len(grades) - len(graded)
    return f"{sum(graded)} of {len(graded)} right" + (f", {left} open" if left else "") + "."


def data(quiz: Quiz, language: str, grades: tuple[Grade, ...]) -> dict[str, object]:
    """The grades for programs to read."""
    return {
        "lab": quiz.lab.number,
        "language": language,
        "scenario": quiz.scenario.name,
        "right": sum(one.right is True for one in grades),
        "answered": sum(one.predicted is not None for one in grades),
        "questions": [
            {
                "fact": one.question.fact,
                "process": one.question.of,
                "ask": one.question.ask,
                "predicted": one.predicted,
                "observed": one.observed,
                "evidence": one.evidence,
                "right": one.right,
                "why": one.question.check.why,
                "man": one.question.check.man,
                "section": one.question.check.section,
            }
            for one in grades
        ],
    }


# --- on paper ---


def print_paper(page: Page, quiz: Quiz, title: str, grades: tuple[Grade, ...]) -> None:
    """The questions with boxes, and on a second page what the kernel said."""
    print_head(page, quiz)
    for process, group in _grouped(quiz):
        page.say()
        page.say(process, "bold")
        for number, question in group:
            page.say()
            page.item(f"{number}. ", question.ask, indent=2)
            for meaning in question.choices.values():
                page.item(f"{_BOX} ", meaning, indent=5)
            if not question.choices:
                page.say(f"{'_' * 24}  ({question.wanted})", indent=5)
    page.feed()
    page.say(f"Lab {quiz.lab.number} · {quiz.lab.module}: answers, as observed in {title}", "bold")
    for number, one in enumerate(grades, 1):
        page.say()
        observed = "not seen here" if one.observed is None else _meaning(one.question, one.observed)
        page.item(f"{number}. ", observed, indent=2)
        if one.evidence:
            page.say(printable(one.evidence), indent=5)
        page.say(f"{one.question.check.why} {one.question.check.man}", indent=5)
