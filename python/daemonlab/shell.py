"""The stand-in for a login shell: it leads the session, owns the terminal, starts one subject.

Runs in a process of its own, forked by the keeper; so does the starter, forked by it. The stand-in
can be lost (a subject may kill its parent) without losing hold of anybody: what must be known of
the starter, the starter has told before it runs the subject.
"""

import errno
import fcntl
import json
import os
import resource
import signal
import tempfile
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from daemonlab.environment import Environment
from daemonlab.native import close_all_but, default_libc_signals
from daemonlab.observe import identity
from daemonlab.refusal import refused

CANNOT_RUN = 127
"""Exit status of a starter whose program could not be executed, as a shell's: see errno in news."""
_LARGEST_FILE = 16 << 20
"""Bytes: what writes more gets SIGXFSZ, setrlimit(2). No disk is filled by a log without end."""
_ABOVE_ALL = 1000
"""Where the pipe that tells of a failed execve(2) is kept, above the descriptors we leak."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The descriptors that the keeper hands to the stand-in."""

    terminal: int
    """Slave side of the pseudo-terminal, or -1."""
    output: int
    """Write end of a pipe for 1 and 2 when there is no terminal, or -1."""
    news: int
    """Write end of a pipe: one JSON object a line, to the keeper."""
    logout: int
    """Read end of a pipe: end of file sends the stand-in home."""


def _tell(fd: int, **news: object) -> None:
    os.write(fd, json.dumps(news).encode() + b"\n")


def default_signals() -> None:
    """Undo what Python did to its own dispositions, so that no child inherits it."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    default_libc_signals()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _enter_directory(environment: Environment, scratch: str) -> None:
    os.chdir(scratch)
    if environment.directory_deleted:
        gone = tempfile.mkdtemp(dir=scratch)
        os.chdir(gone)
        os.rmdir(gone)


def _take_streams(environment: Environment, stage: Stage) -> None:
    streams = [stage.terminal] * 3
    if stage.terminal < 0:
        streams = [os.open(os.devnull, os.O_RDONLY), stage.output, stage.output]
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
    for number in environment.closed:
        os.close(number)


def _leak_descriptors(environment: Environment, scratch: str) -> None:
    for number in environment.descriptors:
        fd = os.open(os.path.join(scratch, "leaked"), os.O_RDWR | os.O_CREAT, 0o600)
        if fd == number:
            os.set_inheritable(fd, True)
        else:
            os.dup2(fd, number, inheritable=True)
            os.close(fd)


def _limit_files() -> None:
    """Bound what it can leave on the disk. Not RLIMIT_AS: a program that was built with
    AddressSanitizer reserves terabytes of addresses, and uses next to none of them."""
    for limit, most in ((resource.RLIMIT_FSIZE, _LARGEST_FILE), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(limit)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (most, most))


def _inherit_signals(environment: Environment) -> None:
    default_signals()
    for number in environment.ignored:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, environment.blocked)


def _come_to_the_front(stage: Stage) -> None:
    """Lead a process group of one's own, in the foreground of the terminal.

    The starter does this itself, before it runs anything: were it left to the stand-in, a quick
    program would now and then read from its terminal too early, and be stopped by SIGTTIN.
    """
    os.setpgid(0, 0)
    if stage.terminal >= 0:
        # From the background that is for those who block SIGTTOU: tcsetpgrp(3).
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        os.tcsetpgrp(stage.terminal, os.getpgrp())


def _become_starter(
    command: Sequence[str],
    variables: Mapping[str, str],
    environment: Environment,
    scratch: str,
    stage: Stage,
    failure: int,
    began: float,
) -> NoReturn:
    error = failure
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        _come_to_the_front(stage)
        _tell(stage.news, news="started", pid=os.getpid(), time=began)
        # Room for what is to be open, though whoever started the laboratory had a low limit.
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        error = fcntl.fcntl(failure, fcntl.F_DUPFD_CLOEXEC, _ABOVE_ALL)
        _enter_directory(environment, scratch)
        _take_streams(environment, stage)
        close_all_but({0, 1, 2, error} - environment.closed)
        _leak_descriptors(environment, scratch)
        if environment.descriptor_limit is not None:
            soft = min(environment.descriptor_limit, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if environment.groups is not None and os.geteuid() == 0:
            os.setgroups(environment.groups)
        _limit_files()
        os.umask(environment.umask)
        _inherit_signals(environment)
        os.execvpe(command[0], list(command), {**environment.variables, **variables})
    except (OSError, ValueError) as problem:
        os.write(error, str(getattr(problem, "errno", None) or errno.EINVAL).encode())
    finally:
        os._exit(CANNOT_RUN)


def start_of(child: int) -> int:
    """When our child was started, be it dead, as long as it was not reaped: see observe.Process.
    0 where /proc hides it from us."""
    try:
        return identity(child).start
    except OSError:
        return 0


def _status(child: int) -> int:
    """Wait for a child's end, and tell it as wait(2) would; but leave the child to the keeper.

    Not reaped, it keeps its number, and nobody else is hit by what is meant for it. And were we
    killed now, the keeper would learn the status that we could not tell.
    """
    ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    if ended.si_code == os.CLD_EXITED:
        return ended.si_status << 8
    return ended.si_status | (0x80 if ended.si_code == os.CLD_DUMPED else 0)


def run_shell(
    command: Sequence[str],
    variables: Mapping[str, str],
    environment: Environment,
    scratch: str,
    stage: Stage,
) -> NoReturn:
    """Start the command, tell when and how it ended, stay until the logout. Never returns."""
    default_signals()
    # The keeper's ends must be its alone: a second master would keep the terminal from hanging up.
    close_all_but({0, 1, 2, stage.terminal, stage.output, stage.news, stage.logout} - {-1})
    os.setsid()
    if stage.terminal >= 0:
        fcntl.ioctl(stage.terminal, termios.TIOCSCTTY, 0)
    failure, failure_end = os.pipe()
    began = time.monotonic()
    try:
        starter = os.fork()
    except OSError as error:
        _tell(stage.news, news="failed", why=refused("no process can be started", error))
        os._exit(1)
    if starter == 0:
        _become_starter(command, variables, environment, scratch, stage, failure_end, began)
    os.close(failure_end)
    if reason := os.read(failure, 32):
        _tell(stage.news, news="not executed", errno=int(reason))
    status = _status(starter)
    start = start_of(starter)
    _tell(stage.news, news="ended", pid=starter, start=start, status=status, time=time.monotonic())
    # A shell with job control would take the terminal back now. This one does not: the terminal
    # may be closed at any moment, and this is the worst, when a daemon that has not left the
    # starter's group is still in the foreground and gets the SIGHUP.
    os.read(stage.logout, 1)
    os._exit(0)
