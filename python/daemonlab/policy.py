"""How an instructor runs the course: `course.toml` in the root of the house.

The file is optional, and so is each of its keys. What a lab is made of
(its checks, their points) is not said here, but in its lab.toml; this only chooses and scales.

    policy = load(course.labs())
    if policy.shows("why"): ...
    taken_off = policy.hint_cost(2)
"""

import datetime as dt
import math
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemonlab.course import LANGUAGES, TIERS, Lab
from daemonlab.house import ROOT

POLICY = ROOT / "course.toml"
DETAILS: Mapping[str, frozenset[str]] = {
    "full": frozenset({"observed", "expected", "why", "next"}),
    "observed": frozenset({"observed"}),
    "title": frozenset(),
}
"""What a failure shows besides the title of the check, by the word in the file: what was observed,
what was expected, why it matters, and the next step (man page, section, file)."""
_DAY = dt.timedelta(days=1)


class PolicyError(Exception):
    """The file is wrong: the text names it, the key, what was expected and what was found."""


@dataclass(frozen=True, slots=True)
class Late:
    """What becomes of a lab that is handed in after its due time."""

    percent_per_day: float = 0
    """Taken off for each day that has begun."""
    at_most: float = 100
    """Percent; no more is taken off than that."""
    accepted_days: int | None = None
    """After so many days nothing is accepted. None: always."""

    def __str__(self) -> str:
        if not self.percent_per_day:
            rule = "nothing off"
        elif self.at_most < 100:
            rule = f"−{self.percent_per_day:g} % a day, at most {self.at_most:g} %"
        else:
            rule = f"−{self.percent_per_day:g} % a day"
        return rule + (f", for {self.accepted_days} days" if self.accepted_days is not None else "")

    def percent(self, late: dt.timedelta) -> float:
        """What is taken off, in percent, from what comes so late; nothing if it is in time."""
        days = math.ceil(late / _DAY)
        if days <= 0:
            return 0
        if self.accepted_days is not None and days > self.accepted_days:
            return 100
        return min(days * self.percent_per_day, self.at_most)


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one lab."""

    points: float
    """What it counts when every check passes."""
    opens: dt.datetime | None = None
    due: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """How the course is run."""

    labs: tuple[int, ...]
    """The labs that belong to it, in order."""
    terms: Mapping[int, Terms]
    """By lab."""
    title: str = ""
    given: str = "none"
    """The language in which the class reads the solution: one of LANGUAGES, or "none"."""
    to_do: tuple[str, ...] = LANGUAGES
    """The languages in which a student may do a lab."""
    failures: str = "full"
    """A word of DETAILS."""
    hints: tuple[float, ...] = (0.0,) * len(TIERS)
    """What each tier costs, in points."""
    late: Late = field(default_factory=Late)

    def shows(self, part: str) -> bool:
        """Whether a failure shows that part: "observed", "expected", "why" or "next"."""
        if part not in DETAILS["full"]:
            raise ValueError(f"a failure has no part {part!r}")
        return part in DETAILS[self.failures]

    def hint_cost(self, tier: int) -> float:
        """Points that are taken off for the tier (1, 2 or 3) of a hint, this one alone."""
        if not 1 <= tier <= len(TIERS):
            raise ValueError(f"a hint has no tier {tier}")
        return self.hints[tier - 1]

    def hints_cost(self, tiers: int) -> float:
        """Points that are taken off when so many tiers (0 to 3) of one check's hints were shown."""
        return sum(self.hint_cost(tier) for tier in range(1, tiers + 1))

    def worth(
        self, lab: Lab, points: float, hints: float = 0, handed_in: dt.datetime | None = None
    ) -> float:
        """What a result counts: points of the lab's checks, less what its hints cost, scaled, less
        what is taken off for being late. Never below 0; rounded to hundredths."""
        terms = self.terms[lab.number]
        scaled = max(0.0, points - hints) * terms.points / lab.points
        if handed_in is not None and terms.due is not None:
            scaled *= 1 - self.late.percent(_aware(handed_in) - terms.due) / 100
        return round(scaled, 2)


def _aware(time: dt.datetime) -> dt.datetime:
    """A time without a zone is meant where we are."""
    return time if time.tzinfo else time.astimezone()


# --- reading: each value is looked at, and each key that is not known is refused


def _wrong(key: str, expected: str, found: object) -> ValueError:
    return ValueError(f"{key}: expected {expected}, found {found!r}")


def _known(key: str, found: Collection[str], wanted: Sequence[str]) -> None:
    if extra := sorted(set(found) - set(wanted)):
        place = f"{key}.{extra[0]}" if key else extra[0]
        raise ValueError(f"{place}: there is no such key; there are {', '.join(wanted)}")


def _table(key: str, value: object, wanted: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(key, "a table", value)
    _known(key, value, wanted)
    return value


def _number(key: str, value: object, most: float = math.inf) -> float:
    limit = "a number from 0 on" if math.isinf(most) else f"a number from 0 to {most:g}"
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _wrong(key, limit, value)
    if not 0 <= value <= most or math.isinf(value):
        raise _wrong(key, limit, value)
    return float(value)


def _word(key: str, value: object, words: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in words:
        raise _wrong(key, f"one of {', '.join(words)}", value)
    return value


def _to_do(value: object, given: str) -> tuple[str, ...]:
    """The languages named, in our order: by default all but the one that is given."""
    left = [language for language in LANGUAGES if language != given]
    named = left if value is None else value
    if not isinstance(named, list) or not named:
        raise _wrong("to_do", f"a list of {', '.join(left)}", value)
    words = {_word("to_do", item, LANGUAGES) for item in named}
    if given in words:
        raise _wrong("to_do", f"what is not given ({', '.join(left)})", given)
    return tuple(language for language in LANGUAGES if language in words)


def _chosen(value: object, there: Sequence[int]) -> tuple[int, ...]:
    shown = ", ".join(map(str, there))
    if not isinstance(value, list) or not value:
        raise _wrong("labs", "a list of numbers, such as [1, 2]", value)
    for number in value:
        if isinstance(number, bool) or number not in there:
            raise _wrong("labs", f"labs that are here ({shown})", number)
    if len(set(value)) < len(value):
        raise _wrong("labs", "each lab once", value)
    return tuple(sorted(value))


def _time(key: str, value: object, end_of_day: bool) -> dt.datetime:
    if isinstance(value, dt.datetime):
        return _aware(value)
    if isinstance(value, dt.date):
        at = dt.time(23, 59, 59) if end_of_day else dt.time()
        return _aware(dt.datetime.combine(value, at))
    raise _wrong(key, "a date without quotes, such as 2026-10-19", value)


def _terms(key: str, value: object, points: float) -> Terms:
    table = _table(key, value, ("points", "opens", "due"))
    times = {
        name: _time(f"{key}.{name}", table[name], end_of_day=name == "due")
        for name in ("opens", "due")
        if name in table
    }
    if len(times) == 2 and times["opens"] >= times["due"]:
        raise _wrong(f"{key}.due", f"a time after {key}.opens", str(table["due"]))
    return Terms(_number(f"{key}.points", table.get("points", points)), **times)


def _all_terms(value: object, labs: Sequence[Lab], chosen: Sequence[int]) -> dict[int, Terms]:
    tables = _table("lab", value, [str(number) for number in chosen])
    return {
        lab.number: _terms(f"lab.{lab.number}", tables.get(str(lab.number), {}), lab.points)
        for lab in labs
        if lab.number in chosen
    }


def _late(value: object) -> Late:
    table = _table("late", value, ("percent_per_day", "at_most", "accepted_days"))
    days = table.get("accepted_days")
    if days is not None and (not isinstance(days, int) or isinstance(days, bool) or days < 0):
        raise _wrong("late.accepted_days", "a whole number of days", days)
    return Late(
        _number("late.percent_per_day", table.get("percent_per_day", 0), 100),
        _number("late.at_most", table.get("at_most", 100), 100),
        days,
    )


def _hints(value: object) -> tuple[float, ...]:
    table = _table("hints", value, TIERS)
    return tuple(_number(f"hints.{tier}", table.get(tier, 0)) for tier in TIERS)


_KEYS = ("title", "labs", "given", "to_do", "failures", "hints", "late", "lab")


def read(table: Mapping[str, Any], labs: Sequence[Lab]) -> Policy:
    """The policy that a parsed file describes, over the labs that are here. Raises ValueError."""
    _known("", table, _KEYS)
    there = [lab.number for lab in labs]
    chosen = _chosen(table["labs"], there) if "labs" in table else tuple(there)
    title = table.get("title", "")
    if not isinstance(title, str) or not title.isprintable():
        raise _wrong("title", "a text on one line", title)
    given = _word("given", table.get("given", "none"), (*LANGUAGES, "none"))
    return Policy(
        labs=chosen,
        terms=_all_terms(table.get("lab", {}), labs, chosen),
        title=title,
        given=given,
        to_do=_to_do(table.get("to_do"), given),
        failures=_word("failures", table.get("failures", "full"), tuple(DETAILS)),
        hints=_hints(table.get("hints", {})),
        late=_late(table.get("late", {})),
    )


_LINE = re.compile(r"(.*) \(at line (\d+), column \d+\)$")
_DATE = "a date that there is, such as 2026-10-19, or with a time, 2026-10-19 18:00:00"


def _unread(text: str, error: tomllib.TOMLDecodeError) -> str:
    """What is wrong with a file that is no TOML: the line, what stands there, and, of a date, what
    would be right."""
    found = _LINE.match(str(error))
    if found is None:
        return str(error)
    what, number = found[1], int(found[2])
    line = "".join(text.splitlines()[number - 1 : number]).strip()
    key, _, value = (part.strip() for part in line.partition("="))
    if key in ("opens", "due"):
        return f"line {number}: {key}: expected {_DATE}, found {value}"
    return f"line {number}: {line}: {what[:1].lower()}{what[1:]}"


def load(labs: Sequence[Lab], path: Path | None = None) -> Policy:
    """What course.toml says; the defaults when there is none. Raises PolicyError."""
    path = path or POLICY
    text = ""
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return read(tomllib.loads(text), labs)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{path.name}: {_unread(text, error)}") from error
    except (OSError, ValueError) as error:
        raise PolicyError(f"{path.name}: {error}") from error
