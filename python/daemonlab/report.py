"""Show results: a table side by side, the first failing check explained, or everything as JSON.

Made to be read at 80 columns. Colour only adds: each verdict is a word or a sign too.
"""

import dataclasses
import json
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from daemonlab import last
from daemonlab.course import LANGUAGES, Lab
from daemonlab.explain import (
    Rows,
    Shows,
    apart,
    chapter,
    everything,
    first_failing,
    relative,
    rows,
    warned,
)
from daemonlab.judge import Outcome, Result
from daemonlab.loop import NAMES, SUFFIXES, Broken, Regression, language_of
from daemonlab.text import printable

_SIGNS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("·", "dim")}


def _seen(outcome: Outcome, shows: Shows) -> str:
    if outcome.passed is False and not shows("observed"):
        return "failed"
    return printable(outcome.verdict.observed)


_MOST_IN_CELL = 60
"""Characters of what was observed that a cell has in a row in which something failed."""


def _cell(outcome: Outcome, shows: Shows, whole: bool = False) -> Text:
    """One line: what is cut off stands in the failure below, or in the data. Whole: as many lines
    as it takes to see what differs from the cells beside it."""
    sign, style = _SIGNS[outcome.passed]
    observed = "not reached" if outcome.passed is None else _seen(outcome, shows)
    if whole and len(observed) > _MOST_IN_CELL:
        observed = f"{observed[: _MOST_IN_CELL // 2]}…{observed[-_MOST_IN_CELL // 2 :]}"
    cell = Text.assemble((f"{sign} ", style), observed, overflow="fold")
    cell.no_wrap, cell.overflow = (False, "fold") if whole else (True, "ellipsis")
    return cell


def _title(result: Result) -> str:
    return result.subject.title


def _headline(lab: Lab) -> str:
    return f"Lab {lab.number} · {lab.module}: {lab.title}"


_OWN = 22
"""Columns that a student's only subject is given, at the cost of the reference's."""
_LEAST = 10
"""Those that are left to each of these."""


def table(
    results: Sequence[Result],
    shows: Shows = everything,
    columns: int = 80,
    failed_only: bool = False,
) -> Table:
    """One row a check, one column a subject, in so many columns of the screen; of all checks, or of
    those that failed."""
    grid = Table(show_edge=False, pad_edge=False)
    grid.add_column("observed from outside", no_wrap=True)
    own = [result for result in results if language_of(result)]
    room = columns - max(len(one.check.title) for one in results[0].outcomes) - 3 * len(results)
    alone = len(own) == 1 and room - _OWN >= _LEAST * (len(results) - 1)
    for result in results:
        cells = [len(_cell(outcome, shows)) for outcome in result.outcomes]
        wide = max(len(_title(result)), min(_OWN, max(cells)))
        grid.add_column(_title(result), width=wide if alone and result in own else None)
    for row in zip(*(result.outcomes for result in results), strict=True):
        failed = any(outcome.passed is False for outcome in row)
        if failed or not failed_only:
            seen = (_cell(outcome, shows, failed) for outcome in row)
            grid.add_row(row[0].check.title, *seen)
    grid.add_section()
    grid.add_row("points", *(f"{result.points} of {result.lab.points}" for result in results))
    return grid


def _grid(rows: Rows) -> Padding:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in rows:
        grid.add_row(label, Text(text, style="bold red" if label == "observed" else ""))
    return Padding(grid, (0, 0, 0, 2))


def _heading(result: Result, outcome: Outcome) -> str:
    unseen = ", not reached" if outcome.passed is None else ""
    where = f'in the environment "{outcome.scenario}"'
    return f"{_title(result)}: {outcome.check.title}{unseen}, {where}"


def _more(result: Result) -> str:
    """How many checks failed beside the first."""
    more = sum(outcome.passed is False for outcome in result.outcomes) - 1
    return f"{more} more after that; begin with this one." if more > 0 else ""


@dataclasses.dataclass(frozen=True, slots=True)
class _Form:
    """How much is shown, where the screen is low."""

    table: str = "all"
    """The rows of the table: all, those that failed, or none."""
    without: frozenset[str] = frozenset()
    """Labels of a failure that are left out."""
    alone: bool = False
    """Only one failure is explained, and no more is said of the others than their line."""


_FORMS = (
    _Form(),
    _Form("failed"),
    _Form("failed", frozenset({"it happened", "kept"})),
    _Form("none", frozenset({"it happened", "kept"})),
    _Form("none", frozenset({"it happened", "kept", "why"}), alone=True),
    _Form("none", frozenset({"it happened", "kept", "why", "it printed"}), alone=True),
    _Form("none", frozenset({"it happened", "kept", "why", "it printed", "expected"}), alone=True),
)
"""The first that fits is shown, else the last."""


def print_failure(
    console: Console, result: Result, shows: Shows = everything, form: _Form = _FORMS[0]
) -> None:
    """The first failing check of a result, explained; nothing if none failed."""
    first = first_failing(result)
    if first is None:
        return
    console.print()
    console.print(Text.assemble(("✗ ", "bold red"), (_heading(result, first), "bold")))
    console.print(_grid(_left(rows(result, first, shows), form)))
    if said := _left(apart(result, first, last.kept(result)), form):
        console.print()
        console.print(_grid(said))
    if more := _more(result):
        console.print(f"  {more}")


def _left(told: Rows, form: _Form) -> Rows:
    """What of it is shown; what has no label of its own belongs to the one before."""
    left, name = [], ""
    for label, text in told:
        name = label or name
        if name not in form.without:
            left.append((label, text))
    return left


def print_results(
    console: Console, results: Sequence[Result], shows: Shows = everything, lines: int = 0
) -> None:
    """The table, then the first failing check of each subject; nothing of no results. lines: how
    many there is room for, so that a failure need not be scrolled back to; 0 for any number."""
    text = ""
    if not lines or all(result.passed for result in results):
        _print(console, results, shows, _FORMS[0])
        return
    for form in _FORMS:
        with console.capture() as captured:
            _print(console, results, shows, form)
        if (text := captured.get()).count("\n") <= lines:
            break
    console.file.write(text)
    console.file.flush()


def _print(console: Console, results: Sequence[Result], shows: Shows, form: _Form) -> None:
    if results:
        console.print(_headline(results[0].lab), style="bold", markup=False)
    if results and form.table != "none":
        console.print(table(results, shows, console.width, form.table == "failed"))
    told = False
    for result in results:
        if warnings := warned(result):
            console.print(f"\n[bold]{_title(result)}: the compiler warns[/]")
            for line in warnings.splitlines():
                console.print(Text(line))
        if form.table == "none" and (not first_failing(result) or (told and form.alone)):
            if language_of(result) or not result.passed:
                console.print(in_a_line(result), markup=False)
            continue
        print_failure(console, result, shows, form)
        told = told or not result.passed


# --- plain: one line a row, no boxes, words for signs ---

_WORDS = {True: "pass", False: "FAIL", None: "not reached"}


def _in_lines(rows: Rows) -> Iterator[str]:
    name = ""
    for label, text in rows:
        name = label or name
        yield from (f"{name}: {line}" for line in text.splitlines())


def plain_failure(result: Result, shows: Shows = everything) -> Iterator[str]:
    """What print_failure says."""
    first = first_failing(result)
    if first is not None:
        yield f"failure: {_heading(result, first)}"
        yield from _in_lines(
            [*rows(result, first, shows), *apart(result, first, last.kept(result))]
        )
        yield from filter(None, [_more(result)])


def plain_results(results: Sequence[Result], shows: Shows = everything) -> Iterator[str]:
    """What print_results says."""
    if results:
        lab = results[0].lab
        yield f"lab {lab.number}, {lab.module}: {lab.title}"
    for row in zip(*(result.outcomes for result in results), strict=True):
        cells = []
        for result, outcome in zip(results, row, strict=True):
            seen = "" if outcome.passed is None else f", {_seen(outcome, shows)}"
            cells.append(f"{_title(result)}: {_WORDS[outcome.passed]}{seen}")
        yield f"{row[0].check.title} | {' | '.join(cells)}"
    if results:
        reached = (
            f"{_title(result)}: {result.points} of {result.lab.points}" for result in results
        )
        yield f"points | {' | '.join(reached)}"
    for result in results:
        yield from _in_lines([(f"{_title(result)}: the compiler warns", warned(result))])
        yield from plain_failure(result, shows)


def _passed(result: Result, plain: bool) -> str:
    return (_WORDS if plain else {True: "✓", False: "✗"})[result.passed]


def in_a_line(result: Result, plain: bool = False) -> str:
    """A lab as one subject did it: points, and the first check that failed."""
    first, lab = first_failing(result), result.lab
    fails = f"; fails: {first.check.title}" if first else ""
    points = f"{result.points} of {lab.points}"
    return f"{_passed(result, plain)} lab {lab.number}, {_title(result)}: {points}{fails}"


def _whose(result: Result) -> str:
    """Whose module of the lab is in a subject of the student's."""
    language = language_of(result) or ""
    own = result.lab.skeleton(SUFFIXES.get(language, "")) in result.subject.files
    return f"{'yours' if own else 'the reference'} ({NAMES.get(language, language)})"


def overview(results: Sequence[Result], plain: bool = False) -> Iterator[str]:
    """Of the student's whole daemon: a line a lab, and whose module it looks at."""
    for result in results:
        lab, first = result.lab, first_failing(result)
        cells = [
            f"lab {lab.number}",
            lab.module,
            _whose(result),
            f"{result.points} of {lab.points}",
        ]
        fails = f"fails: {first.check.title}" if first else ""
        if plain:
            yield ", ".join(filter(None, [_passed(result, True), *cells, fails]))
        else:
            shown = f"{cells[0]:<6}  {cells[1]:<11}  {cells[2]:<22}  {cells[3]:>8}  {fails}"
            yield f"{_passed(result, False)} {shown}".rstrip()


def begin(lab: Lab, languages: Sequence[str] = LANGUAGES) -> list[str]:
    """How to begin with a lab that was not started, in lines; in one of these languages."""
    files = " or ".join(relative(lab.skeleton(SUFFIXES[language])) for language in languages)
    return [
        "Your turn.",
        f"Open {files},",
        f"write the functions marked TODO, and run make lab-{lab.number} again: one more column",
        f"will be yours. The chapter is {chapter(f'{lab.folder.name}.md#your-turn')}.",
    ]


def beyond(
    results: Sequence[Result], there: Sequence[Lab], languages: Sequence[str], done: Sequence[str]
) -> str:
    """After a lab that is green: what comes next, among the labs that are there and the languages
    that are to be done; done are those in which this lab is green. Empty where it is not green."""
    own = [result for result in results if language_of(result)]
    if not own or not all(result.passed for result in own):
        return ""
    lab = own[0].lab
    where = " and ".join(NAMES[one] for one in LANGUAGES if one in map(language_of, own))
    later = [one for one in there if one.number > lab.number]
    ways = [f"make start-{later[0].number}"] if later else []
    ways += [
        f"the same in {NAMES[one]}, {relative(lab.skeleton(SUFFIXES[one]))}"
        for one in languages
        if one not in done
    ]
    if not ways:
        ways = ["make mine, your whole daemon; this is the last lab that is here"]
    return f"Lab {lab.number} is green in {where}. Next: {'; or '.join(ways)}."


def _plain(value: object) -> object:
    """Data that json can write: sets and tuples become lists, bytes and paths text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(map(_plain, value), key=str)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def as_json(value: object) -> str:
    """Anything the laboratory makes, as JSON."""
    return json.dumps(_plain(value), indent=2)


def result_data(result: Result) -> dict[str, object]:
    """A result as plain data: stable names, for programs to read."""
    return {
        "lab": result.lab.number,
        "subject": result.subject.name,
        "points": result.points,
        "of": result.lab.points,
        "passed": result.passed,
        "checks": [
            {
                "id": outcome.check.id,
                "points": outcome.check.points,
                "passed": outcome.passed,
                "scenario": outcome.scenario,
                "observed": outcome.verdict.observed,
                "expected": outcome.verdict.expected,
                "evidence": outcome.verdict.evidence,
            }
            for outcome in result.outcomes
        ],
        "facts": result.facts,
    }


def data(
    results: Sequence[Result], broken: Sequence[Broken], back: Sequence[Regression] = ()
) -> dict[str, object]:
    """All of a run as plain data."""
    return {
        "results": [result_data(result) for result in results],
        "broken": [one.text for one in broken],
        "regressions": [result_data(one.result) | {"by_this_lab": one.by_it} for one in back],
    }
