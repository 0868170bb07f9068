"""The parsers of /proc texts keep every byte and cannot be fooled by a name."""

import socket
import struct

import pytest
from daemonlab import procfs
from daemonlab.text import printable
from hypothesis import example, given
from hypothesis import strategies as st

NUMBER = st.integers(min_value=0, max_value=2**31 - 1)
LONG = st.integers(min_value=0, max_value=2**64 - 1)

# What a process may call itself: any bytes but NUL, and above all those that mean something.
HOSTILE = st.one_of(
    st.binary(max_size=64).map(lambda name: name.replace(b"\0", b"?")),
    st.lists(st.sampled_from([b")", b"(", b" ", b"\n", b"R 1", b":\t", b"\xff", b"\\"])).map(
        b"".join
    ),
)


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@given(HOSTILE, NUMBER, st.sampled_from("RSDZTtXI"), st.lists(NUMBER, min_size=49, max_size=49))
@example(b") R 1 (", 7, "Z", list(range(49)))
@example(b"a) Z 1 1 1 (b\n", 7, "S", list(range(49)))
def test_stat_with_any_name(comm: bytes, pid: int, state: str, rest: list[int]) -> None:
    """Whatever the process calls itself, its fields are the kernel's."""
    columns = " ".join(map(str, rest))
    stat = procfs.parse_stat(b"%d (%b) %b %b\n" % (pid, comm, state.encode(), columns.encode()))
    assert (stat.pid, as_bytes(stat.comm), stat.state) == (pid, comm, state)
    found = (stat.ppid, stat.pgrp, stat.session, stat.tty, stat.tpgid, stat.flags)
    assert found == tuple(rest[:6])
    assert (stat.threads, stat.start) == (rest[16], rest[18])


@pytest.mark.parametrize(
    ("state", "flags", "threads", "exiting", "dead"),
    [
        ("S", 0x400040, 1, False, False),
        ("R", 0x400044, 1, True, False),  # on its way out
        ("Z", 0x400044, 1, True, True),
        ("X", 0x400044, 1, True, True),
        ("Z", 0x400044, 2, True, False),  # the main thread has ended, another runs
    ],
)
def test_life_and_death(state: str, flags: int, threads: int, exiting: bool, dead: bool) -> None:
    """A zombie is dead, but not one whose other threads still run."""
    zeros = "0 " * 10
    line = f"5 (x) {state} 1 5 5 0 -1 {flags} {zeros}{threads} 0 99 0 0"
    stat = procfs.parse_stat(line.encode())
    assert stat.threads == threads
    assert (stat.exiting, stat.dead) == (exiting, dead)


@given(HOSTILE, st.integers(min_value=0, max_value=2**64 - 1))
def test_status_with_any_name(comm: bytes, mask: int) -> None:
    """A name cannot forge a line: the kernel escapes newlines, and the first ':<tab>' parts."""
    escaped = comm.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
    lines = procfs.parse_status(b"Name:\t%b\nUmask:\t0022\nSigIgn:\t%016x\n" % (escaped, mask))
    assert lines[b"Name"] == escaped
    assert lines[b"Umask"] == b"0022"
    assert sum(1 << (n - 1) for n in procfs.signal_set(lines[b"SigIgn"])) == mask


def test_signal_numbers() -> None:
    """Bit n-1 stands for signal n: 1 is SIGHUP, 0x4000 SIGTERM, the highest bit 64."""
    assert procfs.signal_set(b"0000000000004001") == {1, 15}
    assert procfs.signal_set(b"8000000000000000") == {64}
    assert procfs.signal_set(b"0000000000000000") == frozenset()


def lock_line(lock: procfs.Lock) -> bytes:
    """Print a lock as lock_get_status() of the kernel does."""
    arrow = "-> " if lock.blocked else ""
    device = "{:02x}:{:02x}".format(*lock.device) if lock.device else "<none>"
    end = "EOF" if lock.end is None else str(lock.end)
    return (
        f"12: {arrow}{lock.kind:6} ADVISORY  {lock.mode:5} {lock.pid} {device}:{lock.inode}"
        f" {lock.start} {end}"
    ).encode()


LOCK = st.builds(
    procfs.Lock,
    kind=st.sampled_from(["FLOCK", "POSIX", "OFDLCK", "LEASE"]),
    mode=st.sampled_from(["READ", "WRITE"]),
    pid=st.integers(min_value=-1, max_value=2**22),
    device=st.none() | st.tuples(st.integers(0, 4095), st.integers(0, 2**20 - 1)),
    inode=LONG,
    start=LONG,
    end=st.none() | LONG,
    blocked=st.booleans(),
    descriptor=st.just(3),
)


@given(LOCK)
def test_lock_round_trip(lock: procfs.Lock) -> None:
    """A line of /proc/locks says what it says, '->' and EOF and all."""
    assert procfs.parse_lock(lock_line(lock), 3) == lock


@given(LONG, st.integers(0, 0o77777777), LONG, st.none() | LONG, st.lists(LOCK))
def test_fdinfo_round_trip(
    position: int, flags: int, inode: int, mask: int | None, locks: list[procfs.Lock]
) -> None:
    """Position, octal flags, inode, a signalfd's mask and the locks all come back."""
    text = b"pos:\t%d\nflags:\t0%o\nmnt_id:\t27\nino:\t%d\n" % (position, flags, inode)
    text += b"".join(b"lock:\t%b\n" % lock_line(lock) for lock in locks)
    if mask is not None:
        text += b"sigmask:\t%016x\n" % mask
    info = procfs.parse_fdinfo(text, 3)
    assert (info.position, info.flags, info.inode) == (position, flags, inode)
    assert info.locks == tuple(locks)
    assert info.sigmask == (None if mask is None else procfs.signal_set(b"%x" % mask))


def test_fdinfo_of_an_older_kernel() -> None:
    """Before Linux 5.14 there is no inode: None, not a number from elsewhere."""
    info = procfs.parse_fdinfo(b"pos:\t0\nflags:\t02\nmnt_id:\t9\nsigmask:\t0000000000004000\n")
    assert info.inode is None
    assert info.sigmask == frozenset({15})
    assert procfs.parse_fdinfo(b"pos:\t0\nflags:\t02\nmnt_id:\t9\n").inode is None


@given(st.lists(HOSTILE))
def test_strings_round_trip(strings: list[bytes]) -> None:
    """Arguments come back one by one, the empty ones too."""
    found = procfs.parse_strings(b"".join(string + b"\0" for string in strings))
    assert [as_bytes(string) for string in found] == strings


def test_strings_without_the_last_nul() -> None:
    """A process that has overwritten its title may leave no NUL at the end."""
    assert procfs.parse_strings(b"redis-server *:6379") == ("redis-server *:6379",)


def test_environ_as_getenv_sees_it() -> None:
    """The first of two equal names counts; what getenv(3) never finds is kept apart."""
    found, stray = procfs.parse_environ(b"A=1\0junk\0=x\0A=2\0B=a=b\0C=\0")
    assert found == {"A": "1", "B": "a=b", "C": ""}
    assert stray == ("junk", "=x", "A=2")


@given(st.ip_addresses(), st.integers(0, 65535), NUMBER)
def test_inet_row_round_trip(address: object, port: int, inode: int) -> None:
    """Addresses come back in the right byte order: each word is printed as the host holds it."""
    family = socket.AF_INET if "." in str(address) else socket.AF_INET6
    packed = socket.inet_pton(family, str(address))
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    column = "".join(f"{word:08X}" for word in words) + f":{port:04X}"
    row = f"   0: {column} {column} 0A 00000000:00000000 00:00000000 00000000  0  0 {inode} 1 0\n"
    found = list(procfs.parse_inet(b"  sl  local_address\n" + row.encode(), {inode}))
    expected = (socket.inet_ntop(family, packed), port)
    assert found == [procfs.SocketRow(inode, "LISTEN", expected, expected)]
    assert not list(procfs.parse_inet(b"  sl\n" + row.encode(), {inode + 1}))


UNIX_HEAD = "Num       RefCount Protocol Flags    Type St Inode Path\n"


def unix_row(inode: int, path: str, flags: int = 0x10000) -> str:
    tail = f" {path}" if path else ""
    return f"00000000e3962721: 00000002 00000000 {flags:08X} 0001 01 {inode:5}{tail}\n"


@given(st.lists(HOSTILE, min_size=1, max_size=5))
def test_unix_rows_with_any_path(paths: list[bytes]) -> None:
    """Newlines and blanks in a path belong to it."""
    rows = [unix_row(n, procfs.text(path)) for n, path in enumerate(paths, start=1)]
    table = as_bytes(UNIX_HEAD + "".join(rows))
    found = {row.inode: row for row in procfs.parse_unix(table, range(1, 9))}
    assert {n: as_bytes(str(row.local)) for n, row in found.items()} == dict(
        enumerate(paths, start=1)
    )
    assert {row.state for row in found.values()} == {"LISTEN"}


def test_forged_unix_row() -> None:
    """A path that imitates the row of another socket makes that socket unknown, not wrong."""
    forged = "/x\n" + unix_row(7, "/forged").removesuffix("\n")
    table = as_bytes(UNIX_HEAD + unix_row(5, forged) + unix_row(7, "/true") + unix_row(8, "/y"))
    assert {row.inode: row.local for row in procfs.parse_unix(table, {7, 8})} == {8: "/y"}


def test_limits() -> None:
    """Soft and hard limits by the kernel's names; None stands for unlimited."""
    text = (
        f"{'Limit':25} {'Soft Limit':20} {'Hard Limit':20} {'Units':10}\n"
        f"{'Max open files':25} {'256':20} {'4096':20} {'files':10}\n"
        f"{'Max nice priority':25} {'0':20} {'unlimited':20}\n"
    )
    assert procfs.parse_limits(text.encode()) == {
        "Max open files": (256, 4096),
        "Max nice priority": (0, None),
    }


@pytest.mark.parametrize(
    ("device", "name"),
    [
        (0, "none"),
        (136 << 8 | 3, "pts/3"),
        (136 << 8 | 1 << 20 | 2, "pts/258"),
        (137 << 8 | 1, "pts/257"),
        (4 << 8 | 1, "tty1"),
        (4 << 8 | 64, "ttyS0"),
        (5 << 8 | 1, "5:1"),
    ],
)
def test_terminal_name(device: int, name: str) -> None:
    """The device number of stat becomes the name that ps(1) shows."""
    assert procfs.terminal_name(device) == name


@given(HOSTILE, HOSTILE)
@example(b"\xc2\x9b", b"\x9b")
@example(b"\n", b"\\n")
def test_printable_is_faithful(first: bytes, second: bytes) -> None:
    """What is shown holds nothing that a terminal obeys, and differs if the texts differ."""
    shown = printable(procfs.text(first)), printable(procfs.text(second))
    assert shown[0].isprintable()
    assert (shown[0] == shown[1]) == (first == second)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("café 日本", "café 日本"),
        ("a\x1b[31m\r\n\t\x07", r"a\x1b[31m\r\n\t\x07"),
        ("\u202eevil\u2066\u200b\u2028", r"\u202eevil\u2066\u200b\u2028"),
        ("\udcff\udc80\ud800", r"\xff\x80\ud800"),
        ("\x9b\x7f\xa0\\", r"\u009b\x7f\u00a0\\"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    """Controls, direction overrides, odd blanks and raw bytes are escaped; letters are not."""
    assert printable(text) == shown
