"""Read what a process holds open: descriptors, and the locks and sockets behind them."""

import errno
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from daemonlab.procdir import (
    GONE,
    NOT_PERMITTED,
    PROC,
    Maybe,
    Unknown,
    deleted,
    entries,
    folder,
    link,
    listing,
    record,
)
from daemonlab.procfs import (
    Address,
    Lock,
    SocketRow,
    parse_fdinfo,
    parse_inet,
    parse_lock,
    parse_unix,
    text,
)

_MODES = {os.O_RDONLY: "r", os.O_WRONLY: "w", os.O_RDWR: "rw", os.O_ACCMODE: "ioctl"}
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
}
_TRIES = 5  # a descriptor that is another file at every one of so many looks is left out

PATH_TOO_LONG = "(path too long for /proc)"  # a target of more than a page; real ones begin with /
NO_ROW = Unknown("not in the socket tables of the process's network namespace")
NO_REMOTE = Unknown("not told by /proc/net/unix")


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One open file descriptor; proc_pid_fd(5), proc_pid_fdinfo(5)."""

    number: int
    target: str  # what the link says: '/dev/null', 'pipe:[7]', 'anon_inode:[signalfd]', ...
    kind: Maybe[str]  # file, directory, device, block device, pipe, socket, else anonymous
    flags: int  # the O_* bits of open(2), with O_CLOEXEC
    position: int  # bytes from the start of the file
    inode: int | None  # None: the kernel is too old to tell (before Linux 5.14)
    device: Maybe[tuple[int, int] | None]  # (major, minor) of a device, else None
    deleted: bool  # the file has no longer the name that target tells
    sigmask: frozenset[int] | None  # numbers of the signals that a signalfd takes
    locks: tuple[Lock, ...]  # held through this descriptor
    fdinfo: str  # the whole text of fdinfo, as evidence

    @property
    def mode(self) -> str:
        """r, w or rw; path for O_PATH; ioctl if it can be neither read nor written; open(2)."""
        return "path" if self.flags & os.O_PATH else _MODES[self.flags & os.O_ACCMODE]

    @property
    def close_on_exec(self) -> bool:
        """Whether execve(2) closes it.  This flag is the descriptor's own, not the open file's."""
        return bool(self.flags & os.O_CLOEXEC)


def descriptors(directory: int) -> tuple[Descriptor, ...]:
    """Return the descriptor table of an opened() process, sorted by number.

    A descriptor that is closed while we read is left out.
    """
    found = []
    with folder(directory, "fd") as links, folder(directory, "fdinfo") as infos:
        for name in sorted(os.listdir(links), key=int):
            try:
                descriptor = _descriptor(links, infos, name)
            except GONE:
                continue
            if descriptor is not None:
                found.append(descriptor)
    return tuple(found)


def _descriptor(links: int, infos: int, name: str) -> Descriptor | None:
    """Read one descriptor whole; None if the process keeps exchanging the file behind it.

    The inode is read first and last.  If it differs, another file took the number in between; but
    some file systems always tell two, so the same answer twice is believed as well.
    """
    previous = None
    for _ in range(_TRIES):
        content = record(infos, name)
        info = parse_fdinfo(content, int(name))
        target = _target(links, name)
        kind, inode, device = _file(links, name, target)
        if inode is None or info.inode is None or inode == info.inode:
            break
        look = (info.inode, target, inode)
        if look == previous:
            break
        previous = look
    else:
        return None
    return Descriptor(
        int(name),
        target,
        kind,
        info.flags,
        info.position,
        info.inode if inode is None else inode,
        device,
        deleted(links, name, target),
        info.sigmask,
        info.locks,
        text(content),
    )


def _target(links: int, name: str) -> str:
    try:
        return link(links, name)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return PATH_TOO_LONG
        raise


def _file(
    links: int, name: str, target: str
) -> tuple[Maybe[str], int | None, Maybe[tuple[int, int] | None]]:
    """Return kind, inode if known, and device of an open file.

    What has no path has a link such as 'pipe:[7]', with the inode, or 'anon_inode:[signalfd]'.  No
    path can look like that: it begins with a slash.
    """
    if target[0] not in "/(":
        kind, _, inode = target[:-1].partition(":[")
        known = kind in ("pipe", "socket")
        return (kind, int(inode), None) if known else ("anonymous", None, None)
    try:
        file = os.stat(name, dir_fd=links)
    except PermissionError:  # a FUSE mount may refuse even root
        return NOT_PERMITTED, None, NOT_PERMITTED
    device = (os.major(file.st_rdev), os.minor(file.st_rdev)) if file.st_rdev else None
    return _KINDS.get(stat.S_IFMT(file.st_mode), "anonymous"), file.st_ino, device


def locks(pid: int, table: Iterable[Descriptor]) -> tuple[Lock, ...]:
    """Return the locks that a process holds or waits for.

    Those that it holds are told by fdinfo, once for each descriptor that leads to them.
    /proc/locks adds those that it waits for, and its POSIX locks on files that fdinfo did not
    tell.  A FLOCK line there is not believed: it names who took the lock, perhaps long dead, not
    who holds it.  Nobody tells who waits for an OFD lock.
    """
    held = [lock for descriptor in table for lock in descriptor.locks]
    known = {_place(lock) for lock in held}
    for line in listing(-1, f"{PROC}/locks").splitlines():
        lock = parse_lock(line)
        if lock.pid != pid:
            continue
        if lock.blocked or (lock.kind == "POSIX" and _place(lock) not in known):
            held.append(lock)
    return tuple(held)


def _place(lock: Lock) -> tuple[object, ...]:
    return lock.kind, lock.mode, lock.device, lock.inode, lock.start, lock.end


@dataclass(frozen=True, slots=True)
class Socket:
    """One socket; what no table tells is Unknown."""

    inode: int
    descriptors: tuple[int, ...]  # numbers of the descriptors that lead to it
    protocol: Maybe[str]  # tcp, tcp6, udp, udp6, unix
    state: Maybe[str]  # LISTEN, ESTABLISHED, CLOSE, ...; unix: LISTEN, CONNECTED, UNCONNECTED
    local: Maybe[Address]  # (host, port), or a path: '@name' is abstract, '' has no name
    remote: Maybe[Address]


def socket_descriptors(directory: int) -> dict[int, list[int]]:
    """Return {inode: descriptor numbers} of the sockets of an opened() process."""
    found: dict[int, list[int]] = {}
    for number in sorted(map(int, entries(directory, "fd"))):
        try:
            target = _target(directory, f"fd/{number}")
        except GONE:
            continue
        _note_socket(found, number, target)
    return found


def sockets_among(table: Iterable[Descriptor]) -> dict[int, list[int]]:
    """Return {inode: descriptor numbers} of the sockets in a descriptor table."""
    found: dict[int, list[int]] = {}
    for descriptor in table:
        _note_socket(found, descriptor.number, descriptor.target)
    return found


def _note_socket(found: dict[int, list[int]], number: int, target: str) -> None:
    if target.startswith("socket:["):
        found.setdefault(int(target[8:-1]), []).append(number)


def sockets(directory: int, numbers: Mapping[int, list[int]]) -> tuple[Socket, ...]:
    """Look up the given sockets in the tables of the network namespace of the process.

    Not listed there, and so Unknown but for inode and descriptors: an internet socket that
    neither listens nor is connected, netlink and packet sockets, and a socket that was made in
    another network namespace.
    """
    rows: dict[int, tuple[str, SocketRow]] = {}
    # Most costly last: the kernel needs milliseconds to walk through the hash table of tcp.
    for protocol in ("unix", "udp", "udp6", "tcp", "tcp6"):
        if len(rows) == len(numbers):
            break
        try:
            table = listing(directory, f"net/{protocol}")
        except FileNotFoundError:
            continue  # no IPv6 in this kernel, or the process is gone, which the caller finds out
        parse = parse_unix if protocol == "unix" else parse_inet
        rows.update({row.inode: (protocol, row) for row in parse(table, numbers)})
    return tuple(_socket(inode, tuple(numbers[inode]), rows.get(inode)) for inode in numbers)


def _socket(inode: int, numbers: tuple[int, ...], found: tuple[str, SocketRow] | None) -> Socket:
    if found is None:
        return Socket(inode, numbers, NO_ROW, NO_ROW, NO_ROW, NO_ROW)
    protocol, row = found
    remote = NO_REMOTE if row.remote is None else row.remote
    return Socket(inode, numbers, protocol, row.state, row.local, remote)
