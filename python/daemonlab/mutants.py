"""Mutants: copies of the daemon with one well-known bug planted.

Each is a small file of replacements in the reference, in both languages, and an overlay when made.
They prove the checks (every check must fail on one), and are faults for students to find.
"""

import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from daemonlab.house import BUILD, MUTANTS, PORT, C
from daemonlab.subjects import Subject, build_c, python_program

_SOURCES = {".c", ".py"}


class MutantError(Exception):
    """A mutant that does not fit the reference any more; the text names file and text."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A text that stands in a source file exactly once, and what takes its place."""

    file: str
    find: str
    replace: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug, in both languages."""

    name: str
    lab: int
    killed_by: str
    """The check meant for it, the first to fail."""
    also: tuple[str, ...]
    """Checks that would fail too if they were reached: one cause has several effects."""
    maybe: tuple[str, ...]
    """Checks that see it only when chance has it: those that look at a race."""
    story: str
    """What it does wrong, and where that happened."""
    edits: Mapping[str, tuple[Edit, ...]]
    """By language: "c" and "python"."""


def load(path: Path) -> Mutant:
    """Read the description of a mutant."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    edits = {
        language: tuple(Edit(**edit) for edit in table[language]) for language in ("c", "python")
    }
    return Mutant(
        name=path.stem,
        lab=table["lab"],
        killed_by=table["killed_by"],
        also=tuple(table.get("also", ())),
        maybe=tuple(table.get("maybe", ())),
        story=table["story"],
        edits=edits,
    )


def mutants() -> tuple[Mutant, ...]:
    """Every mutant, by lab and name."""
    found = (load(path) for path in MUTANTS.glob("*.toml"))
    return tuple(sorted(found, key=lambda mutant: (mutant.lab, mutant.name)))


def _clear(overlay: Path, names: set[str]) -> None:
    """Remove what an earlier form of a mutant has left: it would stand before the reference. And
    what was built of it, since make(1) would miss its source."""
    stale = [
        path for path in overlay.iterdir() if path.suffix in _SOURCES and path.name not in names
    ]
    for path in stale:
        path.unlink()
    for built in (
        overlay.parent.glob("labd-*") if any(path.suffix == ".c" for path in stale) else ()
    ):
        shutil.rmtree(built, ignore_errors=True)


def _plant(edits: tuple[Edit, ...], source: Path, overlay: Path) -> None:
    overlay.mkdir(parents=True, exist_ok=True)
    texts: dict[str, str] = {}
    for edit in edits:
        text = texts.get(edit.file) or (source / edit.file).read_text(encoding="utf-8")
        if text.count(edit.find) != 1:
            raise MutantError(
                f"{source / edit.file}: found {text.count(edit.find)} times, not once:\n{edit.find}"
            )
        texts[edit.file] = text.replace(edit.find, edit.replace)
    _clear(overlay, set(texts))
    for name, text in texts.items():
        if not (overlay / name).exists() or (overlay / name).read_text(encoding="utf-8") != text:
            (overlay / name).write_text(text, encoding="utf-8")


def make(mutant: Mutant, language: str, folder: str = "") -> Subject:
    """Build a mutant in one language. Raises MutantError or subjects.BuildError.

    folder, below build/, is named after the mutant, unless that is to stay a secret: the path of
    the program can be seen in its processes.
    """
    folder = folder or f"mutants/{mutant.name}"
    overlay = BUILD / folder / language
    _plant(mutant.edits[language], C / "src" if language == "c" else PORT, overlay)
    title = f"{mutant.name} ({'C' if language == 'c' else 'Python'})"
    if language == "c":
        program, _ = build_c([overlay], f"{folder}/labd")
        return Subject(f"mutant-{language}", title, (str(program),))
    variables = {"LABD_OVERLAY": str(overlay)}
    return Subject(f"mutant-{language}", title, python_program(True), variables)
