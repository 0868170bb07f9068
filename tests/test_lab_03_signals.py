"""Lab 3: what chapter 3 claims about signals, observed from outside."""

import pytest
from labresults import LANGUAGES, explain, facts

EVERYWHERE = ("friendly", "hostile", "bare", "draining")
both = pytest.mark.parametrize("language", LANGUAGES)
everywhere = pytest.mark.parametrize("scenario", EVERYWHERE)


@both
@everywhere
@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("ignored", ("PIPE", "TSTP", "TTIN", "TTOU", "XFSZ")),
        ("blocked", ("HUP", "INT", "USR1", "TERM", "CHLD")),
        ("caught", ()),
        ("signalfd", ("HUP", "INT", "USR1", "TERM", "CHLD")),
    ],
)
def test_signals(language: str, scenario: str, fact: str, value: object) -> None:
    """The same everywhere, whatever was ignored and blocked before."""
    assert facts(3, language, scenario)[fact].value == value, explain(3, language, scenario)


@both
def test_the_hostile_environment_was_hostile(language: str) -> None:
    """Negative control: in lab 1, where nothing is reset, what was inherited is seen."""
    found = facts(1, language, "hostile")
    assert {"HUP", "CHLD", "USR2"} <= set(found["ignored"].value)  # type: ignore[call-overload]
    assert found["blocked"].value == ("USR1", "ALRM", "TERM")


@both
@pytest.mark.parametrize(
    ("scenario", "action", "value"),
    [
        ("friendly", "HUP", "runs on"),
        ("friendly", "storm", "runs on"),
        ("friendly", "TERM", "exit 0"),
        ("hostile", "HUP", "runs on"),
        ("hostile", "INT", "exit 0"),
        ("bare", "TERM", "exit 0"),
        ("draining", "TERM_TERM", "exit 1"),
    ],
)
def test_reactions(language: str, scenario: str, action: str, value: str) -> None:
    """TERM and INT end it cleanly, HUP does not, a storm does not, a second TERM forces."""
    assert facts(3, language, scenario)[f"at_{action}"].value == value


@both
def test_log_of_a_life(language: str) -> None:
    """The events of a daemon that was started, reloaded and stopped, in order."""
    events = facts(3, language, "hostile")["log_events"].value
    assert events == ("starting", "ready", "reload", "stop", "stopped")


@both
def test_log_of_a_forced_end(language: str) -> None:
    """Also when it is forced, it tidies up, and its last words are in the log."""
    events = facts(3, language, "draining")["log_events"].value
    assert events == ("starting", "ready", "stop", "forced", "failed")
