"""How far a student has come: the thirteen labs, in both languages, from progress.toml."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from daemonlab.course import LAST_LAB, Lab
from daemonlab.loop import NAMES, begun
from daemonlab.policy import Policy
from daemonlab.progress import NOT_BUILT, Entry, Progress
from daemonlab.text import printable

COLUMNS = ("lab", "", "in", "points", "runs", "hints", " where it stands")


@dataclass(frozen=True, slots=True)
class Row:
    """One lab in one language; a lab of which nothing is known has one row, without language."""

    number: int
    lab: Lab | None
    """None: to come."""
    language: str
    entry: Entry
    begun: bool

    @property
    def sign(self) -> str:
        """✓ all green, ✗ something fails, · not run."""
        return "·" if not self.entry.runs else "✓" if self.entry.green else "✗"

    @property
    def words(self) -> str:
        """Where it stands."""
        entry = self.entry
        if self.lab is None:
            return "to come"
        if not entry.runs:
            return "begun, not run yet" if self.begun else "not begun"
        green = _when(entry.first_green)
        if entry.green:
            return f"green on {green}{_took(entry)}"
        fails = self._fails()
        return f"{fails}; was green on {green}" if green else fails

    def _fails(self) -> str:
        if self.entry.failing == NOT_BUILT:
            return "does not compile"
        titles = {check.id: check.title for check in self.lab.checks} if self.lab else {}
        if not self.entry.failing:
            return "something was not reached"
        # The file may come from elsewhere: what is no check of ours may be anything.
        return f"fails: {titles.get(self.entry.failing) or printable(self.entry.failing)}"


def _when(moment: datetime | None) -> str:
    """A day; the whole time stands in the file."""
    return f"{moment.day} {moment:%b}" if moment else ""


def _took(entry: Entry) -> str:
    """From the first run to the first green one, in words."""
    if entry.first_run is None or entry.first_green is None:
        return ""
    took = max(entry.first_green - entry.first_run, timedelta())
    minutes = int(took.total_seconds()) // 60
    if minutes < 1:
        return ""
    days, hours = minutes // (24 * 60), minutes // 60 % 24
    if days:
        return f", after {days} d {hours} h"
    return f", after {hours} h {minutes % 60} min" if hours else f", after {minutes} min"


def rows(labs: Sequence[Lab], progress: Progress, terms: Policy) -> Iterator[Row]:
    """Every lab of the course, in order, in the languages in which it is to be done; labs are those
    that are here. What is to come belongs to it, unless the instructor has chosen."""
    there = {lab.number: lab for lab in labs}
    chosen = [number for number in there if number not in terms.labs] != []
    for number in range(1, LAST_LAB + 1):
        lab = there.get(number)
        if lab is None:
            if not chosen:
                yield Row(number, None, "", Entry(), False)
            continue
        if number not in terms.labs:
            continue
        found = [
            Row(number, lab, language, progress.entry(number, language), begun(lab, language))
            for language in terms.to_do
        ]
        known = [row for row in found if row.begun or row.entry != Entry()]
        yield from known or [Row(number, lab, "", Entry(), False)]


def _cells(row: Row) -> tuple[str, ...]:
    entry = row.entry
    ran = bool(entry.runs)
    return (
        str(row.number),
        row.lab.module if row.lab else "",
        NAMES.get(row.language, ""),
        f"{row.sign} {entry.points} of {entry.of}" if ran else row.sign,
        str(entry.runs) if ran else "",
        str(entry.hints_shown) if row.language else "",
        row.words,
    )


def hints_cost(entry: Entry, terms: Policy) -> float:
    """Points that the hints that were shown take off."""
    return sum(terms.hints_cost(shown) for shown in entry.hints.values())


def total(labs: Sequence[Lab], progress: Progress, terms: Policy) -> list[str]:
    """One line a language: the points of all labs of the course, what hints took off, and what
    that counts where course.toml gives a lab other points."""
    labs = [lab for lab in labs if lab.number in terms.labs]
    of = sum(lab.points for lab in labs)
    told = []
    for language in terms.to_do:
        name = NAMES[language]
        entries = [progress.entry(lab.number, language) for lab in labs]
        if any(entry.runs for entry in entries):
            green = sum(entry.green for entry in entries)
            points = sum(entry.points for entry in entries)
            cost = sum(hints_cost(entry, terms) for entry in entries)
            less = f", less {cost:g} for hints" if cost else ""
            line = f"{name}: {points} of {of} points{less}, {green} of {len(labs)} labs green"
            told.append(line + _counts(labs, entries, terms))
    first = min(terms.labs, default=1)
    return told or [f"Nothing was run yet: make lab-{first} says how to begin."]


def _counts(labs: Sequence[Lab], entries: Sequence[Entry], terms: Policy) -> str:
    """What the points count in this course; empty where that is the same."""
    if all(terms.terms[lab.number].points == lab.points for lab in labs):
        return ""
    counts = sum(
        terms.worth(lab, entry.points, hints_cost(entry, terms))
        for lab, entry in zip(labs, entries, strict=True)
    )
    return f"; counts {counts:g} of {sum(terms.terms[lab.number].points for lab in labs):g}"


def _to_come(those: Sequence[Row]) -> str:
    """The labs that are not there yet, in a line; empty for none."""
    numbers = [row.number for row in those if row.lab is None]
    if not numbers:
        return ""
    return (
        f"labs {numbers[0]} to {numbers[-1]}: to come"
        if len(numbers) > 1
        else f"lab {numbers[0]}: to come"
    )


def show(console: Console, labs: Sequence[Lab], progress: Progress, terms: Policy) -> None:
    """The table, a line a row, and the sums."""
    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    for name in COLUMNS:
        right = name in ("lab", "runs", "hints")
        last = name == COLUMNS[-1]
        grid.add_column(name, justify="right" if right else "left", no_wrap=not last)
    before, those = 0, [*rows(labs, progress, terms)]
    for row in those:
        if row.lab is None:
            continue
        cells = list(_cells(row))
        if row.number == before:
            cells[:2] = "", ""
        before = row.number
        style = {"✓": "green", "✗": "bold red"}.get(row.sign, "dim")
        words = Text(f" {cells[-1]}", no_wrap=True, overflow="ellipsis")
        grid.add_row(
            *map(Text, cells[:3]), Text(cells[3], style=style), *map(Text, cells[4:-1]), words
        )
    console.print(grid)
    if later := _to_come(those):
        console.print(later, style="dim")
    console.print()
    for line in total(labs, progress, terms):
        console.print(line, markup=False)


def _counted(number: str, what: str) -> str:
    return f"{number} {what}" if number == "1" else f"{number} {what}s"


def plain(labs: Sequence[Lab], progress: Progress, terms: Policy) -> Iterator[str]:
    """One line a row, no boxes; words where the table has signs."""
    those = [*rows(labs, progress, terms)]
    for row in those:
        if row.lab is None:
            continue
        _, module, language, _, runs, hints, words = _cells(row)
        told = [f"lab {row.number}", module, language]
        if runs:
            told += [f"{row.entry.points} of {row.entry.of} points", _counted(runs, "run")]
        told += [_counted(hints, "hint")] if hints else []
        yield ", ".join(filter(None, [*told, words]))
    yield from filter(None, [_to_come(those)])
    yield from total(labs, progress, terms)


def data(labs: Sequence[Lab], progress: Progress, terms: Policy) -> list[dict[str, object]]:
    """The rows for programs; times as RFC 3339 has them."""
    return [
        {
            "lab": row.number,
            "module": row.lab.module if row.lab else None,
            "language": row.language or None,
            "there": row.lab is not None,
            "begun": row.begun,
            "green": row.entry.green,
            "points": row.entry.points,
            "of": row.lab.points if row.lab else None,
            "runs": row.entry.runs,
            "hints": row.entry.hints_shown,
            "hints_cost": hints_cost(row.entry, terms),
            "failing": row.entry.failing or None,
            "first_run": _iso(row.entry.first_run),
            "last_run": _iso(row.entry.last_run),
            "first_green": _iso(row.entry.first_green),
        }
        for row in rows(labs, progress, terms)
    ]


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
