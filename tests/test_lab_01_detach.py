"""Lab 1: what chapter 1 claims about a detached daemon, observed from outside."""

import pytest
from daemonlab.scenarios import NOWHERE, WARMUP
from labresults import LANGUAGES, explain, facts, record

DETACHED = ("friendly", "hostile", "bare")
both = pytest.mark.parametrize("language", LANGUAGES)
everywhere = pytest.mark.parametrize("scenario", DETACHED)


@both
@everywhere
@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("starter_status", 0),
        ("parent", "reaper"),
        ("session", "own"),
        ("session_leader", False),
        ("terminal", "none"),
        ("umask", "022"),
        ("directory", "/"),
        ("processes", 1),
    ],
)
def test_detached(language: str, scenario: str, fact: str, value: object) -> None:
    """Wherever it was started from, the daemon stands in the same place."""
    assert facts(1, language, scenario)[fact].value == value, explain(1, language, scenario)


@both
@everywhere
def test_group_is_that_of_the_session(language: str, scenario: str) -> None:
    """The middle process led session and group; it is gone, and the daemon leads neither."""
    daemon = record(1, language, scenario).daemon
    assert daemon is not None
    assert daemon.pgrp == daemon.session != daemon.process.pid


@both
@pytest.mark.parametrize("scenario", ["friendly", "hostile"])
def test_survives_the_logout(language: str, scenario: str) -> None:
    """The terminal is hung up and the shell is gone; the daemon runs on."""
    assert facts(1, language, scenario)["at_logout"].value == "runs on"


@both
def test_starter_waits_until_ready(language: str) -> None:
    """The starter returns with 0, and not before the daemon has done its work."""
    found = facts(1, language, "slow")
    seconds = found["starter_seconds"].value
    assert isinstance(seconds, float)
    assert seconds >= WARMUP
    assert found["starter_status"].value == 0


@both
def test_starter_tells_of_a_failure(language: str) -> None:
    """The daemon's error text and code reach the terminal; no process is left."""
    found = facts(1, language, "failing")
    assert found["starter_status"].value == 1
    scratch = record(1, language, "failing").scratch
    text = f"labd: chdir({scratch}/{NOWHERE}): No such file or directory"
    assert found["output"].value == text
    assert found["processes"].value == 0


@both
def test_end_of_file_is_no_verdict(language: str) -> None:
    """A daemon that is killed before it is ready: the starter exits with 1 and says so."""
    found = facts(1, language, "dying")
    assert found["starter_status"].value == 1
    assert found["output"].value == "labd: the daemon died before it was ready"


@both
def test_nothing_is_printed_when_all_is_well(language: str) -> None:
    """A daemon that starts well says nothing on the terminal."""
    assert record(1, language, "friendly").output == b""
