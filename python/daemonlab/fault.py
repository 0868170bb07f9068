"""Find the fault: a daemon with one bug runs, and only its PID is told.

The bug is a mutant's. It is built where no name betrays it, and launched in the first scenario of
its check in which the kernel shows it: what nobody can see by looking is not given.
"""

import hashlib
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial

from daemonlab.birth import FOLDER, born, configured
from daemonlab.checks import CHECKS, Verdict
from daemonlab.course import CheckInfo, Lab
from daemonlab.explain import relative
from daemonlab.facts import Facts, facts_of
from daemonlab.house import CHAPTERS, MUTANTS
from daemonlab.launch import Launch
from daemonlab.mutants import Mutant, make, mutants
from daemonlab.observe import Snapshot, alive
from daemonlab.page import Ended, Lines, Page
from daemonlab.perform import performing
from daemonlab.record import Record
from daemonlab.scenarios import LABS as SCENARIOS
from daemonlab.scenarios import Scenario
from daemonlab.subjects import Subject, alone
from daemonlab.text import printable

_STATUS = "grep {line} /proc/{{pid}}/status"
_FD = "ls -l /proc/{pid}/fd"
_FLAGS = "grep flags /proc/{pid}/fdinfo/*"
_CHILD = "grep -E 'PPid|Sig(Blk|Ign)' /proc/$(pgrep -P {pid})/status"
LOOKS: Mapping[str, str] = {
    "parent": "ps -o pid,ppid,comm -p {pid}",
    "session": "ps -o pid,sid,tty,comm -p {pid}",
    "leader": "ps -o pid,sid,stat,comm -p {pid}",
    "terminal": "ps -o pid,tty,comm -p {pid}",
    "umask": _STATUS.format(line="Umask"),
    "directory": "readlink /proc/{pid}/cwd",
    "pipe": _FD,
    "standard": _FD,
    "inherited": _FD,
    "cloexec": _FLAGS,
    "dispositions": _STATUS.format(line="SigIgn"),
    "mask": _STATUS.format(line="SigBlk"),
    "stop-signals": _STATUS.format(line="SigIgn"),
    "sigpipe": _STATUS.format(line="SigIgn"),
    "content": "cat -v {folder}/labd.pid",
    "mode": "ls -l {folder}/labd.pid",
    "lock": "grep lock /proc/{pid}/fdinfo/*",
    "child-group": "ps -o pid,ppid,pgid,comm --ppid {pid}",
    "child-signals": _CHILD,
    "child-descriptors": "ls -l /proc/$(pgrep -P {pid})/fd",
    "child-environment": "tr '\\0' '\\n' < /proc/$(pgrep -P {pid})/environ",
    "append": _FLAGS,
    "threads": "ps -L -o tid,comm -p {pid}",
    "thread-signals": "grep SigBlk /proc/{pid}/task/*/status",
}
"""Checks whose failure can be seen in a daemon that merely runs, without a race and without doing
anything to it, and how one looks."""

_MOST = 200
"""Characters of a value or its evidence that are shown."""
GIVE_UP, AGAIN, LEAVE = "give up", "again", "q"
_LONG = "exec sleep 86400"
"""A job for the daemon to run while one looks."""
_KEPT = ("look",)
"""Actions that change nothing in a daemon but let it show what it does."""


class FaultError(Exception):
    """There is no fault to be found; the text says why."""


class End(Enum):
    """How a search came to its end."""

    FOUND = "found"
    GIVEN_UP = "given up"
    LEFT = "left"
    AGAIN = "again"


@dataclass(frozen=True, slots=True)
class Fault:
    """A bug that was chosen."""

    mutant: Mutant
    lab: Lab
    language: str

    @property
    def check(self) -> CheckInfo:
        """The check that is meant for it."""
        return next(check for check in self.lab.checks if check.id == self.mutant.killed_by)

    def build(self) -> Subject:
        """Build it where neither its name nor its file is seen. Raises what make() raises."""
        secret = hashlib.sha256(self.mutant.name.encode()).hexdigest()[:12]
        with alone("fault"):  # somebody may search beside us
            return make(self.mutant, self.language, f"fault/{secret}")


@dataclass(frozen=True, slots=True)
class Planted:
    """It runs."""

    fault: Fault
    scenario: Scenario
    subject: Launch
    record: Record
    facts: Facts

    @property
    def daemon(self) -> Snapshot:
        """The daemon when it had settled."""
        assert self.record.daemon is not None, "planted() sees to it"
        return self.record.daemon

    def verdict(self, check: str) -> Verdict:
        """What a check says of it."""
        return CHECKS[check](self.facts)


# --- choosing and starting ---


def candidates(labs: Sequence[Lab], number: int | None = None) -> list[tuple[Mutant, Lab]]:
    """The mutants that one can find by looking. Raises FaultError if there is none."""
    if not MUTANTS.is_dir():
        raise FaultError(
            f"there are no faults here: this copy was handed out without {relative(MUTANTS)}; "
            "ask whoever gave it to you"
        )
    known = {lab.number: lab for lab in labs if number is None or lab.number == number}
    found = [
        (mutant, known[mutant.lab])
        for mutant in mutants()
        if mutant.lab in known and mutant.killed_by in LOOKS
    ]
    if not found:
        where = "here" if number is None else f"in lab {number}"
        others = sorted({one.lab for one in mutants() if one.killed_by in LOOKS})
        some = ", ".join(map(str, others))
        raise FaultError(
            f"there is no fault {where} that can be found by looking; there are in labs {some}"
        )
    return found


def choose(labs: Sequence[Lab], number: int | None, seed: int, language: str) -> Fault:
    """A fault by its seed: the same for the same labs. Raises FaultError."""
    return Fault(*random.Random(seed).choice(candidates(labs, number)), language)


def _quiet(scenario: Scenario) -> Scenario:
    """Without what is done to the daemon; a job of its runs for as long as one looks."""
    kept = tuple(action for action in scenario.actions if action in _KEPT)
    if not kept:
        return replace(scenario, actions=(), jobs={})
    settings = {**scenario.settings, "job_timeout": "0"}
    return replace(scenario, actions=kept, settings=settings, jobs=dict.fromkeys(_KEPT, _LONG))


@contextmanager
def _running(subject: Subject, lab: Lab, scenario: Scenario) -> Iterator[tuple[Launch, Record]]:
    command = partial(subject.command, lab.number)
    with performing(command, scenario, subject.variables) as launched:
        yield launched


@contextmanager
def planted(fault: Fault, built: Subject) -> Iterator[Planted]:
    """Start it; when the context is left, nothing of it remains. Raises FaultError if no launch
    shows the fault, and LaunchError."""
    known = {scenario.name: scenario for scenario in SCENARIOS[fault.lab.number]}
    for name in fault.check.scenarios:
        with _running(built, fault.lab, _quiet(known[name])) as (subject, record):
            facts = facts_of(record)
            found = Planted(fault, known[name], subject, record, facts)
            if record.daemon is not None and found.verdict(fault.check.id).passed is False:
                yield found
                return
    raise FaultError("this fault cannot be seen on this machine; another seed has another")


# --- asking ---


def understand(text: str, checks: Sequence[CheckInfo]) -> CheckInfo | None:
    """The check that an answer means: by its number, its id, its title, or words that stand in no
    other title. None: it means none."""
    word = " ".join(text.casefold().split())
    if word.isdecimal():
        return checks[int(word) - 1] if 1 <= int(word) <= len(checks) else None
    if exact := [one for one in checks if word in (one.id.casefold(), one.title.casefold())]:
        return exact[0]
    words = word.split()
    names = {one.id: f"{one.id} {one.title}".casefold() for one in checks}
    found = [one for one in checks if words and all(part in names[one.id] for part in words)]
    return found[0] if len(found) == 1 else None


def print_head(page: Page, there: Planted, same: str) -> None:
    """Which process it is, how one looks, and between what one has to choose; same are the options
    that bring the same fault again."""
    pid, lab = there.daemon.process.pid, there.fault.lab
    page.say(f"Process {pid} is a daemon of lab {lab.number}, and has one fault.", "bold")
    page.say("Look at it from a second terminal, as often as you like:")
    page.say()
    for look in (
        f"make observe PID={pid}",
        f"ps -o pid,ppid,pgid,sid,tty,stat,comm -p {pid}",
        f"cat /proc/{pid}/status; ls -l /proc/{pid}/fd",
        f"strace -p {pid}",
    ):
        page.say(look, indent=4)
    page.say()
    page.say("What it was started with, and what it was told:")
    page.say()
    rows = [*born(there.scenario.environment), *configured(there.scenario)]
    rows.append((FOLDER, there.record.scratch))
    rows.append(("shell", f"process {there.record.shell}: started it, and leads its own session"))
    rows.append(("reaper", f"process {there.record.keeper}: adopts orphans here"))
    page.rows(rows, 4)
    page.say()
    page.say("Which check would fail?")
    page.say()
    for number, check in enumerate(lab.checks, 1):
        page.item(f"{number:>2}  ", check.title, indent=2)
    page.say()
    page.say(f"Type a number or words; {GIVE_UP}: be shown it; {LEAVE}: leave. Another day:")
    page.say(f'make fault ARGS="{same}"', indent=4)


def answer(page: Page, there: Planted, check: CheckInfo) -> bool:
    """Say whether an answer is right, and, if it is not, what that check sees."""
    mutant = there.fault.mutant
    if check.id in (mutant.killed_by, *mutant.also):
        page.mark(True, f'"{check.title}" fails here.')
        return True
    page.mark(False, f'it is not "{check.title}".')
    verdict = there.verdict(check.id) if check.id in LOOKS else None
    if verdict is not None and verdict.passed:
        rows = [("that passes", _short(verdict.observed))]
        rows += [("read from", _shown(verdict, there.record))] if verdict.evidence else []
        page.rows(rows, 2)
    elif check.id in mutant.maybe:
        page.say("It may fail too, by chance. Another one always does.", indent=2)
    return False


def hunt(page: Page, lines: Lines, there: Planted) -> End:
    """Take answers until one is right, or there is no more."""
    with ExitStack() as stack:
        watched = _watch(there, stack)
        while True:
            try:
                typed = lines.ask(page, watched, f"PID {there.daemon.process.pid}")
            except Ended:
                watched = -1
                _print_ended(page, there)
                continue
            if typed is None or typed.casefold() == LEAVE:
                return End.LEFT
            if typed.casefold() == GIVE_UP:
                return End.GIVEN_UP
            if typed.casefold() == AGAIN:
                return End.AGAIN
            if not typed:
                continue
            if (check := understand(typed, there.fault.lab.checks)) is None:
                page.say(f"That is none of the {len(there.fault.lab.checks)}, or more than one.")
            elif answer(page, there, check):
                return End.FOUND


def _watch(there: Planted, stack: ExitStack) -> int:
    """A pidfd of the daemon, or -1 if it has ended."""
    process = there.daemon.process
    try:
        watched = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return -1
    stack.callback(os.close, watched)
    return watched if alive(process) else -1


def _print_ended(page: Page, there: Planted) -> None:
    pid = there.daemon.process.pid
    ended = there.subject.wait_ended(there.daemon.process, 1)
    how = ""
    if ended is not None:
        how = f": signal {ended.signal}" if ended.signal else f": exit code {ended.code}"
    page.say()
    page.say(f"Process {pid} has ended{how}. Answer all the same, or type {AGAIN}: it is started")
    page.say("anew, with another number.")


# --- telling ---


def _shown(verdict: Verdict, record: Record) -> str:
    return _short(verdict.evidence.replace(record.scratch, FOLDER))


def _short(text: str) -> str:
    """What a daemon did, escaped, and no more of it than one wants to read."""
    shown = printable(text.strip())
    return f"{shown[:_MOST]}…" if len(shown) > _MOST else shown


def print_fault(page: Page, there: Planted, reference: Subject) -> None:
    """What it was: its story, what the kernel says of it and of the reference, how to read that."""
    check, mutant = there.fault.check, there.fault.mutant
    found = there.verdict(check.id)
    with _running(reference, there.fault.lab, _quiet(there.scenario)) as (_, record):
        good = CHECKS[check.id](facts_of(record))
    pid = there.daemon.process.pid
    page.say()
    page.say(f"The fault: {check.title}", "bold")
    page.say(" ".join(mutant.story.split()))
    page.say()
    rows = [
        ("observed", _short(found.observed)),
        ("", _shown(found, there.record)),
        ("the reference", _short(good.observed)),
        ("", _shown(good, record)),
        ("expected", found.expected),
        ("why", check.why),
        ("how to look", LOOKS[check.id].format(pid=pid, folder=there.record.scratch)),
        ("read", f"{check.man}; {relative(CHAPTERS)}/{check.section}"),
    ]
    page.rows([row for row in rows if row[1]], 2)
    if mutant.also:
        titles = {one.id: one.title for one in there.fault.lab.checks}
        page.rows([("fails too", ", ".join(titles[name] for name in mutant.also))], 2)


def look_again(page: Page, lines: Lines, there: Planted) -> None:
    """Let one look at it with what one knows by now."""
    page.say()
    page.say("It still runs: look at it again, if you like. Enter ends it.")
    lines.ask(page, about=f"PID {there.daemon.process.pid}")
