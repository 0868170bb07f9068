"""The student's loop: build what was begun, note how the lab went, and look back.

After lab N come the earlier labs that were green: the student's modules of all of them and of lab N
in one daemon, which does every step up to N. That is where a change can break something: alone,
each module stands in a reference that is whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from daemonlab import compiler, last, subjects
from daemonlab.course import LANGUAGES, Lab
from daemonlab.explain import first_failing, not_imported, relative
from daemonlab.judge import Result, run_lab
from daemonlab.progress import NOT_BUILT, Progress, now, recorded

SUFFIXES = {"c": "c", "python": "py"}
"""By language."""
NAMES = {"c": "C", "python": "Python"}
_MINE = "mine-"
WHOLE = {"mine-c": "your daemon (C)", "mine-python": "your daemon (Python)"}
"""What a student's subject is called where the module that a lab looks at may be ours."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A module that could not be built, or not be imported."""

    language: str
    text: str
    """Which files, and what the compiler said."""
    lab: Lab
    """Whose module it is, as far as the compiler says; else the first of those it was given."""

    @property
    def mend(self) -> str:
        """What is said after the words of a compiler, which many take for a broken tool."""
        return (
            "The laboratory is in order, this file is not: mend the line that is named first. "
            f"{reset_command(self.lab, self.language)} brings the skeleton back and keeps your "
            "file aside."
        )


@dataclass(frozen=True, slots=True)
class Regression:
    """An earlier lab that was green, run with the student's modules of all labs that were."""

    result: Result
    after: Lab
    """The lab that is being worked on."""
    by_it: bool
    """It passes without that lab's module, and fails with it."""

    @property
    def words(self) -> str:
        """One line: what became of it."""
        result, number = self.result, self.result.lab.number
        if result.passed:
            return f"lab {number} is still green: {result.points} of {result.lab.points}"
        failed = ", ".join(one.check.title for one in result.outcomes if one.passed is False)
        if self.by_it:
            return f"lab {number} was green; your change in lab {self.after.number} broke: {failed}"
        without = f"also without your lab {self.after.number}"
        return f"lab {number} was green, and fails now, {without}: {failed}"


def language_of(result: Result) -> str | None:
    """The language of a student's subject; None if it is none of theirs."""
    name = result.subject.name
    return name.removeprefix(_MINE) if name.startswith(_MINE) else None


def begun(lab: Lab, language: str) -> bool:
    """Whether the student has begun with a lab in a language."""
    return lab.skeleton(SUFFIXES[language]) in subjects.started(lab)


def changed(lab: Lab, language: str) -> bool:
    """Whether its file is not the skeleton, or is not there."""
    return begun(lab, language) or not lab.skeleton(SUFFIXES[language]).exists()


def reset_command(lab: Lab, language: str) -> str:
    """What one types to get a skeleton back; the language only where it must be said."""
    both = all(changed(lab, one) for one in SUFFIXES)
    return f"make reset-{lab.number}" + (f' ARGS="--language {language}"' if both else "")


def mine(
    those: Sequence[Lab], languages: Sequence[str] = LANGUAGES
) -> tuple[list[subjects.Subject], list[Broken]]:
    """The student's daemon in each language, of those of the labs that were begun in it; of
    these languages."""
    built, broken = [], []
    for language, suffix in SUFFIXES.items():
        if language not in languages:
            continue
        mine_of = [lab for lab in those if begun(lab, language)]
        if mine_of:
            try:
                built.append(subjects.mine(mine_of, suffix))
            except subjects.BuildError as error:
                said = compiler.errors(str(error))
                files = {relative(lab.skeleton(suffix)): lab for lab in mine_of}
                named = [file for file in files if file in said] or [*files]
                text = f"{', '.join(named)} does not compile:\n\n{said}"
                broken.append(Broken(language, text, files[named[0]]))
    return built, broken


def imported(
    results: Sequence[Result], broken: Sequence[Broken]
) -> tuple[list[Result], list[Broken]]:
    """Those results whose module could be imported, and what is broken, with the others in it:
    Python finds only when a module is imported what a compiler finds before it."""
    whole, wrong = [], [*broken]
    for result in results:
        language = language_of(result)
        said = not_imported(result) if language else ""
        if language and said:
            file = relative(result.lab.skeleton(SUFFIXES[language]))
            text = f"{file} cannot be imported:\n\n{said}"
            wrong.append(Broken(language, text, result.lab))
        else:
            whole.append(result)
    return whole, wrong


def keep(results: Sequence[Result]) -> None:
    """Keep the launches that failed for the student to look at, and forget older ones."""
    for result in results:
        failed = first_failing(result)
        if failed is None:
            last.forget(result)
        else:
            last.keep(result, failed)


def note(lab: Lab, results: Sequence[Result], broken: Sequence[Broken]) -> Progress | None:
    """Write down how the student's modules did; None if none of theirs was run, and nothing was
    written. Raises ProgressError."""
    own = [(language, result) for result in results if (language := language_of(result))]
    if not own and not broken:
        return None
    with recorded() as progress:
        for language, result in own:
            failed = first_failing(result)
            progress.entry(lab.number, language).ran(
                points=result.points,
                of=lab.points,
                failing=failed.check.id if failed else "",
                when=now(),
            )
        for one in broken:
            entry = progress.entry(lab.number, one.language)
            entry.ran(points=0, of=lab.points, failing=NOT_BUILT, when=now())
    return progress


def green_before(lab: Lab, language: str, progress: Progress, those: Sequence[Lab]) -> list[Lab]:
    """The earlier ones of those labs that the student has done: green when they were run last."""
    return [
        earlier
        for earlier in those
        if earlier.number < lab.number
        and progress.entry(earlier.number, language).green
        and begun(earlier, language)
    ]


def _through(lab: Lab, those: Sequence[Lab], language: str) -> subjects.Subject:
    return replace(subjects.mine(those, SUFFIXES[language]), through=lab.number)


def regressions(lab: Lab, language: str, green: Sequence[Lab]) -> Iterator[Regression]:
    """Run the earlier labs one after the other, in a daemon that does the steps of this one, too.
    Raises BuildError: the modules do not go together; LaunchError, WorkerLost."""
    whole = _through(lab, [*green, lab], language)
    for earlier in green:
        (result,) = run_lab(earlier, [whole])
        keep([result])
        by_it = False
        if not result.passed:
            (without,) = run_lab(earlier, [_through(lab, green, language)])
            by_it = without.passed
        yield Regression(result, lab, by_it)
        if result.hangs:  # those to come would, too, and take their time to say so
            return
