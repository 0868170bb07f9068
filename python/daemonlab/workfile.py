"""The file in which a student works: bring its skeleton back, and say how to begin with it."""

import os
import re
import shutil
import tempfile
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from daemonlab import skeleton
from daemonlab.course import Lab
from daemonlab.explain import chapter, relative
from daemonlab.house import PORT, C
from daemonlab.loop import SUFFIXES
from daemonlab.policy import Policy


class WorkfileError(Exception):
    """The skeleton could not be brought back; the text says why, and nothing was lost."""


def _pristine(path: Path) -> bytes:
    try:
        return skeleton.text(path, C / "src", PORT)
    except OSError as error:
        problem = f"{error.filename}: {os.strerror(error.errno or 0)}"
        remedy = "git restore brings back the file as you got it"
        raise WorkfileError(
            f"{relative(path)}: no skeleton can be made: {problem}; {remedy}"
        ) from error
    except skeleton.SkeletonError as error:
        raise WorkfileError(str(error)) from error


def _put(path: Path, content: bytes) -> None:
    """Write it whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            os.fchmod(handle, 0o644)
        os.rename(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _aside(path: Path) -> Path:
    """Put what is there under the first name of NAME.c.1, .2, … that is free; returns it. Nothing
    is overwritten, whoever else does the same at this moment."""
    for number in count(1):
        other = path.with_name(f"{path.name}.{number}")
        if os.path.lexists(other):
            continue
        if path.is_symlink() or not path.is_file() or path.stat().st_size > skeleton.MOST:
            path.rename(other)
            return other
        try:
            with open(other, "xb") as file, open(path, "rb") as mine:
                shutil.copyfileobj(mine, file)
        except FileExistsError:
            continue
        shutil.copystat(path, other)
        return other
    raise AssertionError("there is always one more number")


def reset(lab: Lab, language: str) -> str:
    """Bring the skeleton back and keep the old file aside; says what was done.

    Raises WorkfileError.
    """
    path = lab.skeleton(SUFFIXES[language])
    content = _pristine(path)
    shown = relative(path)
    try:
        if path.is_file() and not skeleton.started(path, content.decode()):
            return f"{shown} is the skeleton already: nothing was changed."
        if not os.path.lexists(path):
            _put(path, content)
            return f"{shown} was missing, and is the skeleton again."
        aside = relative(_aside(path))
        _put(path, content)
    except OSError as error:
        raise WorkfileError(f"{shown}: {os.strerror(error.errno or 0)}") from error
    return f"{shown} is the skeleton again;\nyours is kept as {aside}"


def functions(lab: Lab) -> list[tuple[str, str]]:
    """The public functions of the lab's module, in order, each with the first sentence of its
    contract."""
    header = (C / "src" / f"{lab.module}.h").read_text(encoding="utf-8")
    found = re.findall(r"(?ms)^(?:/\*| \*) (\w+) - (.+?)(?=\s*\*/|\n \*\n)", header)
    said = [(name, " ".join(re.sub(r"\n \* ?", " ", what).split())) for name, what in found]
    return [
        (name, re.sub(r"\. [A-Z].*", ".", what))
        for name, what in said
        if name.startswith(f"{lab.module}_")
    ]


def _folded(text: str, indent: str = "", hanging: str = "") -> list[str]:
    return textwrap.wrap(text, 78, initial_indent=indent, subsequent_indent=hanging or indent * 2)


def start(lab: Lab, terms: Policy) -> list[str]:
    """Put a missing skeleton in its place; the first steps, in lines. Raises WorkfileError."""
    files = {one: lab.skeleton(SUFFIXES[one]) for one in terms.to_do}
    done = [reset(lab, one) for one, file in files.items() if not os.path.lexists(file)]
    number = lab.number
    few = {1: "", 2: "Lab 1 is", 3: "Labs 1 and 2 are"}
    before = few.get(number, f"Labs 1 to {number - 1} are")
    given = f"{before} the reference's in this lab: nothing of yours has to be there."
    points = f"{terms.terms[number].points:g}"
    return [
        *done,
        *_folded(f"Lab {number}, {lab.module}: {lab.title}. {points} points."),
        "",
        *([*_folded(given), ""] if before else []),
        f"1. Read {chapter(f'{lab.folder.name}.md#your-turn').split(' (')[0]}.",
        "2. Choose one language, and open the file:" if len(files) > 1 else "2. Open the file:",
        *(f"   {relative(file)}" for file in files.values()),
        *_contract(lab, terms.to_do),
        *(line for name, what in functions(lab) for line in _folded(f"{name}: {what}", "   ")),
        f"4. make lab-{number}, after each function; make hint-{number} when you are stuck.",
        f"   make watch ARGS={number}, in a second terminal, runs it at each save.",
    ]


def _contract(lab: Lab, languages: Sequence[str]) -> list[str]:
    """Where the contracts stand, in the languages in which the lab is to be done."""
    header = relative(C / "src" / f"{lab.module}.h")
    places = {"c": f"in C above it, as in {header}", "python": "in Python below its first line"}
    where = "; ".join(places[one] for one in languages)
    return _folded(
        f"3. The contract of each function stands in it: {where}. These are to be written; the "
        "chapter says in which order, and what may do nothing at first:",
        hanging="   ",
    )
