"""What this machine is and allows, each found out by looking or by a harmless try.

With the standard library of Python 3.8 alone: this runs where nothing is installed yet. Files are
read below `root`, so that a test can put others there. What is tried is tried in a child, which
takes what it was allowed (a namespace, a filter) along when it ends.
"""

from __future__ import annotations

import os
import platform
import re
import select
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

NO_ANSWER = "it did not come to an end"
_PATIENCE = 5.0
"""Seconds that a try is given."""
_REAPED_IN = 2.0
"""Seconds that whoever adopts an orphan is given to take its end."""
_LOOK = 0.005
_LONGEST = 64
"""Bytes of a folder's name that leave room in a socket's, 107 in all, for a launch and a file."""
_SHORT = Path("/tmp")


def temporary() -> Path:
    """Where the folders of launches are made: where temporary files go, unless the name of a socket
    in one of them would be longer than unix(7) allows. Raises OSError."""
    folder = Path(tempfile.gettempdir())
    short = len(os.fsencode(folder.resolve())) <= _LONGEST or not os.access(_SHORT, os.W_OK)
    return folder if short else _SHORT


def read(root: Path, path: str) -> str:
    """The text of a file below root, without blanks around it; empty where it cannot be read."""
    try:
        return (root / path).read_text(errors="replace").strip()
    except OSError:
        return ""


def in_child(what: Callable[[], str]) -> str:
    """What the function returns in a child, or why it failed. The child is gone then."""
    result, result_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        _answer(what, result_end)
    os.close(result_end)
    try:
        readable, _, _ = select.select([result], [], [], _PATIENCE)
        return os.read(result, 4096).decode(errors="replace") if readable else NO_ANSWER
    finally:
        os.close(result)
        os.kill(pid, signal.SIGKILL)  # our child, and not waited for yet
        os.waitpid(pid, 0)


def _answer(what: Callable[[], str], result_end: int) -> NoReturn:
    try:
        try:
            said = what()
        except OSError as error:
            said = error.strerror or str(error)
        except Exception as error:  # such as a Python without ctypes
            said = str(error)
        os.write(result_end, said.encode(errors="replace")[:4096])
    finally:
        os._exit(0)


# --- calls that `os` of Python 3.8 lacks

_NEWNS, _NEWUSER = 0x00020000, 0x10000000
"""unshare(2)"""
_SET_NO_NEW_PRIVS = 38
"""prctl(2)"""
_SECCOMP = {
    "x86_64": 317,
    "aarch64": 277,
    "riscv64": 277,
    "ppc64le": 358,
    "i686": 354,
    "armv7l": 383,
}
"""The number of seccomp(2), by machine; those that are little-endian."""
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_ALLOW_ALL = b"\x06\0\0\0\0\0\xff\x7f"
"""One instruction, BPF_RET with SECCOMP_RET_ALLOW, the lower byte first."""


def _libc(name: str, *arguments: object) -> int:
    import ctypes  # some minimal Pythons have none

    libc = ctypes.CDLL(None, use_errno=True)
    result = int(getattr(libc, name)(*arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _make_namespaces() -> str:
    """A user namespace, and in it a mount namespace: Ubuntu grants the first without the second."""
    uid = os.getuid()
    _libc("unshare", _NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    _libc("unshare", _NEWNS)
    return ""


def user_namespaces() -> str:
    """Why no user namespace can be made and used; empty if one can: user_namespaces(7)."""
    return in_child(_make_namespaces)


def _hear_of_calls() -> str:
    import ctypes

    filter_of = ctypes.create_string_buffer(_ALLOW_ALL, len(_ALLOW_ALL))
    program = (ctypes.c_uint64 * 2)(1, ctypes.addressof(filter_of))  # struct sock_fprog
    _libc("prctl", _SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    number = _SECCOMP[platform.machine()]
    _libc("syscall", number, _SET_MODE_FILTER, _NEW_LISTENER, ctypes.byref(program))
    return ""


def call_notification(root: Path) -> str:
    """Why system calls cannot be held and let go on; empty if they can: seccomp_unotify(2)."""
    if platform.machine() in _SECCOMP:
        return in_child(_hear_of_calls)
    available = read(root, "proc/sys/kernel/seccomp/actions_avail").split()
    return "" if "user_notif" in available else "not among the actions of the kernel"


# --- orphans


def _leave_an_orphan(result_end: int) -> NoReturn:
    """Two forks; the second child tells its number and its new parent's, and ends."""
    middle = os.getpid()
    if os.fork() == 0:
        deadline = time.monotonic() + _PATIENCE
        while os.getppid() == middle and time.monotonic() < deadline:
            time.sleep(_LOOK)
        os.write(result_end, f"{os.getpid()} {os.getppid()}".encode())
    os._exit(0)


def _is_zombie_of(pid: int, parent: int) -> bool:
    match = re.search(r"\) (\S) (\d+) ", read(Path("/"), f"proc/{pid}/stat"))
    return match is not None and match[1] == "Z" and int(match[2]) == parent


def orphan() -> tuple[int, bool]:
    """Who adopts an orphan, and whether its end is taken; proc_pid_stat(5), wait(2).

    Where it is not, a zombie is left: there is no other way to see it.
    """
    result, result_end = os.pipe()
    middle = os.fork()
    if middle == 0:
        try:
            _leave_an_orphan(result_end)
        finally:
            os._exit(0)
    os.close(result_end)
    os.waitpid(middle, 0)
    said = b""
    while piece := os.read(result, 64):
        said += piece
    os.close(result)
    pid, parent = map(int, said.split())
    deadline = time.monotonic() + _REAPED_IN
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(_LOOK)
    return parent, not _is_zombie_of(pid, parent)


# --- what can be told by reading


def proc_options(root: Path) -> dict[str, str]:
    """The options that /proc was mounted with, such as hidepid; proc(5), mountinfo(5)."""
    found: dict[str, str] = {}
    for line in read(root, "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[4:5] == ["/proc"] and after.split()[:1] == ["proc"]:
            for option in after.split()[2].split(","):
                name, _, value = option.partition("=")
                found[name] = value
    return found


def capability(root: Path, number: int) -> bool:
    """Whether we have that capability: CapEff of proc_pid_status(5), capabilities(7)."""
    match = re.search(r"(?m)^CapEff:\s*([0-9a-f]+)$", read(root, "proc/self/status"))
    return match is not None and bool(int(match[1], 16) >> number & 1)


def cgroups(root: Path) -> tuple[int, bool]:
    """The version of cgroups (0: none), and whether our own is ours to divide; cgroups(7)."""
    if (root / "sys/fs/cgroup/cgroup.controllers").exists():
        match = re.search(r"(?m)^0::/(.*)$", read(root, "proc/self/cgroup"))
        folder = root / "sys/fs/cgroup" / (match[1] if match else "")
        ours = [os.access(path, os.W_OK) for path in (folder, folder / "cgroup.procs")]
        return 2, all(ours)
    return (1 if (root / "sys/fs/cgroup/memory").exists() else 0), False


def kinds(root: Path) -> list[str]:
    """What tells that this is a container, WSL or a virtual machine: systemd-detect-virt(1) looks
    at the same. That nothing tells does not mean that it is none."""
    found = []
    for path, kind in ((".dockerenv", "Docker"), ("run/.containerenv", "Podman")):
        if (root / path).exists():
            found.append(f"container (/{path}: {kind})")
    if name := read(root, "run/systemd/container"):
        found.append(f"container ({name})")
    match = re.search("(?:^|\0)container=([^\0]+)", read(root, "proc/1/environ"))
    if match and not found:
        found.append(f"container ({match[1]})")
    release = read(root, "proc/sys/kernel/osrelease")
    if "microsoft" in release.lower():
        found.append("WSL 2" if "WSL2" in release or "microsoft" in release else "WSL 1")
    vendor = read(root, "sys/class/dmi/id/sys_vendor")
    if re.search(r"(?m)^flags\s*:.*\bhypervisor\b", read(root, "proc/cpuinfo")):
        found.append(f"virtual machine ({vendor})" if vendor else "virtual machine")
    return found


def terminal() -> str:
    """Why no pseudo-terminal is to be had; empty if one is: pty(7)."""
    try:
        for fd in os.openpty():
            os.close(fd)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def room(folder: Path) -> tuple[str, int, bool]:
    """Why no file can be made there (empty if one can), MiB that are free, and whether programs
    that lie there can be run: statvfs(3)."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
        status = os.statvfs(folder)
    except OSError as error:
        return error.strerror or str(error), 0, False
    return "", status.f_bavail * status.f_frsize >> 20, not status.f_flag & os.ST_NOEXEC
