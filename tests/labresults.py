"""The reference run through each lab, once for each worker of pytest."""

from functools import cache

from daemonlab import course, subjects
from daemonlab.facts import Facts
from daemonlab.judge import Result, run_lab
from daemonlab.record import Record
from daemonlab.report import as_json
from daemonlab.scenarios import LABS

LANGUAGES = ("c", "python")


@cache
def results(lab: int) -> dict[str, Result]:
    """The results of a lab by language."""
    found = run_lab(course.lab(lab), subjects.reference())
    return {result.subject.name: result for result in found}


def facts(lab: int, language: str, scenario: str) -> Facts:
    """The facts of one launch."""
    return results(lab)[language].facts[scenario]


def record(lab: int, language: str, scenario: str) -> Record:
    """One launch."""
    return results(lab)[language].records[scenario]


def scenarios(lab: int) -> tuple[str, ...]:
    """The names of a lab's scenarios."""
    return tuple(scenario.name for scenario in LABS[lab])


def explain(lab: int, language: str, scenario: str) -> str:
    """What a failing test prints: the facts, and the snapshot that it judged."""
    return as_json(
        {"facts": facts(lab, language, scenario), "record": record(lab, language, scenario)}
    )
