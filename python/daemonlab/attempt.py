"""One run of a lab, as a command of its own, while its caller listens to other things too.

A child is simpler to end than a call: asked to (SIGTERM), the command line tidies up and is gone,
with all that it had started. Its output is kept until the run is over, so that what a broken-off
run had to say never mixes with the next.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

_PATIENCE = 45.0
"""Seconds that a run is given to tidy up; more than the laboratory takes for it, see parallel."""


class Attempt:
    """A command of the laboratory that runs, in a process group of its own: Ctrl-C and Ctrl-Z are
    meant for its caller, who knows what to do, and does not lose time that subjects are given."""

    def __init__(self, arguments: Sequence[str], variables: Mapping[str, str]) -> None:
        # -P: the folder we stand in may be a student's, with a signals.py or a log.py.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "daemonlab.cli", *arguments],
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        assert self._process.stdout is not None
        self._pipe = self._process.stdout.fileno()
        os.set_blocking(self._pipe, False)
        self._pidfd = os.pidfd_open(self._process.pid)
        self._began = time.monotonic()
        self._asked: float | None = None
        self._all_said = False
        self.output = b""

    @property
    def broken_off(self) -> bool:
        """It was asked to end before it was done."""
        return self._asked is not None

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.monotonic() - self._began

    def filenos(self) -> list[int]:
        """Readable when there is output, or when it has ended: then call ended()."""
        return [self._pidfd] if self._all_said else [self._pidfd, self._pipe]

    def ended(self) -> int | None:
        """Take the output that came; the exit code, -N if signal N killed it, None if it runs on.

        Descriptors are closed once it has ended: this is the last call then.
        """
        self._receive()
        code = self._process.poll()
        if code is None:
            if self._asked is not None and time.monotonic() > self._asked + _PATIENCE:
                self._process.kill()
            return None
        self._receive()  # what came before its end, and after our first look
        self._close()
        return code

    def _receive(self) -> None:
        try:
            while piece := os.read(self._pipe, 1 << 16):
                self.output += piece
            self._all_said = True
        except BlockingIOError:
            pass

    def _close(self) -> None:
        assert self._process.stdout is not None
        self._process.stdout.close()
        os.close(self._pidfd)

    def break_off(self) -> None:
        """Ask it to end; it takes a moment to tidy up. Once is enough."""
        if self._asked is None:
            self._asked = time.monotonic()
            self._process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """Break it off, and wait until nothing of it is left."""
        self.break_off()
        while self.ended() is None:
            select.select(self.filenos(), [], [], 1.0)
