"""The parts of a snapshot: for each, how it is read and which fields of Snapshot it fills.

A reader gets the opened() process, its number, and the fields that were read before it.  It raises
OSError if the kernel refuses; a line that the kernel does not write is simply missing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from daemonlab import openfiles, procdir, procfs
from daemonlab.kinship import child_numbers

Fields = dict[str, Any]  # some fields of Snapshot by their names


class Ids(NamedTuple):
    """The four user or group identities of a process; credentials(7)."""

    real: int
    effective: int
    saved: int
    filesystem: int


@dataclass(frozen=True, slots=True)
class Task:
    """One thread: each has a signal mask and pending signals of its own; signal(7)."""

    tid: int
    state: str
    sig_pending: frozenset[int]
    sig_blocked: frozenset[int]


def _octal(value: bytes) -> int:
    return int(value, 8)


def _mask(value: bytes) -> int:
    return int(value, 16)


def _ids(value: bytes) -> Ids:
    return Ids(*procfs.numbers(value))


def _bytes(value: bytes) -> int:
    return int(value.removesuffix(b" kB")) * 1024


# field of Snapshot: (line of status, how to read it); proc_pid_status(5)
STATUS: Mapping[str, tuple[bytes, Callable[[bytes], object]]] = {
    "uids": (b"Uid", _ids),
    "gids": (b"Gid", _ids),
    "groups": (b"Groups", procfs.numbers),
    "umask": (b"Umask", _octal),
    "nspid": (b"NSpid", procfs.numbers),
    "nspgid": (b"NSpgid", procfs.numbers),
    "nssid": (b"NSsid", procfs.numbers),
    "sig_pending": (b"SigPnd", procfs.signal_set),
    "sig_shared_pending": (b"ShdPnd", procfs.signal_set),
    "sig_blocked": (b"SigBlk", procfs.signal_set),
    "sig_ignored": (b"SigIgn", procfs.signal_set),
    "sig_caught": (b"SigCgt", procfs.signal_set),
    "cap_inheritable": (b"CapInh", _mask),
    "cap_permitted": (b"CapPrm", _mask),
    "cap_effective": (b"CapEff", _mask),
    "cap_bounding": (b"CapBnd", _mask),
    "cap_ambient": (b"CapAmb", _mask),
    "no_new_privs": (b"NoNewPrivs", lambda value: value == b"1"),
    "seccomp": (b"Seccomp", int),
    "rss": (b"VmRSS", _bytes),
}


def _read_status(directory: int, _pid: int, _seen: Fields) -> Fields:
    content = procdir.record(directory, "status")
    lines = procfs.parse_status(content)
    fields: Fields = {
        name: read(lines[key]) for name, (key, read) in STATUS.items() if key in lines
    }
    fields["raw_status"] = content
    return fields


def _read_command(directory: int, _pid: int, _seen: Fields) -> Fields:
    return {"command": procfs.parse_strings(procdir.listing(directory, "cmdline"))}


def _read_environ(directory: int, _pid: int, _seen: Fields) -> Fields:
    found, stray = procfs.parse_environ(procdir.listing(directory, "environ"))
    return {"environ": MappingProxyType(found), "environ_stray": stray}


def _read_cwd(directory: int, _pid: int, _seen: Fields) -> Fields:
    target = procdir.link(directory, "cwd")
    return {"cwd": target, "cwd_deleted": procdir.deleted(directory, "cwd", target)}


def _read_exe(directory: int, _pid: int, _seen: Fields) -> Fields:
    target = procdir.link(directory, "exe")
    return {"exe": target, "exe_deleted": procdir.deleted(directory, "exe", target)}


def _read_root(directory: int, _pid: int, _seen: Fields) -> Fields:
    return {"root": procdir.link(directory, "root")}


def _read_limits(directory: int, _pid: int, _seen: Fields) -> Fields:
    content = procdir.record(directory, "limits")
    return {"limits": MappingProxyType(procfs.parse_limits(content))}


def _read_cgroup(directory: int, _pid: int, _seen: Fields) -> Fields:
    content = procdir.listing(directory, "cgroup")
    return {"cgroup": tuple(procfs.text(content).split("\n")[:-1])}


def _read_namespaces(directory: int, _pid: int, _seen: Fields) -> Fields:
    found = {}
    for name in sorted(procdir.entries(directory, "ns")):
        try:
            found[name] = procfs.parse_namespace(procdir.link(directory, f"ns/{name}"))
        except FileNotFoundError:
            continue  # pid_for_children before the first child of a new namespace
    return {"namespaces": MappingProxyType(found)}


def _read_descriptors(directory: int, _pid: int, _seen: Fields) -> Fields:
    return {"descriptors": openfiles.descriptors(directory)}


def _read_locks(directory: int, pid: int, seen: Fields) -> Fields:
    table = seen.get("descriptors")
    if not isinstance(table, tuple):
        table = openfiles.descriptors(directory)
    return {"locks": openfiles.locks(pid, table)}


def _read_sockets(directory: int, _pid: int, seen: Fields) -> Fields:
    table = seen.get("descriptors")
    if isinstance(table, tuple):
        inodes = openfiles.sockets_among(table)
    else:
        inodes = openfiles.socket_descriptors(directory)
    return {"sockets": openfiles.sockets(directory, inodes)}


def _read_tasks(directory: int, _pid: int, _seen: Fields) -> Fields:
    tasks = []
    for tid in sorted(map(int, procdir.entries(directory, "task"))):
        try:
            lines = procfs.parse_status(procdir.record(directory, f"task/{tid}/status"))
        except procdir.GONE:
            continue
        pending, blocked = (procfs.signal_set(lines[key]) for key in (b"SigPnd", b"SigBlk"))
        tasks.append(Task(tid, lines[b"State"][:1].decode("ascii"), pending, blocked))
    return {"tasks": tuple(tasks)}


def _read_children(directory: int, pid: int, _seen: Fields) -> Fields:
    return {"children": child_numbers(directory, pid)}


# part: (how to read it, the fields of Snapshot that it fills); descriptors before their users
READERS: Mapping[str, tuple[Callable[[int, int, Fields], Fields], tuple[str, ...]]] = {
    "status": (_read_status, (*STATUS, "raw_status")),
    "command": (_read_command, ("command",)),
    "cwd": (_read_cwd, ("cwd", "cwd_deleted")),
    "root": (_read_root, ("root",)),
    "exe": (_read_exe, ("exe", "exe_deleted")),
    "environ": (_read_environ, ("environ", "environ_stray")),
    "limits": (_read_limits, ("limits",)),
    "cgroup": (_read_cgroup, ("cgroup",)),
    "namespaces": (_read_namespaces, ("namespaces",)),
    "descriptors": (_read_descriptors, ("descriptors",)),
    "locks": (_read_locks, ("locks",)),
    "sockets": (_read_sockets, ("sockets",)),
    "tasks": (_read_tasks, ("tasks",)),
    "children": (_read_children, ("children",)),
}
