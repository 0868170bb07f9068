"""Put subjects through a lab: perform its scenarios, derive the facts, apply the checks."""

import mmap
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from daemonlab import native
from daemonlab.checks import CHECKS, Verdict, show
from daemonlab.course import CheckInfo, Lab
from daemonlab.facts import Facts, facts_of
from daemonlab.launch import end_orphans, remove_stale
from daemonlab.parallel import WorkerLost, run_all
from daemonlab.perform import perform
from daemonlab.record import Record
from daemonlab.scenarios import LABS as SCENARIOS
from daemonlab.scenarios import Scenario
from daemonlab.subjects import Subject

_AT_ONCE = 3 * (os.cpu_count() or 1)
"""Launches at a time: each of them mostly waits."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check of one subject, over all its scenarios."""

    check: CheckInfo
    verdict: Verdict
    """That of the first scenario in which it did not pass, else that of the first scenario."""
    scenario: str

    @property
    def passed(self) -> bool | None:
        """None: not reached."""
        return self.verdict.passed


@dataclass(frozen=True, slots=True)
class Result:
    """A lab as one subject did it."""

    subject: Subject
    lab: Lab
    outcomes: tuple[Outcome, ...]
    records: Mapping[str, Record]
    """By scenario; those that were not reached are missing."""
    facts: Mapping[str, Facts]

    @property
    def hangs(self) -> bool:
        """Its starter did not return in the first scenario; of the others some may be missing."""
        return _hangs(self.records[SCENARIOS[self.lab.number][0].name])

    @property
    def started(self) -> bool:
        """The first check, which says so, was passed."""
        return not self.hangs and bool(self.outcomes) and self.outcomes[0].passed is True

    @property
    def points(self) -> int:
        """The points of the checks that passed."""
        return sum(outcome.check.points for outcome in self.outcomes if outcome.passed)

    @property
    def passed(self) -> bool:
        """Every check passed."""
        return all(outcome.passed for outcome in self.outcomes)


def _hangs(first: Record) -> bool:
    return first.starter_seconds is None


_NOT_REACHED = Verdict(None, "not reached: the daemon does not start", "")


def judge(check: CheckInfo, facts: Mapping[str, Facts]) -> Outcome:
    """Apply one check to the facts of each of its scenarios; it is not reached where there are
    none."""
    first = None
    for scenario in check.scenarios:
        verdict = CHECKS[check.id](facts[scenario]) if scenario in facts else _NOT_REACHED
        outcome = Outcome(check, verdict, scenario)
        if not outcome.passed:
            return outcome
        first = first or outcome
    assert first is not None, "a check without a scenario is refused by course.py"
    return first


def judge_all(checks: Sequence[CheckInfo], facts: Mapping[str, Facts]) -> tuple[Outcome, ...]:
    """Apply the checks in order. One cause is one failure: what depends on a check that did not
    pass is not reached."""
    outcomes: dict[str, Outcome] = {}
    for check in checks:
        before = outcomes.get(check.after)
        if before is not None and not before.passed:
            unreached = Verdict(None, f'not reached: "{before.check.title}" comes first', "")
            outcomes[check.id] = Outcome(check, unreached, check.scenarios[0])
        else:
            outcomes[check.id] = judge(check, facts)
    return _with_a_cause(tuple(outcomes.values()), facts)


def _with_a_cause(outcomes: tuple[Outcome, ...], facts: Mapping[str, Facts]) -> tuple[Outcome, ...]:
    """Where nothing has failed, and something could not be looked at, for the daemon had failed by
    then: that is the failure."""
    if any(outcome.passed is False for outcome in outcomes):
        return outcomes
    for number, outcome in enumerate(outcomes):
        last = facts[outcome.scenario]["last_event"] if outcome.scenario in facts else None
        if outcome.passed is None and last is not None and last.value == "failed":
            seen = f"the daemon had failed: {show(facts[outcome.scenario]['last_error'].value)}"
            verdict = Verdict(False, seen, outcome.verdict.expected, last.evidence)
            return *outcomes[:number], replace(outcome, verdict=verdict), *outcomes[number + 1 :]
    return outcomes


def _perform_all(lab: Lab, subjects: Sequence[Subject]) -> dict[str, dict[str, Record]]:
    """The records by subject and scenario, of those that a check looks at. A subject whose starter
    does not return in the first scenario is not put through those to come: each would only take
    its time, too. After the first come those that wait longest: the others fit in beside them."""
    first = SCENARIOS[lab.number][0]
    named = {first.name, *(name for check in lab.checks for name in check.scenarios)}
    hangs = mmap.mmap(-1, len(subjects))  # shared with the workers, a byte a subject

    def run(number: int, scenario: Scenario) -> Record | None:
        if hangs[number]:
            return None
        subject = subjects[number]
        record = perform(partial(subject.command, lab.number), scenario, subject.variables)
        if scenario is first:
            hangs[number] = _hangs(record)
        return record

    numbers = range(len(subjects))
    wanted = [scenario for scenario in SCENARIOS[lab.number] if scenario.name in named]
    wanted.sort(key=lambda scenario: (scenario is not first, -scenario.waits))
    launches = [(number, scenario) for scenario in wanted for number in numbers]
    records = _all([partial(run, number, scenario) for number, scenario in launches])
    found: dict[str, dict[str, Record]] = {subject.name: {} for subject in subjects}
    made = {
        (number, one.name): record for (number, one), record in zip(launches, records, strict=True)
    }
    for scenario in SCENARIOS[lab.number]:  # told in their own order
        for number in numbers:
            if record := made.get((number, scenario.name)):
                found[subjects[number].name][scenario.name] = record
    return found


def _all(runs: Sequence[Callable[[], Record | None]]) -> list[Record | None]:
    """Make all launches. A subject may kill even the worker that watches it: then what it has
    started comes to us, and is ended, and its folder removed; were we killed, too, the next run
    does that."""
    since = int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))
    native.become_subreaper()
    remove_stale()
    try:
        return run_all(runs, _AT_ONCE)
    except WorkerLost:
        end_orphans(since)
        remove_stale()
        raise


def run_lab(lab: Lab, subjects: Sequence[Subject]) -> list[Result]:
    """Put every subject through the lab, side by side. Raises LaunchError and WorkerLost."""
    found = _perform_all(lab, subjects)
    results = []
    for subject in subjects:
        facts = {name: facts_of(record) for name, record in found[subject.name].items()}
        outcomes = judge_all(lab.checks, facts)
        results.append(Result(subject, lab, outcomes, found[subject.name], facts))
    return results
