"""Where a process stands that does not come to its end: looked at before it is killed."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from daemonlab.observe import Snapshot, Unknown

_TICKS = os.sysconf("SC_CLK_TCK")
_CALLS: Mapping[str, Mapping[int, str]] = {
    "x86_64": {
        **{0: "read", 1: "write", 2: "open", 7: "poll", 34: "pause", 35: "nanosleep"},
        **{61: "wait4", 72: "fcntl", 73: "flock", 128: "rt_sigtimedwait", 130: "rt_sigsuspend"},
        **{202: "futex", 230: "clock_nanosleep", 232: "epoll_wait", 247: "waitid"},
        **{257: "openat", 270: "pselect6", 271: "ppoll", 281: "epoll_pwait"},
    },
    "aarch64": {
        **{22: "epoll_pwait", 25: "fcntl", 32: "flock", 56: "openat", 63: "read", 64: "write"},
        **{72: "pselect6", 73: "ppoll", 95: "waitid", 98: "futex", 101: "nanosleep"},
        **{115: "clock_nanosleep", 133: "rt_sigsuspend", 137: "rt_sigtimedwait", 260: "wait4"},
    },
}
"""The numbers of calls that may last, by machine: syscalls(2)."""
_ON_DESCRIPTOR = frozenset({"read", "write", "flock", "fcntl"})


@dataclass(frozen=True, slots=True)
class Stuck:
    """One process."""

    pid: int
    state: str
    """R, S, D, T, …: proc_pid_stat(5)."""
    seconds: float
    """Of the CPU that it had used."""
    place: str
    """The system call that it slept in, or the kernel's function; empty if that is not told."""
    evidence: str
    """What place was read from."""
    thread: str = ""
    """The name of one that is not the main thread of its process."""

    @property
    def runs(self) -> bool:
        """It wanted to go on."""
        return self.state == "R"


def _read(task: str, name: str) -> str:
    try:
        return Path(f"/proc/{task}/{name}").read_text(encoding="ascii", errors="replace").strip()
    except OSError:  # it has ended, or the kernel does not tell us: ptrace(2), access mode
        return ""


def _call(seen: Snapshot, line: str) -> str:
    """The system call of a line of proc_pid_syscall(5), with its descriptor where it has one."""
    number, *arguments = line.split()
    name = _CALLS.get(platform.machine(), {}).get(int(number), f"system call {number}")
    if name not in _ON_DESCRIPTOR or not arguments or isinstance(seen.descriptors, Unknown):
        return name
    fd = int(arguments[0], 16)
    target = next((one.target for one in seen.descriptors if one.number == fd), "not open")
    return f"{name} of descriptor {fd}, {target}"


def used(pid: int) -> float:
    """Seconds of CPU that a process has used; 0 of one that is gone. proc_pid_stat(5)."""
    fields = _read(str(pid), "stat").rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / _TICKS if len(fields) > 12 else 0.0


def _look(seen: Snapshot, task: str, thread: str = "") -> Stuck:
    """Where a thread stands: task is its folder in /proc."""
    pid = seen.process.pid
    fields = _read(task, "stat").rpartition(")")[2].split()
    state = fields[0] if fields else seen.state
    seconds = sum(map(int, fields[11:13])) / _TICKS if len(fields) > 12 else 0.0
    line, kernel = _read(task, "syscall"), _read(task, "wchan")
    if line and line.split()[0].isdecimal():
        evidence = f"/proc/{task}/syscall: {line}"
        return Stuck(pid, state, seconds, _call(seen, line), evidence, thread)
    if kernel not in ("", "0"):
        return Stuck(pid, state, seconds, kernel, f"/proc/{task}/wchan: {kernel}", thread)
    return Stuck(pid, state, seconds, "", "", thread)


def look(seen: Snapshot) -> Stuck:
    """Where the process of a snapshot stands by now: its main thread."""
    return _look(seen, str(seen.process.pid))


def threads(seen: Snapshot) -> tuple[Stuck, ...]:
    """Where each thread of the process of a snapshot stands by now, the main one first; none of
    one that has ended."""
    pid = seen.process.pid
    try:
        numbers = sorted(int(task.name) for task in Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return ()
    found = []
    for number in numbers:
        task = f"{pid}/task/{number}"
        found.append(_look(seen, task, "" if number == pid else _read(task, "comm")))
    return tuple(one for one in found if one.state not in "ZX")
