"""Which functions of a student's file to look at first, when a check has failed.

A check names one. How far a start got, who waits for whom, and what Python says of a line tell it
more exactly.
"""

import ast
import re
from pathlib import Path

from daemonlab.afterwards import WAITS, last_error
from daemonlab.judge import Outcome, Result
from daemonlab.logwork import events
from daemonlab.observe import Unknown
from daemonlab.record import Record
from daemonlab.stuck import Stuck
from daemonlab.text import printable

_AT_THE_END = frozenset({"stop", "failed", "stopped"})
"""Events that a start logs after it was given up: they do not tell how far it got."""
_HANDED_OVER = ("Bad file descriptor", "Broken pipe")
"""Errors of a call whose descriptor another function has made."""


def own_file(result: Result) -> Path | None:
    """The student's file of this lab; None if the subject is not theirs."""
    files = result.subject.files
    return next((file for file in files if file.parent == result.lab.folder), None)


def kept_open(record: Record, one: Stuck) -> list[int]:
    """Who holds the other end of the pipe from which a process would read: numbers of processes.
    Empty if it sleeps elsewhere."""
    if not (found := re.match(r"read of descriptor \d+, (pipe:\[\d+\])$", one.place)):
        return []
    holders = []
    for seen in record.processes:
        if not isinstance(seen.descriptors, Unknown) and any(
            fd.target == found[1] and "w" in fd.mode for fd in seen.descriptors
        ):
            holders.append(seen.process.pid)
    return holders


def _starter_is_at_fault(record: Record) -> bool:
    """Whether it is the starter's own doing that it does not end, or how it ended: be the daemon as
    good as it may."""
    if record.starter_seconds is not None:
        return record.starter_signal is not None
    own = next((one for one in record.stuck if one.pid == record.starter), None)
    if own is None or record.daemon is None:
        return False
    if holders := kept_open(record, own):
        return holders != [record.daemon.process.pid]
    alone = record.daemon.process.pid == record.starter
    return not alone and (own.runs or own.place in ("wait4", "waitid"))


def _daemon_stands(record: Record) -> bool:
    """Whether the daemon has not come as far as its loop, in which it waits for whatever comes."""
    pid = record.daemon.process.pid if record.daemon else None
    own = [one for one in record.stuck if one.pid == pid]
    return any(one.runs or one.place not in {*WAITS, ""} for one in own)


def _more_exactly(record: Record, last: str) -> str:
    """How a start that is known by its last event ended: as the keys of Lab.reached have it."""
    if _starter_is_at_fault(record):
        return "starter"
    wrong = record.daemon is not None and record.starter_code != 0 and not _daemon_stands(record)
    return "answer" if last == "ready" and (wrong or last_error(record.log)) else last


def how_far(result: Result, outcome: Outcome) -> tuple[str, str]:
    """How far a start got that left no daemon, as its log tells, and the functions in which it may
    have ended; empty where that is not known."""
    record = result.records[outcome.scenario]
    if record.settings is None or "log" not in record.settings or own_file(result) is None:
        return "", ""
    logged = [str(one["event"]) for one in events(record.log) if "event" in one]
    names = [name for name in logged if name not in _AT_THE_END]
    last = names[-1] if names else "unopened" if record.log_mode is None else "opened"
    known = result.lab.reached
    functions = known.get(_more_exactly(record, last)) or known.get(last, "")
    told = {"unopened": "Its log was not opened yet", "opened": "Its log was opened, and is empty"}
    ended = told.get(last, f'The last line of its log is "{printable(last)}"')
    gave_up = printable(last_error(record.log))
    error = f', then "{gave_up}"' if gave_up else ""
    where = f": look at {functions.replace(', ', ' or ')}" if functions else ""
    return f"{ended}{error}{where}.", functions


def named_by_python(result: Result, said: str) -> str:
    """The public function of the student's in whose lines Python says that it failed; empty where
    it does not say so. A daemon of Python tells file and line in its message."""
    file = own_file(result)
    if file is None or file.suffix != ".py":
        return ""
    lines = re.findall(rf'/{re.escape(file.name)}"?, line (\d+)', said)
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, ValueError, SyntaxError):
        return ""
    for node in tree.body if lines else ():
        inside = node.lineno <= int(lines[-1]) <= (node.end_lineno or 0)
        if isinstance(node, ast.FunctionDef) and inside and not node.name.startswith("_"):
            return node.name
    return ""


def functions(result: Result, outcome: Outcome, said: str) -> str:
    """Where to look, of two or more "one, another"; said is what the program printed."""
    check, error = outcome.check, last_error(result.records[outcome.scenario].log)
    first = outcome is result.outcomes[0]
    reached = how_far(result, outcome)[1] if first else ""
    named = named_by_python(result, f"{said}\n{error}")
    if named in reached.split(", ") and any(words in f"{said}{error}" for words in _HANDED_OVER):
        return reached
    observed = outcome.verdict.observed.split(", ")
    seen = next((check.blame[word] for word in observed if word in check.blame), "")
    return named or reached or seen or check.function
