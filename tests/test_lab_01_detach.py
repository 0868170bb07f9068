"""Lab 1: what chapter 1 claims about a detached daemon, observed from outside."""

import pytest
from daemonlab.scenarios import HOME, NOWHERE
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
        ("processes", 1),
    ],
)
def test_detached(language: str, scenario: str, fact: str, value: object) -> None:
    """Wherever it was started from, the daemon stands in the same place."""
    assert facts(1, language, scenario)[fact].value == value, explain(1, language, scenario)


@both
@pytest.mark.parametrize(
    ("scenario", "umask", "directory"),
    [("friendly", "022", "/"), ("hostile", "027", f"{{scratch}}/{HOME}"), ("bare", "022", "/")],
)
def test_settled(language: str, scenario: str, umask: str, directory: str) -> None:
    """Umask and directory are what the configuration says, or 022 and the root if it is silent."""
    found = facts(1, language, scenario)
    scratch = record(1, language, scenario).scratch
    assert found["umask"].value == umask, explain(1, language, scenario)
    assert found["directory"].value == directory.format(scratch=scratch)


@both
@everywhere
def test_no_end_of_the_pipe_is_kept(language: str, scenario: str) -> None:
    """Neither the starter's end nor its own, once it is ready."""
    assert facts(1, language, scenario)["pipes"].value == ()


@both
def test_daemon_of_a_starter_that_was_killed(language: str) -> None:
    """It hears of it when it is ready, by EPIPE and not by a signal, and stops in order."""
    found = facts(1, language, "abandoned")
    assert found["starter_status"].value == "SIGKILL", explain(1, language, "abandoned")
    assert found["at_loss"].value == "exit 1"
    assert found["log_events"].value == ("starting", "ready", "failed")
    log = record(1, language, "abandoned").log.decode()
    assert '"error":"write() of the verdict to the starter: Broken pipe"' in log


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
    assert found["ready_first"].value is True
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
