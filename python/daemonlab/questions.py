"""The questions of a lab, for `make predict-N`, as its `predict.toml` asks them.

    scenario = "friendly"            one of the lab's scenarios; the launch that is asked about

    [[question]]
    fact = "parent"                  which fact is the answer: docs/reference/facts.md
    check = "parent"                 whose reason, man page and section explain it
    of = "daemon"                    starter, daemon or child
    ask = "Who is its parent?"
    [question.choices]               by the fact's value, as checks.show() puts it
    reaper = "the reaper of orphans"
    shell = "the shell"
    [question.misses]                why one might think so: for each choice but the right one
    shell = "..."

Where there are too many answers to choose from, `form` takes the place of the choices: "octal",
"number" or "signals"; its misses are answers that one often hears.

The right answer stands nowhere: it is what the kernel says when the reference runs.
"""

import re
import signal
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemonlab import course
from daemonlab.course import CheckInfo, CourseError, Lab
from daemonlab.facts import documentation, signal_names
from daemonlab.scenarios import LABS as SCENARIOS
from daemonlab.scenarios import Scenario

PROCESSES = {
    "starter": "The starter: the process that the shell waits for",
    "daemon": "The daemon, once it has settled",
    "child": "A child of the daemon, while it runs",
}
"""Which processes can be asked about."""


@dataclass(frozen=True, slots=True)
class Question:
    """One fact to be predicted."""

    fact: str
    check: CheckInfo
    of: str
    """A key of PROCESSES."""
    ask: str
    form: str
    """"choice" or a key of FORMS."""
    choices: Mapping[str, str]
    """What each value means, in the order in which they are offered; empty where it is typed."""
    misses: Mapping[str, str]
    """Why one might think so, by value."""

    def understand(self, text: str) -> str | None:
        """The value that an answer means, as checks.show() puts it. None: it means none.

        A choice is named by its number, by its value, or by the beginning of its text, if that is
        of no other.
        """
        if self.form != "choice":
            return FORMS[self.form].understand(text)
        word = _word(text)
        values = list(self.choices)
        if word.isdecimal():
            return values[int(word) - 1] if 1 <= int(word) <= len(values) else None
        names = {one: (_word(one), _word(meaning)) for one, meaning in self.choices.items()}
        exact = [value for value in values if word in names[value]]
        begun = [
            value
            for value in values
            if word and any(name.startswith(word) for name in names[value])
        ]
        found = exact or begun
        return found[0] if len(found) == 1 else None

    def wrong(self, text: str) -> str:
        """The part of an answer that means none which is to blame: of several words the first."""
        words = re.split(r"[\s,]+", text.strip())
        blamed = [word for word in words if self.form == "signals" and _signal(word) is None]
        return next(iter(blamed), text)

    @property
    def wanted(self) -> str:
        """What an answer may look like."""
        if self.form != "choice":
            return FORMS[self.form].wanted
        return f"a number from 1 to {len(self.choices)}, or the words"

    @property
    def held(self) -> tuple[str, ...]:
        """The choices that no miss explains: the one that the author holds for right."""
        return tuple(value for value in self.choices if value not in self.misses)


@dataclass(frozen=True, slots=True)
class Quiz:
    """The questions of a lab, all about one launch."""

    lab: Lab
    scenario: Scenario
    questions: tuple[Question, ...]


def _word(text: str) -> str:
    return " ".join(text.casefold().split())


# --- what is typed ---


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of answer that is typed."""

    wanted: str
    understand: Callable[[str], str | None]


def _octal(text: str) -> str | None:
    found = re.fullmatch(r"(?:0o)?([0-7]{1,6})", text.strip())
    return f"{int(found[1], 8):03o}" if found else None


def _number(text: str) -> str | None:
    found = re.fullmatch(r"[0-9]{1,9}", text.strip())
    return str(int(found[0])) if found else None


def _signal(name: str) -> int | None:
    if name.isdecimal():
        return int(name) if len(name) < 3 and int(name) in signal.valid_signals() else None
    known = {one.name.removeprefix("SIG"): int(one) for one in signal.Signals}
    return known.get(name.upper().removeprefix("SIG"))


def _signals(text: str) -> str | None:
    names = re.split(r"[\s,]+", text.strip())
    if names in (["none"], ["-"]):
        return "none"
    numbers = [_signal(name) for name in names]
    known = {number for number in numbers if number is not None}
    return " ".join(signal_names(known)) if None not in numbers else None


FORMS: Mapping[str, Form] = {
    "octal": Form("an octal number, such as 644", _octal),
    "number": Form("a number", _number),
    "signals": Form("names of signals, such as HUP TERM, or none", _signals),
}


# --- reading ---


def _infos(lab: Lab) -> dict[str, CheckInfo]:
    """Every check by its id: where two labs have the same, the lab's own comes first."""
    labs = [*reversed(course.labs()), lab]
    return {check.id: check for one in labs for check in one.checks}


def _known(what: str, name: str, names: Collection[str]) -> str:
    if name not in names:
        raise ValueError(f'there is no {what} "{name}"')
    return name


def _texts(key: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"{key}: expected a table, found {value!r}")
    return {name: course.text(f"{key}.{name}", text) for name, text in value.items()}


def _question(table: dict[str, Any], infos: Mapping[str, CheckInfo]) -> Question:
    fact = _known("fact", table["fact"], documentation())
    if extra := sorted(set(table) - {"fact", "check", "of", "ask", "form", "choices", "misses"}):
        raise ValueError(f'fact "{fact}": there is no key {extra}')
    question = Question(
        fact=fact,
        check=infos[_known("check", table["check"], infos)],
        of=_known("process", table["of"], PROCESSES),
        ask=course.text("ask", table["ask"]),
        form=_known("form", table.get("form", "choice"), ("choice", *FORMS)),
        choices=_texts("choices", table.get("choices", {})),
        misses=_texts("misses", table["misses"]),
    )
    _validate(question)
    return question


def _validate(question: Question) -> None:
    where = f'fact "{question.fact}"'
    if question.form != "choice":
        if question.choices:
            raise ValueError(f"{where}: it has a form and choices, too")
        if strange := [v for v in question.misses if question.understand(v) != v]:
            raise ValueError(f"{where}: no answer of this form is {strange}")
        return
    if len(question.choices) < 2:
        raise ValueError(f"{where}: fewer than two choices, and no form")
    if numbers := [value for value in question.choices if value.isdecimal()]:
        raise ValueError(f"{where}: taken for the number of a choice: {numbers}; give it a form")
    if len({_word(value) for value in question.choices}) < len(question.choices):
        raise ValueError(f"{where}: two choices are the same")
    if unknown := sorted(set(question.misses) - set(question.choices)):
        raise ValueError(f"{where}: misses of no choice: {unknown}")
    if len(question.held) != 1:
        raise ValueError(
            f"{where}: each choice but one needs its miss, not all but {question.held}"
        )


def quiz(lab: Lab) -> Quiz:
    """The questions of a lab. Raises CourseError."""
    path = lab.folder / "predict.toml"
    if not path.exists():
        raise CourseError(f"lab {lab.number} has nothing to predict: there is no {path}")
    return read(path, lab)


def read(path: Path, lab: Lab) -> Quiz:
    """Read questions about a lab from a file. Raises CourseError, which names the file."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        scenarios = {scenario.name: scenario for scenario in SCENARIOS[lab.number]}
        scenario = scenarios[_known("scenario", table["scenario"], scenarios)]
        infos = _infos(lab)
        questions = tuple(_question(one, infos) for one in table["question"])
        if len({question.fact for question in questions}) < len(questions):
            raise ValueError("the same fact is asked for twice")
        return Quiz(lab, scenario, questions)
    except KeyError as error:
        raise CourseError(f"{path}: the key {error} is missing") from error
    except (OSError, ValueError) as error:
        raise CourseError(f"{path}: {error}") from error
