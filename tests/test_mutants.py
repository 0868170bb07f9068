"""Each check is proved by a bug that it finds: mutants of the daemon, in both languages."""

import pytest
from daemonlab import course
from daemonlab.judge import judge, run_lab
from daemonlab.mutants import Edit, Mutant, MutantError, make, mutants
from daemonlab.report import as_json
from labresults import LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_mutant_is_killed_by_the_check_meant_for_it(mutant: Mutant, language: str) -> None:
    """That check is the first to fail; the others that see it too are listed, and no more."""
    lab = course.lab(mutant.lab)
    (result,) = run_lab(lab, [make(mutant, language)])
    shown = [outcome.check.id for outcome in result.outcomes if outcome.passed is False]
    assert shown[:1] == [mutant.killed_by], as_json(result.facts)
    alone = [judge(check, result.facts) for check in lab.checks]
    failing = [outcome.check.id for outcome in alone if outcome.passed is False]
    failing = [name for name in failing if name not in mutant.maybe]
    assert failing == [mutant.killed_by, *mutant.also], as_json(result.facts)


def test_every_check_has_a_mutant() -> None:
    """No check that cannot fail. "starts" has no mutant: the untouched skeletons fail it."""
    for lab in course.labs():
        found = {
            name
            for mutant in mutants()
            if mutant.lab == lab.number
            for name in (mutant.killed_by, *mutant.also)
        }
        assert {check.id for check in lab.checks} - {"starts"} == found - {"starts"}


def test_mutant_that_does_not_fit_is_refused() -> None:
    """When the reference changes under a mutant, it says so instead of testing nothing."""
    edits = (Edit("detach.c", "this text is not there", ""),)
    stale = Mutant("stale", 1, "parent", (), (), "", {"c": edits, "python": edits})
    with pytest.raises(MutantError, match=r"detach\.c: found 0 times"):
        make(stale, "c")
