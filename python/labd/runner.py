"""Calls of a program that answers: podman(1), docker(1), or one that does as they do.

Unlike a job, it is waited for. So each call has a limit of time: a daemon of containers that hangs
must not make us hang. Twin of `c/src/runner.c`.
"""

import errno
import os
import select
import signal
from contextlib import suppress

from labd.clock import now_milliseconds
from labd.failure import Failure, failing, failure

_MOST = 1 << 20
"""Bytes."""
_CLOSE_TIME = 1000
"""Milliseconds."""
_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin")
_VARIABLES = {"PATH": ":".join(_FOLDERS)}


def runner_find(name: str) -> str:
    """The path of the program of this name.

    A name with a / is the path. Else it is looked for in the folders that our children get as their
    PATH, /usr/local/bin:/usr/bin:/bin: what PATH was when we were started is somebody else's.
    Raises Failure when there is none that we may execute.
    """
    if "/" in name:
        with failing(f"runner {name}"):
            os.stat(name)
        if not os.access(name, os.X_OK):
            raise failure(f"runner {name}", errno.EACCES)
        return name
    for folder in _FOLDERS:
        if os.access(f"{folder}/{name}", os.X_OK):
            return f"{folder}/{name}"
    raise failure(f"runner {name}, in /usr/local/bin, /usr/bin and /bin", errno.ENOENT)


def _spawn(arguments: list[str], output: int) -> int:
    with failing(f"posix_spawn({arguments[0]})"):
        return os.posix_spawn(
            arguments[0],
            arguments,
            _VARIABLES,
            file_actions=(
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
            ),
            setpgroup=0,
            setsigdef=signal.valid_signals(),
            setsigmask=(),
        )


def _take(pipe: int, said: bytearray) -> bool:
    """All that is there, without waiting. Returns whether more may come."""
    with suppress(BlockingIOError):
        while data := os.read(pipe, 4096):
            said += data[: _MOST - len(said)]
        return False
    return True


def _hear(process: int, pipe: int, until: int) -> bytes | None:
    """Read until the process has ended; one whom it left behind may hold the pipe for ever. Returns
    None when the time is up."""
    said = bytearray()
    poll = select.poll()
    poll.register(process, select.POLLIN)
    poll.register(pipe, select.POLLIN)
    ready: set[int] = set()
    while process not in ready:
        left = until - now_milliseconds()
        if left <= 0:
            return None
        ready = {fd for fd, _ in poll.poll(left)}
        if pipe in ready and not _take(pipe, said):
            poll.unregister(pipe)
    _take(pipe, said)
    return bytes(said)


def _end(pid: int, process: int) -> None:
    """As its parent: its number is its own until its status is taken."""
    with suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    poll = select.poll()
    if process >= 0:
        poll.register(process, select.POLLIN)
    poll.poll(_CLOSE_TIME)


def _take_status(pid: int) -> int:
    """Its exit code; -1 when it still has not ended: then children_reap will find it."""
    with suppress(ChildProcessError):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
    return -1


def _wait_for(pid: int, arguments: list[str], pipe: int, limit: int) -> tuple[int, bytes]:
    process = -1
    said = None
    try:
        with failing(f"pidfd_open({arguments[0]})"):
            process = os.pidfd_open(pid)
        said = _hear(process, pipe, now_milliseconds() + limit)
    finally:
        if said is None:
            _end(pid, process)
        if process >= 0:
            os.close(process)
        code = _take_status(pid)
    if said is None:
        text = f"{arguments[0]} {arguments[1]}: it did not end in time"
        raise Failure(text, error=errno.ETIMEDOUT)
    if code < 0:
        raise failure(f"waitpid({arguments[0]})", errno.ECHILD)
    return code, said


def runner_call(arguments: list[str], limit: int) -> tuple[int, str]:
    """Run the program at arguments[0], and wait for its end, for at most so many milliseconds.

    With posix_spawn(3), as children_spawn does; with /dev/null as 0, and one pipe as 1 and 2.
    Returns its exit code, 128 and the number of the signal that ended it, and what it wrote, at
    most 1 MiB. Raises Failure; when the time was up, with ETIMEDOUT, after its group got SIGKILL.

    Only in the thread that reaps children, which would take its status away; the SIGCHLD of its end
    still comes.
    """
    with failing("pipe2()"):
        ours, output = os.pipe()  # close-on-exec: PEP 446
    try:
        os.set_blocking(ours, False)  # our end alone
        try:
            pid = _spawn(arguments, output)
        finally:
            os.close(output)
        code, said = _wait_for(pid, arguments, ours, limit)
    finally:
        os.close(ours)
    return code, os.fsdecode(said)
