"""What we say about a process is what the process itself knows, or Unknown, never wrong."""

import copy
import dataclasses
import json
import os
import pickle
import platform
import pty
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from daemonlab import observe, parts, procdir, procfs
from daemonlab.observe import (
    NOT_PERMITTED,
    NOT_READ,
    Process,
    ProcessGone,
    Snapshot,
    Unknown,
    alive,
    children,
    identity,
    snapshot,
)
from observed import PROLOGUE, at_call, end, running, sleeping, until

ENDED = Unknown("the process has ended")
RELEASED = ["command", "cwd", "root", "exe", "environ", "namespaces"]
RELEASED += ["descriptors", "locks", "sockets"]


def signals(*numbers: int) -> frozenset[int]:
    return frozenset(numbers)


# --- what the process knows about itself


def test_identity_and_status() -> None:
    """Ids, groups, umask, limits, session and parent are those that the process itself sees."""
    body = """
        os.umask(0o027); os.setsid(); os.chdir(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 65))
        ready(dict(ppid=os.getppid(), session=os.getsid(0), pgrp=os.getpgrp(), tpgid=-1, tty=0,
                   uids=os.getresuid(), gids=os.getresgid(), groups=os.getgroups()))
    """
    with running(body, "/usr") as (pid, told):
        seen = snapshot(pid)
    for name in ("ppid", "session", "pgrp", "tpgid", "tty"):
        assert getattr(seen, name) == told[name], name
    assert seen.process.pid == pid == seen.session
    assert not isinstance(seen.uids, Unknown) and list(seen.uids[:3]) == told["uids"]
    assert not isinstance(seen.gids, Unknown) and list(seen.gids[:3]) == told["gids"]
    assert not isinstance(seen.groups, Unknown) and sorted(seen.groups) == sorted(told["groups"])
    assert seen.umask == 0o027
    assert not isinstance(seen.limits, Unknown) and seen.limits["Max open files"] == (64, 65)
    assert (seen.cwd, seen.root, seen.cwd_deleted) == ("/usr", "/", False)
    assert seen.exe == os.path.realpath(sys.executable)
    assert seen.threads == 1
    assert not isinstance(seen.namespaces, Unknown)
    assert seen.namespaces["net"] == os.stat("/proc/self/ns/net").st_ino
    assert not isinstance(seen.cgroup, Unknown)
    assert list(seen.cgroup) == Path("/proc/self/cgroup").read_text().splitlines()
    assert isinstance(seen.rss, int) and 2**20 < seen.rss < 2**30


def test_signals() -> None:
    """Blocked, ignored and caught signals, and those pending for a thread or the process."""
    body = """
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGUSR2])
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: None)
        os.kill(os.getpid(), signal.SIGUSR1)
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR2)
        ready()
    """
    with running(body) as (pid, _):
        seen = snapshot(pid, ["status", "tasks"])
    assert seen.sig_blocked == signals(signal.SIGUSR1, signal.SIGUSR2)
    assert seen.sig_shared_pending == signals(signal.SIGUSR1)
    assert seen.sig_pending == signals(signal.SIGUSR2)
    assert not isinstance(seen.sig_ignored, Unknown) and signal.SIGHUP in seen.sig_ignored
    assert not isinstance(seen.sig_caught, Unknown)
    assert {signal.SIGTERM, signal.SIGINT} <= seen.sig_caught
    assert not seen.sig_caught & seen.sig_ignored
    assert not isinstance(seen.tasks, Unknown)
    assert [(task.tid, task.sig_blocked) for task in seen.tasks] == [(pid, seen.sig_blocked)]


def test_mask_of_each_thread() -> None:
    """Each thread has its own mask: a signal may be blocked in one and open in another."""
    body = """
        tids = []
        def work(event):
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
            tids.append(threading.get_native_id())
            event.set(); signal.pause()
        event = threading.Event()
        threading.Thread(target=work, args=[event], daemon=True).start()
        event.wait(); ready(tids)
    """
    with running(body) as (pid, tids):
        seen = snapshot(pid, ["status", "tasks"])
    assert seen.threads == 2
    assert not isinstance(seen.tasks, Unknown)
    masks = {task.tid: task.sig_blocked for task in seen.tasks}
    assert masks == {pid: signals(), tids[0]: signals(signal.SIGUSR1)}


def test_controlling_terminal() -> None:
    """The terminal of a session leader is known by its device number and by name."""
    master, slave = pty.openpty()
    body = """
        os.setsid(); fcntl.ioctl(int(sys.argv[1]), 0x540E, 0)  # TIOCSCTTY
        ready()
    """
    try:
        with running(body, str(slave), pass_fds=[slave]) as (pid, _):
            seen = snapshot(pid, [])
            assert seen.tty == os.fstat(slave).st_rdev
            assert f"/dev/{procfs.terminal_name(seen.tty)}" == os.ttyname(slave)
            assert seen.tpgid == pid
    finally:
        os.close(master)
        os.close(slave)


def test_privileges() -> None:
    """no_new_privs and the capability sets are read; 38 is PR_SET_NO_NEW_PRIVS."""
    with running("ctypes.CDLL(None).prctl(38, 1, 0, 0, 0); ready()") as (pid, _):
        seen = snapshot(pid, ["status"])
    mine = snapshot(os.getpid(), ["status"])
    assert (seen.no_new_privs, mine.no_new_privs) == (True, False)
    assert seen.cap_bounding == mine.cap_bounding
    assert (seen.cap_inheritable, seen.cap_ambient, seen.seccomp) == (0, 0, 0)


def test_command_and_environment_as_executed(tmp_path: Path) -> None:
    """Arguments and environment keep every byte; strays and repeated names are told apart."""
    arguments = [b"sh", b"-c", b"echo; read x", b"", b"a\nb", b"\xff\xfe"]
    entries = [b"A=1", b"junk", b"A=2", b"B=\xff\n", b"=x", b"C="]
    body = f"""
        strings = lambda some: (ctypes.c_char_p * (len(some) + 1))(*some, None)
        ctypes.CDLL(None).execve(b"/bin/sh", strings({arguments}), strings({entries}))
    """
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", PROLOGUE + textwrap.dedent(body)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"\n"  # the shell speaks
        seen = snapshot(child.pid, ["command", "environ"])
        child.communicate()
    assert not isinstance(seen.command, Unknown)
    assert list(map(os.fsencode, seen.command)) == arguments
    assert seen.environ == {"A": "1", "B": "\udcff\n", "C": ""}
    assert seen.environ_stray == ("junk", "A=2", "=x")


# --- hostile names


@pytest.mark.parametrize("comm", [b") R 1 (", b"a\nState:\tZ", b"\xff\xfe\n", b"))) Z 0 0", b"\\n"])
def test_hostile_comm(comm: bytes) -> None:
    """A name that imitates the fields after it, or another line, changes nothing but the name."""
    body = f"""
        ctypes.CDLL(None).prctl(15, {comm!r}, 0, 0, 0)  # PR_SET_NAME
        ready()
    """
    with running(body) as (pid, _):
        seen = snapshot(pid)
        assert os.fsencode(seen.comm) == comm
        assert seen.ppid == os.getpid() and seen.state in "RS"
        assert seen.raw_stat.startswith(b"%d (%b) %b " % (pid, comm, seen.state.encode()))
        assert alive(seen.process)
        assert seen.process in children(os.getpid())
        assert seen.line("State") in ("State:\tS (sleeping)", "State:\tR (running)")


# --- refusals

OBSERVER = """
import json, os, sys
from daemonlab.observe import Unknown, ProcessGone, snapshot
if os.getuid() == 0:
    os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
try:
    seen = snapshot(int(sys.argv[1]))
except OSError as error:
    print(json.dumps(type(error).__name__))
else:
    fields = {name: getattr(seen, name) for name in seen.__dataclass_fields__}
    print(json.dumps({n: str(field) for n, field in fields.items() if isinstance(field, Unknown)}))
"""
REFUSED = {"cwd", "cwd_deleted", "root", "exe", "exe_deleted", "environ", "environ_stray"} | {
    "namespaces",
    "descriptors",
    "locks",
    "sockets",
}


def observed_by_nobody(pid: int, *prefix: str) -> Any:
    """Observe as an unprivileged user; returns the unknown fields, or the name of the error."""
    command = [*prefix, sys.executable, "-c", OBSERVER, str(pid)]
    environment = {**os.environ, "PYTHONPATH": str(Path(observe.__file__).parents[1])}
    found = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(found.stdout)


def test_refusals() -> None:
    """To a stranger, what the kernel refuses is 'not permitted', and all else is still told."""
    if os.getuid() == 0:
        with sleeping() as pid:
            refused = observed_by_nobody(pid)
            seen = snapshot(pid)  # the control: to us, nothing is unknown
            for name in Snapshot.__dataclass_fields__:
                assert not isinstance(getattr(seen, name), Unknown), name
    else:
        refused = observed_by_nobody(1)
    assert refused == dict.fromkeys(REFUSED, str(NOT_PERMITTED))


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount /proc anew")
@pytest.mark.parametrize("hidepid", ["1", "2"])
def test_hidden_process(hidepid: str) -> None:
    """A process that /proc hides is refused, not called gone."""
    mount = f'mount -t proc -o hidepid={hidepid} proc /proc && exec "$@"'
    with sleeping() as pid:
        prefix = ["unshare", "--mount", "sh", "-c", mount, "sh"]
        assert observed_by_nobody(pid, *prefix) == "PermissionError"
    assert observed_by_nobody(2**22 + 1, *prefix) == "ProcessGone"


def test_kernel_thread() -> None:
    """A kernel thread has no program, arguments or environment, and that is the reason given."""
    if not os.path.exists("/proc/2/stat") or snapshot(2, []).comm != "kthreadd":
        pytest.skip("no kernel thread in this pid namespace")
    seen = snapshot(2)
    reason = Unknown("a kernel thread has none")
    assert seen.exe == seen.exe_deleted == seen.command == seen.environ == seen.rss == reason
    assert not isinstance(seen.uids, Unknown) and seen.uids.real == 0
    assert seen.ppid == 0


@pytest.mark.parametrize("line", ["Umask", "NoNewPrivs", "CapAmb", "NSpid"])
def test_older_kernel(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that the kernel does not know makes its field unknown, and only that."""
    read = procdir.record

    def without_line(directory: int, name: str) -> bytes:
        lines = read(directory, name).splitlines(keepends=True)
        return b"".join(row for row in lines if not row.startswith(line.encode() + b":"))

    monkeypatch.setattr(procdir, "record", without_line)
    seen = snapshot(os.getpid(), ["status"])
    field = next(name for name, (key, _) in parts.STATUS.items() if key.decode() == line)
    assert getattr(seen, field) == Unknown("not supported by this kernel")
    others = [getattr(seen, name) for name in parts.STATUS if name != field]
    assert not [value for value in others if isinstance(value, Unknown)]


# --- ends


def test_zombie() -> None:
    """A zombie keeps its ids and signals; what it has lost is unknown, not empty."""
    with sleeping() as pid:
        process = identity(pid)
        assert alive(process)
        end(pid, reap=False)
        seen = snapshot(pid)
        assert not alive(process)
        assert process in children(os.getpid())
        assert (seen.process, seen.state, seen.ppid) == (process, "Z", os.getpid())
        for name in [*RELEASED, "umask", "rss"]:
            assert getattr(seen, name) == ENDED, name
        assert not isinstance(seen.uids, Unknown) and seen.uids.real == os.getuid()
        assert seen.children == ()


def test_main_thread_that_ended_first() -> None:
    """When only the main thread has ended, the process lives, and the reason says so."""
    body = """
        worker = threading.Thread(target=ready); worker.start()
        ctypes.CDLL(None).syscall(int(sys.argv[1]), 0)  # exit(2): ends this thread alone
    """
    number = {"x86_64": 60}.get(platform.machine(), 93)
    with running(body, str(number)) as (pid, _):
        until(lambda: snapshot(pid, []).state == "Z")
        seen = snapshot(pid)
        assert alive(seen.process)
        assert seen.threads == 2
        assert seen.descriptors == seen.environ == Unknown("the main thread has ended")


def calls_of_a_snapshot() -> int:
    with sleeping() as pid, at_call(0, lambda: None) as calls:
        snapshot(pid)
    return len(calls)


def test_vanishing_at_every_moment() -> None:
    """Whenever in the reading a process vanishes, ProcessGone is raised."""
    count = calls_of_a_snapshot()
    assert count > 50
    before = len(os.listdir("/proc/self/fd"))
    for number in range(1, count + 1):
        with sleeping() as pid, at_call(number, lambda pid=pid: end(pid, reap=True)):  # type: ignore[misc]
            with pytest.raises(ProcessGone) as caught:
                snapshot(pid)
            assert caught.value.errno == 3
    assert len(os.listdir("/proc/self/fd")) == before


def test_dying_at_every_moment() -> None:
    """Whenever in the reading a process becomes a zombie, it is told as one, and coherently."""
    for number in range(1, calls_of_a_snapshot() + 1):
        with sleeping() as pid, at_call(number, lambda pid=pid: end(pid, reap=False)):  # type: ignore[misc]
            seen = snapshot(pid)
        assert seen.state == "Z"
        assert {str(getattr(seen, name)) for name in RELEASED} == {ENDED.reason}


def next_pid(pid: int) -> None:
    """Ask the kernel to give this number to the next process of this namespace."""
    Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))


def test_number_used_again() -> None:
    """A number that another process got is not the same process, not even in mid-reading."""
    for _ in range(200):  # on a busy machine somebody else may snatch the number
        with sleeping() as pid:
            process = identity(pid)
            with procdir.opened(pid) as directory:
                end(pid, reap=True)
                try:
                    next_pid(pid)
                except OSError:
                    pytest.skip("this kernel or user cannot choose the number of a process")
                with sleeping() as other:
                    if other != pid:
                        continue
                    if identity(other) == process:
                        continue  # the very same clock tick: not told apart, and not in real life
                    assert not alive(process)
                    assert alive(identity(other))
                    with pytest.raises(ProcessGone):
                        procdir.stat_line(directory, pid)
                    with pytest.raises(ProcessLookupError):
                        procdir.record(directory, "status")
                    return
    pytest.skip("the number was snatched every time")


def test_no_such_process() -> None:
    """A number that nobody has, or that cannot be one, is gone."""
    for pid in (2**22 + 1, 0, -1, 2**70):
        with pytest.raises(ProcessGone):
            snapshot(pid)
        with pytest.raises(ProcessLookupError):
            identity(pid)
        assert not alive(Process(pid, 1))


# --- the data


def test_only_the_parts_asked_for() -> None:
    """Parts not asked for are 'not read', and an unknown part is refused."""
    seen = snapshot(os.getpid(), ["cwd"])
    names = set(Snapshot.__dataclass_fields__)
    unread = {name for name in names if getattr(seen, name) is NOT_READ}
    always = {"process", "comm", "state", "ppid", "pgrp", "session", "tty", "tpgid", "threads"}
    assert names - unread == always | {"raw_stat", "cwd", "cwd_deleted"}
    with pytest.raises(ValueError, match="cwdd"):
        snapshot(os.getpid(), ["cwdd"])


def test_evidence() -> None:
    """line() gives the very line of /proc, and Unknown where there is none."""
    seen = snapshot(os.getpid(), ["status"])
    assert seen.line("Umask") in Path("/proc/self/status").read_text().split("\n")
    assert str(seen.line("stat")).startswith(f"{os.getpid()} ({seen.comm}) ")
    assert seen.line("Nonsense") == Unknown("no such line")
    assert snapshot(os.getpid(), []).line("Umask") == NOT_READ


def test_frozen() -> None:
    """A snapshot cannot be changed, but copied, pickled and turned into a dict."""
    seen = snapshot(os.getpid())
    with pytest.raises(dataclasses.FrozenInstanceError):
        seen.comm = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        seen.environ["x"] = "y"  # type: ignore[index]
    assert pickle.loads(pickle.dumps(seen)) == seen == copy.deepcopy(seen)
    assert dataclasses.asdict(seen)["process"] == {"pid": os.getpid(), "start": seen.process.start}


def test_unknown_is_neither_true_nor_false() -> None:
    """A check cannot take what it does not know for 'no'."""
    with pytest.raises(TypeError, match="not permitted"):
        bool(NOT_PERMITTED)
    assert str(NOT_PERMITTED) == "not permitted"
