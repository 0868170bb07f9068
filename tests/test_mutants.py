"""Each check is proved by a bug that it finds: mutants of the daemon, in both languages."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from daemonlab import course
from daemonlab.coursecheck import unproved_problems
from daemonlab.courseruns import mutant_fault
from daemonlab.house import BUILD
from daemonlab.judge import Result, run_lab
from daemonlab.mutants import Edit, Mutant, MutantError, make, mutants
from daemonlab.report import as_json
from daemonlab.subjects import BuildError, Subject
from labresults import LANGUAGES

_TOGETHER = 4
"""Mutants that are put through their lab side by side: one that hangs keeps no other waiting."""

Planted = tuple[Mutant, str]
"""A mutant and a language."""


def _groups() -> list[tuple[str, list[Planted]]]:
    """All of them, in groups of one lab; the group's name keeps it on one worker of pytest."""
    groups = []
    for lab in course.labs():
        those = [(one, lang) for one in mutants() if one.lab == lab.number for lang in LANGUAGES]
        for start in range(0, len(those), _TOGETHER):
            name = f"mutants-{lab.number}-{start // _TOGETHER}"
            groups.append((name, those[start : start + _TOGETHER]))
    return groups


GROUPS = _groups()
EACH = [
    pytest.param(
        *planted,
        id=f"{planted[0].name}-{planted[1]}",
        marks=pytest.mark.xdist_group(name),
    )
    for name, group in GROUPS
    for planted in group
]


def _name(mutant: Mutant, language: str) -> str:
    return f"{mutant.name}-{language}"


class _Together:
    """What each mutant did in its lab, by name: groups of those that were asked for, when the
    first of a group is looked at."""

    def __init__(self, wanted: set[str]) -> None:
        self._groups: list[list[Planted]] = []
        for _, group in GROUPS:
            self._groups.append([planted for planted in group if _name(*planted) in wanted])
        self._found: dict[str, Result | Exception] = {}

    def __call__(self, mutant: Mutant, language: str) -> Result:
        """Raises what kept the mutant from being made."""
        name = _name(mutant, language)
        if name not in self._found:
            (group,) = (group for group in self._groups if (mutant, language) in group)
            self._found |= _run(group)
        found = self._found[name]
        if isinstance(found, Exception):
            raise found
        return found


def _run(group: Sequence[Planted]) -> Mapping[str, Result | Exception]:
    found: dict[str, Result | Exception] = {}
    made: list[Subject] = []
    for planted in group:
        try:
            made.append(replace(make(*planted), name=_name(*planted)))
        except (MutantError, BuildError) as error:
            found[_name(*planted)] = error
    results = run_lab(course.lab(group[0][0].lab), made) if made else []
    return found | {result.subject.name: result for result in results}


@pytest.fixture(scope="session")
def together(request: pytest.FixtureRequest) -> _Together:
    """The mutants that this session is to look at, and no others: see -k."""
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    return _Together({call.id for call in calls if call and "mutant" in call.params})


@pytest.mark.timeout(300)  # the first of a group takes the time of all
@pytest.mark.parametrize(("mutant", "language"), EACH)
def test_mutant_is_killed_by_the_check_meant_for_it(
    mutant: Mutant, language: str, together: _Together
) -> None:
    """That check is the first to fail; the others that see it too are listed, and no more."""
    result = together(mutant, language)
    fault = mutant_fault(mutant, result)
    assert not fault, (fault, as_json(result.facts))


def test_every_check_has_a_mutant() -> None:
    """No check that cannot fail. "starts" has no mutant: the untouched skeletons fail it."""
    for lab in course.labs():
        assert unproved_problems(lab, mutants()) == []


def test_every_mutant_is_put_through_its_lab() -> None:
    """Each in both languages, once."""
    names = [_name(*planted) for _, group in GROUPS for planted in group]
    assert sorted(names) == sorted(_name(one, lang) for one in mutants() for lang in LANGUAGES)


def test_mutant_that_was_another_before(tmp_path: Path) -> None:
    """When its bug has moved to another file, the old one does not stand before the reference."""
    folder = f"mutants/{tmp_path.name}"
    find = {"detach.c": "int detach_fork(", "signals.c": "int signals_reset("}
    try:
        for file, text in find.items():
            edits = {"c": (Edit(file, text, text),)}
            make(Mutant("moved", 1, "parent", (), (), "", edits), "c", folder)
            assert [path.name for path in (BUILD / folder / "c").iterdir()] == [file]
    finally:
        shutil.rmtree(BUILD / folder, ignore_errors=True)


def test_mutant_that_does_not_fit_is_refused() -> None:
    """When the reference changes under a mutant, it says so instead of testing nothing."""
    edits = (Edit("detach.c", "this text is not there", ""),)
    stale = Mutant("stale", 1, "parent", (), (), "", {"c": edits, "python": edits})
    with pytest.raises(MutantError, match=r"detach\.c: found 0 times"):
        make(stale, "c")
