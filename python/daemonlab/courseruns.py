"""Proofs that the course is whole, by launches: the reference passes, the skeleton fails as it is
meant to, each mutant is killed by the check meant for it, and all of that under load, too.
"""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial

from daemonlab import coursecheck, skeleton, subjects
from daemonlab.course import LANGUAGES, Lab
from daemonlab.course import labs as all_labs
from daemonlab.coursecheck import Problem, Proof
from daemonlab.explain import first_failing, printed, relative
from daemonlab.house import BUILD, MUTANTS, PORT, C
from daemonlab.judge import Result, judge, run_lab
from daemonlab.mutants import Mutant, MutantError, make, mutants
from daemonlab.parallel import run_all
from daemonlab.subjects import BuildError, Subject

RUNS = ("reference", "skeleton", "mutants", "load")
BUSY = max(2, (os.cpu_count() or 1) // 4)
"""How often a lab is run at the same time to be run under load: some five launches a processor, for
each run makes up to 18 of them, three a processor at a time."""
_AT_ONCE = 8
"""Mutants that are put through a lab side by side."""
_REMEDY = "daemonlab lab {} --json shows the facts"


def failure(result: Result) -> str:
    """The first check that failed, as one line; empty if all passed."""
    first = first_failing(result)
    if first is None:
        return ""
    if first.passed is None:
        missed = [outcome.check.id for outcome in result.outcomes if not outcome.passed]
        return f"{result.subject.title}: not reached: {', '.join(missed)}"
    verdict = first.verdict
    return (
        f'{result.subject.title}: {first.check.id} in "{first.scenario}": observed '
        f"{verdict.observed}, expected {verdict.expected}"
    )


# --- the reference


def reference(lab: Lab) -> Proof:
    """The daemons in C and in Python get full points."""
    results = run_lab(lab, subjects.reference())
    file = f"c/src/{lab.module}.c, python/labd/{lab.module}.py"
    faults = [
        Problem(file, text, _REMEDY.format(lab.number)) for text in map(failure, results) if text
    ]
    claim = f"the reference passes in C and in Python: {lab.points} of {lab.points} points"
    return Proof(lab.number, "reference", claim, tuple(faults))


# --- the skeleton


def first_message(lab: Lab) -> str:
    """What the untouched skeleton must say: that of the function in which one begins."""
    return f"TODO: {lab.checks[0].function}() is not written yet"


def untouched(lab: Lab) -> list[Subject]:
    """The skeletons as derived from the reference now, whatever lies in labs/, as subjects."""
    overlay = BUILD / "skeletons" / lab.folder.name
    overlay.mkdir(parents=True, exist_ok=True)
    for path in (lab.skeleton(suffix) for suffix in ("c", "py")):
        (overlay / path.name).write_bytes(skeleton.text(path, C / "src", PORT))
    program, _ = subjects.build_c([overlay], f"skeletons/labd-{lab.number:02}")
    variables = {"LABD_OVERLAY": str(overlay)}
    return [
        Subject("skeleton-c", "C", (str(program),)),
        Subject("skeleton-python", "Python", subjects.python_program(True), variables),
    ]


def skeleton_fault(result: Result) -> str:
    """What is wrong with the way in which an untouched skeleton fails; empty if nothing is."""
    first, wanted = first_failing(result), first_message(result.lab)
    if first is None:
        return f"{result.subject.title}: the untouched skeleton fails no check"
    said = printed(result, first)
    if first.check.id != result.lab.checks[0].id:
        return f"{result.subject.title}: fails first in {first.check.id}"
    if wanted not in said:
        shown = said.splitlines()[0] if said else "nothing"
        return f"{result.subject.title}: says {shown!r}, not {wanted!r}"
    return ""


def fails_as_meant(lab: Lab) -> Proof:
    """The untouched skeleton fails the first check, and names the function to begin with."""
    claim = f'the untouched skeleton fails with "{first_message(lab)}"'
    file = relative(lab.folder / "lab.toml")
    remedy = "let `function` of the first check name the function that is called first"
    try:
        faults = [skeleton_fault(result) for result in run_lab(lab, untouched(lab))]
    except (BuildError, skeleton.SkeletonError) as error:
        faults, remedy = [f"the skeleton cannot be built: {error}"], "make skeletons"
    problems = tuple(Problem(file, text, remedy) for text in faults if text)
    return Proof(lab.number, "skeleton", claim, problems)


# --- the mutants


def mutant_fault(mutant: Mutant, result: Result) -> str:
    """What is wrong with the way in which a mutant is found; empty if nothing is.

    The check meant for it is the first to fail; the others that see it too are listed, no more.
    """
    shown = [outcome.check.id for outcome in result.outcomes if outcome.passed is False]
    if shown[:1] != [mutant.killed_by]:
        return f"not killed by {mutant.killed_by}: {', '.join(shown[:1]) or 'it survives'}"
    alone = [judge(check, result.facts) for check in result.lab.checks]
    failing = [outcome.check.id for outcome in alone if outcome.passed is False]
    failing = [name for name in failing if name not in mutant.maybe]
    wanted = [mutant.killed_by, *mutant.also]
    return "" if failing == wanted else f"fails {', '.join(failing)}; listed {', '.join(wanted)}"


def _problem(mutant: Mutant, text: str) -> Problem:
    return Problem(relative(MUTANTS / f"{mutant.name}.toml"), text, "mend the check or the mutant")


def _some(lab: Lab, some: Sequence[tuple[Mutant, str]]) -> Iterator[Problem]:
    made = []
    for mutant, language in some:
        try:
            made.append((mutant, replace(make(mutant, language), name=f"{mutant.name}-{language}")))
        except (MutantError, BuildError) as error:
            yield _problem(mutant, f"{language}: it cannot be made: {error}")
    results = run_lab(lab, [subject for _, subject in made]) if made else []
    for (mutant, subject), result in zip(made, results, strict=True):
        if fault := mutant_fault(mutant, result):
            yield _problem(mutant, f"{subject.title}: {fault}")


def killed(lab: Lab, planted: Sequence[Mutant]) -> Proof:
    """Every mutant of the lab, in both languages."""
    all_of = [(one, language) for one in planted if one.lab == lab.number for language in LANGUAGES]
    problems: list[Problem] = []
    for start in range(0, len(all_of), _AT_ONCE):
        problems += _some(lab, all_of[start : start + _AT_ONCE])
    claim = f"all {len(all_of)} mutants are killed by the check meant for each"
    return Proof(lab.number, "mutants", claim, tuple(problems))


# --- under load


Run = Callable[[Lab, Sequence[Subject]], list[Result]]


def _faults(lab: Lab, those: Sequence[Subject], run: Run) -> list[str]:
    """One run: what is wrong with each subject, or an empty text."""
    return [failure(result) for result in run(lab, those)]


def under_load(lab: Lab, times: int, run: Run = run_lab) -> Proof:
    """Run the lab so many times, BUSY at a time, so that each is load for the others: not one run
    may fail."""
    job = partial(_faults, lab, subjects.reference(), run)
    told = run_all([job] * times, BUSY)
    problems = [
        Problem(
            relative(lab.folder / "lab.toml"),
            f"run {number} of {times}: {fault}",
            "let it wait for an event, not for time",
        )
        for number, faults in enumerate(told, 1)
        for fault in filter(None, faults)
    ]
    runs = sum(map(len, told))
    claim = f"{runs - len(problems)} of {runs} runs passed, {min(BUSY, times)} labs at a time"
    return Proof(lab.number, "load", claim, tuple(problems))


def proofs_by_running(
    lab: Lab, planted: Sequence[Mutant], times: int, only: Collection[str]
) -> Iterator[Proof]:
    """What is shown of one lab by running it."""
    if "reference" in only:
        yield reference(lab)
    if "skeleton" in only:
        yield fails_as_meant(lab)
    if "mutants" in only:
        yield killed(lab, planted)
    if "load" in only and times:
        yield under_load(lab, times)


def proofs(labs: Sequence[Lab], times: int, only: Collection[str]) -> Iterator[Proof]:
    """Everything that was asked for, the quick proofs first. Raises LaunchError and WorkerLost."""
    planted, there = mutants(), coursecheck.anchors()
    yield from coursecheck.proofs_of_whole(all_labs(), only)
    for lab in labs:
        yield from coursecheck.proofs_by_reading(lab, planted, there, only)
    if not set(only) & set(RUNS):
        return
    try:
        subjects.reference()  # builds what mutants and skeletons take over from it
    except BuildError as error:
        problem = Problem("c/src, python/labd", str(error), "mend it, or: make c .venv/run.stamp")
        yield Proof(0, "reference", "the reference can be built", (problem,))
        return
    for lab in labs:
        yield from proofs_by_running(lab, planted, times, only)
