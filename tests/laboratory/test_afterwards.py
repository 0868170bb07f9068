"""What had become of a daemon that started and then did not do what was expected of it."""

import json
import re
import signal
from types import SimpleNamespace

import pytest
from daemonlab.afterwards import afterwards
from daemonlab.course import LANGUAGES
from daemonlab.record import Reaction
from daemonlab.stuck import Stuck
from student import Copy

LIMIT = 120
"""Seconds for a lab: reached only when something is broken."""
HANGS = {
    "c": "    int ends[2];\n    if (pipe(ends) < 0 || read(ends[0], ends, 1) < 0)\n"
    "        abort();\n",
    "python": "os.read(os.pipe()[0], 1)",
}
CRASHES = {"c": "    abort();\n", "python": "os.abort()"}


Event = dict[str, str | int]


def record(last: Reaction | None, *events: Event, stuck: tuple[Stuck, ...] = ()) -> object:
    """What the words are made from."""
    log = b"".join(json.dumps({"pid": 7, **event}).encode() + b"\n" for event in events)
    daemon = SimpleNamespace(process=SimpleNamespace(pid=7), comm="labd")
    return SimpleNamespace(last=last, log=log, stuck=stuck, reactions=(), daemon=daemon)


RUNS = Reaction("none", alive=True)
FAILED = {"event": "failed", "error": "read(inotify): Bad file descriptor"}


@pytest.mark.parametrize(
    ("last", "events", "says"),
    [
        (None, (), ""),
        (RUNS, (FAILED,), ""),
        (Reaction("none", False, signal=signal.SIGSEGV), (), "crashed by then: SIGSEGV ended it"),
        (Reaction("none", False, signal=signal.SIGHUP), (), "ended by then: SIGHUP killed it"),
        (Reaction("none", False, signal=signal.SIGKILL), (), ""),
        (Reaction("none", False, code=1), (FAILED,), '"read(inotify): Bad file descriptor"'),
        (Reaction("none", False, code=1), ({**FAILED, "pid": 8}, {"event": "stop"}), ""),
        (Reaction("none", False, code=0), (FAILED, {"event": "stop"}), ""),
        (Reaction("none", False, code=0), (), "with exit code 0, and nobody had asked it to"),
        (Reaction("none", False, code=7), (), "with exit code 7, and nobody had asked it to"),
        (Reaction("none", False, code=0), ({"event": "stop"}, {"event": "stopped"}), ""),
    ],
)
def test_an_end(last: Reaction | None, events: tuple[Event, ...], says: str) -> None:
    """A crash, a failure and an end that nobody wished for are told; one that was asked for not."""
    said = afterwards(record(last, *events), "")  # type: ignore[arg-type]
    assert (says in said) if says else said == ""


def test_what_is_shown_is_not_told_again() -> None:
    """Neither an error that the log showed, nor a signal."""
    failed = record(Reaction("none", False, code=1), FAILED)
    assert afterwards(failed, f"failed {FAILED['error']}") == ""  # type: ignore[arg-type]
    crashed = record(Reaction("none", False, signal=signal.SIGBUS))
    assert afterwards(crashed, "killed by SIGBUS") == ""  # type: ignore[arg-type]


def test_what_was_sent_is_no_news() -> None:
    """Before lab 3 a daemon ends of SIGTERM; one that logs errors alone does not log its stop."""
    for last in (Reaction("none", False, signal=signal.SIGTERM), Reaction("none", False, code=0)):
        ended = record(last)
        assert afterwards(ended, "")  # type: ignore[arg-type]
        ended.reactions = (Reaction("TERM", False),)  # type: ignore[attr-defined]
        assert afterwards(ended, "") == ""  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stuck", "says"),
    [
        (Stuck(7, "S", 0.0, "poll", ""), ""),
        (Stuck(7, "S", 0.0, "", ""), ""),
        (Stuck(7, "R", 0.2, "", ""), ""),
        (Stuck(7, "S", 0.0, "futex", ""), "The daemon slept in futex"),
        (Stuck(7, "S", 0.0, "futex", "", "labd"), ""),
        (Stuck(7, "S", 0.0, "futex", "", "queue"), "The thread queue of the daemon slept in futex"),
        (Stuck(7, "R", 9.5, "", ""), "still ran, and had used 9.5 s of CPU"),
    ],
)
def test_a_standstill(stuck: Stuck, says: str) -> None:
    """Where a thread sleeps that nothing can wake, and one that never sleeps."""
    said = afterwards(record(RUNS, stuck=(stuck,)), "")  # type: ignore[arg-type]
    assert (says in said) if says else said == ""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("code", "says"),
    [
        (HANGS, r"what it is The daemon slept in (read|\w*pipe_read)"),
        (CRASHES, r"what it is The daemon had crashed by then: SIGABRT ended it\."),
    ],
    ids=["hangs", "crashes"],
)
def test_no_reload(code: dict[str, str], says: str, language: str, house: Copy) -> None:
    """A reload that hangs or crashes logs nothing: the check sees no more than that."""
    top = "#include <stdlib.h>" if language == "c" else ""
    house.hostile(7, language, "config_reload", code[language], top)
    run = house.daemonlab("lab", "7", "--language", language, limit=LIMIT)
    assert run.code == 1 and "Traceback" not in run.errors, run.errors
    assert "SIGHUP, in the environment" in run.words, run.output
    assert re.search(says, run.words), run.output
