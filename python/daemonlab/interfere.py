"""Come between a subject and the kernel, by seccomp(2), where nothing else brings a moment about.

    python -m daemonlab.interfere deny close_range ENOSYS COMMAND…
    python -m daemonlab.interfere hold SOCKET COMMAND…

The first runs the command on a kernel that lacks a system call. The second has each call of the
command that would lock a file wait until the laboratory, which listens at that socket, lets it go
on: meanwhile there is all the time in the world to exchange the file that it has just opened.

Where the kernel does not allow this, the command is run as if nothing were.
"""

import errno
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class Locks:
    """The laboratory's end: hears of each lock that a subject is about to take."""

    server: socket.socket

    def overtake(self, act: Callable[[], object], done: Callable[[], bool], until: float) -> int:
        """Until the subject has started (done), let each lock go on; but act before the first.

        until is a time of the monotonic clock. Returns how many there were; -1: none can be held
        on this machine. Those that come later are let go by the kernel, with ENOSYS.
        """
        listener = self._listener(done, until)
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
        os.close(listener)
        return locks

    def _listener(self, done: Callable[[], bool], until: float) -> int:
        arrival = select.poll()
        arrival.register(self.server, select.POLLIN)
        while not arrival.poll(_LOOK * 1000):
            if done() or time.monotonic() > until:
                return -1
        connection, _ = self.server.accept()
        with connection:
            _, fds, _, _ = socket.recv_fds(connection, 1, 1)
        return fds[0] if fds else -1


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
        yield Locks(server)


def _hold(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        with suppress(OSError):
            listener = native.hold_locks()
            socket.send_fds(connection, [b"1"], [listener])
            os.close(listener)


def main(arguments: list[str]) -> None:
    """Become the command, with a filter that it cannot take off. Does not return."""
    if arguments[0] == "deny":
        with suppress(OSError):
            native.deny(arguments[1], getattr(errno, arguments[2]))
        command = arguments[3:]
    else:
        _hold(arguments[1])
        command = arguments[2:]
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, exec would pass it on
        signal.signal(number, signal.SIG_DFL)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
