"""Do to the log of a daemon what happens to logs: rotation, another level, a path that is gone."""

import json
import os
import resource
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGHUP, SIGUSR1, Signals

LOG = "log"
"""The log's name in the folder of a launch."""
ROTATED = "log.1"
UNHEARD = 2
"""How many lines the daemon is made to write while its log is gone."""
_MOST = 1 << 20

PART = 20
"""How many bytes of a line find room in a log that is full."""


@dataclass(frozen=True, slots=True)
class Writer:
    """A daemon that writes a log."""

    pid: int
    scratch: Path
    send: Callable[[Signals], None]
    """Sends it a signal and waits until that has been dealt with."""
    rest: Callable[[], None]
    """Waits until it is at rest: what has woken it before has been dealt with."""

    @property
    def log(self) -> Path:
        """Where its log is, or was."""
        return self.scratch / LOG


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


def _at_level(writer: Writer, level: str) -> bytes:
    """What is written while the level is this one: the daemon is told by SIGHUP, twice."""
    configuration = writer.scratch / "labd.ini"
    lines = configuration.read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if not line.startswith("log_level")]
    configuration.write_text("\n".join([*lines, f"log_level = {level}", ""]), encoding="utf-8")
    writer.send(SIGHUP)
    before = len(read(writer.log))
    writer.send(SIGHUP)
    return read(writer.log)[before:]


def level(writer: Writer) -> dict[str, bytes]:
    """Set the level to error and to debug; at each, have the daemon log a reload: an info."""
    start = {"start": read(writer.log)}
    return start | {name: _at_level(writer, name) for name in ("error", "debug")}


def rotate(writer: Writer) -> dict[str, bytes]:
    """Rename the log, as logrotate(8) does; let the daemon write before and after it is told."""
    rotated = writer.scratch / ROTATED
    with suppress(OSError):
        writer.log.rename(rotated)
    writer.send(SIGHUP)
    writer.send(SIGUSR1)
    writer.send(SIGHUP)
    return {"old": read(rotated), "rotated": read(writer.log)}


def vanish(writer: Writer) -> dict[str, bytes]:
    """Remove the log, put a folder in its place, have lines written, take the folder away; have
    two more written."""
    with suppress(OSError):
        writer.log.unlink()
        writer.log.mkdir()
    for _ in range(UNHEARD):
        writer.send(SIGHUP)
    with suppress(OSError):
        writer.log.rmdir()
    for _ in range(2):
        writer.send(SIGHUP)
    return {"vanished": read(writer.log)}


def fill(writer: Writer) -> dict[str, bytes]:
    """Let the log take only a part of a line more, as on a disk that is full, setrlimit(2); have
    lines written, make room, and have two more written."""
    size = len(read(writer.log))
    _, most = resource.prlimit(writer.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(writer.pid, resource.RLIMIT_FSIZE, (size + PART, most))
    for _ in range(UNHEARD):
        writer.send(SIGHUP)
    torn = read(writer.log)[size:]
    resource.prlimit(writer.pid, resource.RLIMIT_FSIZE, (most, most))
    for _ in range(2):
        writer.send(SIGHUP)
    return {"torn": torn, "filled": read(writer.log)[size:]}


ACTIONS: Mapping[str, Callable[[Writer], dict[str, bytes]]] = {
    "level": level,
    "rotate": rotate,
    "vanish": vanish,
    "fill": fill,
}
