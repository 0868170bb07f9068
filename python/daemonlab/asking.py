"""Ask a daemon over HTTP, as little as needed to see what it says, and how soon."""

import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from daemonlab.patience import patiently

ASK_TIME = 3.0
"""Seconds that an answer may take, on a busy machine."""
_REST = 1.0
"""Seconds for the rest of an answer that began late."""
_MOST = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request."""

    status: int
    """0: no answer came."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By name in small letters."""
    body: bytes = b""
    seconds: float = 0.0
    """From before the connection to the end of the answer, or to the time when we gave up."""
    refused: str = ""
    """Why there was no connection, with the address; empty if there was one."""


def _parsed(raw: bytes, seconds: float) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdecimal():
        return Answer(0, body=raw[:100], seconds=seconds)
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return Answer(int(words[1]), headers, body, seconds)


def _wait_for_room(connection: socket.socket, seconds: float) -> None:
    """Let connect(2) wait while the backlog is full, for so long. One that does not block, as
    settimeout() makes it, is refused at once with EAGAIN: unix(7)."""
    limit = struct.pack("@ll", int(seconds), int(seconds % 1 * 1_000_000))
    connection.setblocking(True)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


@contextmanager
def connected(address: str, seconds: float = ASK_TIME) -> Iterator[socket.socket]:
    """A connection to "unix:PATH", "127.0.0.1:PORT" or "[::1]:PORT". Raises OSError."""
    with (
        socket.socket(socket.AF_UNIX)
        if address.startswith("unix:")
        else socket.socket(socket.AF_INET6 if address.startswith("[") else socket.AF_INET)
    ) as connection:
        connection.settimeout(seconds)
        if address.startswith("unix:"):
            folder, name = os.path.split(address.removeprefix("unix:"))
            place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:  # an address has at most 108 bytes, unix(7): the folder's path may have more
                _wait_for_room(connection, seconds)
                connection.connect(f"/proc/self/fd/{place}/{name}")
            finally:
                os.close(place)
            connection.settimeout(seconds)
        else:
            host, _, port = address.rpartition(":")
            connection.connect((host.strip("[]"), int(port)))
        yield connection


Works = Callable[[], bool]
"""Whether who is asked is at work: patience.patiently()."""


def _idle() -> bool:
    return False


def send(address: str, request: bytes, seconds: float = ASK_TIME, works: Works = _idle) -> Answer:
    """Send these bytes and read until the other closes, for so many seconds; and on, while it is
    at work: on a busy machine it may hardly have had a processor by then."""
    began = time.monotonic()
    try:
        with connected(address, seconds) as connection:
            raw = _talk(connection, request, began + seconds, works)
    except OSError as error:
        refused = f"{address}: {error.strerror or error}"
        return Answer(0, seconds=time.monotonic() - began, refused=refused)
    return _parsed(raw, time.monotonic() - began)


def _readable(connection: socket.socket, seconds: float) -> bool:
    readable = select.poll()
    readable.register(connection, select.POLLIN)
    return bool(readable.poll(seconds * 1000))


def _talk(connection: socket.socket, request: bytes, until: float, works: Works) -> bytes:
    """What it said until it closed, or until the time is up."""
    raw = b""
    with suppress(OSError):  # it may have closed: what it said before counts
        connection.sendall(request)
    with suppress(OSError):
        left = max(0, until - time.monotonic())
        if not patiently(partial(_readable, connection), works, left):
            return b""
        until = max(until, time.monotonic() + _REST)
        while len(raw) < _MOST and time.monotonic() < until:
            if not (part := connection.recv(65536)):
                break
            raw += part
    return raw


def ask(
    address: str,
    path: str,
    method: str = "GET",
    seconds: float = ASK_TIME,
    works: Works = _idle,
) -> Answer:
    """One request without a body, as send()."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", "", ""]
    return send(address, "\r\n".join(lines).encode(), seconds, works)
