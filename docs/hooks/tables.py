"""MkDocs hook: tables made from what the laboratory itself goes by, so that none can be stale.

    {{ checks }}    for each lab its checks, from lab.toml and their docstrings, and its scenarios
    {{ facts }}     each fact and what it means, from its docstring
    {{ commands }}  each command of the laboratory, with what its --help says

A check or a fact that does not say what it means fails the build.
"""

import re
from collections.abc import Iterable

import click
from daemonlab import course
from daemonlab.checks import CHECKS
from daemonlab.cli import main
from daemonlab.course import CheckInfo, Lab
from daemonlab.facts import documentation
from daemonlab.scenarios import LABS, Scenario
from mkdocs.exceptions import PluginError

_DIRECTIVE = re.compile(r"^\{\{ (checks|facts|commands) \}\}$", re.M)
_PAGE = re.compile(r"\b([a-z_][\w.]*\(\d\w*\))")
"""A page of the manual: fork(2)."""


def _table(head: str, rows: Iterable[Iterable[str]]) -> str:
    columns = head.split(" | ")
    lines = [columns, ["---"] * len(columns)]
    lines += [[cell.replace("|", r"\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _pages(text: str) -> str:
    return _PAGE.sub(r"`\1`", text)


def _meaning(name: str, text: str | None) -> str:
    if not text:
        raise PluginError(f"{name}: it has no docstring to show")
    return _pages(" ".join(text.split()))


def _check_row(check: CheckInfo) -> list[str]:
    return [
        f"[{check.title}](../{check.section})<br>`{check.id}`",
        str(check.points),
        f"{_meaning(check.id, CHECKS[check.id].__doc__)}<br>*{check.why}* {_pages(check.story)}",
        f"{_pages(check.man)}<br>{', '.join(check.scenarios)}",
    ]


def _done_to_it(scenario: Scenario) -> str:
    if scenario.killed_early:
        return "killed while it starts"
    if scenario.abandoned:
        return "its starter is killed while it starts"
    if scenario.overtake:
        return "its file is exchanged just before it locks it"
    if scenario.copies > 1:
        return f"{scenario.copies} started at once"
    return ", ".join(scenario.actions) or "nothing"


def _scenario_row(scenario: Scenario) -> list[str]:
    settings = [f"`{key} = {value}`" for key, value in scenario.settings.items()]
    name, environment = scenario.name, scenario.environment.name
    return [name, environment, "<br>".join(settings), _done_to_it(scenario)]


def _lab(lab: Lab) -> str:
    head = "check | points | passes when, and why it matters | manual, scenarios"
    checks = _table(head, map(_check_row, lab.checks))
    scenarios = _table(
        "scenario | environment | configuration | then", map(_scenario_row, LABS[lab.number])
    )
    heading = f"## Lab {lab.number}: {lab.module} {{#lab-{lab.number}}}"
    return f"{heading}\n\n{lab.title}: {lab.points} points.\n\n{checks}\n\n{scenarios}\n"


def checks() -> str:
    """The tables of all labs."""
    return "\n".join(map(_lab, course.labs()))


def facts() -> str:
    """The table of all facts."""
    rows = [(f"`{name}`", _meaning(name, text)) for name, text in documentation().items()]
    return _table("fact | what it says", rows)


def _command(name: str, command: click.Command) -> str:
    with click.Context(main, info_name="daemonlab", max_content_width=78) as around:
        context = click.Context(command, parent=around, info_name=name, terminal_width=78)
        text = command.get_help(context)
    return f"## daemonlab {name} {{#{name}}}\n\n```text\n{text}\n```\n"


def commands() -> str:
    """Every command, by name."""
    return "\n".join(_command(name, command) for name, command in sorted(main.commands.items()))


def on_page_markdown(markdown: str, **_: object) -> str:
    """MkDocs calls this for each page."""
    tables = {"checks": checks, "facts": facts, "commands": commands}
    return _DIRECTIVE.sub(lambda match: tables[match[1]](), markdown)
