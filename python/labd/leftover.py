"""What a daemon that was killed has left running, and how it is known.

A process number tells nothing after a crash: it may be a stranger's by now. But each job writes
into a FIFO of its own, fifo(7), which lies in a folder while the job runs. As long as that file is
there, no other can have its inode: whoever has it open as 1 or 2 belongs to that job.

One that has sent its output elsewhere is found only if another of its process group has not. What
holds them all is a control group, cgroups(7). Twin of `c/src/leftover.c`.
"""

import os
import signal
import stat
import time
from contextlib import suppress

from labd.clock import now_milliseconds

_PATIENCE = 5000
_LOOK = 5
"""Milliseconds."""

_Fifos = set[tuple[int, int]]
"""By device and inode: that is a number of its own within its device."""


def _list_fifos(folder: int, unlink: bool) -> _Fifos:
    """The FIFOs that lie in the folder."""
    found = set()
    with suppress(OSError):
        for name in os.listdir(folder):
            with suppress(OSError):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISFIFO(status.st_mode):
                    found.add((status.st_dev, status.st_ino))
                    if unlink:
                        os.unlink(name, dir_fd=folder)
    return found


def _writes_into(fifos: _Fifos, pid: int) -> bool:
    """Whether the process has one of them as its standard output or error. One that has ended has
    no descriptors."""
    for fd in (1, 2):
        with suppress(OSError):
            status = os.stat(f"/proc/{pid}/fd/{fd}")
            if (status.st_dev, status.st_ino) in fifos:
                return True
    return False


def _end(fifos: _Fifos, pid: int) -> None:
    """By a pidfd: the number may be another's when we have looked. While it is stopped it is there,
    and so the number of its group is its group's."""
    with suppress(OSError):
        process = os.pidfd_open(pid)
        try:
            if _writes_into(fifos, pid):
                signal.pidfd_send_signal(process, signal.SIGSTOP)
                group = os.getpgid(pid)
                if group > 1 and group != os.getpgrp():
                    with suppress(OSError):
                        os.killpg(group, signal.SIGKILL)
                signal.pidfd_send_signal(process, signal.SIGKILL)
        finally:
            os.close(process)


def _end_all(fifos: _Fifos) -> int:
    """Returns how many there were."""
    count = 0
    for name in os.listdir("/proc"):
        pid = int(name) if name.isdecimal() else 0
        if pid in (0, os.getpid()) or not _writes_into(fifos, pid):
            continue
        _end(fifos, pid)
        count += 1
    return count


def leftover_end(folder: int) -> int:
    """SIGKILL to all who have one of the FIFOs in the folder open, and to their groups.

    Waits until they have ended, for at most five seconds; then removes the FIFOs. Looks at nobody
    when there is none. Returns how many processes it found.
    """
    until = now_milliseconds() + _PATIENCE
    fifos = _list_fifos(folder, False)
    found = left = _end_all(fifos) if fifos else 0
    while left > 0 and now_milliseconds() < until:
        time.sleep(_LOOK / 1000)
        left = _end_all(fifos)
    _list_fifos(folder, True)
    return found
