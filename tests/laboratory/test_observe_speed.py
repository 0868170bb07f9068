"""Observing costs no more than psutil does for the same fields."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import psutil
import pytest
from daemonlab.observe import snapshot

ROUNDS = 300

# What we read: (our parts, the names of the same fields in psutil).
SAME_FIELDS = {
    "ids and state": (
        ["status"],
        ["name", "ppid", "status", "uids", "gids", "num_threads", "create_time", "memory_info"],
    ),
    "strings and links": (
        ["command", "cwd", "exe", "environ"],
        ["cmdline", "cwd", "exe", "environ", "create_time"],
    ),
    "open files": (["descriptors"], ["open_files", "create_time"]),
    "sockets": (["sockets"], ["net_connections", "create_time"]),
}

SUBJECT = """
import os, signal, socket, sys
ready, kind = int(sys.argv[1]), sys.argv[2]
listening = socket.create_server(("127.0.0.1", 0)) if kind == "socket" else None
for _ in range(20):
    os.dup(0)
os.close(ready)
signal.pause()
"""


@pytest.fixture(params=["files", "socket"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    """A process with 23 open files, and perhaps a socket, but nothing else.

    Only so are the fields the same: psutil tells of no other descriptors than regular files.
    """
    reading, writing = os.pipe()
    command = [sys.executable, "-I", "-S", "-c", SUBJECT, str(writing), request.param]
    with (
        open(tmp_path / "file", "w+") as file,
        subprocess.Popen(
            command, stdin=file, stdout=file, stderr=file, pass_fds=[writing]
        ) as child,
    ):
        os.close(writing)
        assert os.read(reading, 1) == b""  # the end of the pipe: the subject has closed it
        os.close(reading)
        assert child.poll() is None
        yield child.pid
        child.kill()


def medians(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """Measure two calls in turn, so that the machine's moods strike both; microseconds."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for call, found in zip((first, second), times, strict=True):
            start = perf_counter()
            call()
            found.append((perf_counter() - start) * 1e6)
    return median(times[0]), median(times[1])


def by_psutil(pid: int, attributes: list[str]) -> object:
    return psutil.Process(pid).as_dict(attributes)


def test_no_slower_than_psutil(subject: int, capsys: pytest.CaptureFixture[str]) -> None:
    """For the same fields of the same process, from its number on, we need no more time."""
    slower = []
    for name, (parts, attributes) in SAME_FIELDS.items():
        ours, theirs = medians(
            partial(snapshot, subject, parts), partial(by_psutil, subject, attributes)
        )
        with capsys.disabled():
            print(f"\n{name:18} ours {ours:8.0f} us   psutil {theirs:8.0f} us", end="")
        if ours > theirs:
            slower.append(name)
    whole, files = medians(lambda: snapshot(subject), lambda: snapshot(subject, ["status"]))
    with capsys.disabled():
        print(f"\n{'all parts':18} ours {whole:8.0f} us   (status only: {files:.0f} us)")
    assert not slower
