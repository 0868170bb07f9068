"""From a red row to the next step: what is said of a check that failed, as plain text.

In this order: what was observed, what was expected, why it matters and whom it happened to, what
to do next. What the program itself printed is kept apart. The table and the plain form of the
report both show these rows.
"""

import re
from collections.abc import Callable
from pathlib import Path

from daemonlab import blame, compiler
from daemonlab.afterwards import afterwards, last_error
from daemonlab.checks import show
from daemonlab.house import CHAPTERS, ROOT
from daemonlab.judge import Outcome, Result
from daemonlab.keeper import FLOOD
from daemonlab.record import Record
from daemonlab.stuck import Stuck
from daemonlab.text import printable

_MOST_PROCESSES = 3
"""Processes of which is said where they stood."""
_MUCH = 0.5
"""Seconds of CPU that no start needs, neither in C nor in Python."""
MOST_LINES = 12
"""Lines of a program's own output that are shown; the rest is counted, and kept in a file."""
_MOST_COLUMNS = 400
"""Characters of such a line that are shown."""
_TOP = ", in <module>"
"""How the line of a traceback ends that speaks of a module's own level."""
_NOT_WRITTEN = re.compile(r"TODO: (\w+)\(\) is not written yet")
_TODO_PYTHON = re.compile(r"labd\.failure\.todo\(\"([\w.]+)\"\)")
_TODO_C = re.compile(r"^[A-Za-z_][\w *]*?\b(\w+)\(|(/\* TODO: do what the contract)", re.M)

Rows = list[tuple[str, str]]
"""Labels and texts; a text may have several lines, a label may be empty: it goes on."""

Shows = Callable[[str], bool]
"""Whether that part of a failure is shown: "observed", "expected", "why", "next"; policy.py."""
_PARTS = {"": "observed", "it happened": "why", "what it is": "next"}
"""The part that a label belongs to, where that is not its own name."""


def _shown_line(text: str) -> str:
    if len(text) > _MOST_COLUMNS:
        text = f"{text[:_MOST_COLUMNS]}… and {len(text) - _MOST_COLUMNS} more characters"
    return printable(text)


def shown_output(text: str) -> str:
    """What a program or a compiler printed: escaped, and no more of it than one wants to read."""
    lines = text.splitlines()
    shown = [_shown_line(line) for line in lines[:MOST_LINES]]
    if len(lines) > MOST_LINES:
        shown.append(f"… and {len(lines) - MOST_LINES} more lines")
    return "\n".join(shown)


def relative(path: Path) -> str:
    """A path as one would type it from the house's front door."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def chapter(section: str) -> str:
    """A section of the book as a file and the name of a place in it."""
    page, _, anchor = section.partition("#")
    return f"{relative(CHAPTERS / page)} (#{anchor})"


def first_failing(result: Result) -> Outcome | None:
    """The check to begin with; None: all passed. Where none failed, one that could not be looked
    at: else there would be no word of why not all is green."""
    failed = (one for one in result.outcomes if one.passed is False)
    return next(failed, next((one for one in result.outcomes if one.passed is None), None))


def printed(result: Result, outcome: Outcome) -> str:
    """What the program printed in the launch in which the check failed; empty for nothing."""
    said = show(result.facts[outcome.scenario]["output"].value)
    return "" if said == "none" else said


def unwritten(path: Path) -> list[str]:
    """The functions in a student's file that are still marked TODO, in order."""
    try:
        source = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    if path.suffix == ".py":
        return _TODO_PYTHON.findall(source)
    names, function = [], ""
    for name, todo in _TODO_C.findall(source):
        if todo:
            names.append(function)
        function = name or function
    return names


def not_imported(result: Result) -> str:
    """What Python said when it imported the student's file, from its line on; empty if it could."""
    file, first = blame.own_file(result), first_failing(result)
    if file is None or first is None or first is not result.outcomes[0]:
        return ""
    lines = printed(result, first).splitlines()
    frames = [
        number
        for number, line in enumerate(lines)
        if line.startswith("  File ") and f'/{file.name}"' in line and line.endswith(_TOP)
    ]
    if not frames or not lines[-1] or lines[-1].startswith(" "):
        return ""
    own = [lines[frames[-1]]]
    for line in lines[frames[-1] + 1 :]:
        if not line.startswith("    "):
            break
        own.append(line)
    return compiler.errors("\n".join([*own, lines[-1]]))


def _not_written(record: Record, said: str) -> str:
    """The function that was called and is not written: as the starter said it, or, where the
    daemon had started by then, as its log tells. Empty: none was."""
    found = _NOT_WRITTEN.search(f"{said}\n{last_error(record.log)}")
    return found[1] if found else ""


def _unfinished(result: Result, called: str) -> str:
    """That an unfinished lab is meant to fail; empty when nothing in it says TODO. called is the
    function that was called and is not written."""
    file = blame.own_file(result)
    todo = unwritten(file) if file else []
    if not called and not todo:
        return ""
    words = [f"{called} is not written yet."] if called else []
    words.append("This is how an unfinished lab looks: it is meant to fail.")
    if others := [name for name in todo if name != called]:
        words.append(f"Marked TODO: {', '.join(others)}.")
    return " ".join(words)


def _plain_word(result: Result, outcome: Outcome) -> str:
    """What a hang, a flood or a fork without end mostly comes from, and what had become of the
    daemon; empty for anything else."""
    record = result.records[outcome.scenario]
    words = []
    if len(record.output) > FLOOD:
        words.append(
            f"It printed more than {FLOOD:,} bytes: look for a loop that prints and never ends."
        )
    if "processes, and was ended" in record.trouble:
        words.append("Look for a fork in a loop, or one whose result 0 goes on as the parent does.")
    if record.starter_seconds is None and not record.trouble and not record.not_executed:
        words += [_standing(one, record) for one in _first_to_blame(record)]
        words += [_hang(record)]
    said = printed(result, outcome)
    told = _NOT_WRITTEN.search(said) or blame.named_by_python(result, said)
    if outcome is result.outcomes[0] and not told:
        words.append(blame.how_far(result, outcome)[0])
    words.append(
        afterwards(record, f"{outcome.verdict.observed} {outcome.verdict.evidence} {said}")
    )
    return "\n".join(filter(None, words))


def _hang(record: Record) -> str:
    """Which of the two hangs it is, and where to read on."""
    runs = any(one.runs for one in record.stuck)
    what = "It runs without end" if runs else "It waits for what does not come"
    return f'{what}. {chapter("00-working.md#debug")}, "Why does it hang?", says more.'


def _first_to_blame(record: Record) -> list[Stuck]:
    """Where its processes stood, those that ran first: the others may only wait for them."""
    ordered = sorted(record.stuck, key=lambda one: (not one.runs, one.pid))
    return ordered[:_MOST_PROCESSES]


def _standing(one: Stuck, record: Record) -> str:
    """Where a process stood before it was killed, in a sentence."""
    who = f"{'The starter' if one.pid == record.starter else 'Process'} {one.pid}"
    cpu = f"had used {one.seconds:.1f} s of CPU"
    if one.runs:
        loop = ": an endless loop" if one.seconds > _MUCH else ""
        return f"{who} was running, and {cpu}{loop}."
    if one.state == "T":
        return f"{who} was stopped by a signal, and {cpu}."
    asleep = f" in {one.place}" if one.place else ""
    return printable(f"{who} slept{asleep}, and {cpu}.{_writers(one, record)}")


def _writers(one: Stuck, record: Record) -> str:
    """Who keeps the end of file from coming that a process waits for."""
    held = blame.kept_open(record, one)
    names = [
        "itself" if pid == one.pid else "the starter" if pid == record.starter else f"process {pid}"
        for pid in held
    ]
    return f" The end to write to is held by {' and '.join(names)}." if names else ""


def _next_step(result: Result, outcome: Outcome, said: str, called: str) -> str:
    check, file = outcome.check, blame.own_file(result)
    function = called if called and file else blame.functions(result, outcome, said)
    lines = [f"{relative(file)}, {function}"] if file else [function]
    lines += [relative(other) for other in result.subject.files if other != file and not file]
    lines += [chapter(check.section), check.man]
    if file:
        lines.append(f"make hint-{result.lab.number} for a hint")
    return "\n".join(lines)


def warned(result: Result) -> str:
    """What the compiler warned of that is news; empty for nothing."""
    file = blame.own_file(result)
    return compiler.warnings(result.subject.warnings, bool(file and unwritten(file)))


def everything(part: str) -> bool:
    """Shows what there is: where no instructor has decided."""
    return True


def rows(result: Result, outcome: Outcome, shows: Shows = everything) -> Rows:
    """What is said of a failed check, in order, as far as it is to be shown. That an unfinished lab
    is meant to fail is said in any case."""
    check, verdict = outcome.check, outcome.verdict
    said = printed(result, outcome)
    called = _not_written(result.records[outcome.scenario], said)
    evidence = "" if verdict.evidence in (verdict.observed, said) else verdict.evidence
    told = [
        ("observed", printable(verdict.observed)),
        ("", shown_output(evidence)),
        ("expected", verdict.expected),
        ("why", check.why),
        ("it happened", check.story),
        ("unfinished", _unfinished(result, called)),
        ("what it is", _plain_word(result, outcome)),
        ("next", _next_step(result, outcome, said, called)),
    ]
    return [
        (label, text)
        for label, text in told
        if text and (label == "unfinished" or shows(_PARTS.get(label, label)))
    ]


def apart(result: Result, outcome: Outcome, kept: Path | None) -> Rows:
    """The program's own words, and where all of them are kept."""
    told = [("it printed", shown_output(printed(result, outcome)))]
    if kept is not None:
        what = "its output, its log and its configuration, whole"
        told.append(("kept", f"{relative(kept)}/: {what}"))
    return [(label, text) for label, text in told if text]
