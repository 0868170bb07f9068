"""Each check is proved by a bug that it finds: mutants of the daemon, in both languages."""

import pytest
from daemonlab import course
from daemonlab.coursecheck import unproved_problems
from daemonlab.courseruns import mutant_fault
from daemonlab.judge import run_lab
from daemonlab.mutants import Edit, Mutant, MutantError, make, mutants
from daemonlab.report import as_json
from labresults import LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_mutant_is_killed_by_the_check_meant_for_it(mutant: Mutant, language: str) -> None:
    """That check is the first to fail; the others that see it too are listed, and no more."""
    lab = course.lab(mutant.lab)
    (result,) = run_lab(lab, [make(mutant, language)])
    fault = mutant_fault(mutant, result)
    assert not fault, (fault, as_json(result.facts))


def test_every_check_has_a_mutant() -> None:
    """No check that cannot fail. "starts" has no mutant: the untouched skeletons fail it."""
    for lab in course.labs():
        assert unproved_problems(lab, mutants()) == []


def test_mutant_that_does_not_fit_is_refused() -> None:
    """When the reference changes under a mutant, it says so instead of testing nothing."""
    edits = (Edit("detach.c", "this text is not there", ""),)
    stale = Mutant("stale", 1, "parent", (), (), "", {"c": edits, "python": edits})
    with pytest.raises(MutantError, match=r"detach\.c: found 0 times"):
        make(stale, "c")
