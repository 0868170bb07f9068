"""Signals as input: the numbers of those that came can be read from a pipe.

The "self-pipe" of signalfd's older days. Python's own handlers run between any two instructions;
an exception raised by one could come between the start of a child and the line that remembers it.
(A signal that is blocked for signalfd(2) would be blocked in the children, too.)
"""

import os
import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager


def _nothing(number: int, frame: object) -> None:
    """The number is in the pipe: that is all. Children get the default back by execve(2)."""


class Wakeup:
    """The end of the pipe that is read."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        """Readable when a signal came."""
        return self._fd

    def read(self) -> list[int]:
        """The numbers of the signals that came since the last call."""
        try:
            return list(os.read(self._fd, 4096))
        except BlockingIOError:
            return []


@contextmanager
def wakeup(numbers: Collection[int]) -> Iterator[Wakeup]:
    """Turn these signals into input until the block is left. Those ignored stay so: nohup(1)."""
    ours, handlers = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    wanted = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    old = signal.set_wakeup_fd(handlers, warn_on_full_buffer=False)
    before = {number: signal.signal(number, _nothing) for number in wanted}
    try:
        yield Wakeup(ours)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(old)
        os.close(ours)
        os.close(handlers)


def stop_here(number: int = signal.SIGTSTP) -> None:
    """Stop, as Ctrl-Z would have stopped us without wakeup(); returns when somebody goes on."""
    ours = signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.signal(number, ours)
