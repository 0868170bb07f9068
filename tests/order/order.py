"""Starts a job and reaps it with the module children, and says in which order that sends signals
and takes the status."""

import os
from typing import Any

from labd import children

_killpg, _kill, _waitid = os.killpg, os.kill, os.waitid


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


table = children.children_open(1, 0, 0)
children.children_spawn(table, "true", "/bin/true")
_waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
os.killpg, os.kill, os.waitid = _signal(_killpg), _signal(_kill), _told
children.children_reap(table, lambda child, how: None)
