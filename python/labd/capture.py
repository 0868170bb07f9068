"""What jobs write to their standard output and error, kept up to a limit.

Each job writes into a FIFO of its own, fifo(7), which lies in the folder pipe/ of the spool while
the job runs; we read all of them through one epoll(7) descriptor. A pipe(7) would do but for one
thing: the FIFO's name is how the next daemon finds whom we left running when we are killed.

What is within the limit goes to a file in the folder out/ of the spool, under the job's name; what
is above is read all the same, counted, and dropped: a job that floods neither fills the disk nor
has to wait for us.

A job is over when its process has ended, not when its pipe has: whoever it left behind may hold
the other end for ever. Twin of `c/src/capture.c`.
"""

import errno
import os
import select
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from labd.failure import Failure, failing, failure
from labd.leftover import leftover_end

_ONCE = 65536
_MOST = 1048576
_EVENTS = 64
_PATH_MAX = 4096


@dataclass(slots=True)
class Stream:
    """The output of one job."""

    pipe: int
    """Read end; -1: everybody has closed the other."""
    file: int
    kept: int = 0
    """Bytes in the file."""
    lost: int = 0
    """Bytes that are not: above the limit, or the disk was full."""


@dataclass(slots=True)
class Capture:
    """The outputs of the jobs that run."""

    table: dict[str, Stream] = field(default_factory=dict)
    """By name of the job."""
    size: int = 0
    """How many there may be at a time."""
    poll: select.epoll | None = None
    folder: int = -1
    """out/"""
    pipes: int = -1
    """pipe/"""
    ended: int = 0
    """Processes that a daemon had left which was killed."""
    limit: int = 0
    """Bytes of one job's output that are kept."""

    @property
    def epoll(self) -> int:
        """Readable when there is output; -1: none is captured."""
        return -1 if self.poll is None else self.poll.fileno()


def _open_folder(path: str, name: str, mode: int) -> int:
    folder = f"{path}/{name}"
    if len(os.fsencode(folder)) >= _PATH_MAX:
        raise failure(f"open({folder})", errno.ENAMETOOLONG)
    with failing(f"mkdir({folder})"), suppress(FileExistsError):
        os.mkdir(folder, mode)
    with failing(f"open({folder})"):
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def capture_open(path: str, size: int, limit: int) -> Capture:
    """Get ready to capture the output of at most size jobs at a time.

    Makes and opens the folders out/ and pipe/ of the spool at path; does nothing if path is empty.
    Ends what a daemon has left that was killed: leftover_end. Raises Failure, with nothing left
    open then.
    """
    capture = Capture(size=size, limit=limit)
    if not path:
        return capture
    try:
        capture.folder = _open_folder(path, "out", 0o755)
        capture.pipes = _open_folder(path, "pipe", 0o700)
        capture.ended = leftover_end(capture.pipes)
        with failing("epoll_create1()"):
            capture.poll = select.epoll()  # close-on-exec: PEP 446
    except Failure:
        capture_close(capture)
        raise
    return capture


def _open_file(capture: Capture, name: str) -> int:
    """A new file, whatever stood in its place: O_EXCL follows no link and opens no FIFO."""
    with suppress(OSError):
        os.unlink(name, dir_fd=capture.folder)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with failing(f"open(out/{name})"):
        return os.open(name, flags, 0o640, dir_fd=capture.folder)


def _close_fifo(capture: Capture, name: str, ends: Sequence[int]) -> None:
    for end in ends:
        os.close(end)
    with suppress(OSError):
        os.unlink(name, dir_fd=capture.pipes)


def _open_fifo(capture: Capture, name: str) -> tuple[int, int]:
    """Our end first, and without waiting for the other: fifo(7). The flag is our end's alone."""
    with suppress(OSError):
        os.unlink(name, dir_fd=capture.pipes)
    with failing(f"mkfifo(pipe/{name})"):
        os.mkfifo(name, 0o600, dir_fd=capture.pipes)
    ends: list[int] = []
    try:
        with failing(f"open(pipe/{name})"):
            for flags in (os.O_RDONLY | os.O_NONBLOCK, os.O_WRONLY):
                ends.append(os.open(name, flags | os.O_CLOEXEC, dir_fd=capture.pipes))
    except Failure:
        _close_fifo(capture, name, ends)
        raise
    return ends[0], ends[1]


def _watch_pipe(capture: Capture, end: int) -> None:
    assert capture.poll is not None
    with failing("epoll_ctl()"):
        capture.poll.register(end, select.EPOLLIN)


def capture_begin(capture: Capture, name: str) -> int:
    """Make a FIFO for the job's output, and an empty file for what is kept of it.

    The file takes the place of an earlier one of its name. Returns the write end of the FIFO, which
    is close-on-exec and to be closed by the caller when the job has it. Raises Failure, with
    nothing left open then.
    """
    if len(capture.table) >= capture.size:
        raise failure(f"{capture.size} outputs are captured already", errno.EAGAIN)
    file = _open_file(capture, name)
    ends: tuple[int, ...] = ()
    try:
        ends = _open_fifo(capture, name)
        _watch_pipe(capture, ends[0])
    except Failure:
        os.close(file)
        if ends:
            _close_fifo(capture, name, ends)
        raise
    capture.table[name] = Stream(ends[0], file)
    return ends[1]


def _keep(stream: Stream, data: bytes, limit: int) -> None:
    wanted = min(limit - stream.kept, len(data))
    done = 0
    with suppress(OSError):  # a full disk: what was not written is lost
        while done < wanted:
            done += os.write(stream.file, data[done:wanted])
    stream.kept += done
    stream.lost += len(data) - done


def _close_pipe(capture: Capture, stream: Stream) -> None:
    if stream.pipe < 0:
        return
    assert capture.poll is not None
    with suppress(OSError):  # to close it does not suffice while somebody shares it: epoll(7)
        capture.poll.unregister(stream.pipe)
    os.close(stream.pipe)
    stream.pipe = -1


def _take(capture: Capture, stream: Stream) -> int:
    """Read once. Returns the number of bytes; 0 when there is nothing more, now or ever."""
    try:
        data = os.read(stream.pipe, _ONCE)
    except OSError:
        return 0
    if data:
        _keep(stream, data, capture.limit)
    else:
        _close_pipe(capture, stream)
    return len(data)


def capture_turn(capture: Capture) -> None:
    """Read what has come: from each pipe once, at most 64 KiB.

    So one job cannot keep us from the others. Never waits.
    """
    if capture.poll is None:
        return
    ready = {fd for fd, _ in capture.poll.poll(0, _EVENTS)}
    for stream in capture.table.values() if ready else ():
        if stream.pipe in ready:
            _take(capture, stream)


def _free(capture: Capture, name: str, stream: Stream) -> None:
    _close_pipe(capture, stream)
    with suppress(OSError):
        os.unlink(name, dir_fd=capture.pipes)
    os.close(stream.file)


def capture_end(capture: Capture, name: str) -> tuple[int, int]:
    """The job is over: read what is in its FIFO, close it and the file, and remove the FIFO.

    Reads at most as much as a pipe can hold, 1 MiB (pipe(7), pipe-max-size): whoever still writes
    must not keep us. Returns the number of bytes that were kept and that were lost, 0 for a name
    that is not captured.
    """
    stream = capture.table.pop(name, None)
    if stream is None:
        return 0, 0
    done = 0
    while stream.pipe >= 0 and done < _MOST and (size := _take(capture, stream)):
        done += size
    _free(capture, name, stream)
    return stream.kept, stream.lost


def capture_close(capture: Capture) -> None:
    """Close everything that is open, and remove its FIFOs."""
    for name, stream in capture.table.items():
        _free(capture, name, stream)
    capture.table.clear()
    if capture.poll is not None:
        capture.poll.close()
    for fd in (capture.folder, capture.pipes):
        if fd >= 0:
            os.close(fd)
    capture.poll, capture.folder, capture.pipes = None, -1, -1
