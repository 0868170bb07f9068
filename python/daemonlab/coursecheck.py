"""Proofs that the course is whole, by reading alone: what courseruns.py proves takes launches.

A proof holds or has problems, each with the file that is wrong and what to do about it. The tests
of the course call the same functions.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from daemonlab import course, skeleton
from daemonlab.course import CheckInfo, CourseError, Hint, Lab
from daemonlab.explain import relative
from daemonlab.house import CHAPTERS, LABS, MUTANTS, PORT, C
from daemonlab.mutants import Mutant

PAGE = re.compile(r"\b[a-z_][\w.-]*\([1-8]\w*\)")
"""A page of the manual, as we write it: fork(2)."""
ELSEWHERE = frozenset({"daemon(7)", "sd_listen_fds(3)", "umount(8)", "bash(1)", "ps(1)"})
"""Pages that packages other than the manual's own bring."""
_SECTION = re.compile(r"([\w-]+)\.md#([\w-]+)")
_HEADING = re.compile(r"(?m)^#+ +(.+?) *(?:\{#([\w-]+)\})? *$")
_COLUMNS = 78
"""What a hint may take of a terminal's width."""
_OURS = frozenset({"lab.toml", "hints.toml", "predict.toml"})
"""What a lab may hold besides its two skeletons."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong."""

    file: str
    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that was to be shown, of one lab or of the whole course (lab 0)."""

    lab: int
    name: str
    """A word: which proof it is."""
    claim: str
    """What holds, if nothing is wrong."""
    problems: tuple[Problem, ...] = ()

    @property
    def holds(self) -> bool:
        """Nothing is wrong."""
        return not self.problems


def _file(lab: Lab, name: str) -> str:
    return relative(lab.folder / name)


# --- the words of a lab


def _word_faults(lab: Lab, check: CheckInfo) -> Iterator[str]:
    for name, text in (("title", check.title), ("why", check.why), ("man", check.man)):
        if not text.strip():
            yield f"{name} is empty"
    if not check.why.rstrip().endswith((".", "?", "!")):
        yield "why is no whole sentence"
    if check.points < 1:
        yield f"it is worth {check.points} points"
    for function in check.functions:
        yield from _function_faults(lab, function)


def _function_faults(lab: Lab, function: str) -> Iterator[str]:
    if not re.search(rf"\b{re.escape(function)}\(", _header(lab)):
        yield f"function: {lab.module} has no public {function}"


def _header(lab: Lab) -> str:
    path = C / "src" / f"{lab.module}.h"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def word_problems(lab: Lab) -> list[Problem]:
    """Each check says what it is, why it matters, where to look, and is worth something."""
    file = _file(lab, "lab.toml")
    reached = {
        f"reached.{key}: {fault}"
        for key, functions in lab.reached.items()
        for function in functions.split(", ")
        for fault in _function_faults(lab, function)
    }
    faults = [f"{check.id}: {fault}" for check in lab.checks for fault in _word_faults(lab, check)]
    return [
        Problem(file, fault, "see CONTRIBUTING.md, Add a check")
        for fault in (*sorted(reached), *faults)
    ]


def _hint_faults(lab: Lab, hint: Hint) -> Iterator[tuple[str, str]]:
    """What is wrong with the hints on one check in one language, and what to do about it."""
    lines = "\n".join((hint.question, hint.pointer, hint.recipe)).split("\n")
    if len(longest := max(lines, key=len)) > _COLUMNS:
        yield f"longer than {_COLUMNS} columns: {longest}", "break the line"
    if "?" not in hint.question:
        yield "its question asks nothing", "let it make one think"
    if f"{lab.folder.name}.md#" not in hint.pointer:
        yield "its pointer names no section of the chapter", "name one"


def hint_problems(lab: Lab) -> list[Problem]:
    """Each check has its hints in both languages; they fit a terminal and lead on."""
    file = _file(lab, "hints.toml")
    try:
        hints = course.hints(lab)
    except CourseError as error:
        return [Problem(file, str(error), "see CONTRIBUTING.md, Add a check: three texts a check")]
    found = [
        Problem(file, f"{check.id}: {text}", remedy)
        for check in lab.checks
        for hint in hints[check.id].values()
        for text, remedy in _hint_faults(lab, hint)
    ]
    return list(dict.fromkeys(found))  # one text may serve both languages


# --- what they name


def anchors(chapters: Path = CHAPTERS) -> dict[str, set[str]]:
    """The anchors of each chapter by its name: those that are written, and those of headings."""
    found = {}
    for page in chapters.glob("*.md"):
        text = re.sub(r"(?ms)^ *```.*?^ *```", "", page.read_text(encoding="utf-8"))
        named = {name or _slug(title) for title, name in _HEADING.findall(text)}
        found[page.stem] = named | set(re.findall(r"\{[^}\n]*#([\w-]+)[^}\n]*\}", text))
    return found


def _slug(title: str) -> str:
    """As the book's toc makes it."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower())


def section_problems(lab: Lab, there: Mapping[str, Collection[str]]) -> list[Problem]:
    """Chapters and sections that checks and hints name are there: anchors by chapter."""
    named = [(_file(lab, "lab.toml"), check.section) for check in lab.checks]
    hints = lab.folder / "hints.toml"
    if hints.exists():
        text = hints.read_text(encoding="utf-8")
        named += [(relative(hints), match[0]) for match in _SECTION.finditer(text)]
    found = []
    for file, section in dict.fromkeys(named):
        match = _SECTION.fullmatch(section)
        if match is None:
            found.append(Problem(file, f"{section!r} is no PAGE.md#ANCHOR", "name a section"))
        elif match[1] not in there:
            found.append(Problem(file, f"docs/{match[1]}.md is not there", "write the chapter"))
        elif match[2] not in there[match[1]]:
            remedy = f"write the section in docs/{match[1]}.md, or name another"
            found.append(Problem(file, f"{section}: there is no such section", remedy))
    return found


def manual_is_here() -> bool:
    """Whether pages can be looked up: man-db and manpages-dev are installed."""
    man = shutil.which("man")
    return man is not None and not missing_pages(["fork(2)"])


def missing_pages(names: Iterable[str]) -> list[str]:
    """Which of these pages, such as fork(2), `man` does not find."""
    missing = []
    for name in sorted(set(names) - ELSEWHERE):
        page, section = name.rstrip(")").split("(")
        if subprocess.run(["man", "-w", section, page], capture_output=True).returncode:
            missing.append(name)
    return missing


def page_problems(lab: Lab) -> list[Problem]:
    """Each check names a page of the manual or an RFC; each page that the lab names is there."""
    file = _file(lab, "lab.toml")
    found = [
        Problem(file, f"{check.id}: man names no page: {check.man}", "name one, as fork(2)")
        for check in lab.checks
        if not PAGE.search(check.man) and "RFC" not in check.man
    ]
    files = [path for path in (lab.folder / "lab.toml", lab.folder / "hints.toml") if path.exists()]
    for path in files if manual_is_here() else []:
        names = PAGE.findall(path.read_text(encoding="utf-8"))
        for name in missing_pages(names):
            found.append(Problem(relative(path), f"{name}: no such page", "name another"))
    return found


# --- files


def stray_problems(labs: Sequence[Lab], folder: Path = LABS) -> list[Problem]:
    """Nothing lies in labs/ but what belongs there."""
    own = {lab.folder.name: _OURS | {f"{lab.module}.c", f"{lab.module}.py"} for lab in labs}
    found = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        lab, name = inside.parts[0], "/".join(inside.parts[1:])
        if str(inside) in own or str(inside) == skeleton.HASHES or name in own.get(lab, ()):
            continue
        found.append(Problem(relative(path), "it does not belong here", "move it away"))
    return found


def _begun(lab: Lab) -> Iterator[Problem]:
    for path in (lab.skeleton(suffix) for suffix in ("c", "py")):
        if not path.exists():
            yield Problem(relative(path), "it is not there", f"make reset-{lab.number}")
        elif not skeleton.pristine(LABS, path):
            yield Problem(relative(path), "it is not the skeleton", f"make reset-{lab.number}")


def generated_problems(labs: Sequence[Lab]) -> list[Problem]:
    """Skeletons and their hashes are those of the reference, and nobody has begun with one."""
    try:
        stale = skeleton.stale(LABS, C / "src", PORT)
        if stale:  # what lies in labs/ can be compared with nothing yet
            told = (line.partition(": ") for line in stale)
            return [Problem(f"labs/{file}", text, "make skeletons") for file, _, text in told]
        return [problem for lab in labs for problem in _begun(lab)]
    except (skeleton.SkeletonError, OSError) as error:
        return [Problem("labs/", str(error), "mend that first")]


def unproved_problems(lab: Lab, planted: Sequence[Mutant]) -> list[Problem]:
    """Each check has a mutant that it sees, and no mutant names another. "starts" needs none: the
    untouched skeletons fail it."""
    seen = {
        name
        for mutant in planted
        if mutant.lab == lab.number
        for name in (mutant.killed_by, *mutant.also)
    } - {"starts"}
    checks = {check.id for check in lab.checks} - {"starts"}
    folder = relative(MUTANTS)
    missing = [
        Problem(f"{folder}/", f"lab {lab.number}: no mutant fails {name}", "plant one")
        for name in sorted(checks - seen)
    ]
    return missing + [
        Problem(f"{folder}/", f"lab {lab.number} has no check {name}", "mend the mutant")
        for name in sorted(seen - checks)
    ]


# --- all of them

WHOLE = ("files", "generated")
READ = ("words", "hints", "sections", "manual", "proved")


def proofs_of_whole(labs: Sequence[Lab], only: Collection[str]) -> Iterator[Proof]:
    """What is shown of the course as a whole."""
    if "files" in only:
        yield Proof(0, "files", "no stray file in labs/", tuple(stray_problems(labs)))
    if "generated" in only:
        claim = "skeletons and hashes are up to date"
        yield Proof(0, "generated", claim, tuple(generated_problems(labs)))


def proofs_by_reading(
    lab: Lab, planted: Sequence[Mutant], there: Mapping[str, Collection[str]], only: Collection[str]
) -> Iterator[Proof]:
    """What is shown of one lab without running it."""
    count = len(lab.checks)
    looked_up = "every page of the manual exists"
    if not manual_is_here():
        looked_up = "names pages of the manual (which is not installed: not looked up)"
    found: dict[str, tuple[str, Callable[[], list[Problem]]]] = {
        "words": (f"{count} checks say what, why and where", lambda: word_problems(lab)),
        "hints": (
            f"{count} checks have hints in C and in Python",
            lambda: hint_problems(lab),
        ),
        "sections": ("every section named is in the book", lambda: section_problems(lab, there)),
        "manual": (looked_up, lambda: page_problems(lab)),
        "proved": ("every check has its mutant", lambda: unproved_problems(lab, planted)),
    }
    for name, (claim, problems) in found.items():
        if name in only:
            yield Proof(lab.number, name, claim, tuple(problems()))


# --- what was asked for, and what came out


def numbers(text: str, there: Collection[int]) -> list[int]:
    """The numbers that "1,3-5" names, in order; all for nothing. Raises ValueError."""
    if not text:
        return sorted(there)
    found = set()
    for part in text.replace(" ", ",").split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if match is None:
            raise ValueError(f"--labs: {part!r} is no number and no range such as 3-5")
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last or not {first, last} <= set(there):
            shown = ", ".join(map(str, sorted(there)))
            raise ValueError(f"--labs: {part}: there are labs {shown}")
        found |= {number for number in there if first <= number <= last}
    return sorted(found)


def lines(proof: Proof, plain: bool) -> list[str]:
    """One line a proof; each problem with its file, and what to do about it."""
    where = f"lab {proof.lab}" if proof.lab else "course"
    head = ("ok" if proof.holds else "FAILED") if plain else ("✓" if proof.holds else "✗")
    claim = proof.claim if proof.holds else f"does not hold: {proof.claim}"
    found = [f"{head} {where}: {proof.name}: {claim}"]
    for problem in proof.problems:
        words = " ".join(problem.text.split())
        if plain:
            found.append(f"problem: {problem.file}: {words}; to mend it: {problem.remedy}")
        else:
            found += [f"    {problem.file}: {words}", f"        {problem.remedy}"]
    return found


def summary(proofs: Sequence[Proof]) -> str:
    """How many hold."""
    failed = [proof for proof in proofs if not proof.holds]
    count = f"{len(proofs) - len(failed)} of {len(proofs)} proofs hold"
    return f"{count}." if not failed else f"{count}; {len(failed)} do not."


def data(proofs: Sequence[Proof]) -> dict[str, object]:
    """For programs."""
    return {
        "holds": all(proof.holds for proof in proofs),
        "proofs": [
            {
                "lab": proof.lab or None,
                "proof": proof.name,
                "claim": proof.claim,
                "holds": proof.holds,
                "problems": proof.problems,
            }
            for proof in proofs
        ],
    }
