"""The next hint for the check that failed last: a question, then a pointer, then a recipe.

Each is shown once and counted in progress.toml; the solution is never shown.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from daemonlab import course
from daemonlab.course import LANGUAGES, TIERS, CheckInfo, Lab
from daemonlab.explain import chapter, relative
from daemonlab.loop import NAMES, SUFFIXES, begun
from daemonlab.policy import Policy
from daemonlab.progress import NOT_BUILT, Progress
from daemonlab.text import printable


class HintError(Exception):
    """What was asked for does not exist; the text says what does."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown when somebody asks for a hint."""

    lab: Lab
    language: str
    check: CheckInfo | None
    """None: there is nothing to help with; the words say why."""
    tier: int
    """1 to 3; 0 for no hint."""
    texts: tuple[tuple[str, str], ...]
    """The names of the tiers that are shown, and their texts."""
    words: str
    """What is said about it."""


def language_of(
    lab: Lab,
    progress: Progress,
    asked: str | None,
    check: str | None,
    to_do: Sequence[str] = LANGUAGES,
) -> str:
    """The language that was asked for, else that of the last run, else the one begun with, of those
    in which a lab may be done here. Raises HintError where one is needed, because a check was
    named, and none is known."""
    if asked:
        return asked
    runs = {one: progress.entry(lab.number, one).last_run for one in to_do}
    if run := {one: when for one, when in runs.items() if when}:
        return max(run, key=lambda one: run[one])
    languages = [one for one in to_do if begun(lab, one)]
    if len(languages) == 1 or len(to_do) == 1 or not check:
        return [*languages, *to_do][0]
    raise HintError("say in which language: --language c, or --language python")


def _asked(lab: Lab, name: str) -> CheckInfo:
    wanted = " ".join(name.split()).casefold()
    for check in lab.checks:
        if wanted in (check.id, check.title.casefold()):
            return check
    known = "".join(f'\n  {check.id:<15} or "{check.title}"' for check in lab.checks)
    raise HintError(
        f'lab {lab.number} has no check "{name}"; it has, in the order of the table:{known}'
    )


def _nothing_failed(lab: Lab, progress: Progress, language: str) -> str:
    """Why there is no check to help with; empty if one failed."""
    entry, number = progress.entry(lab.number, language), lab.number
    if not any(progress.entry(number, one).runs for one in SUFFIXES):
        return f"You have not run a lab {number} of your own yet: make lab-{number} says how."
    where = f"lab {number} in {NAMES[language]}"
    if not entry.runs:
        return f"You have not run {where} yet: make lab-{number} shows where you stand."
    if entry.failing == NOT_BUILT:
        file = relative(lab.skeleton(SUFFIXES[language]))
        return (
            f"{file} did not compile when it was run last: no hint knows more than the compiler. "
            f"Mend the first line that it names: make lab-{number}."
        )
    if not entry.failing:
        return f"Nothing failed in your last run of {where}."
    if entry.failing not in {check.id for check in lab.checks}:
        name = printable(entry.failing)
        return f'Lab {number} has no check "{name}" any more: make lab-{number}.'
    return ""


def _texts(
    lab: Lab, check: CheckInfo, language: str, first: int, to: int
) -> tuple[tuple[str, str], ...]:
    hint = course.hints(lab)[check.id][language]
    return tuple((tier, getattr(hint, tier)) for tier in TIERS[first:to])


def next_hint(
    lab: Lab, progress: Progress, language: str, check: str | None = None, again: bool = False
) -> Shown:
    """Find what is to be shown, and note it in progress, which the caller saves.

    check is the check to help with, else the first that failed in the last run. again shows what
    was shown already, and counts nothing. Raises HintError, CourseError.
    """
    if check is None and (why := _nothing_failed(lab, progress, language)):
        return Shown(lab, language, None, 0, (), why)
    entry = progress.entry(lab.number, language)
    info = _asked(lab, check or entry.failing)
    seen = min(entry.hints.get(info.id, 0), len(TIERS))
    read = f"read {chapter(info.section)}, and {info.man}"
    if again:
        texts = _texts(lab, info, language, 0, seen)
        words = f"{seen} of {len(TIERS)} shown so far." if seen else "No hint was shown for it yet."
        return Shown(lab, language, info, 0, texts, words)
    if seen == len(TIERS):
        words = f"There are no more hints for it: {read}. --again shows the three once more."
        return Shown(lab, language, info, 0, (), words)
    texts = _texts(lab, info, language, seen, seen + 1)
    entry.hinted(info.id, seen + 1)
    left = len(TIERS) - seen - 1
    more = f"The next one tells more, {left} left." if left else f"That was the last: {read}."
    return Shown(lab, language, info, seen + 1, texts, f"Hint {seen + 1} of {len(TIERS)}. {more}")


def lines(shown: Shown, plain: bool, terms: Policy) -> list[str]:
    """What is printed, also what it costs. Plain: without empty lines, and what is said about it in
    one."""
    told, words = _lines(shown), [shown.words]
    if shown.tier and (cost := terms.hint_cost(shown.tier)):
        words.append(f"It takes {cost:g} off your points: course.toml says so.")
    if plain:
        return [*filter(None, told), *words]
    return [*told, *(line for text in words for line in textwrap.wrap(text, 78))]


def _lines(shown: Shown) -> list[str]:
    if shown.check is None:
        return []
    where = f"lab {shown.lab.number}, {NAMES[shown.language]}"
    told = [f"{shown.check.title} ({where})"]
    for tier, text in shown.texts:
        told += ["", f"{tier}:", *text.splitlines()]
    return [*told, ""]


def data(shown: Shown) -> dict[str, object]:
    """The same for programs."""
    return {
        "lab": shown.lab.number,
        "language": shown.language,
        "check": shown.check.id if shown.check else None,
        "tier": shown.tier,
        "texts": dict(shown.texts),
        "words": shown.words,
    }
