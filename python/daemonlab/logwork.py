"""Do to the log of a daemon what happens to logs: rotation, another level, a path that is gone."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from signal import SIGHUP, SIGUSR1, Signals

LOG = "log"
"""The log's name in the folder of a launch."""
ROTATED = "log.1"
UNHEARD = 2
"""How many lines the daemon is made to write while its log is gone."""
_MOST = 1 << 20

Send = Callable[[Signals], None]
"""Sends a signal to the daemon and waits until it has been dealt with."""


def read(path: Path) -> bytes:
    """What a file holds; nothing if it cannot be read, or is no file."""
    with suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            return file.read(_MOST) or b""  # None: a pipe with nobody's words in it
    return b""


def events(log: bytes) -> list[dict[str, object]]:
    """The events of a log; a line that is not an object is passed over."""
    found = []
    for line in log.splitlines():
        with suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict):
                found.append(event)
    return found


def _at_level(scratch: Path, send: Send, level: str) -> bytes:
    """What is written while the level is this one: the daemon is told by SIGHUP, twice."""
    configuration = scratch / "labd.ini"
    lines = configuration.read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if not line.startswith("log_level")]
    configuration.write_text("\n".join([*lines, f"log_level = {level}", ""]), encoding="utf-8")
    send(SIGHUP)
    before = len(read(scratch / LOG))
    send(SIGHUP)
    return read(scratch / LOG)[before:]


def level(scratch: Path, send: Send) -> dict[str, bytes]:
    """Set the level to error and to debug; at each, have the daemon log a reload: an info."""
    return {name: _at_level(scratch, send, name) for name in ("error", "debug")}


def rotate(scratch: Path, send: Send) -> dict[str, bytes]:
    """Rename the log, as logrotate(8) does; let the daemon write before and after it is told."""
    with suppress(OSError):
        (scratch / LOG).rename(scratch / ROTATED)
    send(SIGHUP)
    send(SIGUSR1)
    send(SIGHUP)
    return {"old": read(scratch / ROTATED), "new": read(scratch / LOG)}


def vanish(scratch: Path, send: Send) -> dict[str, bytes]:
    """Remove the log, put a folder in its place, have lines written, take the folder away."""
    with suppress(OSError):
        (scratch / LOG).unlink()
        (scratch / LOG).mkdir()
    for _ in range(UNHEARD):
        send(SIGHUP)
    with suppress(OSError):
        (scratch / LOG).rmdir()
    send(SIGHUP)
    return {"new": read(scratch / LOG)}


ACTIONS: Mapping[str, Callable[[Path, Send], dict[str, bytes]]] = {
    "level": level,
    "rotate": rotate,
    "vanish": vanish,
}
