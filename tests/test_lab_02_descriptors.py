"""Lab 2: what chapter 2 claims about the descriptors of a daemon, observed from outside."""

import dataclasses
from functools import partial

import pytest
from daemonlab import subjects
from daemonlab.facts import facts_of
from daemonlab.interfere import denying
from daemonlab.perform import perform
from daemonlab.scenarios import LABS
from labresults import LANGUAGES, explain, facts, record

EVERYWHERE = ("friendly", "hostile", "bare", "denied")
both = pytest.mark.parametrize("language", LANGUAGES)
everywhere = pytest.mark.parametrize("scenario", EVERYWHERE)


@both
@everywhere
@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("stdin", "/dev/null r"),
        ("stdout", "/dev/null w"),
        ("stderr", "/dev/null w"),
        ("inherited", ()),
        ("kept_over_exec", ()),
    ],
)
def test_descriptors(language: str, scenario: str, fact: str, value: object) -> None:
    """Also where 0, 1 and 2 came closed, and where 900 was open above a limit of 256."""
    assert facts(2, language, scenario)[fact].value == value, explain(2, language, scenario)


@both
@everywhere
def test_holds_its_log_and_nothing_else(language: str, scenario: str) -> None:
    """The whole table: three times /dev/null, and the log that it opened itself."""
    observed = record(2, language, scenario)
    assert observed.daemon is not None
    descriptors = observed.daemon.descriptors
    assert isinstance(descriptors, tuple)
    targets = [descriptor.target.replace(observed.scratch, "") for descriptor in descriptors]
    assert targets == ["/dev/null", "/dev/null", "/dev/null", "/log"]


@both
def test_the_hostile_environment_was_hostile(language: str) -> None:
    """Negative control: in lab 1, where nothing is closed, the leaked descriptors are seen."""
    assert facts(1, language, "hostile")["inherited"].value == (7, 300, 900)
    assert facts(1, language, "friendly")["stdout"].value != "/dev/null w"


DENIED = next(scenario for scenario in LABS[2] if scenario.name == "denied")


@both
@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
def test_closes_where_close_range_is_denied(language: str, error: str) -> None:
    """An old kernel says ENOSYS, a sandbox EPERM: all is closed by the list in /proc."""
    subject = dict(zip(LANGUAGES, subjects.reference(), strict=True))[language]
    scenario = dataclasses.replace(DENIED, through=denying("close_range", error))
    found = facts_of(perform(partial(subject.command, 2), scenario))
    assert found["filtered"].value is True, found
    assert (found["starter_status"].value, found["inherited"].value) == (0, ())


@both
def test_any_other_error_of_close_range_is_a_failure(language: str) -> None:
    """Negative control: the call is really denied, and its error reaches the terminal."""
    subject = dict(zip(LANGUAGES, subjects.reference(), strict=True))[language]
    scenario = dataclasses.replace(DENIED, through=denying("close_range", "EIO"))
    found = facts_of(perform(partial(subject.command, 2), scenario))
    assert found["starter_status"].value == 1
    assert found["output"].value == "labd: close_range(): Input/output error"
