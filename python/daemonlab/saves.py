"""Hear of files that are saved, by inotify(7).

What is watched is the folder, not the file: an editor that writes a new file and renames it over
the old one leaves a watch on a file that nobody has any more. Two events say "saved": a file that
was open for writing is closed, and a file gets the name. In between (an editor truncates, writes,
puts a swap file beside) nothing is whole, and nothing is told.
"""

import errno
import os
import struct
from collections.abc import Collection
from pathlib import Path
from types import TracebackType

from daemonlab import native
from daemonlab.refusal import refused

_EVENT = struct.Struct("iIII")
"""struct inotify_event: wd, mask, cookie, len; then len bytes of name, filled up with zeros."""
_ROOM = 64 << 10
_REMEDIES = {
    errno.EMFILE: "end other programs that watch files, or raise fs.inotify.max_user_instances",
    errno.ENOSPC: "end other programs that watch files, or raise fs.inotify.max_user_watches",
}


class WatchError(Exception):
    """The kernel does not watch for us; the text says why, and the remedy."""


def _places(file: Path) -> set[Path]:
    """Where a save of the file may happen."""
    return {file, file.resolve()} if file.is_file() else {file}


class Saves:
    """The saves of some files, which need not exist yet; their folders must. A file that is a link
    is saved where it leads to."""

    def __init__(self, files: Collection[Path]) -> None:
        """Raises WatchError."""
        self._files = {place: file for file in files for place in _places(file)}
        """By the path at which a save is heard of."""
        self._folders: dict[int, Path] = {}
        inotify = -1
        try:
            self._inotify = inotify = native.inotify_open()
            for folder in sorted({place.parent for place in self._files}):
                self._folders[native.inotify_watch(inotify, folder)] = folder
        except OSError as error:
            if inotify >= 0:
                os.close(inotify)
            remedy = _REMEDIES.get(error.errno or 0, "")
            raise WatchError(refused("labs/ cannot be watched", error, remedy)) from error

    def __enter__(self) -> "Saves":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._inotify)

    def fileno(self) -> int:
        """Readable when something was saved."""
        return self._inotify

    def read(self) -> list[Path]:
        """Those of the files that were saved since the last call, in order; all of them when the
        kernel lost count. Does not wait."""
        saved: list[Path] = []
        while events := self._events():
            at = 0
            while at < len(events):
                watch, mask, _, length = _EVENT.unpack_from(events, at)
                name = events[at + _EVENT.size :][:length].rstrip(b"\0")
                at += _EVENT.size + length
                if mask & native.OVERFLOW:
                    saved += sorted(self._files)
                elif watch in self._folders:
                    saved.append(self._folders[watch] / os.fsdecode(name))
        return [self._files[place] for place in saved if place in self._files]

    def _events(self) -> bytes:
        try:
            return os.read(self._inotify, _ROOM)
        except BlockingIOError:
            return b""
