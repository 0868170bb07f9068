"""Find the children and descendants of a process."""

import os
from collections.abc import Iterator

from daemonlab.procdir import (
    GONE,
    PROC,
    Process,
    ProcessGone,
    entries,
    identity,
    listing,
    opened,
    read_stat,
    stat_line,
)
from daemonlab.procfs import parse_stat

_TRIES = 8  # readings of the children files before we search all of /proc instead


def children(pid: int) -> list[Process]:
    """Return the children of all threads of a process, sorted by number; zombies are among them.

    Raises ProcessGone if the process does not exist or goes away meanwhile.  Read from
    /proc/PID/task/TID/children, proc_tid_children(5); where the kernel was built without
    CONFIG_PROC_CHILDREN, all of /proc is searched for processes with this parent.
    """
    return _children(identity(pid))


def descendants(pid: int) -> list[Process]:
    """Return the children of a process, their children, and so on, parents before children.

    Zombies are among them: ask alive().  Raises ProcessGone if the process itself does not exist.
    The tree can change while we walk: who must miss nobody repeats until nobody is left.
    """
    found = children(pid)
    seen = set(found)
    for process in found:  # which grows as we go
        try:
            below = _children(process)
        except (ProcessGone, PermissionError):
            continue
        found.extend(child for child in below if child not in seen)
        seen.update(below)
    return found


def _children(parent: Process) -> list[Process]:
    with opened(parent.pid) as directory:
        numbers = child_numbers(directory, parent.pid)
        found = [child for number in numbers if (child := _child_of(parent.pid, number))]
        if parse_stat(stat_line(directory, parent.pid)).start != parent.start:
            raise ProcessGone(f"process {parent.pid} is another one by now")
    return found


def child_numbers(directory: int, pid: int) -> tuple[int, ...]:
    """Return the numbers of the children, sorted.

    The manual page warns that a reading may miss a child when a sibling is reaped meanwhile.  But
    then that sibling is missing from the next reading: two equal readings have missed nobody.
    """
    previous = None
    for _ in range(_TRIES):
        try:
            current = _listed_children(directory, str(pid))
        except GONE:
            break  # the kernel has no such file, or the process is gone
        if current == previous:
            return tuple(sorted(number for numbers in current.values() for number in numbers))
        previous = current
    return tuple(sorted(_searched_children(pid)))


def _listed_children(directory: int, main_thread: str) -> dict[str, list[int]]:
    found = {}
    for thread in entries(directory, "task"):
        try:
            content = listing(directory, f"task/{thread}/children")
        except GONE:
            if thread == main_thread:
                raise
        else:
            found[thread] = [int(number) for number in content.split()]
    return found


def _searched_children(pid: int) -> Iterator[int]:
    for name in os.listdir(PROC):
        if name.isdecimal() and _child_of(pid, int(name)):
            yield int(name)


def _child_of(parent: int, pid: int) -> Process | None:
    try:
        stat = read_stat(pid)
    except (ProcessGone, PermissionError):
        return None
    return Process(pid, stat.start) if stat.ppid == parent else None
