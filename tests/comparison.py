"""C against Python: what may differ between the observed states of the two daemons, and why.

The one place where such a difference is allowed. Everything that is not named here must be equal,
in every scenario of every lab.
"""

import dataclasses
import itertools
import re
from typing import Any

from daemonlab.facts import facts_of
from daemonlab.observe import Descriptor, Lock
from daemonlab.record import Record

_NUMBER = "a number of the moment; the facts compare the relation"
_TIME = "takes its own time"
_INTERPRETER = "the program is another one"

FACTS = {
    "starter_seconds": _TIME,
    "again_seconds": _TIME,
    "worker_ends": "asked at one moment, workers end in any order",
    "job_generations": "a job is heard of by inotify, before or after the SIGHUP that follows it",
}
"""Facts that may differ."""

FACTS_BEFORE_LAB_3 = {
    "ignored": "Python ignores SIGPIPE and SIGXFSZ from its start; lab 3 resets them",
    "caught": "Python catches SIGINT from its start; lab 3 resets it",
}
"""Facts that may differ until the lab that makes them equal."""

FIELDS = {
    "process": _NUMBER,
    "ppid": _NUMBER,
    "pgrp": _NUMBER,
    "session": _NUMBER,
    "nspid": _NUMBER,
    "nspgid": _NUMBER,
    "nssid": _NUMBER,
    "tasks": "thread ids are numbers of the moment; threads compares how many there are",
    "comm": _INTERPRETER,
    "exe": _INTERPRETER,
    "command": _INTERPRETER,
    "rss": "an interpreter needs more memory",
    "raw_stat": "holds all of the above",
    "raw_status": "holds all of the above, and context switches",
    "state": "one may be looked at just as it works; both are alive",
}
"""Fields of a snapshot that may differ."""

FIELDS_BEFORE_LAB_3 = {
    "sig_ignored": FACTS_BEFORE_LAB_3["ignored"],
    "sig_caught": FACTS_BEFORE_LAB_3["caught"],
}

_OF_DESCRIPTOR = ("number", "target", "kind", "flags", "sigmask")
"""The rest of a descriptor (inode, position, which terminal, fdinfo) is of the moment."""
_OF_LOCK = ("kind", "mode", "start", "end", "blocked")
"""The rest of a lock (pid, inode, descriptor) is of the moment."""


def _normal(value: Any, scratch: str) -> Any:
    """A value without the names of the folder and terminal that this very launch was given."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        chosen = tuple(names)
        if isinstance(value, Descriptor):
            chosen = _OF_DESCRIPTOR
        elif isinstance(value, Lock):
            chosen = _OF_LOCK
        return {name: _normal(getattr(value, name), scratch) for name in chosen}
    if isinstance(value, str):
        value = re.sub(r"\bPID \d+", "PID N", value.replace(scratch, "SCRATCH"))
        return re.sub(r"/dev/pts/\d+", "/dev/pts/N", value)
    if isinstance(value, tuple):
        return tuple(_normal(item, scratch) for item in value)
    if hasattr(value, "items"):
        return {key: _normal(item, scratch) for key, item in value.items()}
    return value


_EPOLL = "anon_inode:[eventpoll]"


def _served(descriptors: Any) -> list[dict[str, Any]]:
    """Descriptors from lab 9 on: libmicrohttpd has an epoll(7) of its own, which shifts the numbers
    of those that come after it; what a socket is called is a number of the moment."""
    found = [
        {key: value for key, value in one.items() if key != "number"}
        | {"target": re.sub(r"^socket:.*", "socket", one["target"])}
        for one in descriptors
        if one["target"] != _EPOLL
    ]
    return sorted(found, key=str)


def _listeners(sockets: Any) -> list[Any]:
    """Sockets from lab 9 on: protocol, state and address, without a port that the kernel chose."""
    return [
        (
            one["protocol"],
            one["state"],
            one["local"][0] if one["protocol"] == "tcp" else one["local"],
        )
        for one in sockets
    ]


def state(record: Record, lab: int) -> dict[str, Any]:
    """Everything about a launch that must be the same for both daemons."""
    unequal_facts = FACTS | (FACTS_BEFORE_LAB_3 if lab < 3 else {})
    unequal_fields = FIELDS | (FIELDS_BEFORE_LAB_3 if lab < 3 else {})
    found = {
        name: _normal(fact.value, record.scratch)
        for name, fact in facts_of(record).items()
        if name not in unequal_facts
    }
    if lab != 6:  # holds times, where several daemons write into one log
        del found["bad_lines"]
    # How many of many equal signals arrive is chance: signal(7). That they arrive is not.
    found["log_events"] = tuple(event for event, _ in itertools.groupby(found["log_events"]))
    if record.scenario == "crashed":
        del found["unreaped"]  # it may be killed before it has logged that its job has started
    if record.scenario == "race":
        del found["log_events"]  # in which order several daemons log is chance
    if record.scenario == "foreground":  # its lines are the output, with their times
        del found["output"]
        found["terminal"] = found["terminal"] != "none"  # it stays on the one that it was given
    if "spool" in (record.settings or {}):  # in which order jobs start and end, too
        found["log_events"] = frozenset(found["log_events"])
        found["job_signals"] = frozenset(found["job_signals"] or ())  # so does whose time is over
        del found["printed_events"]  # and how many had when it was looked at
        if found["last_event"] in ("reload", "job_ended"):  # the SIGHUP comes with the jobs
            del found["last_event"]
        if lab >= 8:  # a worker of its own heeds the SIGHUP that comes with jobs: before the end?
            found["log_events"] -= {"reload"}
            del found["generations"]
    if record.daemon is not None:
        for field in dataclasses.fields(record.daemon):
            if field.name not in unequal_fields:
                value = getattr(record.daemon, field.name)
                found[f"snapshot.{field.name}"] = _normal(value, record.scratch)
    if lab >= 9:  # the server's thread may be looked at before it has its name and its mask
        del found["threads"], found["thread_signals"]
    if lab >= 9 and record.daemon is not None:
        found["snapshot.descriptors"] = _served(found["snapshot.descriptors"])
        found["snapshot.sockets"] = _listeners(found["snapshot.sockets"])
    if record.scenario == "foreground":
        del found["snapshot.tty"], found["snapshot.tpgid"]  # numbers of that terminal
    return found
