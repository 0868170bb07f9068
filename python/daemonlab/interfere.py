"""Come between a subject and the kernel, by seccomp(2), where nothing else brings a moment about.

    python -m daemonlab.interfere deny close_range ENOSYS COMMAND…
    python -m daemonlab.interfere hold SOCKET COMMAND…
    python -m daemonlab.interfere hold-waits SOCKET COMMAND…

The first runs the command on a kernel that lacks a system call. The second has each call of the
command that would lock a file wait until the laboratory, which listens at that socket, lets it go
on: meanwhile there is all the time in the world to exchange the file that it has just opened. The
third does so with each call that waits for descriptors, poll(2) and its like: the laboratory lets
all go on but those of the threads that it was told, which then hang, or fail when it says so. And
with each that starts a thread, of which it can have one fail.

Where the kernel does not allow this, the command is run as if nothing were.
"""

import errno
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Event, Thread

from daemonlab import native

SOCKET = "locks"
"""Where the laboratory listens, in the folder of the launch."""
_LOOK = 0.01
"""Seconds between two looks at what brings no event."""


def denying(call: str, error: str) -> tuple[str, ...]:
    """What to put before a command so that one of its system calls fails, with this errno."""
    return (sys.executable, "-I", "-m", __name__, "deny", call, error)


HOLDING = (sys.executable, "-I", "-m", __name__, "hold", SOCKET)
"""What to put before a command, to be started in the folder of the launch, to hold its locks."""
HOLDING_WAITS = (sys.executable, "-I", "-m", __name__, "hold-waits", SOCKET)
"""As HOLDING, for the calls by which its threads wait."""


@dataclass(frozen=True, slots=True)
class Locks:
    """The laboratory's end: hears of each lock that a subject is about to take."""

    server: socket.socket
    kept: list[int] = field(default_factory=list)
    """What holds the locks that come later, until it is closed."""

    def overtake(
        self,
        act: Callable[[], object],
        done: Callable[[], bool],
        until: float,
        keep: bool = False,
    ) -> int:
        """Until the subject has started (done), let each lock go on; but act before the first.

        until is a time of the monotonic clock. Returns how many there were; -1: none can be held
        on this machine. Those that come later are let go by the kernel, with ENOSYS; or, with keep,
        wait for ever.
        """
        listener = _listener(self.server, lambda: done() or time.monotonic() > until)
        if listener < 0:
            return -1
        locks = 0
        arrival = select.poll()
        arrival.register(listener, select.POLLIN)
        while not done() and time.monotonic() < until:
            if not arrival.poll(_LOOK * 1000):
                continue
            with suppress(OSError):  # whoever it was may be dead
                held = native.next_held(listener)
                if locks == 0:
                    act()
                locks += 1
                native.let_go(listener, held)
        if keep:
            self.kept.append(listener)
        else:
            os.close(listener)
        return locks


def _listener(server: socket.socket, enough: Callable[[], bool]) -> int:
    """What the command sends, with which to hear of its calls; -1: it sends none."""
    arrival = select.poll()
    arrival.register(server, select.POLLIN)
    while not arrival.poll(_LOOK * 1000):
        if enough():
            return -1
    connection, _ = server.accept()
    with connection:
        _, fds, _, _ = socket.recv_fds(connection, 1, 1)
    return fds[0] if fds else -1


@dataclass(slots=True)
class Waits:
    """The laboratory's end: a thread that lets each call go on, but for those of some threads."""

    server: socket.socket
    threads: tuple[str, ...]
    """Whose calls are held, by the name that /proc shows as comm."""
    bad_start: int = 0
    """Which start of a thread or process fails, with EAGAIN: 1 the first; 0: none."""
    starts: int = 0
    """How many there were."""
    listener: int = -1
    held: dict[str, native.Held] = field(default_factory=dict)
    changed: Condition = field(default_factory=Condition)
    over: Event = field(default_factory=Event)

    def serve(self) -> None:
        """Until over is set. Those that come later are let go by the kernel, with ENOSYS."""
        listener = self.listener = _listener(self.server, self.over.is_set)
        if listener < 0:
            return
        arrival = select.poll()
        arrival.register(listener, select.POLLIN)
        while not self.over.is_set():
            if arrival.poll(_LOOK * 1000):
                with suppress(OSError):  # whoever it was may be dead
                    self._take(native.next_held(listener))
        with self.changed:
            self.listener = -1
        os.close(listener)

    def _take(self, held: native.Held) -> None:
        if held.is_start:
            self.starts += 1
            if self.starts == self.bad_start:
                native.answer(self.listener, held, 0, errno.EAGAIN)
            else:
                native.let_go(self.listener, held)
            return
        name = Path(f"/proc/{held.thread}/comm").read_text(errors="replace").rstrip("\n")
        if name not in self.threads:
            native.let_go(self.listener, held)
            return
        with self.changed:
            self.held[name] = held
            self.changed.notify_all()

    def _await(self, name: str, seconds: float) -> native.Held | None:
        with self.changed:
            self.changed.wait_for(lambda: name in self.held, seconds)
            return self.held.pop(name, None)

    def await_held(self, name: str, seconds: float) -> bool:
        """Wait until that thread is held, so many seconds at most; whether it is."""
        with self.changed:
            return self.changed.wait_for(lambda: name in self.held, seconds)

    def fail(self, name: str, error: int, seconds: float) -> bool:
        """Have the held call of that thread fail, with this errno. False: none was held in time."""
        held = self._await(name, seconds)
        if held is None:
            return False
        with suppress(OSError):
            native.answer(self.listener, held, 0, error)
        return True

    def pretend(self, name: str, seconds: float) -> bool:
        """Have the held call of that thread say that the first of its descriptors is readable,
        which is not true. False: none was held in time, it is not poll(2), or we may not write
        into its memory: ptrace(2), "Ptrace access mode checking"."""
        held = self._await(name, seconds)
        if held is None or not held.is_poll:
            return False
        with suppress(OSError), open(f"/proc/{held.thread}/mem", "r+b", buffering=0) as memory:
            memory.seek(held.argument + _REVENTS)
            memory.write(select.POLLIN.to_bytes(2, sys.byteorder))
            native.answer(self.listener, held, 1)
            return True
        return False


_REVENTS = 6
"""Where revents stands in struct pollfd, after an int and a short: poll(2)."""


@contextmanager
def waits(folder: Path, threads: Iterable[str], bad_start: int = 0) -> Iterator[Waits]:
    """Listen in a folder for a command that is run with HOLDING_WAITS."""
    with locks(folder) as listening:
        ours = Waits(listening.server, tuple(threads), bad_start)
        server = Thread(target=ours.serve, daemon=True)
        server.start()
        try:
            yield ours
        finally:
            ours.over.set()
            server.join()


@contextmanager
def locks(folder: Path) -> Iterator[Locks]:
    """Listen in a folder for a command that is run with HOLDING."""
    with socket.socket(socket.AF_UNIX) as server:
        place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:  # an address has at most 108 bytes, unix(7): the folder's path may have more
            server.bind(f"/proc/self/fd/{place}/{SOCKET}")
        finally:
            os.close(place)
        server.listen(1)
        held = Locks(server)
        try:
            yield held
        finally:
            for listener in held.kept:
                os.close(listener)


def _hold(path: str, hold: Callable[[], int]) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        with suppress(OSError):
            listener = hold()
            socket.send_fds(connection, [b"1"], [listener])
            os.close(listener)


def main(arguments: list[str]) -> None:
    """Become the command, with a filter that it cannot take off. Does not return."""
    if arguments[0] == "deny":
        with suppress(OSError):
            native.deny(arguments[1], getattr(errno, arguments[2]))
        command = arguments[3:]
    else:
        _hold(arguments[1], native.hold_locks if arguments[0] == "hold" else native.hold_waits)
        command = arguments[2:]
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, exec would pass it on
        signal.signal(number, signal.SIG_DFL)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
