"""Launch a subject in an environment that we chose, and keep hold of every descendant.

    with launch(["/usr/sbin/atd"], HOSTILE) as subject:
        ended = subject.wait_starter(5)
        daemon = subject.daemons()[0]
        ...
    # here not one process of it is left, however it forked

Nothing here sleeps and then looks: each wait ends on an event or at its deadline.
"""

import fcntl
import json
import os
import select
import shutil
import signal
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from daemonlab import machine, native
from daemonlab.ending import not_now, undisturbed
from daemonlab.environment import Environment
from daemonlab.keeper import SCRATCH, run_keeper
from daemonlab.observe import Process, ProcessGone, alive, children, descendants, identity
from daemonlab.refusal import refused

_START_TIME = 5.0
"""Seconds within which a keeper answers."""
_END_TIME = 15.0
"""Seconds that the end of a launch may take; the keeper gives up earlier."""

_keepers: set[int] = set()
"""Our children that keep a subject, as opposed to orphans that came to us from a lost keeper.
Global, because being a subreaper belongs to the whole process."""


class LaunchError(Exception):
    """The laboratory could not do its part; the text names the thing and the remedy."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How and when a process ended."""

    pid: int
    status: int
    """As wait(2) gives it; see code and signal."""
    time: float
    """Seconds of the monotonic clock."""

    @property
    def code(self) -> int | None:
        """The exit code, or None when a signal ended it."""
        return os.WEXITSTATUS(self.status) if os.WIFEXITED(self.status) else None

    @property
    def signal(self) -> int | None:
        """The signal that ended it, or None when it exited."""
        return os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else None


_FLOCK = "hhqqi4x"
"""struct flock: type, whence, start, length, process; fcntl(2)."""
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def _claim(path: Path) -> int:
    """A descriptor that holds the folder: the kernel lets go of it when we end, however we do. By a
    lock of the open file, fcntl(2): a subject may want flock(2) of the folder for itself."""
    fd = os.open(path, _OPEN_FOLDER)
    shared = struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, shared)
    return fd


def _is_claimed(path: Path) -> bool:
    fd = os.open(path, _OPEN_FOLDER)
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        found = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))
    finally:
        os.close(fd)
    return bool(found[0] != fcntl.F_UNLCK)


def _make_folder(stack: ExitStack) -> Path:
    hidden = Path(tempfile.mkdtemp(prefix=f".{SCRATCH}", dir=machine.temporary())).resolve()
    made = hidden.with_name(hidden.name[1:])
    for path in (hidden, made):
        stack.callback(undisturbed, partial(shutil.rmtree, path, ignore_errors=True))
    stack.callback(os.close, _claim(hidden))
    return hidden.rename(made)  # claimed before it has the name by which remove_stale() looks


def remove_stale() -> None:
    """Remove the folders of launches that nobody holds any more: who would have done it was killed,
    and so was the keeper."""
    with suppress(OSError):
        for path in machine.temporary().glob(f"{SCRATCH}*"):
            with suppress(OSError):  # gone meanwhile, or no folder
                if path.lstat().st_uid == os.geteuid() and not _is_claimed(path):
                    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder for a launch, gone afterwards. Raises LaunchError."""
    with ExitStack() as stack:
        try:
            with not_now():
                made = _make_folder(stack)
            made.chmod(0o755)  # the subject may become another user
        except OSError as error:
            raise LaunchError(refused("no temporary folder can be made", error)) from error
        yield made


class Launch:
    """A subject that was started. Made by launch()."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Environment,
        variables: Mapping[str, str],
        scratch: Path,
    ) -> None:
        self.command = command
        self.environment = environment
        self.variables = variables
        self.scratch = scratch
        """The folder in which the subject was started; it goes away with the launch."""
        self.shell = 0
        """The stand-in shell that started it, by number; 0 until it was started."""
        self.starter = 0
        """The process that the shell waits for; 0 until it was started."""
        self.began = 0.0
        """When the starter was forked, seconds of the monotonic clock."""
        self.not_executed = 0
        """The errno of a failed execve(2), else 0."""
        self.too_many = False
        """The subject had so many processes that it was ended."""
        self.keeper_lost = False
        """The subject killed the process that kept it."""
        self._ended: dict[Process, Ended] = {}
        """In the order of the news. By identity: a subject can use up all numbers, so that they
        begin again."""
        self._failed = ""
        self._over = False
        self._logged_out = False
        self._shell_ended = False
        self._inbox = b""
        _fill_standard()
        self._output = os.memfd_create("output", os.MFD_CLOEXEC)
        self._control, keeper_end = socket.socketpair()
        try:
            pid = os.fork()
        except OSError:
            self._close()
            raise
        if pid == 0:
            run_keeper(
                keeper_end, self._output, list(command), variables, environment, str(scratch)
            )
        keeper_end.close()
        self.keeper = identity(pid)
        """The process that adopts the subject's orphans: the parent of a detached daemon."""
        _keepers.add(pid)

    # --- waiting ---

    def wait_starter(self, seconds: float) -> Ended | None:
        """Wait until the starter has ended. None: it still runs after that time.

        Raises LaunchError if it could not be forked.
        """
        self._wait(lambda: self._starter_ended() is not None, seconds)
        self._raise_failure()
        return self._starter_ended()

    def _starter_ended(self) -> Ended | None:
        """Its end is the first of its number: no process of the subject was before it."""
        return next((end for end in self._ended.values() if end.pid == self.starter), None)

    def wait_ended(self, process: Process, seconds: float) -> Ended | None:
        """Wait until an adopted process has ended, and tell how. None: not in that time."""
        self._wait(lambda: process in self._ended, seconds)
        return self._ended.get(process)

    def _wait(self, happened: Callable[[], bool], seconds: float) -> None:
        """Take news until something has happened, the time is over or no news can come."""
        deadline = time.monotonic() + seconds
        arrival = select.poll()
        arrival.register(self._control, select.POLLIN)
        left = seconds
        while not happened() and not self._over and not self.keeper_lost:
            if left < 0 or not arrival.poll(left * 1000):
                return
            self._take_news()
            left = deadline - time.monotonic()

    def _take_news(self) -> None:
        try:
            piece = self._control.recv(65536)
        except ConnectionResetError:
            piece = b""
        if not piece:
            self.keeper_lost = not self._over
        *lines, self._inbox = (self._inbox + piece).split(b"\n")
        for line in lines:
            self._hear(**json.loads(line))

    def _hear(
        self,
        news: str,
        pid: int = 0,
        start: int = 0,
        status: int = 0,
        time: float = 0,
        errno: int = 0,
        why: str = "",
    ) -> None:
        if news == "shell":
            self.shell = pid
        elif news == "started":
            self.starter, self.began = pid, time
        elif news == "ended":
            self._ended.setdefault(Process(pid, start), Ended(pid, status, time))
        elif news == "not executed":
            self.not_executed = errno
        elif news == "failed":
            self._failed = why
        elif news == "too many processes":
            self.too_many = True
        elif news == "logged out":
            self._logged_out = True
        elif news == "shell ended":
            self._shell_ended = True
        elif news == "over":
            self._over = True

    def _raise_failure(self) -> None:
        if self._failed:
            raise LaunchError(self._failed)

    # --- looking ---

    def processes(self) -> list[Process]:
        """Every living process of the subject, parents before children."""
        return self._living(descendants)

    def daemons(self) -> list[Process]:
        """The living processes whose parent is the keeper: those that outlived their own."""
        return self._living(children)

    def _living(self, relatives: Callable[[int], list[Process]]) -> list[Process]:
        self._wait(lambda: self.shell != 0, _START_TIME)
        self._raise_failure()
        try:
            found = relatives(self.keeper.pid)
        except ProcessGone:
            return []
        return [process for process in found if process.pid != self.shell and alive(process)]

    def output(self) -> bytes:
        """What the subject has printed so far, at most keeper.MOST_OUTPUT bytes."""
        self._wait(lambda: False, 0)  # take the news that came before it
        return os.pread(self._output, os.fstat(self._output).st_size, 0)

    def bequeathed(self) -> tuple[int, ...]:
        """The numbers of those that have ended as children of the keeper, the starter among them:
        their parents did not ask how."""
        self._wait(lambda: False, 0)
        return tuple(process.pid for process in self._ended)

    # --- acting ---

    def send(self, process: Process, number: int) -> None:
        """Send a signal to this very process, never to one that took its number.

        Raises ProcessGone.
        """
        try:
            fd = os.pidfd_open(process.pid)
            try:
                if not alive(process):
                    raise ProcessLookupError
                signal.pidfd_send_signal(fd, number)
            finally:
                os.close(fd)
        except ProcessLookupError:
            raise ProcessGone(f"process {process.pid} has ended") from None

    def log_out(self) -> None:
        """End the session in which the subject was started; hang up its terminal.

        On return the kernel has sent its SIGHUP to the foreground: it does so while the leader of
        the session ends, exit(3), not yet when the terminal is closed.
        """
        self._ask(b"logout")
        self._wait(lambda: self._logged_out and self._shell_ended, _START_TIME)

    def _ask(self, what: bytes) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            self._control.send(what)

    def end(self) -> None:
        """End every process of the subject. Called when the context is left.

        Raises LaunchError if one of them would not die.
        """
        self._ask(b"end")
        deadline = time.monotonic() + _END_TIME
        while not self._over and not self.keeper_lost and time.monotonic() < deadline:
            with suppress(ProcessLookupError):  # our child; its subject may have stopped it
                os.kill(self.keeper.pid, signal.SIGCONT)
            self._wait(lambda: self._over, 0.1)
        self._close()
        with suppress(ProcessLookupError, ProcessGone):
            self._reap_keeper()
        _keepers.discard(self.keeper.pid)
        end_orphans(self.keeper.start)

    def _close(self) -> None:
        self._control.close()
        os.close(self._output)

    def _reap_keeper(self) -> None:
        fd = os.pidfd_open(self.keeper.pid)
        try:
            death = select.poll()
            death.register(fd, select.POLLIN)
            if not death.poll(_START_TIME * 1000 if self._over else 0):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            os.waitpid(self.keeper.pid, 0)
        finally:
            os.close(fd)


def _fill_standard() -> None:
    """Open those of 0, 1 and 2 that are closed, so that nothing of ours takes their number: in the
    processes we fork these three are the subject's."""
    while (fd := os.open(os.devnull, os.O_RDWR | os.O_NOCTTY)) <= 2:
        pass
    os.close(fd)


def _orphans(since: int) -> list[Process]:
    """Our children that a lost keeper left to us: none of ours leads or joins another session."""
    return [
        child
        for child in children(os.getpid())
        if child.start >= since
        and child.pid not in _keepers
        and _session(child.pid) != os.getsid(0)
    ]


def _session(pid: int) -> int:
    """The session of a process; ours, if it has gone meanwhile."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return os.getsid(0)


def end_orphans(since: int) -> None:
    """End the processes that a lost keeper, or a lost worker, left to us: we are their subreaper.

    since is a time as /proc has it, in ticks since the boot: none that is older. Raises
    LaunchError if one of them would not die.
    """
    deadline = time.monotonic() + _END_TIME
    while orphans := _orphans(since):
        for orphan in orphans:
            if time.monotonic() > deadline:
                raise LaunchError(f"process {orphan.pid} cannot be ended; look at /proc/PID/stack")
            with suppress(ProcessLookupError):
                if (group := os.getpgid(orphan.pid)) != os.getpgrp():
                    os.killpg(group, signal.SIGKILL)
            with suppress(ProcessLookupError):
                os.kill(orphan.pid, signal.SIGKILL)
            os.waitpid(orphan.pid, 0)


@contextmanager
def launch(
    command: Sequence[str],
    environment: Environment,
    variables: Mapping[str, str] | None = None,
    scratch: Path | None = None,
) -> Iterator[Launch]:
    """Start a command; when the context is left, none of its processes remains.

    variables are added to those of the environment. The subject starts in scratch, or, when
    that is None, in a new temporary folder that goes away at the end. Raises LaunchError.
    """
    with ExitStack() as stack:
        where = scratch or stack.enter_context(folder())
        native.become_subreaper()  # should the keeper be lost, its orphans come to us
        try:
            with not_now():
                subject = Launch(command, environment, variables or {}, where)
                stack.callback(undisturbed, subject.end)
        except OSError as error:
            raise LaunchError(refused("no process can be started", error)) from error
        yield subject
