"""Parsers for the texts of /proc: pure functions, bytes in, plain values out.

The layouts are those of proc_pid_stat(5), proc_pid_status(5), proc_pid_fdinfo(5), proc_locks(5),
proc_pid_limits(5), proc_pid_net(5) and unix(7); older systems have them all in proc(5).  Text that
the kernel would never write raises ValueError, IndexError or KeyError.  Names keep every byte:
they are decoded with surrogateescape, as os.fsdecode() does.
"""

import os
import re
import socket
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

# Bits of field 9 of stat; the names are those of include/linux/sched.h.
_PF_EXITING = 0x00000004
_PF_KTHREAD = 0x00200000

Address = tuple[str, int] | str
"""(host, port) of an internet socket, or the path of a Unix one: '@name' abstract, '' unnamed."""


def text(raw: bytes) -> str:
    """Decode a name so that no byte is lost, whatever the locale."""
    return raw.decode("utf-8", "surrogateescape")


class Stat(NamedTuple):
    """The fields of /proc/PID/stat that tell about a daemon; proc_pid_stat(5)."""

    pid: int
    comm: str
    state: str
    ppid: int
    pgrp: int
    session: int
    tty: int
    tpgid: int
    flags: int
    threads: int
    start: int

    @property
    def exiting(self) -> bool:
        """The main thread is past the point of no return: files and memory are going or gone."""
        return self.state in "ZXx" or bool(self.flags & _PF_EXITING)

    @property
    def dead(self) -> bool:
        """A zombie.  A main thread that has ended before the others does not count."""
        return self.state in "ZXx" and self.threads <= 1

    @property
    def kernel_thread(self) -> bool:
        """A thread of the kernel: it has no program, no environment, no memory of its own."""
        return bool(self.flags & _PF_KTHREAD)


def parse_stat(line: bytes) -> Stat:
    """Parse /proc/PID/stat.

    The name in parentheses is whatever the process chose, unescaped: it may hold ") R 1 (" or a
    newline.  What follows it never holds a parenthesis, so the name ends at the *last* one.
    """
    opening, closing = line.index(b"("), line.rindex(b")")
    rest = line[closing + 2 :].split(None, 20)  # rest[n] is field n + 3 of the manual page
    return Stat(
        pid=int(line[:opening]),
        comm=text(line[opening + 1 : closing]),
        state=rest[0].decode("ascii"),
        ppid=int(rest[1]),
        pgrp=int(rest[2]),
        session=int(rest[3]),
        tty=int(rest[4]),
        tpgid=int(rest[5]),
        flags=int(rest[6]),
        threads=int(rest[17]),
        start=int(rest[19]),
    )


def terminal_name(device: int) -> str:
    """Name the terminal of stat's tty_nr: 'none', 'pts/3', 'tty1', 'ttyS0', else 'major:minor'."""
    major, minor = os.major(device), os.minor(device)
    if device == 0:
        return "none"
    if 136 <= major <= 143:
        return f"pts/{(major - 136) * 256 + minor}"
    if major == 4:
        return f"tty{minor}" if minor < 64 else f"ttyS{minor - 64}"
    return f"{major}:{minor}"


def parse_status(content: bytes) -> dict[bytes, bytes]:
    """Split /proc/PID/status into {b'SigIgn': b'0000000000001000', ...}.

    No process can forge a line: the kernel escapes newline and backslash in 'Name:'.
    """
    pairs = [line.partition(b":\t") for line in content.split(b"\n")]
    return {name: value for name, _, value in pairs}


def signal_set(mask: bytes) -> frozenset[int]:
    """Turn a hexadecimal signal mask into signal numbers: bit n-1 stands for signal n."""
    bits = int(mask, 16)
    return frozenset([n for n in range(1, bits.bit_length() + 1) if bits >> (n - 1) & 1])


def numbers(value: bytes) -> tuple[int, ...]:
    """Read decimal numbers parted by blanks or tabs."""
    return tuple(map(int, value.split()))


def parse_strings(content: bytes) -> tuple[str, ...]:
    """Split the NUL-terminated strings of cmdline or environ; the last NUL may be missing."""
    if not content:
        return ()
    return tuple(text(content.removesuffix(b"\0")).split("\0"))


def parse_environ(content: bytes) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return what getenv(3) would find, and the stray entries that it would not.

    Stray are entries without '=', without a name, or with a name that came before.
    """
    found: dict[str, str] = {}
    stray = []
    for entry in parse_strings(content):
        name, equals, value = entry.partition("=")
        if name and equals and name not in found:
            found[name] = value
        else:
            stray.append(entry)
    return found, tuple(stray)


def parse_limits(content: bytes) -> dict[str, tuple[int | None, int | None]]:
    """Parse /proc/PID/limits: {'Max open files': (soft, hard), ...}; None stands for unlimited."""
    limits = {}
    for line in content.split(b"\n")[1:-1]:
        soft, hard = line[25:].split(None, 2)[:2]
        limits[text(line[:25].rstrip())] = (
            None if soft == b"unlimited" else int(soft),
            None if hard == b"unlimited" else int(hard),
        )
    return limits


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock that a process holds or waits for; proc_locks(5)."""

    kind: str  # FLOCK, POSIX, OFDLCK, LEASE, DELEG
    mode: str  # READ, WRITE
    pid: int  # who took it: for FLOCK it may be dead by now, for OFDLCK it is -1
    device: tuple[int, int] | None  # major, minor
    inode: int
    start: int  # first byte
    end: int | None  # last byte; None: to the end of the file, however far it grows
    blocked: bool  # it waits for this lock
    descriptor: int | None  # through which it is held; None: known from /proc/locks only


def parse_lock(line: bytes, descriptor: int | None = None) -> Lock:
    """Parse a line of /proc/locks, or what follows 'lock:' in a fdinfo file."""
    words = line.split()[1:]
    blocked = words[0] == b"->"
    kind, _, mode, pid, file, start, end = words[1:8] if blocked else words[0:7]
    *device, inode = file.split(b":")
    return Lock(
        kind=kind.decode("ascii"),
        mode=mode.decode("ascii"),
        pid=int(pid),
        device=(int(device[0], 16), int(device[1], 16)) if len(device) == 2 else None,
        inode=int(inode),
        start=int(start),
        end=None if end == b"EOF" else int(end),
        blocked=blocked,
        descriptor=descriptor,
    )


class DescriptorInfo(NamedTuple):
    """What /proc/PID/fdinfo/N tells; proc_pid_fdinfo(5)."""

    position: int
    flags: int
    inode: int | None  # since Linux 5.14
    sigmask: frozenset[int] | None  # of a signalfd
    locks: tuple[Lock, ...]


def parse_fdinfo(content: bytes, descriptor: int | None = None) -> DescriptorInfo:
    """Parse /proc/PID/fdinfo/N; flags are written in octal, the signal mask in hexadecimal."""
    words = content.split(None, 8)  # pos: N flags: N mnt_id: N ino: N, and what the file adds
    inode = int(words[7]) if len(words) > 7 and words[6] == b"ino:" else None
    sigmask, locks = None, []
    if len(words) != 8 or inode is None:
        for line in content.split(b"\n"):
            key, _, value = line.partition(b":")
            if key == b"sigmask":
                sigmask = signal_set(value)
            elif key == b"lock":
                locks.append(parse_lock(value, descriptor))
    return DescriptorInfo(int(words[1]), int(words[3], 8), inode, sigmask, tuple(locks))


class SocketRow(NamedTuple):
    """One row of /proc/PID/net/{tcp,tcp6,udp,udp6,unix}."""

    inode: int
    state: str
    local: Address
    remote: Address | None  # None: the table does not tell


# include/net/tcp_states.h; udp uses ESTABLISHED and CLOSE of them.
_INET_STATES = {
    1: "ESTABLISHED",
    2: "SYN_SENT",
    3: "SYN_RECV",
    4: "FIN_WAIT1",
    5: "FIN_WAIT2",
    6: "TIME_WAIT",
    7: "CLOSE",
    8: "CLOSE_WAIT",
    9: "LAST_ACK",
    10: "LISTEN",
    11: "CLOSING",
    12: "NEW_SYN_RECV",
}


def _inet_address(column: bytes) -> tuple[str, int]:
    """Read ADDRESS:PORT.  Each 32-bit word of the address was printed in the host's byte order."""
    digits, port = column.split(b":")
    words = [int(digits[n : n + 8], 16) for n in range(0, len(digits), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, packed), int(port, 16)


def parse_inet(table: bytes, inodes: Collection[int]) -> Iterator[SocketRow]:
    """Yield the rows of net/tcp, tcp6, udp or udp6 that belong to the given socket inodes."""
    for line in table.split(b"\n")[1:-1]:
        columns = line.split(None, 10)
        if int(columns[9]) in inodes:
            state = _INET_STATES.get(int(columns[3], 16), columns[3].decode("ascii"))
            yield SocketRow(
                int(columns[9]), state, _inet_address(columns[1]), _inet_address(columns[2])
            )


_UNIX_HEAD = re.compile(
    rb"^\S+: [0-9A-F]{8} [0-9A-F]{8} ([0-9A-F]{8}) [0-9A-F]{4} ([0-9A-F]{2}) +([0-9]+)(?: |$)", re.M
)
_UNIX_STATES = {1: "UNCONNECTED", 2: "CONNECTING", 3: "CONNECTED", 4: "DISCONNECTING"}
_ACCEPTCON = 0x00010000


def parse_unix(table: bytes, inodes: Collection[int]) -> Iterator[SocketRow]:
    """Yield the rows of net/unix that belong to the given socket inodes.

    The kernel escapes nothing in a path.  So a path reaches to the head of the next row, not to
    the next newline; and an inode that turns up twice (a path that imitates a row) is left out.
    The table does not tell the other end.
    """
    rows: dict[int, SocketRow | None] = {}
    heads = list(_UNIX_HEAD.finditer(table))
    ends = [head.start() - 1 for head in heads[1:]] + [len(table) - 1]
    for head, end in zip(heads, ends, strict=True):
        flags, number, inode = int(head[1], 16), int(head[2], 16), int(head[3])
        if inode not in inodes:
            continue
        state = "LISTEN" if flags & _ACCEPTCON else _UNIX_STATES.get(number, str(number))
        row = SocketRow(inode, state, text(table[head.end() : end]), None)
        rows[inode] = None if inode in rows else row
    return (row for row in rows.values() if row is not None)


def parse_namespace(link: str) -> int:
    """Return the inode of a namespace link such as 'net:[4026531833]'; namespaces(7)."""
    return int(link[link.index("[") + 1 : -1])
