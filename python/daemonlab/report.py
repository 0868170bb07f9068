"""Show results: a table side by side, the first failing check explained, or everything as JSON.

Made to be read at 80 columns. Colour only adds: each verdict is a word or a sign too.
"""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from daemonlab.checks import show
from daemonlab.course import LANGUAGES, Lab
from daemonlab.house import CHAPTERS, ROOT
from daemonlab.judge import Outcome, Result
from daemonlab.subjects import SUFFIXES
from daemonlab.text import printable

_MOST_LINES = 12
"""Lines of a program's own output that are shown; the rest is counted."""
_MOST_COLUMNS = 400
"""Characters of such a line that are shown."""
Shows = Callable[[str], bool]
"""Whether a failure shows that part: "observed", "expected", "why", "next"; see policy.py."""
_SIGNS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("·", "dim")}


def everything(part: str) -> bool:
    """What is shown where no instructor has decided."""
    return True


def _cell(outcome: Outcome, shows: Shows) -> Text:
    sign, style = _SIGNS[outcome.passed]
    observed = "not reached" if outcome.passed is None else printable(outcome.verdict.observed)
    if outcome.passed is False and not shows("observed"):
        observed = "failed"
    return Text.assemble((f"{sign} ", style), observed, no_wrap=False, overflow="fold")


def _title(result: Result) -> str:
    return result.subject.title


def table(results: Sequence[Result], shows: Shows = everything) -> Table:
    """One row a check, one column a subject."""
    lab = results[0].lab
    grid = Table(
        title=f"Lab {lab.number} · {lab.module}: {lab.title}",
        title_justify="left",
        title_style="bold",
        show_edge=False,
        pad_edge=False,
    )
    grid.add_column("observed from outside", ratio=5)
    for result in results:
        grid.add_column(_title(result), ratio=4, overflow="fold")
    for row in zip(*(result.outcomes for result in results), strict=True):
        grid.add_row(row[0].check.title, *(_cell(outcome, shows) for outcome in row))
    grid.add_section()
    grid.add_row("points", *(f"{result.points} of {lab.points}" for result in results))
    return grid


def _shown_line(text: str) -> str:
    if len(text) > _MOST_COLUMNS:
        text = f"{text[:_MOST_COLUMNS]}… and {len(text) - _MOST_COLUMNS} more characters"
    return printable(text)


def shown_output(text: str) -> str:
    """What a program or a compiler printed: escaped, and no more of it than one wants to read."""
    lines = text.splitlines()
    shown = [_shown_line(line) for line in lines[:_MOST_LINES]]
    if len(lines) > _MOST_LINES:
        shown.append(f"… and {len(lines) - _MOST_LINES} more lines")
    return "\n".join(shown)


def _chapter(section: str) -> str:
    return (
        str((CHAPTERS / section.split("#")[0]).relative_to(ROOT)) + f" (#{section.split('#')[1]})"
    )


def explain(result: Result, outcome: Outcome, shows: Shows = everything) -> Table:
    """What was observed, what was expected, why it matters, where to read on; of these what is to
    be shown."""
    check, verdict = outcome.check, outcome.verdict
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    if shows("observed"):
        grid.add_row("observed", Text(printable(verdict.observed), style="bold red"))
        if verdict.evidence and verdict.evidence != verdict.observed:
            grid.add_row("", Text(shown_output(verdict.evidence)))
    if shows("expected"):
        grid.add_row("expected", verdict.expected)
    if shows("why"):
        grid.add_row("why", check.why)
    if shows("next"):
        grid.add_row("read", f"{check.man}\n{_chapter(check.section)}")
    if result.subject.files and shows("next"):
        files = ", ".join(str(file.relative_to(ROOT)) for file in result.subject.files)
        grid.add_row("mend", files)
    said = show(result.facts[outcome.scenario]["output"].value)
    if said != "none" and said not in verdict.evidence:
        grid.add_row("it printed", Text(shown_output(said)))
    return grid


def print_results(console: Console, results: Sequence[Result], shows: Shows = everything) -> None:
    """The table, then the first failing check of each subject; nothing of no results."""
    if results:
        console.print(table(results, shows))
    for result in results:
        failing = [outcome for outcome in result.outcomes if outcome.passed is False]
        if failing:
            first = failing[0]
            console.print()
            console.print(
                f"[bold red]✗[/] [bold]{_title(result)}: {first.check.title}[/], "
                f'in the environment "{first.scenario}"'
            )
            console.print(Padding(explain(result, first, shows), (0, 0, 0, 2)))
            if len(failing) > 1:
                console.print(f"  {len(failing) - 1} more after that; begin with this one.")
        if result.subject.warnings:
            console.print(f"\n[bold]{_title(result)}: the compiler warns[/]")
            console.print(Padding(Text(shown_output(result.subject.warnings)), (0, 0, 0, 2)))


def print_begin(console: Console, lab: Lab, languages: Sequence[str] = LANGUAGES) -> None:
    """Say how to begin with a lab that was not started, in one of these languages."""
    files = " or ".join(relative(lab.skeleton(SUFFIXES[language])) for language in languages)
    console.print(
        f"\n[bold]Your turn.[/] Open {files},\n"
        f"write the functions marked TODO, and run [bold]make lab-{lab.number}[/] again: a third "
        f"column will be yours.\nThe chapter is {_chapter(f'{lab.folder.name}.md#your-turn')}."
    )


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


def relative(path: Path) -> str:
    """A path as one would type it from the house's front door."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
