"""What the keys of `daemonlab watch` call upon: what the commands of the same names do."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from daemonlab import course, hints, policy, standing, workfile
from daemonlab.course import CourseError, Lab
from daemonlab.hints import HintError
from daemonlab.policy import PolicyError
from daemonlab.progress import Progress, ProgressError, recorded
from daemonlab.workfile import WorkfileError

REFUSED = (CourseError, HintError, PolicyError, ProgressError, WorkfileError)
"""What these raise when they cannot do it; the text says why."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Shows on the console it is given, or returns what is to be said. Raises REFUSED."""

    plain: bool

    def run(self, lab: Lab, language: str | None) -> Sequence[str]:
        """As `make lab-N`, in one language or in both."""
        chosen = ["--language", language] if language else []
        plain = ["--plain"] if self.plain else []
        return ("lab", str(lab.number), "--in-watch", *chosen, *plain)

    def hint(self, console: Console, lab: Lab, language: str) -> None:
        """As `make hint-N`."""
        terms = policy.load(course.labs())
        with recorded() as progress:
            shown = hints.next_hint(lab, progress, language)
        for line in hints.lines(shown, self.plain, terms):
            console.print(line, markup=False, soft_wrap=True)

    def overview(self, console: Console) -> None:
        """As `make progress`."""
        labs, known = course.labs(), Progress.load()
        terms = policy.load(labs)
        if self.plain:
            for line in standing.plain(labs, known, terms):
                console.print(line, markup=False, soft_wrap=True)
        else:
            standing.show(console, labs, known, terms)

    def reset(self, lab: Lab, language: str) -> str:
        """As `make reset-N`."""
        return " ".join(workfile.reset(lab, language).splitlines())
