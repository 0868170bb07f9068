"""Observe one process: everything that /proc says about it, as plain frozen data.

snapshot() only looks; nothing here asks for the cooperation of the process.  What could not be
read is Unknown and tells why: it is never an empty or a wrong value.
"""

import copyreg
import errno
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from daemonlab import procdir, procfs
from daemonlab.kinship import children, descendants
from daemonlab.openfiles import Descriptor, Socket
from daemonlab.parts import READERS, Fields, Ids, Task
from daemonlab.procdir import NOT_PERMITTED, Maybe, Process, ProcessGone, Unknown, alive, identity
from daemonlab.procfs import Lock

__all__ = [
    "NOT_PERMITTED",
    "NOT_READ",
    "PARTS",
    "Descriptor",
    "Ids",
    "Lock",
    "Maybe",
    "Process",
    "ProcessGone",
    "Snapshot",
    "Socket",
    "Task",
    "Unknown",
    "alive",
    "children",
    "descendants",
    "identity",
    "snapshot",
]

PARTS = frozenset(READERS)
"""The names that snapshot() takes as parts."""

NOT_READ = Unknown("not read")
_NOT_SUPPORTED = Unknown("not supported by this kernel")
_NO_SUCH_LINE = Unknown("no such line")
_ENDED = Unknown("the process has ended")
_MAIN_THREAD_ENDED = Unknown("the main thread has ended")
_TOO_LONG = Unknown("path too long for /proc")
_KERNEL_THREAD = Unknown("a kernel thread has none")

# What a process loses when it exits, while it waits as a zombie to be reaped.
_RELEASED = frozenset(
    {"command", "cwd", "root", "exe", "environ", "namespaces", "descriptors", "locks", "sockets"}
)
# What a kernel thread does not have, though /proc shows an empty file.
_USER_ONLY = frozenset({"command", "environ", "exe"})


def _frozen(content: dict[str, Any]) -> MappingProxyType[str, Any]:
    return MappingProxyType(content)


# So that a snapshot can be pickled, copied, and turned into a dict by dataclasses.asdict().
copyreg.pickle(MappingProxyType, lambda mapping: (_frozen, (dict(mapping),)))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What /proc said about one process at one moment.

    Signals are numbers, ids are numbers, names keep all their bytes (surrogateescape): show them
    with daemonlab.text.printable().  The kernel gives no file at the same instant as another, but
    all of them belong to the same process (see snapshot()).
    """

    # stat, always read
    process: Process
    comm: str  # the name of the main thread, at most 15 bytes that the process chose
    state: str  # R running, S sleeping, D waiting for a device, T stopped, t traced, Z zombie, ...
    ppid: int  # 0: no parent, or none in our pid namespace
    pgrp: int
    session: int
    tty: int  # device number of the controlling terminal, 0: none; procfs.terminal_name()
    tpgid: int  # foreground process group of that terminal, -1: none
    threads: int
    raw_stat: bytes
    # status
    uids: Maybe[Ids] = NOT_READ
    gids: Maybe[Ids] = NOT_READ
    groups: Maybe[tuple[int, ...]] = NOT_READ
    umask: Maybe[int] = NOT_READ
    nspid: Maybe[tuple[int, ...]] = NOT_READ  # from our pid namespace to the innermost
    nspgid: Maybe[tuple[int, ...]] = NOT_READ
    nssid: Maybe[tuple[int, ...]] = NOT_READ
    sig_pending: Maybe[frozenset[int]] = NOT_READ  # for the main thread
    sig_shared_pending: Maybe[frozenset[int]] = NOT_READ  # for the process
    sig_blocked: Maybe[frozenset[int]] = NOT_READ  # by the main thread
    sig_ignored: Maybe[frozenset[int]] = NOT_READ
    sig_caught: Maybe[frozenset[int]] = NOT_READ
    cap_inheritable: Maybe[int] = NOT_READ  # bit sets; capabilities(7)
    cap_permitted: Maybe[int] = NOT_READ
    cap_effective: Maybe[int] = NOT_READ
    cap_bounding: Maybe[int] = NOT_READ
    cap_ambient: Maybe[int] = NOT_READ
    no_new_privs: Maybe[bool] = NOT_READ
    seccomp: Maybe[int] = NOT_READ  # 0 none, 1 strict, 2 filter
    rss: Maybe[int] = NOT_READ  # resident memory, bytes
    raw_status: Maybe[bytes] = NOT_READ
    # one file each
    command: Maybe[tuple[str, ...]] = NOT_READ  # argv, which the process can overwrite
    cwd: Maybe[str] = NOT_READ  # links as the kernel tells them, with ' (deleted)' where it adds it
    cwd_deleted: Maybe[bool] = NOT_READ
    root: Maybe[str] = NOT_READ
    exe: Maybe[str] = NOT_READ
    exe_deleted: Maybe[bool] = NOT_READ
    environ: Maybe[Mapping[str, str]] = NOT_READ  # as it was at exec, unless overwritten
    environ_stray: Maybe[tuple[str, ...]] = NOT_READ  # entries that getenv(3) does not find
    limits: Maybe[Mapping[str, tuple[int | None, int | None]]] = (
        NOT_READ  # soft, hard; None: no limit
    )
    cgroup: Maybe[tuple[str, ...]] = NOT_READ  # lines; cgroups(7)
    namespaces: Maybe[Mapping[str, int]] = NOT_READ  # inode by name; namespaces(7)
    # directories and tables
    descriptors: Maybe[tuple[Descriptor, ...]] = NOT_READ  # sorted by number
    locks: Maybe[tuple[Lock, ...]] = NOT_READ
    sockets: Maybe[tuple[Socket, ...]] = NOT_READ
    tasks: Maybe[tuple[Task, ...]] = NOT_READ  # sorted by tid
    children: Maybe[tuple[int, ...]] = NOT_READ  # of all threads, zombies too; sorted

    def line(self, name: str) -> Maybe[str]:
        """Return the evidence: a line of status by its name ('SigIgn'), or 'stat', as it was."""
        if name == "stat":
            return procfs.text(self.raw_stat.removesuffix(b"\n"))
        if isinstance(self.raw_status, Unknown):
            return self.raw_status
        value = procfs.parse_status(self.raw_status).get(name.encode())
        return _NO_SUCH_LINE if value is None else f"{name}:\t{procfs.text(value)}"


def snapshot(pid: int, parts: Collection[str] | None = None) -> Snapshot:
    """Observe a process.  parts chooses among PARTS (default: all); stat is always read.

    Raises ProcessGone if there is no such process or it vanishes before we are done, ValueError
    for a part that does not exist, and PermissionError if /proc hides even stat (hidepid, proc(5)).

    A field that was refused is Unknown("not permitted").  After a process has exited, a zombie
    still has its ids, signals, limits and control groups; what it has lost (descriptors,
    directories, environment, command, namespaces, memory) is Unknown("the process has ended").
    If only the main thread has ended, the reason says so.  A kernel thread has no program,
    command or environment.

    Descriptors and threads that come or go meanwhile may be in the snapshot or not.
    """
    wanted = PARTS if parts is None else frozenset(parts)
    if not wanted <= PARTS:
        raise ValueError(f"no such parts of a snapshot: {', '.join(sorted(wanted - PARTS))}")
    with procdir.opened(pid) as directory:
        # stat comes last.  If it says that the process is not exiting, then all that was read
        # before was read from a process that still had everything.
        exiting = False
        while True:
            fields = _gather(directory, pid, wanted - _RELEASED if exiting else wanted)
            raw_stat = procdir.stat_line(directory, pid)
            stat = procfs.parse_stat(raw_stat)
            if stat.exiting == exiting:
                break
            exiting = stat.exiting
    missing = _reason(stat)
    for part in wanted:
        for name in READERS[part][1]:
            if name not in fields or (stat.kernel_thread and part in _USER_ONLY):
                fields[name] = missing
    return Snapshot(
        process=Process(pid, stat.start),
        comm=stat.comm,
        state=stat.state,
        ppid=stat.ppid,
        pgrp=stat.pgrp,
        session=stat.session,
        tty=stat.tty,
        tpgid=stat.tpgid,
        threads=stat.threads,
        raw_stat=raw_stat,
        **fields,
    )


def _gather(directory: int, pid: int, wanted: Collection[str]) -> Fields:
    """Read the wanted parts.  What the kernel does not have is left out."""
    fields: Fields = {}
    for part, (read, names) in READERS.items():
        if part not in wanted:
            continue
        try:
            fields.update(read(directory, pid, fields))
        except PermissionError:
            fields.update(dict.fromkeys(names, NOT_PERMITTED))
        except procdir.GONE:
            pass  # the process has none, or has gone: stat will tell
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            fields.update(dict.fromkeys(names, _TOO_LONG))
    return fields


def _reason(stat: procfs.Stat) -> Unknown:
    """Tell why the kernel would not tell something that it tells of other processes."""
    if stat.kernel_thread:
        return _KERNEL_THREAD
    if stat.exiting:
        return _ENDED if stat.threads <= 1 else _MAIN_THREAD_ENDED
    return _NOT_SUPPORTED
