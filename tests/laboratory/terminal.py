"""A program on a terminal of its own: type keys, read the screen as the bytes that came."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daemonlab.observe import children

LIMIT = 60
"""Seconds for anything to be shown: reached only when something is broken."""
_DYING = 5
"""Seconds that the end of a process may take that was killed."""
_LOGIN = "import os, sys; os.login_tty(int(sys.argv[1])); os.execvp(sys.argv[2], sys.argv[2:])"
_CODES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class Terminal:
    """The master's side. What was read already is not found again, unless it is asked for."""

    def __init__(self, process: "subprocess.Popen[bytes]", master: int, slave: int) -> None:
        self.process = process
        self.master = master
        self._slave = slave
        self.shown = ""
        self._at = 0

    def _more(self, seconds: float) -> bool:
        """Take what was printed; False when nothing came for so long, or the other end closed."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            piece = os.read(self.master, 1 << 16)
        except OSError:  # EIO: nobody has the other end any more, pty(7)
            return False
        self.shown += piece.decode(errors="replace").replace("\r\n", "\n")
        return True

    def see(self, text: str) -> str:
        """Read until the text is shown after what was seen before; returns all that came."""
        deadline = time.monotonic() + LIMIT
        while (found := self.shown.find(text, self._at)) < 0:
            self._more(0.1)
            assert time.monotonic() < deadline, f"{text!r} is not shown:\n{self.shown}"
        seen, self._at = self.shown[self._at : found + len(text)], found + len(text)
        return seen

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.master, keys.encode())

    def modes(self) -> list[Any]:
        """What stty(1) would show of it."""
        return termios.tcgetattr(self._slave)

    def send(self, number: int) -> None:
        """Send a signal to the program, which is our child and not reaped."""
        self.process.send_signal(number)

    def end(self) -> int:
        """Wait until the program has ended; returns its exit code."""
        deadline = time.monotonic() + LIMIT
        while self.process.poll() is None:
            self._more(0.05)
            assert time.monotonic() < deadline, f"it does not end:\n{self.shown}"
        while self._more(0):
            pass
        return self.process.returncode

    @property
    def words(self) -> str:
        """All that was shown, without the codes that a terminal obeys."""
        return _CODES.sub("", self.shown)


def _reap(before: Collection[int]) -> None:
    """Where init would adopt the orphans of a compiler that was killed, and reap them, it is up to
    us, if we are a subreaper. Who was killed dies soon; who runs on is left to be found."""
    for child in children(os.getpid()):
        if child.pid not in before:
            pidfd = os.pidfd_open(child.pid)
            select.select([pidfd], [], [], _DYING)
            os.close(pidfd)
            os.waitpid(child.pid, os.WNOHANG)


@contextmanager
def on_terminal(
    command: Sequence[str], folder: Path, variables: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """Run a command as the leader of a session with a terminal of 80 columns."""
    before = {child.pid for child in children(os.getpid())}
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    process = subprocess.Popen(
        [sys.executable, "-c", _LOGIN, str(slave), *command],
        cwd=folder,
        env={**os.environ, "TERM": "xterm", **(variables or {})},
        pass_fds=[slave],
    )
    try:
        yield Terminal(process, master, slave)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)
        try:
            process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(slave)
        os.close(master)
        _reap(before)
