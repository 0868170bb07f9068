"""Talk with a command of the laboratory: by pipes, or by a terminal as a person does."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from student import Run

LIMIT = 60
"""Seconds for anything: reached only when something is broken."""


def _variables(variables: Mapping[str, str]) -> dict[str, str]:
    return {**{k: v for k, v in os.environ.items() if k != "COLUMNS"}, **variables}


def typed(*arguments: str, keys: str | bytes = "", **variables: str) -> Run:
    """Run a command with this on its standard input, to the end."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "daemonlab.cli", *arguments],
        env=_variables(variables),
        input=keys.encode() if isinstance(keys, str) else keys,
        capture_output=True,
        timeout=LIMIT,
    )
    output, errors = done.stdout.decode(), done.stderr.decode()
    return Run(done.returncode, output, errors, time.monotonic() - began)


@dataclass(slots=True)
class Dialogue:
    """A command that runs, and what it has said so far."""

    process: "subprocess.Popen[bytes]"
    ear: int
    mouth: int
    said: str = ""
    _heard: int = 0

    def _read(self, deadline: float) -> bool:
        """Take what it says. Returns whether there may be more."""
        assert select.select([self.ear], [], [], max(0, deadline - time.monotonic()))[0], self.said
        piece = b""
        with suppress(OSError):  # EIO: nobody has the terminal open any more, pty(7)
            piece = os.read(self.ear, 65536)
        self.said += piece.decode(errors="replace").replace("\r\n", "\n")
        return bool(piece)

    def until(self, pattern: str) -> re.Match[str]:
        """Wait until it says this, after all that was heard before. Fails if it never does."""
        deadline = time.monotonic() + LIMIT
        while not (found := re.compile(pattern).search(self.said, self._heard)):
            assert self._read(deadline), f"it never said {pattern!r}:\n{self.said}"
        self._heard = found.end()
        return found

    def type(self, keys: str) -> None:
        """Type something; the line ends where it says so."""
        os.write(self.mouth, keys.encode())

    def close(self) -> None:
        """End its input."""
        os.close(self.mouth)
        self.mouth = -1

    def end(self) -> int:
        """Wait for its end; returns its exit code as a shell has it."""
        deadline = time.monotonic() + LIMIT
        while self._read(deadline):
            pass
        code = self.process.wait(max(1, deadline - time.monotonic()))
        return code if code >= 0 else 128 - code


@contextmanager
def _talking(talk: Dialogue, *descriptors: int) -> Iterator[Dialogue]:
    try:
        yield talk
    finally:
        if talk.process.poll() is None:
            talk.process.send_signal(signal.SIGTERM)  # so that it tidies up
            with suppress(subprocess.TimeoutExpired):
                talk.process.wait(LIMIT)
            talk.process.kill()
        talk.process.wait()
        for descriptor in descriptors:
            with suppress(OSError):
                os.close(descriptor)


def _interruptible() -> None:
    """Whoever runs the tests in the background has SIGINT ignored: sh(1), asynchronous lists."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def dialogue(*arguments: str, **variables: str) -> Iterator[Dialogue]:
    """Start a command with pipes for its standard input and output."""
    ear, output = os.pipe()
    entry, mouth = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "daemonlab.cli", *arguments],
        env=_variables(variables),
        stdin=entry,
        stdout=output,
        stderr=output,
        process_group=0,
        preexec_fn=_interruptible,
    )
    os.close(output)
    os.close(entry)
    talk = Dialogue(process, ear, mouth)
    with _talking(talk, ear):
        try:
            yield talk
        finally:
            if talk.mouth >= 0:
                os.close(talk.mouth)


@contextmanager
def at_terminal(*arguments: str, **variables: str) -> Iterator[Dialogue]:
    """Start a command at a terminal of its own, 80 columns wide, which controls it."""
    master, slave = os.openpty()

    def prepare() -> None:
        _interruptible()
        os.login_tty(os.dup(slave))

    process = subprocess.Popen(
        [sys.executable, "-m", "daemonlab.cli", *arguments],
        env={**_variables(variables), "TERM": "xterm", "COLUMNS": "80", "LINES": "25"},
        preexec_fn=prepare,
    )
    os.close(slave)
    with _talking(Dialogue(process, master, master), master) as talk:
        yield talk
