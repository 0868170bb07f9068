"""The launch that failed last: what it printed and logged is kept, whole, for the student to read.

A launch leaves no file, so copies go to build/last/lab-N-SUBJECT. The next run replaces them.
"""

import shutil
from contextlib import suppress
from pathlib import Path

from daemonlab.house import BUILD
from daemonlab.judge import Outcome, Result
from daemonlab.record import Record

LAST = BUILD / "last"
MOST = 1 << 20
"""Bytes of one file that are kept; a daemon that floods its log must not fill a disk."""


def _cut(content: bytes) -> bytes:
    if len(content) <= MOST:
        return content
    return content[:MOST] + f"\n... {len(content) - MOST} more bytes were not kept\n".encode()


def _files(record: Record) -> dict[str, bytes]:
    settings = record.settings or {}
    lines = ["[labd]", *(f"{key} = {value}" for key, value in settings.items()), ""]
    files = {
        "output": record.output,
        "log": record.log,
        "labd.ini": "\n".join(lines).encode(errors="surrogateescape"),
        "command": " ".join((*record.command, "")).encode(errors="surrogateescape"),
    }
    if record.daemon is not None and isinstance(record.daemon.raw_status, bytes):
        files["status"] = record.daemon.raw_status
    return files


def place(result: Result) -> Path:
    """Where the launch of a subject in a lab is kept."""
    return LAST / f"lab-{result.lab.number}-{result.subject.name}"


def keep(result: Result, outcome: Outcome) -> None:
    """Keep the launch in which a check failed. What cannot be written is left out: the results
    matter more."""
    forget(result)
    record = result.records.get(outcome.scenario)
    if record is not None:
        with suppress(OSError):
            place(result).mkdir(parents=True)
            for name, content in _files(record).items():
                (place(result) / name).write_bytes(_cut(content))


def kept(result: Result) -> Path | None:
    """Where the launch was kept in which a check failed; None if none was."""
    return place(result) if place(result).is_dir() else None


def forget(result: Result) -> None:
    """Remove what was kept of an earlier run: it is not true any more."""
    shutil.rmtree(place(result), ignore_errors=True)
