"""Show one process, or any command that was launched, in the terminal."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from daemonlab import course
from daemonlab.checks import CHECKS
from daemonlab.course import CheckInfo
from daemonlab.explain import shown_output
from daemonlab.facts import facts_of, signal_names
from daemonlab.observe import Maybe, Snapshot, Unknown
from daemonlab.procfs import terminal_name
from daemonlab.record import Record
from daemonlab.text import printable

OF_ANY_DAEMON = (
    *("starts", "parent", "session", "leader", "terminal", "logout", "umask", "directory"),
    *("standard", "inherited", "cloexec"),
    *("dispositions", "mask", "stop-signals", "sigpipe", "term"),
)
"""The checks that ask nothing of a program but to be a daemon."""
_SIGNS = {True: ("✓ as daemon(7) asks", "green"), False: ("✗ differs", "bold red")}


def _signals(numbers: Maybe[frozenset[int]]) -> str:
    return str(numbers) if isinstance(numbers, Unknown) else " ".join(signal_names(numbers)) or "-"


def _octal(mask: Maybe[int]) -> str:
    return str(mask) if isinstance(mask, Unknown) else f"{mask:03o}"


def _rows(seen: Snapshot) -> Iterable[tuple[str, str]]:
    yield "state", seen.state
    yield "parent", str(seen.ppid)
    yield "process group", str(seen.pgrp)
    leader = " (it leads it)" if seen.session == seen.process.pid else ""
    yield "session", f"{seen.session}{leader}"
    yield "terminal", terminal_name(seen.tty)
    yield "threads", str(seen.threads)
    yield "users", str(seen.uids if isinstance(seen.uids, Unknown) else seen.uids.effective)
    yield "umask", _octal(seen.umask)
    yield "directory", printable(str(seen.cwd))
    yield "program", printable(str(seen.exe))
    yield "pending", _signals(seen.sig_shared_pending)
    yield "blocked", _signals(seen.sig_blocked)
    yield "ignored", _signals(seen.sig_ignored)
    yield "caught", _signals(seen.sig_caught)


def print_snapshot(console: Console, seen: Snapshot) -> None:
    """One process: who it is, where it stands, what it hears, what it holds."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in _rows(seen):
        grid.add_row(name, Text(value))
    console.print(Text(f"{seen.process.pid} {printable(seen.comm)}", style="bold underline"))
    console.print(grid)
    if isinstance(seen.descriptors, Unknown):
        console.print(f"[bold]descriptors[/]    {seen.descriptors}")
    else:
        holds = Table("fd", "leads to", "mode", "over exec", show_edge=False, pad_edge=False)
        for fd in seen.descriptors:
            kept = "closed" if fd.close_on_exec else "kept"
            holds.add_row(str(fd.number), Text(printable(fd.target)), fd.mode, kept)
        console.print(holds)
    console.print()


def _infos() -> dict[str, CheckInfo]:
    return {check.id: check for lab in reversed(course.labs()) for check in lab.checks}


def print_any(console: Console, record: Record) -> None:
    """What a command that was launched turned into, and where it differs from daemon(7)."""
    infos = _infos()
    facts = facts_of(record)
    grid = Table(show_edge=False, pad_edge=False, title_justify="left", title_style="bold")
    grid.title = Text(printable(" ".join(record.command)))
    grid.add_column("observed from outside", no_wrap=True)
    grid.add_column("", overflow="fold")
    grid.add_column("evidence", overflow="fold", style="dim")
    differs = []
    for name in OF_ANY_DAEMON:
        verdict = CHECKS[name](facts)
        sign, style = _SIGNS.get(verdict.passed, ("·", "dim"))  # type: ignore[arg-type]
        observed = Text.assemble((sign[:2], style), printable(verdict.observed))
        grid.add_row(infos[name].title, observed, Text(printable(verdict.evidence)))
        if verdict.passed is False:
            differs.append(infos[name])
    console.print(grid)
    for process in record.processes:
        console.print(f"process {process.process.pid} {printable(process.comm)}", markup=False)
    for info in differs:
        console.print()
        console.print(f"[bold]✗ {info.title}[/]: {info.why} [dim]{info.man}[/]")
    if said := str(facts["output"].value):
        console.print("\n[bold]It printed[/]")
        console.print(Text(shown_output(said)))
