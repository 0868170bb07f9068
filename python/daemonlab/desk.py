"""What `daemonlab watch` calls upon: the lab, the hint, the overview, the reset."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from daemonlab import course
from daemonlab.course import LANGUAGES, Lab
from daemonlab.progress import Entry, Progress


def _state(entry: Entry) -> str:
    if not entry.of:
        return "· not run yet"
    return f"{'✓' if entry.green else '✗'} {entry.points} of {entry.of}"


@dataclass(frozen=True, slots=True)
class Desk:
    """See watch.Desk."""

    plain: bool

    def run(self, lab: Lab) -> Sequence[str]:
        """As `make lab-N` does."""
        return ("lab", str(lab.number))

    def hint(self, console: Console, lab: Lab, language: str) -> None:
        """As `make hint-N` does."""
        console.print("There are no hints yet.")

    def overview(self, console: Console) -> None:
        """The labs, in one line each."""
        progress = Progress.load()
        for lab in course.labs():
            states = [_state(progress.entry(lab.number, language)) for language in LANGUAGES]
            console.print(f"{lab.number:2} {lab.module:<12} C {states[0]:<16} Python {states[1]}")

    def reset(self, lab: Lab, language: str) -> str:
        """As `make reset-N` does."""
        return "nothing was brought back: there is no reset yet"
