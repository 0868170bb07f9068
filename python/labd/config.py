"""The settings of labd, read from one INI file. Twin of `c/src/config.c`.

All keys stand in the section [labd]. Times are seconds with an optional fraction; paths are
absolute, because a daemon changes its directory.

    key        default   meaning
    directory  /         where the daemon goes: chdir(2)
    umask      022       octal: umask(2)
    log        (none)    file that gets one JSON object a line
    log_level  info      write from here on: debug, info, warning, error
    pidfile    (none)    file that holds our number, and our lock
    warmup     0         seconds of work before the daemon is ready
    drain      0         seconds of work left to do after SIGTERM
    spool      (none)    folder of jobs
    workers    4         jobs that run at a time, 1 to 10000
    poll_interval 1      seconds between two looks for jobs; 0: only on SIGHUP
    job_timeout 60       seconds that a job may run; 0: for ever
    job_grace  5         seconds from SIGTERM to SIGKILL

The language of the file: docs/reference/configuration.md.
"""

import configparser
import os
import re
import stat
from dataclasses import dataclass, field
from typing import Any

from labd.failure import EXIT_CONFIGURATION, Failure, failing

_LONGEST_SECONDS = 86400
_MOST_WORKERS = 10000
_LARGEST_FILE = 65536
_PATH_MAX = 4096


@dataclass(slots=True)
class Config:
    """What the file says, in the units of the system calls."""

    directory: str = "/"
    log: str = ""
    log_level: str = "info"
    pidfile: str = ""
    umask: int = 0o022
    warmup: int = 0
    """Milliseconds."""
    drain: int = 0
    """Milliseconds."""
    spool: str = ""
    workers: int = 4
    poll_interval: int = 1000
    """Milliseconds."""
    job_timeout: int = 60_000
    """Milliseconds."""
    job_grace: int = 5000
    report_interval: int = 60000
    stop_timeout: int = 10000
    worker_timeout: int = 5000
    """Milliseconds."""


class _Expected(Exception):
    """Something else than what is there; the text says what."""


# --- values ---


def _read_path(value: str) -> str:
    if not value.startswith("/"):
        raise _Expected("an absolute path")
    if len(os.fsencode(value)) >= _PATH_MAX:
        raise _Expected("a path shorter than 4096 bytes")
    return value


def _read_file(value: str) -> str:
    if value.startswith("/") and value.endswith("/"):
        raise _Expected("the path of a file: no / at its end")
    return _read_path(value)


def _read_umask(value: str) -> int:
    if not re.fullmatch("[0-7]+", value) or int(value, 8) > 0o777:
        raise _Expected("an octal number from 0 to 777")
    return int(value, 8)


def _read_seconds(value: str) -> int:
    # float() alone would take "inf", "1e3" and "1_0" as well.
    if not re.fullmatch(r"[0-9]+\.?[0-9]*|\.[0-9]+", value) or float(value) > _LONGEST_SECONDS:
        raise _Expected("seconds from 0 to 86400, such as 5 or 0.5")
    return int(float(value) * 1000 + 0.5)


def _read_workers(value: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", value) or not 1 <= int(value) <= _MOST_WORKERS:
        raise _Expected(f"a number from 1 to {_MOST_WORKERS}")
    return int(value)


def _read_level(value: str) -> str:
    if value not in ("debug", "info", "warning", "error"):
        raise _Expected("debug, info, warning or error")
    return value


# --- keys ---

_READERS: dict[str, Any] = {
    "directory": _read_path,
    "log": _read_file,
    "log_level": _read_level,
    "pidfile": _read_file,
    "umask": _read_umask,
    "warmup": _read_seconds,
    "drain": _read_seconds,
    "spool": _read_path,
    "workers": _read_workers,
    "poll_interval": _read_seconds,
    "job_timeout": _read_seconds,
    "job_grace": _read_seconds,
}


@dataclass(slots=True)
class _Reading:
    config: Config = field(default_factory=Config)
    section: bool = False
    """[labd] was there."""
    seen: set[str] = field(default_factory=set)
    """So were these keys."""


def _read_key(reading: _Reading, name: str, value: str) -> None:
    if name not in _READERS:
        raise _Expected(f"one of the keys {', '.join(_READERS)}")
    if name in reading.seen:
        raise _Expected("each key once")
    reading.seen.add(name)
    setattr(reading.config, name, _READERS[name](value))


# --- lines ---


def _split(line: str) -> tuple[str, str]:
    """configparser is given one line at a time, so that it cannot join it to another."""
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys have a case
    parser.read_string(f"[labd]\n{line}")
    ((name, value),) = parser.items("labd")
    return name, os.fsdecode(value.encode("ascii", "surrogateescape"))


def _read_section(reading: _Reading, line: str) -> None:
    if not line.startswith("[labd]"):
        raise _Expected("the section [labd]")
    if line.removeprefix("[labd]").strip(" \t"):
        raise _Expected("nothing after [labd]")
    if reading.section:
        raise _Expected("[labd] once")
    reading.section = True


def _has_comment_at_end(line: str) -> bool:
    return re.search("[ \t][;#]", line) is not None


def _is_key(line: str) -> bool:
    return re.match("[A-Za-z0-9_-]+[ \t]*=", line) is not None


def _read_line(reading: _Reading, line: str) -> None:
    if not line.strip(" \t") or line[0] in ";#":
        return
    if line[0] in " \t":
        raise _Expected("no space at the start of a line")
    if line[0] == "[":
        _read_section(reading, line)
        return
    if not _is_key(line):
        raise _Expected('"[labd]", "key = value" or a comment')
    if not reading.section:
        raise _Expected("[labd] before the first key")
    if _has_comment_at_end(line):
        raise _Expected("a comment to have a line of its own")
    _read_key(reading, *_split(line))


# --- the file ---


def _is_clean(line: bytes) -> bool:
    return re.search(rb"[\0-\x08\x0a-\x1f\x7f]", line) is None


def _read_lines(reading: _Reading, text: bytes, path: str) -> None:
    for number, line in enumerate(text.split(b"\n"), 1):
        try:
            if not _is_clean(line):
                raise _Expected(r"no control characters, and lines that end with \n alone")
            # Bytes beyond ASCII stay what they are: some would be a space or a digit to Python.
            _read_line(reading, line.decode("ascii", "surrogateescape"))
        except _Expected as expected:
            file, shown = os.fsdecode(os.fsencode(path)[:200]), os.fsdecode(line[:100])
            raise Failure(
                f'{file}, line {number}: "{shown}": expected {expected}', EXIT_CONFIGURATION
            ) from expected


def _read_whole(path: str, size: int) -> bytes:
    """Read at most size bytes. Not by open(): it refuses a folder with words of its own."""
    text = b""
    with failing(f"open({path})"):
        # O_NONBLOCK: a FIFO would have us wait, at a reload the whole daemon.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            shown = os.fsdecode(os.fsencode(path)[:200])
            raise Failure(f"{shown}: expected a file, not a pipe", EXIT_CONFIGURATION)
        with failing(f"read({path})"):
            while piece := os.read(fd, size - len(text)):
                text += piece
    finally:
        os.close(fd)
    return text


def config_load(path: str | None) -> Config:
    """Read and check the file at path; None gives the defaults.

    Raises Failure with EXIT_CONFIGURATION. Its text names the file and, where there is one, the
    line with its key and value, and says what would be right.
    """
    reading = _Reading()
    if path is None:
        return reading.config
    try:
        # One byte more, to see that it is too large.
        text = _read_whole(path, _LARGEST_FILE + 1)
    except Failure as failure:
        failure.exit_code = EXIT_CONFIGURATION
        raise
    if len(text) > _LARGEST_FILE:
        file = os.fsdecode(os.fsencode(path)[:200])
        raise Failure(f"{file}: expected at most {_LARGEST_FILE} bytes", EXIT_CONFIGURATION)
    _read_lines(reading, text, path)
    return reading.config
