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
"""

import configparser
import os
import re
from dataclasses import dataclass
from typing import Any

from labd.failure import EXIT_CONFIGURATION, Failure, failing

_LONGEST_SECONDS = 86400
_MOST_WORKERS = 10000
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
    """Milliseconds."""


def _read_path(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError("an absolute path")
    if len(os.fsencode(value)) >= _PATH_MAX:
        raise ValueError("a path shorter than PATH_MAX")
    return value


def _read_umask(value: str) -> int:
    if not re.fullmatch("[0-7]+", value) or int(value, 8) > 0o777:
        raise ValueError("an octal number from 0 to 777")
    return int(value, 8)


def _read_seconds(value: str) -> int:
    # float() alone would take "inf", "1e3" and "1_0" as well.
    if not re.fullmatch(r"[0-9]+\.?[0-9]*|\.[0-9]+", value) or float(value) > _LONGEST_SECONDS:
        raise ValueError("seconds from 0 to 86400, such as 5 or 0.5")
    return int(float(value) * 1000 + 0.5)


def _read_workers(value: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", value) or not 1 <= int(value) <= _MOST_WORKERS:
        raise ValueError(f"a number from 1 to {_MOST_WORKERS}")
    return int(value)


def _read_level(value: str) -> str:
    if value not in ("debug", "info", "warning", "error"):
        raise ValueError("debug, info, warning or error")
    return value


_READERS: dict[str, Any] = {
    "directory": _read_path,
    "log": _read_path,
    "log_level": _read_level,
    "pidfile": _read_path,
    "umask": _read_umask,
    "warmup": _read_seconds,
    "drain": _read_seconds,
    "spool": _read_path,
    "workers": _read_workers,
    "poll_interval": _read_seconds,
    "job_timeout": _read_seconds,
    "job_grace": _read_seconds,
}


def _read_key(section: str, key: str, value: str) -> Any:
    if section != "labd":
        raise ValueError("a key of the section [labd]")
    if key not in _READERS:
        raise ValueError("one of the keys directory, log, pidfile, umask, warmup, drain")
    return _READERS[key](value)


def _parse(path: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(
        interpolation=None, default_section="", inline_comment_prefixes=(";",), strict=False
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys have a case
    with failing(f"open({path})"), open(path, encoding="utf-8", errors="surrogateescape") as file:
        parser.read_file(file)
    return parser


def config_load(path: str | None) -> Config:
    """Read and check the file at path; None gives the defaults.

    Raises Failure with EXIT_CONFIGURATION. Its text names the file and, where there is one, the
    line or the key and the value, and says what would be right.
    """
    config = Config()
    if path is None:
        return config
    try:
        parser = _parse(path)
    except Failure as failure:
        failure.exit_code = EXIT_CONFIGURATION
        raise
    except configparser.Error as error:
        line = getattr(error, "lineno", None) or error.errors[0][0]  # type: ignore[attr-defined]
        raise Failure(
            f'{path}, line {line}: expected "[labd]", "key = value" or a comment',
            EXIT_CONFIGURATION,
        ) from error
    for section in parser.sections():
        for key, value in parser.items(section):
            try:
                setattr(config, key, _read_key(section, key, value))
            except ValueError as expected:
                raise Failure(
                    f'{path}: "{key} = {value}": expected {expected}', EXIT_CONFIGURATION
                ) from expected
    return config
