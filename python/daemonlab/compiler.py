"""What a compiler said, so that one can begin with it: errors before warnings, few lines, paths as
one would type them. A line that shows source keeps its columns: the caret has to stand where it is.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from daemonlab.house import ROOT
from daemonlab.text import escaped

WIDTH = 79
"""Columns of a line that shows source; a longer one is cut where its caret is not."""
_MOST_SHOWN = 3
"""Complaints that are shown; only the first with its source."""
_MOST_SOURCE = 4
"""Lines of source that are shown; the caret is in the second."""
_MOST_OTHER = 12
"""Lines that are shown of what is neither an error nor a warning of a compiler: a linker's."""
_HEAD = re.compile(
    r"(?:[^\s:][^:]*:\d+:(?:\d+:)?|cc1:|gcc:|cc:|clang:) (fatal error|error|warning|note):"
)
_SOURCE = re.compile(r"\s*\d* ?\||\s")
_NOISE = re.compile(
    r"make(\[\d+\])?: \*\*\*|In file included from|\s+from |collect2: error|compilation terminated"
    r"|\d+ (errors?|warnings?)( and \d+ errors?)? generated|.*: In function |.*: At top level:"
)
_GUTTER = re.compile(r"\s*\d* \| ?")


@dataclass(frozen=True, slots=True)
class Complaint:
    """One error or warning."""

    kind: str
    """error, warning or note."""
    head: str
    source: tuple[str, ...]
    """The lines below it: the source, and where in it."""


def _named(text: str) -> str:
    """With paths from the front door: the compiler works in c/, and is given whole paths."""
    return re.sub(r"(?m)^src/", "c/src/", text.replace(f"{ROOT}/", ""))


def _read(text: str) -> tuple[list[Complaint], list[str]]:
    """The complaints in order, and the lines that belong to none."""
    found: list[tuple[str, str, list[str]]] = []
    rest: list[str] = []
    for line in _named(text).splitlines():
        if head := _HEAD.match(line):
            found.append((head[1].removeprefix("fatal "), line, []))
        elif _NOISE.match(line):
            continue
        elif found and _SOURCE.match(line):
            found[-1][2].append(line)
        else:
            rest.append(line)
    return [Complaint(kind, head, tuple(source)) for kind, head, source in found], rest


def _cut(lines: tuple[str, ...]) -> Iterator[str]:
    """Lines of source, all cut at the same columns, so that the caret points at what it did."""
    shown = [escaped(line.replace("\t", " ")) for line in lines[:_MOST_SOURCE]]
    caret = min((line.find("^") for line in shown if "^" in line), default=0)
    gutter = max((len(found[0]) for line in shown if (found := _GUTTER.match(line))), default=0)
    skipped = max(0, caret - WIDTH * 2 // 3) if max(map(len, shown), default=0) > WIDTH else 0
    for line in shown:
        if skipped:
            line = line[:gutter] + line[gutter + skipped :]
        yield (line if len(line) <= WIDTH else line[: WIDTH - 1] + "…").rstrip()


def _counted(number: int, what: str) -> str:
    return f"{number} more {what}" + ("s" if number > 1 else "")


def _shown(those: list[Complaint], kind: str) -> list[str]:
    lines: list[str] = []
    for number, one in enumerate(those[:_MOST_SHOWN]):
        lines.append(escaped(one.head))
        lines += _cut(one.source) if number == 0 else ()
    if more := len(those[_MOST_SHOWN:]):
        lines.append(f"… and {_counted(more, kind)}")
    return lines


def errors(text: str) -> str:
    """What keeps a module from being built: the first error with its source, the next ones in a
    line each. Where no compiler found one, a linker or the laboratory speaks: its first lines."""
    complaints, rest = _read(text)
    if found := [one for one in complaints if one.kind == "error"]:
        return "\n".join(_shown(found, "error"))
    lines = [escaped(line.replace("\t", " ")) for line in rest]
    if more := len(lines[_MOST_OTHER:]):
        lines[_MOST_OTHER:] = [f"… and {_counted(more, 'line')}"]
    return "\n".join(lines) or escaped(text.strip())


def warnings(text: str, unfinished: bool) -> str:
    """What a compiler warns of, as errors(). A parameter that is not used is no news in a module
    that is not written yet."""
    found = [one for one in _read(text)[0] if one.kind == "warning"]
    if unfinished:
        found = [one for one in found if "-Wunused-parameter" not in one.head]
    return "\n".join(_shown(found, "warning"))
