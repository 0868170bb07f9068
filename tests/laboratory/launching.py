"""Subjects for the tests of launching, and what to wait for."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from daemonlab.environment import Environment
from daemonlab.launch import Launch, launch
from daemonlab.observe import Process, ProcessGone, Snapshot, alive, identity, snapshot
from observed import until

HOSTILE_PROGRAMS = Path(__file__).parents[1] / "hostile"


def python(name: str, *arguments: str) -> list[str]:
    """The command that runs a program of tests/hostile."""
    return [sys.executable, "-I", "-S", str(HOSTILE_PROGRAMS / name), *arguments]


@contextmanager
def asleep(
    environment: Environment, variables: Mapping[str, str] | None = None
) -> Iterator[tuple[Launch, Snapshot]]:
    """Launch a program that does nothing at all; yields it as it was born."""
    with launch(["sleep", "60"], environment, variables) as subject:
        assert subject.wait_starter(0) is None
        until(lambda: subject.wait_starter(0) is None and _executed(subject))
        yield subject, snapshot(subject.starter)


def _executed(subject: Launch) -> bool:
    """Whether it runs and has come to rest: in the middle of an execve(2) its name is the new one,
    but its variables are not there yet."""
    if not subject.starter:
        return False
    seen = snapshot(subject.starter, {"command"})
    return seen.state == "S" and seen.command == ("sleep", "60")


@contextmanager
def hostile(environment: Environment, name: str, *arguments: str) -> Iterator[Launch]:
    """Launch a program of tests/hostile; yields it when it is "ready"."""
    with launch(python(name, *arguments), environment) as subject:
        until(lambda: said_ready(subject))
        yield subject


def said_ready(subject: Launch) -> bool:
    """Whether it said so, or has lost us our keeper. Fails when its starter has ended."""
    ended = subject.wait_starter(0)
    assert ended is None or subject.keeper_lost, (ended, subject.output())
    return b"ready" in subject.output() or subject.keeper_lost


def living(processes: list[Process]) -> list[Process]:
    """Those of the processes that still live."""
    return [process for process in processes if alive(process)]


def gone(pid: int) -> bool:
    """Whether no process has this number."""
    try:
        identity(pid)
    except ProcessGone:
        return True
    return False
