"""The schedule of the course: which lab opens when, is due when, and what it counts."""

import datetime as dt
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from daemonlab.course import Lab
from daemonlab.policy import Policy

Row = dict[str, object]


def rows(policy: Policy, labs: Sequence[Lab]) -> list[Row]:
    """One row a lab that belongs to the course, as plain data."""
    return [
        {
            "lab": lab.number,
            "module": lab.module,
            "title": lab.title,
            "points": policy.terms[lab.number].points,
            "opens": policy.terms[lab.number].opens,
            "due": policy.terms[lab.number].due,
        }
        for lab in labs
        if lab.number in policy.labs
    ]


def data(policy: Policy, labs: Sequence[Lab]) -> dict[str, object]:
    """The schedule for programs to read; times in ISO 8601."""
    times = [
        {key: value.isoformat() if isinstance(value, dt.datetime) else value for key, value in row}
        for row in (row.items() for row in rows(policy, labs))
    ]
    return {
        "title": policy.title,
        "labs": times,
        "points": total(policy),
        "late": {
            "percent_per_day": policy.late.percent_per_day,
            "at_most": policy.late.at_most,
            "accepted_days": policy.late.accepted_days,
        },
        "hints": list(policy.hints),
        "given": policy.given,
        "to_do": list(policy.to_do),
        "failures": policy.failures,
    }


def total(policy: Policy) -> float:
    """What all labs together count."""
    return sum(terms.points for terms in policy.terms.values())


def _time(value: object) -> str:
    if not isinstance(value, dt.datetime):
        return "no date"
    midnight = (value.hour, value.minute, value.second) in ((0, 0, 0), (23, 59, 59))
    return value.strftime("%a %Y-%m-%d" if midnight else "%a %Y-%m-%d %H:%M")


def _shown(row: Row) -> list[str]:
    name = f"{row['module']}: {row['title']}"
    return [str(row["lab"]), name, f"{row['points']:g}", _time(row["opens"]), _time(row["due"])]


def _rules(policy: Policy) -> list[str]:
    names = {"c": "C", "python": "Python"}
    rules = [f"Late: {policy.late}. A due date without a time lasts to the end of that day."]
    if any(policy.hints):
        cost = " + ".join(f"{points:g}" for points in policy.hints)
        rules.append(f"Hints on one check cost {cost} points (question, pointer, recipe).")
    rules.append(f"To do: in {' or '.join(names[language] for language in policy.to_do)}.")
    if policy.given != "none":
        rules.append(f"Given to read: {names[policy.given]}.")
    return rules


def print_schedule(
    console: Console, policy: Policy, labs: Sequence[Lab], plain: bool = False
) -> None:
    """A table at 80 columns; plain: one line a lab, for screen readers."""
    lines = [_shown(row) for row in rows(policy, labs)]
    if policy.title:
        console.print(policy.title, style="bold", markup=False)
    if plain:
        for lab, name, points, opens, due in lines:
            text = f"lab {lab}: {name}; {points} points; opens {opens}; due {due}"
            console.print(text, markup=False, soft_wrap=True)
        console.print(f"all: {total(policy):g} points")
    else:
        grid = Table(show_edge=False, pad_edge=False)
        for head in ("lab", "title", "points", "opens", "due"):
            grid.add_column(head, justify="right" if head in ("lab", "points") else "left")
        for line in lines:
            grid.add_row(*line)
        grid.add_section()
        grid.add_row("", "all", f"{total(policy):g}")
        console.print(grid)
        console.print()
    for rule in _rules(policy):
        console.print(rule, markup=False, soft_wrap=plain)
