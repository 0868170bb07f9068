"""listener - a socket at which nobody but this machine can knock.

What is hard about it is the path of a Unix socket: it stays when a daemon is killed, and who
removes it may be removing another's. Twin of `c/src/listener.c`.
"""

import errno
import fcntl
import os
import socket
import stat
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from labd.clock import now_milliseconds
from labd.descriptors import descriptors_open
from labd.failure import Failure, failing, failure

_WAIT, _LOOK = 2000, 10
"""Milliseconds."""
_BACKLOG = 128
_MODE = 0o660


@dataclass(slots=True)
class Listener:
    """A socket that listens."""

    address: str = ""
    """Where it listens, with the real port."""
    server: socket.socket | None = None
    """None: there is none."""
    path: tuple[int, int] | None = None
    """Device and inode of the socket's path: to know it again. None: there is no path."""


def _new_socket(family: int, address: str) -> socket.socket:
    with failing(f"socket({address})"):
        return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)


def _bind_and_listen(listener: Listener, address: str, where: tuple[str, int] | bytes) -> None:
    if listener.server is None:
        return
    with failing(f"bind({address})"):
        listener.server.bind(where)
    if isinstance(where, bytes):
        with suppress(OSError):
            status = os.lstat(where)
            listener.path = status.st_dev, status.st_ino
        with failing(f"chmod({address})"):
            os.chmod(where, _MODE)
    with failing(f"listen({address})"):
        listener.server.listen(_BACKLOG)


def _listen_tcp(listener: Listener, address: str) -> None:
    host, _, port = address.rpartition(":")
    six = host.startswith("[")
    listener.server = _new_socket(socket.AF_INET6 if six else socket.AF_INET, address)
    with failing(f"setsockopt({address})"):
        listener.server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if six:
            listener.server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    _bind_and_listen(listener, address, (host.strip("[]"), int(port)))
    # The kernel has chosen where we left it the choice: port 0.
    listener.address = f"{host}:{listener.server.getsockname()[1]}"


def _await_lock(fd: int) -> None:
    """Whoever has it only looks and binds, perhaps at another path: he is soon done."""
    until = now_milliseconds() + _WAIT
    while True:
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if now_milliseconds() >= until:
                raise OSError(errno.EADDRINUSE, "") from None
        time.sleep(_LOOK / 1000)


def _lock_folder(path: str) -> int:
    """Open and lock the folder of a path, so that nobody else looks and binds there meanwhile."""
    folder = os.path.dirname(path)
    fd = descriptors_open(folder, os.O_RDONLY | os.O_DIRECTORY)
    with ExitStack() as undo:
        undo.callback(os.close, fd)
        with failing(f"fstat({folder})"):
            status = os.fstat(fd)
        if status.st_mode & stat.S_IWOTH:
            raise failure(f"bind(unix:{path}): everybody may write to {folder}", errno.EPERM)
        with failing(f"flock({folder})"):
            _await_lock(fd)
        undo.pop_all()
    return fd


def _refuses(path: str) -> bool:
    """Whether nobody listens at a socket."""
    with _new_socket(socket.AF_UNIX, path) as probe:
        try:
            probe.connect(os.fsencode(path))
        except OSError as error:
            return error.errno == errno.ECONNREFUSED
    return False


def _clear_path(path: str) -> None:
    """Remove a socket that nobody listens at."""
    with failing(f"lstat({path})"):
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return
    if not stat.S_ISSOCK(status.st_mode):
        raise failure(f"bind(unix:{path})", errno.ENOTSOCK)
    if not _refuses(path):
        raise failure(f"bind(unix:{path})", errno.EADDRINUSE)
    with failing(f"unlink({path})"):
        os.unlink(path)


def _take_path(listener: Listener, address: str) -> None:
    path = address.removeprefix("unix:")
    if len(os.fsencode(path)) >= 108:  # sun_path: unix(7)
        raise failure(f"bind({address})", errno.ENAMETOOLONG)
    _clear_path(path)
    listener.server = _new_socket(socket.AF_UNIX, address)
    with failing(f"fchmod({address})"):
        os.fchmod(listener.server.fileno(), _MODE)
    _bind_and_listen(listener, address, os.fsencode(path))


def _listen_path(listener: Listener, address: str) -> None:
    folder = _lock_folder(address.removeprefix("unix:"))
    try:
        _take_path(listener, address)
    finally:
        os.close(folder)


def listener_close(listener: Listener) -> None:
    """Close the socket.

    Its path is removed while we still listen, and only if it is still ours by device and inode: so
    nobody can take it over in between. Does nothing where there is none.
    """
    if listener.path is not None:
        path = listener.address.removeprefix("unix:")
        with suppress(OSError):
            status = os.lstat(path)
            if (status.st_dev, status.st_ino) == listener.path:
                os.unlink(path)
    if listener.server is not None:
        listener.server.close()
    listener.server = listener.path = None


def listener_open(address: str) -> Listener:
    """Listen at address.

    address is "127.0.0.1:PORT", "[::1]:PORT" or "unix:/absolute/path", as the configuration checks
    it. The socket is non-blocking and close-on-exec, and listens when this returns.

    TCP: with SO_REUSEADDR, so that connections of our predecessor that the kernel still remembers
    are not in the way, and IPV6_V6ONLY for [::1]. Port 0: the kernel chooses; address then
    has the port that it chose.

    unix: the path of a daemon that was killed stays, and is in the way: bind(2) fails with
    EADDRINUSE whether anybody listens there or not. So, in this order:

    1. Open the folder (O_DIRECTORY); one that everybody may write to is refused with EPERM.
    2. flock(2) it, exclusive: of two that start at once one is to look and bind before the other
       looks. It may be at another path in this folder, so wait for it, with LOCK_NB every 10 ms;
       EADDRINUSE when another still holds it after 2 s.
    3. If there is something at the path (lstat(2)): what is not a socket is refused with ENOTSOCK.
       To a socket connect(2), without waiting. Only with ECONNREFUSED nobody listens: remove it.
       Else it is another's: EADDRINUSE, and it is not touched.
    4. bind(2) with the mode 0660: by fchmod(2) before it, so that nobody is quicker than we, and by
       chmod(2) after it, for bind(2) obeys the umask. Remember device and inode of the path;
       listen(2). Close the folder.

    A path that is too long for sockaddr_un: ENAMETOOLONG. unix(7), tcp(7), ip(7), ipv6(7).

    Raises Failure, which names call and address, and leaves neither socket nor path.
    """
    listener = Listener(address)
    try:
        (_listen_path if address.startswith("unix:") else _listen_tcp)(listener, address)
    except Failure:
        listener_close(listener)
        raise
    return listener
