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

    @property
    def runs(self) -> bool:
        """It wanted to go on."""
        return self.state == "R"


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="ascii", errors="replace").strip()
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


def look(seen: Snapshot) -> Stuck:
    """Where the process of a snapshot stands by now."""
    pid = seen.process.pid
    fields = _read(pid, "stat").rpartition(")")[2].split()
    state = fields[0] if fields else seen.state
    seconds = sum(map(int, fields[11:13])) / _TICKS if len(fields) > 12 else 0.0
    line, kernel = _read(pid, "syscall"), _read(pid, "wchan")
    if line and line.split()[0].isdecimal():
        return Stuck(pid, state, seconds, _call(seen, line), f"/proc/{pid}/syscall: {line}")
    if kernel not in ("", "0"):
        return Stuck(pid, state, seconds, kernel, f"/proc/{pid}/wchan: {kernel}")
    return Stuck(pid, state, seconds, "", "")
