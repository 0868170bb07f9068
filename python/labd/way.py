"""The folders on the way to a file, watched with inotify(7). Twin of `c/src/way.c`.

Folders are watched, not the file: an editor puts another file in its place. And not only the
folder of the file: the name that we were given may lead over links, and Kubernetes exchanges one
of them and leaves the file alone.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from labd import syscalls
from labd.failure import failing

_PLACES = 16
_PATH_MAX = 4096
_NAME_MAX = 255
_EVENTS = (
    syscalls.IN_CLOSE_WRITE
    | syscalls.IN_MOVED_TO
    | syscalls.IN_CREATE
    | syscalls.IN_MOVE_SELF
    | syscalls.IN_ONLYDIR
    | syscalls.IN_MASK_ADD
)
"""IN_MASK_ADD: a folder that is watched already gets nothing new. Without it the kernel puts 0 in
the place of the old mask, then the new one, and an event that comes in between is lost: once in
some 40,000 renames."""


class Place(NamedTuple):
    """A name that is looked up: that of a link, or, last of all, that of the file."""

    folder: int
    """The watch descriptor of the folder that holds it."""
    name: str


@dataclass(slots=True)
class Way:
    """A way that is watched."""

    fd: int = -1
    """Of inotify, non-blocking and close-on-exec; -1: nothing is watched."""
    places: tuple[Place, ...] = ()
    whole: bool = False
    """The last place is the file's, whether it is there or not."""


def way_open() -> Way:
    """Get an inotify descriptor, with no place yet. Raises Failure."""
    with failing("inotify_init1()"):
        return Way(syscalls.inotify_init())


def _read_link(path: str) -> str:
    """Where the link at path leads; empty when there is none."""
    with suppress(OSError):
        return os.readlink(path)
    return ""


def _replace(path: str, start: int, end: int, link: str) -> str:
    """Put what a link says in the place of its name, path[start:end]. Empty when too long."""
    kept = 0 if link.startswith("/") else start
    whole = path[:kept] + link + path[end:]
    return whole if len(os.fsencode(whole)) < _PATH_MAX else ""


def _add_place(way: Way, path: str, start: int) -> bool:
    """Watch the folder path[:start] for the name that begins there."""
    if len(way.places) == _PLACES or len(os.fsencode(path[start:])) > _NAME_MAX:
        return False
    with suppress(OSError):
        folder = syscalls.inotify_add_watch(way.fd, path[:start], _EVENTS)
        way.places += (Place(folder, path[start:]),)
        return True
    return False


def _walk(way: Way, path: str) -> bool:
    """Whether the whole way is watched. It ends: each link takes a place."""
    start = 1
    while True:
        end = path.find("/", start)
        last = end < 0
        end = len(path) if last else end
        link = _read_link(path[:end])  # up to this name
        if (link or last) and not _add_place(way, path[:end], start):
            return False
        if last and not link:
            return True
        if link and not (path := _replace(path, start, end, link)):
            return False
        start = 1 if link else end + 1


def _watched(way: Way) -> set[int]:
    return {place.folder for place in way.places}


def way_follow(way: Way, path: str) -> bool:
    """Walk the way to path, which is absolute, name by name, and watch its places.

    The folder of each place is watched for IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE and
    IN_MOVE_SELF; folders that are on the way no longer are not. way.whole is False when it ends at
    a folder that is not there, may not be read or cannot be watched, or is longer than the table.
    Returns whether it is another way than before.
    """
    before, watched = way.places, _watched(way)
    way.places = ()
    way.whole = _walk(way, path)
    for folder in watched - _watched(way):
        with suppress(OSError):  # the folder is gone
            syscalls.inotify_rm_watch(way.fd, folder)
    return way.places != before


def way_close(way: Way) -> None:
    """Watch no more. Does nothing when it is not open."""
    if way.fd >= 0:
        os.close(way.fd)
    way.fd = -1
