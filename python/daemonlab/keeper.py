"""The keeper: the process that starts one subject, adopts whatever it leaves behind, and ends it.

A daemon leaves its parent, its session and its group; what it cannot leave is its nearest living
ancestor that asked to be a *child subreaper*. The keeper is that ancestor, as PID 1 is for a whole
machine. It does little and is hard to disturb: one poll loop over the laboratory's socket, the
stand-in shell's news, the terminal's output and the deaths of its children.

    laboratory ── socket ── keeper ── shell stand-in ── starter ── … the subject's processes
                              └─ orphans come here

When the laboratory's end of the socket closes, for whatever reason, the keeper ends everybody,
and removes the folder of the launch, for nobody else can any more.
"""

import errno
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn

from daemonlab.environment import Environment
from daemonlab.native import become_subreaper, close_all_but
from daemonlab.refusal import refused
from daemonlab.shell import Stage, default_signals, run_shell, start_of

SCRATCH = "daemonlab-launch-"
"""How the names of the folders begin that the laboratory makes for a launch."""
MOST_PROCESSES = 256
"""A subject with more descendants than this is taken for a fork bomb and ended."""
FLOOD = 100_000
"""Bytes of output from which on it is called a flood: no start needs to say so much."""
MOST_OUTPUT = 1 << 20
"""Bytes of output that are kept; what comes after that is read and dropped."""
_MOST_PIECES = 64
"""Pieces that are taken in a row; a terminal holds fewer."""
_MOST_DROPPED = 16
"""Pieces that are dropped between two counts of the descendants: a terminal gives 4 KiB at a time,
so this is some 3 MB a second. A flood that had to be read as fast as it comes would take the whole
machine, ourselves first."""
_TICK = 0.02
"""Seconds between two counts of the descendants."""
_MOST_ALONGSIDE = 8
"""Children for which we step back between two counts, see _Priority."""
_PATIENCE = 10.0
"""Seconds to go on killing before giving up on a process that does not die (state D)."""


def _children(pid: int) -> list[int]:
    """proc_tid_children(5). May miss one while its siblings are dying: we look again anyway."""
    found: list[int] = []
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    return found


def _descendants_exceed(most: int) -> bool:
    found = _children(os.getpid())
    for pid in found:  # which grows as we go
        found += _children(pid)
        if len(found) > most:
            return True
    return False


class _Priority:
    """Where we may, we run before ordinary processes, so that a fork bomb cannot starve us; what we
    start does not inherit it. sched(7)

    But when a process is reaped the kernel takes its folder out of /proc, and goes round in circles
    while somebody else is about to do so with a part of it: the last of its threads, or whoever has
    looked at it. If we have taken the processor from that one, both wait until the kernel takes it
    from us, after 950 ms: sched_rt_runtime_us. So to reap we step back.
    """

    def __init__(self) -> None:
        self._ahead = False

    def stay_ahead(self) -> None:
        """From now on."""
        self._ahead = self._become(os.SCHED_RR, 1)

    def _become(self, policy: int, priority: int) -> bool:
        with suppress(OSError):
            os.sched_setscheduler(0, policy | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
            return True
        return False

    @contextmanager
    def like_others(self) -> Iterator[None]:
        """As long as the context lasts."""
        if self._ahead:
            self._become(os.SCHED_OTHER, 0)
        yield
        if self._ahead:
            self.stay_ahead()


class _Keeper:
    def __init__(self, control: socket.socket, output: int) -> None:
        self.control = control
        self.output = output
        self.priority = _Priority()
        self.kept = 0
        self.dropped = 0
        self.alongside = _MOST_ALONGSIDE
        self.scratch = ""
        self.shell = 0
        self.logout = -1
        self.master = -1
        self.news = -1
        self.outbox = b""
        self.poll = select.poll()
        self.wakeup, wakeup_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wakeup_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        control.setblocking(False)

    # --- telling the laboratory ---

    def tell(self, **news: object) -> None:
        self.outbox += json.dumps(news).encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        with suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            while self.outbox:
                self.outbox = self.outbox[self.control.send(self.outbox) :]

    # --- starting ---

    def start(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        environment: Environment,
        scratch: str,
    ) -> None:
        self.scratch = scratch
        slave = write_end = -1
        if environment.terminal:
            self.master, slave = self.open_terminal()
        else:
            self.master, write_end = os.pipe()
        news, news_end = os.pipe()
        logout_end, self.logout = os.pipe()
        self.shell = os.fork()
        if self.shell == 0:
            signal.set_wakeup_fd(-1)
            stage = Stage(slave, write_end, news_end, logout_end)
            run_shell(command, variables, environment, scratch, stage)
        self.tell(news="shell", pid=self.shell)
        for fd in (slave, write_end, news_end, logout_end):
            if fd >= 0:
                os.close(fd)
        self.news = news
        os.set_blocking(self.master, False)
        for fd in (self.control.fileno(), self.wakeup, self.master, self.news):
            self.poll.register(fd, select.POLLIN)

    def open_terminal(self) -> tuple[int, int]:
        try:
            return os.openpty()
        except OSError as error:
            remedy = "close some terminals, or raise /proc/sys/kernel/pty/max"
            if error.errno != errno.ENOSPC:
                remedy = ""
            self.tell(news="failed", why=refused("no pseudo-terminal is left", error, remedy))
            self.end()

    # --- what may happen ---

    def read_output(self) -> bool:
        """Take a piece of the output. Returns whether there was one."""
        try:
            piece = os.read(self.master, 65536)
        except BlockingIOError:
            return False
        except OSError:  # EIO: no process has the terminal open any more, pty(7)
            piece = b""
        if not piece:
            with suppress(KeyError):
                self.poll.unregister(self.master)
            return False
        room = max(0, MOST_OUTPUT - self.kept)
        self.kept += os.write(self.output, piece[:room])
        self.dropped += not room
        if self.dropped == _MOST_DROPPED:
            with suppress(KeyError):
                self.poll.unregister(self.master)
        return True

    def read_on(self) -> None:
        """After a moment, listen to a flood again."""
        if self.dropped >= _MOST_DROPPED and self.master >= 0:
            self.poll.register(self.master, select.POLLIN)
        self.dropped = 0

    def drain_output(self) -> None:
        """Take what has been printed so far; of a program that never stops, a good deal."""
        for _ in range(_MOST_PIECES):
            if self.master < 0 or not self.read_output():
                return

    def read_news(self) -> None:
        self.drain_output()  # who hears that the starter has ended finds all that it printed
        if piece := os.read(self.news, 65536):
            self.outbox += piece
            self.flush()
        else:
            self.poll.unregister(self.news)

    def reap(self) -> bool:
        """Take every dead child. Returns whether any child, dead or alive, may be left."""
        with suppress(BlockingIOError):
            os.read(self.wakeup, 4096)
        with suppress(ChildProcessError):
            # Not reaped yet, it can still be asked who it is.
            while dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                start, now = start_of(dead.si_pid), time.monotonic()
                pid, status = self.take(dead.si_pid)
                event = "ended"
                if pid == self.shell:
                    event, self.shell = "shell ended", 0
                self.tell(news=event, pid=pid, start=start, status=status, time=now)
            return True
        return False

    def take(self, dead: int) -> tuple[int, int]:
        """waitpid(2) of a child that is dead. In a flood we do not step back for each: others might
        fork faster than we reap."""
        self.alongside -= 1
        if self.alongside < 0:
            return os.waitpid(dead, 0)
        with self.priority.like_others():
            return os.waitpid(dead, 0)

    def hang_up(self) -> None:
        """Log out: the terminal goes away under whoever still holds it."""
        self.drain_output()
        with suppress(KeyError, ValueError):
            self.poll.unregister(self.master)
        for fd in (self.master, self.logout):
            if fd >= 0:
                os.close(fd)
        self.master = self.logout = -1

    # --- ending ---

    def kill_children(self) -> None:
        """SIGKILL to each child and to its whole group, which is one step that no fork(2) can slip
        through. What they leave behind is ours the moment they die: the next round takes it.

        The starter is hit at once, not when the stand-in has died, which may take long: among a
        thousand processes that fork, it waits for its turn.

        A child that nobody has reaped keeps its number and that of its group, so this can hit
        nobody else: we reap in reap() alone, and the stand-in does not reap the starter. And the
        groups are the subject's alone: the stand-in began a session of its own before it forked,
        and a process joins no group of another session, setpgid(2).
        """
        hit = {os.getpgrp()}
        for child in _children(os.getpid()) + (_children(self.shell) if self.shell else []):
            with suppress(ProcessLookupError, PermissionError):
                if (group := os.getpgid(child)) not in hit:
                    hit.add(group)
                    os.killpg(group, signal.SIGKILL)
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)

    def end(self, abandoned: bool = False) -> NoReturn:
        deadline = time.monotonic() + _PATIENCE
        death = select.poll()
        death.register(self.wakeup, select.POLLIN)
        while self.reap() and time.monotonic() < deadline:
            self.kill_children()
            death.poll(10)
        self.drain_output()
        if abandoned and os.path.basename(self.scratch).startswith(SCRATCH):
            shutil.rmtree(self.scratch, ignore_errors=True)
        self.tell(news="over")
        with suppress(OSError):  # there may be much that the laboratory has not read yet
            self.control.settimeout(_PATIENCE)
            self.control.sendall(self.outbox)
        os._exit(0)

    def request(self) -> bytes:
        """What the laboratory asks for; nothing, if it is gone."""
        try:
            return self.control.recv(16)
        except ConnectionResetError:  # it went with news of ours unread
            return b""

    def serve(self) -> NoReturn:
        last_count = 0.0
        while True:
            for fd, _ in self.poll.poll(_TICK * 1000):
                if fd == self.wakeup:
                    self.reap()
                elif fd == self.news:
                    self.read_news()
                elif fd == self.master:
                    self.read_output()
                elif (request := self.request()) == b"logout":
                    self.hang_up()
                    self.tell(news="logged out")
                else:  # "end", or the laboratory is gone
                    self.end(abandoned=not request)
            self.flush()
            if time.monotonic() - last_count >= _TICK:
                last_count = time.monotonic()
                self.alongside = _MOST_ALONGSIDE
                self.read_on()
                if _descendants_exceed(MOST_PROCESSES):
                    self.tell(news="too many processes")
                    self.alongside = 0
                    self.end()


def run_keeper(
    control: socket.socket,
    output: int,
    command: Sequence[str],
    variables: Mapping[str, str],
    environment: Environment,
    scratch: str,
) -> NoReturn:
    """The life of a keeper, in a process just forked for it. Never returns.

    output is a memfd that gets what the subject prints. Descriptors other than these two are
    closed: the sockets of other keepers among them, which must close when the laboratory ends.
    """
    try:
        default_signals()
        # The news may be for a laboratory that is gone: then we have still to end everybody.
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        os.setsid()  # a Ctrl-C at the laboratory's terminal is not for us
        become_subreaper()
        control = socket.socket(fileno=fcntl.fcntl(control.detach(), fcntl.F_DUPFD_CLOEXEC, 3))
        close_all_but({0, 1, 2, control.fileno(), output})
        keeper = _Keeper(control, output)
        keeper.priority.stay_ahead()
        try:
            keeper.start(command, variables, environment, scratch)
            keeper.serve()
        except OSError as error:
            keeper.tell(news="failed", why=refused("the subject cannot be kept", error))
        finally:
            keeper.end()
    finally:
        os._exit(1)
