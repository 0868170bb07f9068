"""Descriptors, locks and sockets are told as the process holds them, whatever their names."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from daemonlab.observe import (
    NOT_READ,
    Descriptor,
    Unknown,
    snapshot,
)
from daemonlab.openfiles import PATH_TOO_LONG
from observed import at_call, running, until


def table(pid: int) -> dict[int, Descriptor]:
    """The descriptors of a process by number."""
    found = snapshot(pid, ["descriptors"]).descriptors
    assert isinstance(found, tuple)
    return {descriptor.number: descriptor for descriptor in found}


def test_descriptors(tmp_path: Path) -> None:
    """Target, kind, mode, position, device and close-on-exec of every kind of descriptor."""
    (tmp_path / "file").write_text("content")
    body = """
        os.chdir(sys.argv[1])
        def put(number, descriptor, inheritable=False):
            os.dup2(descriptor, number, inheritable); os.close(descriptor)
        put(10, os.open("file", os.O_RDONLY), True); os.lseek(10, 3, os.SEEK_SET)
        put(11, os.open("file", os.O_WRONLY | os.O_APPEND))
        put(12, os.open("file", os.O_RDWR))
        put(13, os.open("file", os.O_PATH))
        put(14, os.open(".", os.O_RDONLY))
        put(15, os.open("/dev/null", os.O_RDWR))
        r, w = os.pipe(); put(16, r); put(17, w)
        put(18, socket.socket().detach())
        put(19, os.eventfd(0))
        mask = struct.pack("=Q", 1 << 14 | 1 << 9).ljust(128, b"\\0")  # TERM, USR1
        put(20, ctypes.CDLL(None).signalfd(-1, mask, 0))
        put(21, os.memfd_create("m"))
        ready([os.fstat(n).st_ino for n in range(10, 22) if n != 20])
    """
    with running(body, str(tmp_path), stderr=subprocess.DEVNULL) as (pid, inodes):
        seen = table(pid)
    assert list(seen) == [0, 1, 2, *range(10, 22)]
    file = str(tmp_path / "file")
    expected = {
        2: ("/dev/null", "device", "rw"),
        10: (file, "file", "r"),
        11: (file, "file", "w"),
        12: (file, "file", "rw"),
        13: (file, "file", "path"),
        14: (str(tmp_path), "directory", "r"),
        15: ("/dev/null", "device", "rw"),
        16: (f"pipe:[{seen[16].inode}]", "pipe", "r"),
        17: (f"pipe:[{seen[16].inode}]", "pipe", "w"),
        18: (f"socket:[{seen[18].inode}]", "socket", "rw"),
        19: ("anon_inode:[eventfd]", "anonymous", "rw"),
        20: ("anon_inode:[signalfd]", "anonymous", "rw"),
        21: ("/memfd:m (deleted)", "file", "rw"),
    }
    assert {n: (d.target, d.kind, d.mode) for n, d in seen.items() if n > 1} == expected
    assert [d.inode for n, d in seen.items() if n >= 10 and n != 20] == inodes
    assert [n for n, d in seen.items() if not d.close_on_exec] == [0, 1, 2, 10]
    assert seen[10].position == 3
    assert seen[11].flags & os.O_APPEND and not seen[12].flags & os.O_APPEND
    assert seen[15].device == (1, 3) and seen[10].device is None
    assert seen[20].sigmask == frozenset({signal.SIGTERM, signal.SIGUSR1})
    assert seen[19].sigmask is None
    assert "sigmask:\t0000000000004200\n" in seen[20].fdinfo
    assert [n for n, d in seen.items() if d.deleted] == [21]


HOSTILE_NAMES = [b"new\nline", b"\xff\xfe", b"kept (deleted)", b"socket:[1]", b" ", b"a\x1b[31m"]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("removed", [False, True])
def test_hostile_paths(name: bytes, removed: bool, tmp_path: Path) -> None:
    """Names keep their bytes, and a file called 'x (deleted)' is not taken for a deleted one."""
    place = os.fsencode(tmp_path) + b"/" + name
    os.mkdir(place)
    body = """
        os.chdir(sys.argv[1]); os.open(sys.argv[1], os.O_RDONLY)
        if sys.argv[2] == "True": os.rmdir(sys.argv[1])
        ready()
    """
    with running(body, os.fsdecode(place), str(removed)) as (pid, _):
        seen = snapshot(pid, ["cwd", "descriptors"])
    shown = place + b" (deleted)" if removed else place
    assert isinstance(seen.cwd, str) and os.fsencode(seen.cwd) == shown
    assert seen.cwd_deleted is removed
    assert isinstance(seen.descriptors, tuple)
    last = seen.descriptors[-1]
    assert (os.fsencode(last.target), last.kind, last.deleted) == (shown, "directory", removed)


def test_path_longer_than_a_page(tmp_path: Path) -> None:
    """A path that the kernel refuses to tell is Unknown, and the rest is there."""
    body = """
        os.chdir(sys.argv[1])
        for _ in range(30):
            os.mkdir("d" * 200); os.chdir("d" * 200)
        os.open(".", os.O_RDONLY); ready()
    """
    with running(body, str(tmp_path)) as (pid, _):
        seen = snapshot(pid)
    assert isinstance(seen.cwd, Unknown) and "too long" in seen.cwd.reason
    assert isinstance(seen.descriptors, tuple)
    assert seen.descriptors[-1].target == PATH_TOO_LONG
    assert seen.descriptors[-1].kind == "directory"
    assert seen.umask is not NOT_READ


def test_locks(tmp_path: Path) -> None:
    """FLOCK, POSIX and OFD locks are told with kind, range, file and descriptor."""
    body = """
        os.chdir(sys.argv[1])
        fds = [os.open(name, os.O_RDWR | os.O_CREAT) for name in "fpo"]
        fcntl.flock(fds[0], fcntl.LOCK_EX)
        fcntl.lockf(fds[1], fcntl.LOCK_SH, 5, 3)
        fcntl.fcntl(fds[2], 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 10, 0, 0))  # F_OFD_SETLK
        ready(fds)
    """
    with running(body, str(tmp_path)) as (pid, fds):
        seen = snapshot(pid, ["locks"]).locks
        held = {number: descriptor.locks for number, descriptor in table(pid).items()}
    assert isinstance(seen, tuple)
    found = {(k.kind, k.mode, k.pid, k.start, k.end, k.blocked, k.descriptor) for k in seen}
    assert found == {
        ("FLOCK", "WRITE", pid, 0, None, False, fds[0]),
        ("POSIX", "READ", pid, 3, 7, False, fds[1]),
        ("OFDLCK", "WRITE", -1, 10, None, False, fds[2]),
    }
    assert {k.inode for k in seen} == {os.stat(tmp_path / name).st_ino for name in "fpo"}
    device = os.stat(tmp_path).st_dev
    assert {k.device for k in seen} == {(os.major(device), os.minor(device))}
    assert [held[fd] for fd in fds] == [(k,) for k in sorted(seen, key=lambda k: k.descriptor or 0)]


def test_lock_belongs_to_its_holder(tmp_path: Path) -> None:
    """A flock that a dead parent took is told of the child that holds it, and waiters wait."""
    file = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    body = """
        fcntl.flock(int(sys.argv[1]), fcntl.LOCK_EX); taker = os.getpid()
        if os.fork(): os._exit(0)
        ready([os.getpid(), taker])
    """
    waiter = "print('null', flush=True); fcntl.flock(os.open(sys.argv[1], os.O_RDWR), 2)"
    with running(body, str(file), pass_fds=[file]) as (_, (holder, taker)):
        os.close(file)  # now nobody but the grandchild holds it
        with running(waiter, str(tmp_path / "lock")) as (pid, _):
            until(lambda: snapshot(pid, ["locks"]).locks != ())
            waiting = snapshot(pid, ["locks"]).locks
            assert isinstance(waiting, tuple)
            assert [(k.kind, k.pid, k.blocked, k.descriptor) for k in waiting] == [
                ("FLOCK", pid, True, None)
            ]
        held = snapshot(holder, ["locks"]).locks
        assert isinstance(held, tuple)
        assert [(k.kind, k.pid, k.blocked) for k in held] == [("FLOCK", taker, False)]
        assert held[0].inode == os.stat(tmp_path / "lock").st_ino


def test_lock_that_was_passed_on(tmp_path: Path) -> None:
    """Who took a flock but has closed the file holds it no longer, though /proc/locks names it."""
    body = """
        file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT); fcntl.flock(file, fcntl.LOCK_EX)
        child = os.fork()
        if child == 0: signal.pause()
        os.close(file); ready(child)
    """
    with running(body, str(tmp_path / "lock")) as (pid, child):
        try:
            assert f"WRITE {pid} " in Path("/proc/locks").read_text()
            assert snapshot(pid, ["locks"]).locks == ()
            held = snapshot(child, ["locks"]).locks
            assert isinstance(held, tuple) and [lock.kind for lock in held] == ["FLOCK"]
        finally:
            os.kill(child, signal.SIGKILL)


def test_sockets(tmp_path: Path) -> None:
    """Protocol, state and both addresses of sockets, whatever a path holds."""
    body = """
        os.chdir(sys.argv[1]); kept = []; told = {}
        def keep(name, s):
            kept.append(s); told[name] = [os.fstat(s.fileno()).st_ino, s.fileno()]; return s
        listening = keep("tcp", socket.create_server(("127.0.0.1", 0)))
        port = listening.getsockname()[1]
        client = keep("client", socket.create_connection(("127.0.0.1", port)))
        udp = keep("udp", socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.2", 0))
        if sys.argv[2] == "True":
            six = keep("tcp6", socket.create_server(("::1", 0), family=socket.AF_INET6))
            told["port6"] = six.getsockname()[1]
        for name, path in ("unix", "new\\nline (deleted)"), ("abstract", "\\0abs\\ntract"):
            keep(name, socket.socket(socket.AF_UNIX)).bind(path)
        kept[-2].listen()
        keep("pair", socket.socketpair()[0])
        keep("idle", socket.socket())
        os.dup2(listening.fileno(), 90)
        ready([told, port, client.getsockname()[1], udp.getsockname()[1]])
    """
    six = socket.has_ipv6 and os.path.exists("/proc/self/net/if_inet6")
    with running(body, str(tmp_path), str(six)) as (pid, (told, port, client, udp)):
        found = snapshot(pid, ["sockets"]).sockets
        again = snapshot(pid, ["sockets", "descriptors"]).sockets
    assert isinstance(found, tuple)
    assert found == again
    seen = {s.inode: (s.protocol, s.state, s.local, s.remote) for s in found}
    here, none = ("127.0.0.1", port), ("0.0.0.0", 0)
    unknown = Unknown("not told by /proc/net/unix")
    expected = {
        "tcp": ("tcp", "LISTEN", here, none),
        "client": ("tcp", "ESTABLISHED", ("127.0.0.1", client), here),
        "udp": ("udp", "CLOSE", ("127.0.0.2", udp), none),
        "unix": ("unix", "LISTEN", "new\nline (deleted)", unknown),
        "abstract": ("unix", "UNCONNECTED", "@abs\ntract", unknown),
        "pair": ("unix", "CONNECTED", "", unknown),
    }
    if six:
        expected["tcp6"] = ("tcp6", "LISTEN", ("::1", told["port6"]), ("::", 0))
    for name, fields in expected.items():
        assert seen[told[name][0]] == fields, name
    assert len(seen) == len(expected) + 1
    assert all(isinstance(field, Unknown) for field in seen[told["idle"][0]])
    numbers = {s.inode: s.descriptors for s in found}
    assert numbers[told["tcp"][0]] == (told["tcp"][1], 90)


def test_descriptor_is_never_torn(tmp_path: Path) -> None:
    """Whenever in the reading another file takes a number, target and flags belong together."""
    (tmp_path / "file").touch()
    body = """
        control = socket.socket(fileno=int(sys.argv[2]))
        file = os.open(sys.argv[1], os.O_WRONLY); null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(file, 9); print("null", flush=True)
        while wish := control.recv(1):
            if wish == b"c": os.close(9)
            else: os.dup2(file if wish == b"f" else null, 9)
            control.send(b"!")
    """
    looks = {"file": (str(tmp_path / "file"), "w", "file"), "null": ("/dev/null", "r", "device")}
    here, there = socket.socketpair()

    def ask(wish: bytes) -> None:
        here.send(wish)
        assert here.recv(1) == b"!"

    arguments = [str(tmp_path / "file"), str(there.fileno())]
    with here, there, running(body, *arguments, pass_fds=[there.fileno()]) as (pid, _):
        with at_call(0, lambda: None) as calls:
            table(pid)
        found = []
        for number in range(1, len(calls) + 1):
            for wish in (b"n", b"c"):
                ask(b"f")
                with at_call(number, lambda wish=wish: ask(wish)):  # type: ignore[misc]
                    descriptor = table(pid).get(9)
                look = descriptor and (descriptor.target, descriptor.mode, descriptor.kind)
                assert look in [looks["file"], looks["null"] if wish == b"n" else None]
                found.append(look)
    assert set(found) == {*looks.values(), None}
