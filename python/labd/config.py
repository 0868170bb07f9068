"""Lab 7: the settings of labd, read from one INI file, and again while we run.

Twin of `c/src/config.c`.

All keys stand in the section [labd]. Times are seconds with an optional fraction; paths are
absolute, because a daemon changes its directory.

    key        default   meaning (+: it can change while we run)
    directory  /         where the daemon goes: chdir(2)
    umask      022       octal: umask(2)
    log        (none)    file that gets one JSON object a line
  + log_level  info      write from here on: debug, info, warning, error
    pidfile    (none)    file that holds our number, and our lock
    warmup     0         seconds of work before the daemon is ready
  + drain      0         seconds of work left to do after SIGTERM
    spool      (none)    folder of jobs
    workers    4         jobs that run at a time, 1 to 10000
  + poll_interval 1      seconds between two looks for jobs, besides inotify; 0: none
  + job_timeout 60       seconds that a job may run; 0: for ever
  + job_grace  5         seconds from SIGTERM to SIGKILL
    database   (none)    file that gets the results of the jobs
    output_limit 1048576 bytes of a job's output that are kept
    runner     none      what runs jobs in containers: podman, docker, or a program's path
    image      (none)    the image of these containers
    listen     (none)    127.0.0.1:PORT, [::1]:PORT or unix:/PATH
  + report_interval 60   seconds between two reports; 0: never
  + stop_timeout 10      seconds that the stop may take
  + worker_timeout 5     seconds without a sign of life until a worker is late
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

from labd import syscalls
from labd.clock import now_milliseconds
from labd.failure import failing
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
from labd.way import Place, Way, way_close, way_follow, way_open


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
    runner: str = ""
    """Empty: jobs run without a container."""
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

_LIVE = {
    "log_level",
    "drain",
    "poll_interval",
    "job_timeout",
    "job_grace",
    "report_interval",
    "stop_timeout",
    "worker_timeout",
}
"""Keys that can change while we run."""


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
    wrong = None
    if config.database and not config.spool:
        wrong = "database", config.database, "the key spool beside it"
    elif config.runner and not config.spool:
        wrong = "runner", config.runner, "the key spool beside it"
    elif config.runner and not config.image:
        wrong = "runner", config.runner, "the key image beside it"
    elif config.runner and ":" in config.spool:
        wrong = "spool", config.spool, "no colon, beside a runner"
    if wrong is not None:
        name, value, expected = wrong
        raise inifile_refuse(path, reading.lines[name], os.fsencode(f"{name} = {value}"), expected)


def config_load(path: str | None) -> Config:
    """Read and check the file at path; None gives the defaults.

    The language of the file: inifile_read. Each key at most once. A database needs a spool: there
    are no results without jobs. So does a runner, and an image; and the spool has no colon then,
    which would end its path in --volume.

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


# --- the store ---


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was at one moment: when this differs, so may what it holds."""

    inode: int = 0
    """0: there was no file."""
    changed: int = 0
    """Nanoseconds."""


def _look_at(path: str | None) -> Seen:
    """As far as anything can be seen of the file: one that is not there has no inode."""
    with suppress(OSError):
        if path is not None:
            status = os.stat(path)
            return Seen(status.st_ino, status.st_ctime_ns)
    return Seen()


@dataclass(slots=True)
class Store:
    """The configuration that holds, for every thread to get.

    Nobody sees a part of one and a part of another: it is exchanged as a whole, under the lock.
    """

    config: Config = field(default_factory=Config)
    path: str | None = None
    """None: the defaults."""
    seen: Seen = field(default_factory=Seen)
    """The file just before it was last read, well or badly."""
    generation: int = 1
    """1: the one that we started with."""
    lock: Lock = field(default_factory=Lock)
    """For config and generation."""


def config_open(path: str | None) -> Store:
    """Load the first generation: config_load.

    A daemon makes store.path absolute before it goes elsewhere. Raises Failure.
    """
    seen = _look_at(path)
    return Store(config_load(path), path, seen)


def config_get(store: Store) -> tuple[Config, int]:
    """The configuration that holds now, and its generation."""
    with store.lock:
        return store.config, store.generation


@dataclass(frozen=True, slots=True)
class Change:
    """What a reload has brought."""

    was: int
    """The generation that held before."""
    generation: int
    """The one that holds now."""
    restart: str = ""
    """Keys of the file that need a restart: "umask, spool"."""


def _keep(following: Config, now: Config) -> tuple[Config, str]:
    """Take back what cannot change while we run, and name it."""
    fixed = [name for name in _KEYS if name not in _LIVE]
    names = [name for name in fixed if getattr(following, name) != getattr(now, name)]
    return replace(following, **{name: getattr(now, name) for name in names}), ", ".join(names)


def config_reload(store: Store) -> Change:
    """Read the file again, and let it hold from now on, as a whole.

    It is read and checked aside: one that is wrong, or cannot be read, changes nothing. Keys that
    cannot change while we run keep their value; where the file says another, they are named in
    change.restart, in the order of the table above, each time until we are started anew. Called
    by one thread only. Raises Failure.
    """
    now, was = config_get(store)
    store.seen = _look_at(store.path)  # before it is read: what comes later is news
    following, restart = _keep(config_load(store.path), now)
    with store.lock:
        store.config = following
        store.generation += 1
        return Change(was, store.generation, restart)


# --- the watch ---

_LOOK_INTERVAL = 1000
"""Milliseconds."""


@dataclass(slots=True)
class Watch:
    """A watch on the file of a store."""

    store: Store = field(default_factory=Store)
    way: Way = field(default_factory=Way)
    """way.fd is readable when something has happened."""
    seen: Seen = field(default_factory=Seen)
    """By the last of the looks that next_look makes us take."""
    next_look: int = -1
    """Milliseconds of CLOCK_MONOTONIC; -1: an event will tell."""


def config_watch_open(store: Store) -> Watch:
    """Get ready to watch the file of the store, at store.path, which is absolute.

    next_look is now: the way has not been walked yet, and the file may have changed since it was
    read. Without a path nothing is watched. Raises Failure when there is no inotify to be had.
    """
    if store.path is None:
        return Watch(store)
    return Watch(store, way_open(), next_look=now_milliseconds())


@dataclass(slots=True)
class _News:
    """What some events together say."""

    any: bool = False
    written: bool = False
    """The file was closed by a writer, or renamed into its place."""
    exchanged: bool = False
    """Or a link was, or was made."""


def _take_event(way: Way, folder: int, mask: int, name: str, news: _News) -> None:
    news.any = True
    if mask & syscalls.IN_Q_OVERFLOW:
        news.written = True
    if Place(folder, name) not in way.places:
        return
    if mask & (syscalls.IN_MOVED_TO | syscalls.IN_CREATE):
        news.exchanged = True
    last = way.whole and Place(folder, name) == way.places[-1]
    if last and mask & (syscalls.IN_CLOSE_WRITE | syscalls.IN_MOVED_TO):
        news.written = True


def _take_events(way: Way) -> _News:
    """Take all events that wait. Raises Failure."""
    news = _News()
    with failing("read(inotify)"), suppress(BlockingIOError):
        while records := os.read(way.fd, 4096):
            for folder, mask, name in syscalls.inotify_events(records):
                _take_event(way, folder, mask, name, news)
    return news


def _look(watch: Watch, path: str) -> bool:
    """Look at the file, since no event would tell."""
    way_follow(watch.way, path)
    watch.next_look = -1 if watch.way.whole else now_milliseconds() + _LOOK_INTERVAL
    seen = _look_at(path)
    if seen.inode == 0 or seen == watch.store.seen:
        return False
    at_rest = seen == watch.seen
    watch.seen = seen
    if not at_rest:
        watch.next_look = now_milliseconds() + _LOOK_INTERVAL
    return at_rest


def config_watch_next(watch: Watch) -> bool:
    """Say whether to reload now. Called when way.fd is readable, or next_look has come.

    Takes all events that wait. If there were any, follows the way again. True, if

    - one who had written to the file closed it (IN_CLOSE_WRITE), or another was renamed into its
      place (IN_MOVED_TO). That it was made or modified is no reason: half of it may be to come;
    - events were lost (IN_Q_OVERFLOW);
    - at a place something was made or renamed, and the way is another now: a link was exchanged.

    But never when there is no file now: many editors take it away for a moment. If the way is
    another without that, or not whole, a folder is not what it was: next_look is now. Without
    events, and when next_look has come, follows the way, and looks: True, if there is a file that
    is not the one that was last read (store.seen), and was the same at the last look. If it was
    not, somebody may be at it: looks again in a second. So it does while the way is not whole.
    Raises Failure.
    """
    path = watch.store.path
    if watch.way.fd < 0 or path is None:
        return False
    news = _take_events(watch.way)
    if not news.any:
        return 0 <= watch.next_look <= now_milliseconds() and _look(watch, path)
    another = way_follow(watch.way, path)
    if another and news.exchanged:
        news.written = True  # a link leads elsewhere, from one moment to the next
    elif another or not watch.way.whole:
        watch.next_look = now_milliseconds()  # a folder is another one, maybe half full
    return news.written and _look_at(path).inode != 0


def config_watch_close(watch: Watch) -> None:
    """Watch no more. Does nothing when it is not open."""
    way_close(watch.way)
    watch.next_look = -1
