"""Starts a job and reaps it with the module children, and says in which order that sends signals
and takes the status."""

import os
from typing import Any

from labd import children

_killpg, _kill, _waitid, _wait4 = os.killpg, os.kill, os.waitid, os.wait4


def _signal(send: Any) -> Any:
    def told(pid: int, number: int) -> None:
        print("signal")
        send(pid, number)

    return told


def _told(kind: int, number: int, options: int) -> Any:
    how = _waitid(kind, number, options)
    if how is not None and not options & os.WNOWAIT:
        print("status")
    return how


def _told4(pid: int, options: int) -> Any:
    found = _wait4(pid, options)
    if found[0] > 0:
        print("status")
    return found


table = children.children_open(1, 0, 0)
children.children_spawn(table, "true", "/bin/true", ["true"], -1)
_waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
os.killpg, os.kill = _signal(_killpg), _signal(_kill)
os.waitid, os.wait4 = _told, _told4
children.children_reap(table, lambda child, how, usage: None)
