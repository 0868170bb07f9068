"""Lab 2: what chapter 2 claims about the descriptors of a daemon, observed from outside."""

import pytest
from labresults import LANGUAGES, explain, facts, record

EVERYWHERE = ("friendly", "hostile", "bare")
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
