"""Lab 7: the settings of labd, read from one INI file. Twin of `c/src/config.c`.

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
    database   (none)    file that gets the results of the jobs
    output_limit 1048576 bytes of a job's output that are kept
    runner     exec      what runs a job: exec, podman or docker
    image      (none)    of the container that podman or docker runs
    listen     (none)    127.0.0.1:PORT, [::1]:PORT or unix:/PATH
    report_interval 60   seconds between two reports; 0: never
    stop_timeout 10      seconds that the stop may take
    worker_timeout 5     seconds without a sign of life until a worker is late
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from labd.inifile import Expected, inifile_read, inifile_refuse
from labd.value import (
    value_bytes,
    value_file,
    value_image,
    value_level,
    value_listen,
    value_path,
    value_runner,
    value_seconds,
    value_umask,
    value_workers,
)


@dataclass(frozen=True, slots=True)
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
    """Milliseconds."""
    database: str = ""
    output_limit: int = 1 << 20
    """Bytes."""
    runner: str = "exec"
    image: str = ""
    listen: str = ""
    report_interval: int = 60_000
    """Milliseconds."""
    stop_timeout: int = 10_000
    """Milliseconds."""
    worker_timeout: int = 5000
    """Milliseconds."""


# --- keys ---

_KEYS: dict[str, Callable[[str], str | int]] = {
    "directory": value_path,
    "log": value_file,
    "log_level": value_level,
    "pidfile": value_file,
    "umask": value_umask,
    "warmup": value_seconds,
    "drain": value_seconds,
    "spool": value_path,
    "workers": value_workers,
    "poll_interval": value_seconds,
    "job_timeout": value_seconds,
    "job_grace": value_seconds,
    "database": value_file,
    "output_limit": value_bytes,
    "runner": value_runner,
    "image": value_image,
    "listen": value_listen,
    "report_interval": value_seconds,
    "stop_timeout": value_seconds,
    "worker_timeout": value_seconds,
}


@dataclass(slots=True)
class _Reading:
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    """Where each key was."""


def _take(reading: _Reading, line: int, name: str, value: str) -> None:
    if name not in _KEYS:
        raise Expected(f"one of the keys {', '.join(_KEYS)}")
    if name in reading.lines:
        raise Expected("each key once")
    reading.lines[name] = line
    reading.values[name] = _KEYS[name](value)


# --- what the keys say together ---


def _check(reading: _Reading, config: Config, path: str) -> None:
    if config.runner == "exec" or config.image:
        return
    text = f"runner = {config.runner}".encode()
    raise inifile_refuse(path, reading.lines["runner"], text, "the key image beside it")


def config_load(path: str | None) -> Config:
    """Read and check the file at path; None gives the defaults.

    The language of the file: inifile_read. Each key at most once. A runner that is not exec needs
    an image.

    Raises Failure with EXIT_CONFIGURATION. Its text names the file and, where there is one, the
    line with its key and value, and says what would be right.
    """
    reading = _Reading()
    if path is None:
        return Config()
    inifile_read(path, lambda line, name, value: _take(reading, line, name, value))
    config = Config(**reading.values)
    _check(reading, config, path)
    return config
