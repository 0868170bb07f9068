"""Both daemons with one command line: what they answer, which must be the same."""

import os
import subprocess
from pathlib import Path
from typing import IO, NamedTuple

from daemonlab import subjects

_TIME = 60
"""Seconds after which a daemon that should only answer has failed."""


class Answer(NamedTuple):
    """What one run said, and its exit code."""

    code: int
    output: bytes
    errors: bytes


def _run(
    program: tuple[str, ...], words: tuple[str | bytes, ...], stdout: int | IO[bytes]
) -> Answer:
    run = subprocess.run(
        [*program, *words],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=_TIME,
    )
    return Answer(run.returncode, run.stdout or b"", run.stderr)


def answer(*words: str | bytes | Path, stdout: int | IO[bytes] = subprocess.PIPE) -> Answer:
    """Run both with these words; the answer that they share. They must not become daemons."""
    given = tuple(os.fspath(word) for word in words)
    c, python = (_run(subject.program, given, stdout) for subject in subjects.reference())
    assert c == python
    return c
