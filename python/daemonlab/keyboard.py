"""Read keys one by one, and give the terminal back as it was.

The terminal hands over each key as it is typed and does not show it: "cbreak" of termios(3). What
Ctrl-C and Ctrl-Z do stays: the kernel makes signals of them.
"""

import os
import re
import signal
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|O.|.)?")
"""What arrows and function keys send: ECMA-48, 5.4."""
END = "\x04"
"""Ctrl-D, or a terminal that is gone."""


class Keyboard:
    """The keys of one terminal. It is ours from take() to give_back(); both may be repeated."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._before = termios.tcgetattr(fd)

    def take(self) -> None:
        """Get each key as it is typed. In the background this stops us (SIGTTOU), as it should."""
        with suppress(termios.error):  # EIO: it was closed while we were stopped; read() tells that
            mode = termios.tcgetattr(self.fd)
            mode[3] = self._before[3] & ~(termios.ICANON | termios.ECHO)
            mode[6] = [*self._before[6]]
            mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
            termios.tcsetattr(self.fd, termios.TCSADRAIN, mode)

    def give_back(self) -> None:
        """Let the terminal be as it was; but not while somebody else is in its foreground."""
        # Were the foreground lost at this moment, tcsetattr(3) would stop us for ever.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        with suppress(OSError, termios.error):  # a terminal that was closed has no mode to keep
            if os.tcgetpgrp(self.fd) == os.getpgrp():
                termios.tcsetattr(self.fd, termios.TCSADRAIN, self._before)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def read(self) -> str:
        """The keys that were pressed, in lower case; arrows and the like are left out."""
        try:
            pressed = os.read(self.fd, 1024)
        except OSError:  # EIO: the terminal is gone, or we are an orphan in the background
            pressed = b""
        return _ESCAPES.sub("", pressed.decode(errors="ignore")).lower() if pressed else END


@contextmanager
def keyboard(fd: int) -> Iterator[Keyboard | None]:
    """The keys of the terminal at fd, which is given back at the end; None if it is none."""
    if not os.isatty(fd):
        yield None
        return
    keys = Keyboard(fd)
    try:
        keys.take()
        yield keys
    finally:
        keys.give_back()
