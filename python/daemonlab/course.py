"""The labs as their `lab.toml` and `hints.toml` describe them."""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemonlab.checks import CHECKS
from daemonlab.house import LABS
from daemonlab.scenarios import LABS as SCENARIOS

LAST_LAB = 13
LANGUAGES = ("c", "python")
TIERS = ("question", "pointer", "recipe")


class CourseError(Exception):
    """A lab does not exist or its description is wrong; the text names file and remedy."""


@dataclass(frozen=True, slots=True)
class CheckInfo:
    """What a lab says about one of its checks."""

    id: str
    title: str
    points: int
    scenarios: tuple[str, ...]
    """It must pass in each of these."""
    after: str
    """Not reached unless that check has passed; empty for none."""
    why: str
    """One sentence: why it matters."""
    story: str
    """One sentence: the daemon that it happened to, with the report; empty for none."""
    function: str
    """The public function of the module in which one begins to look; of two, "one, another"."""
    blame: Mapping[str, str]
    """Other functions, by a word of what was observed."""
    man: str
    section: str
    """Page and anchor in the book."""

    @property
    def functions(self) -> tuple[str, ...]:
        """That one, or those, and the others."""
        return tuple(", ".join((self.function, *self.blame.values())).split(", "))


@dataclass(frozen=True, slots=True)
class Hint:
    """Help with one check in the terms of one language; each tier tells more than the last."""

    question: str
    """Makes one think."""
    pointer: str
    """Which function, which page of the manual, which section of the book."""
    recipe: str
    """The steps in words; calls by their names, never the code."""


Hints = Mapping[str, Mapping[str, Hint]]
"""By the id of the check, then by language."""


@dataclass(frozen=True, slots=True)
class Lab:
    """One stage of the course."""

    number: int
    folder: Path
    title: str
    module: str
    checks: tuple[CheckInfo, ...]
    reached: Mapping[str, str]
    """The functions in which a start may have come to its end, by how far its log tells that it
    got: "unopened", "opened", or its last event. More exactly, where that is known: "starter", it
    waits for what no daemon does, or was killed; "answer", it was ready, but its starter was told
    otherwise."""

    @property
    def points(self) -> int:
        """What all checks together are worth."""
        return sum(check.points for check in self.checks)

    def skeleton(self, suffix: str) -> Path:
        """The file a student works in: suffix is "c" or "py"."""
        return self.folder / f"{self.module}.{suffix}"


def _check_info(lab: int, table: dict[str, Any]) -> CheckInfo:
    info = CheckInfo(
        id=table["id"],
        title=table["title"],
        points=table["points"],
        scenarios=tuple(table["scenarios"]),
        after=table.get("after", ""),
        why=table["why"],
        story=text(f'check "{table["id"]}": story', table["story"]) if "story" in table else "",
        function=table["function"],
        blame=table.get("blame", {}),
        man=table["man"],
        section=table["section"],
    )
    if info.id not in CHECKS:
        raise ValueError(f'check "{info.id}": there is no such check')
    known = {scenario.name for scenario in SCENARIOS[lab]}
    if unknown := set(info.scenarios) - known:
        raise ValueError(f'check "{info.id}": unknown scenarios {sorted(unknown)}')
    return info


def _read(folder: Path) -> Lab:
    path = folder / "lab.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        number = int(folder.name[:2])
        checks = tuple(_check_info(number, check) for check in table["check"])
        reached = {
            key: text(f"reached.{key}", value) for key, value in table.get("reached", {}).items()
        }
        return Lab(number, folder, table["title"], table["module"], checks, reached)
    except KeyError as error:
        raise CourseError(f"{path}: the key {error} is missing") from error
    except (OSError, ValueError) as error:
        raise CourseError(f"{path}: {error}") from error


def _same_keys(where: str, found: Collection[str], wanted: Collection[str]) -> None:
    if missing := sorted(set(wanted) - set(found)):
        raise ValueError(f"{where}: missing {missing}")
    if extra := sorted(set(found) - set(wanted)):
        raise ValueError(f"{where}: there is no {extra}")


def text(key: str, value: object) -> str:
    """The text that a key of a description has. Raises ValueError if it is none, or empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{key}: expected a text, found {value!r}")
    return value.strip()


def _tier(key: str, value: object) -> dict[str, str]:
    """The text for each language: one stands for both."""
    if not isinstance(value, dict):
        return dict.fromkeys(LANGUAGES, text(key, value))
    _same_keys(key, value, LANGUAGES)
    return {language: text(f"{key}.{language}", value[language]) for language in LANGUAGES}


def _hint(check: str, table: object) -> dict[str, Hint]:
    if not isinstance(table, dict):
        raise ValueError(f"{check}: expected a table, found {table!r}")
    _same_keys(check, table, TIERS)
    tiers = {tier: _tier(f"{check}.{tier}", text) for tier, text in table.items()}
    return {
        language: Hint(**{tier: texts[language] for tier, texts in tiers.items()})
        for language in LANGUAGES
    }


def hints(lab: Lab) -> Hints:
    """The hints for every check of a lab, and for no other. Raises CourseError."""
    path = lab.folder / "hints.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        _same_keys("checks", table, [check.id for check in lab.checks])
        return {check.id: _hint(check.id, table[check.id]) for check in lab.checks}
    except (OSError, ValueError) as error:
        raise CourseError(f"{path}: {error}") from error


def labs() -> tuple[Lab, ...]:
    """Every lab that exists, in order. Raises CourseError."""
    return tuple(_read(path.parent) for path in sorted(LABS.glob("[0-9][0-9]-*/lab.toml")))


def lab(number: int) -> Lab:
    """One lab. Raises CourseError if it does not exist."""
    found = {lab.number: lab for lab in labs()}
    if number in found:
        return found[number]
    if 1 <= number <= LAST_LAB:
        raise CourseError(f"lab {number} is not there yet; there are labs {_range(sorted(found))}")
    raise CourseError(f"there is no lab {number}; there are labs {_range(sorted(found))}")


def _range(numbers: list[int]) -> str:
    return f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else str(*numbers)
