"""What jobs write to their standard output and error, kept up to a limit.

Each job writes into a pipe(7) of its own, and we read all of them through one epoll(7) descriptor.
What is within the limit goes to a file in the folder out/ of the spool, under the job's name; what
is above is read all the same, counted, and dropped: a job that floods neither fills the disk nor
has to wait for us.

A job is over when its process has ended, not when its pipe has: whoever it left behind may hold
the other end for ever. Twin of `c/src/capture.c`.
"""

import errno
import os
import select
from contextlib import suppress
from dataclasses import dataclass, field

from labd.failure import Failure, failing, failure

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
    limit: int = 0
    """Bytes of one job's output that are kept."""

    @property
    def epoll(self) -> int:
        """Readable when there is output; -1: none is captured."""
        return -1 if self.poll is None else self.poll.fileno()


def _open_folder(path: str) -> int:
    folder = f"{path}/out"
    if len(os.fsencode(folder)) >= _PATH_MAX:
        raise failure(f"open({folder})", errno.ENAMETOOLONG)
    with failing(f"mkdir({folder})"), suppress(FileExistsError):
        os.mkdir(folder, 0o755)
    with failing(f"open({folder})"):
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def capture_open(path: str, size: int, limit: int) -> Capture:
    """Get ready to capture the output of at most size jobs at a time.

    Makes and opens the folder out/ of the spool at path; does nothing if path is empty. Raises
    Failure, with nothing left open then.
    """
    capture = Capture(size=size, limit=limit)
    if not path:
        return capture
    capture.folder = _open_folder(path)
    try:
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


def _watch_pipe(capture: Capture, end: int) -> None:
    """Only our end does not wait: the flag belongs to the end, and the job shall know nothing."""
    assert capture.poll is not None
    with failing("epoll_ctl()"):
        os.set_blocking(end, False)
        capture.poll.register(end, select.EPOLLIN)


def capture_begin(capture: Capture, name: str) -> int:
    """Make a pipe for the job's output, and an empty file for what is kept of it.

    The file takes the place of an earlier one of its name. Returns the write end of the pipe, which
    is close-on-exec and to be closed by the caller when the job has it. Raises Failure, with
    nothing left open then.
    """
    if len(capture.table) >= capture.size:
        raise failure(f"{capture.size} outputs are captured already", errno.EAGAIN)
    file = _open_file(capture, name)
    ends: tuple[int, ...] = ()
    try:
        with failing("pipe()"):
            ends = os.pipe2(os.O_CLOEXEC)
        _watch_pipe(capture, ends[0])
    except Failure:
        for fd in (file, *ends):
            os.close(fd)
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


def capture_end(capture: Capture, name: str) -> tuple[int, int]:
    """The job is over: read what is in its pipe, close pipe and file.

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
    _close_pipe(capture, stream)
    os.close(stream.file)
    return stream.kept, stream.lost


def capture_close(capture: Capture) -> None:
    """Close everything that is open."""
    for stream in capture.table.values():
        _close_pipe(capture, stream)
        os.close(stream.file)
    capture.table.clear()
    if capture.poll is not None:
        capture.poll.close()
    if capture.folder >= 0:
        os.close(capture.folder)
    capture.poll, capture.folder = None, -1
