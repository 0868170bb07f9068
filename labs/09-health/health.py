# Lab 9, health: your own module, yet to be written.
#
# The contract of each function stands below its first line.
# Write what is marked TODO, then run `make lab-9`: it shows yours beside the
# reference. Functions of your own are welcome: begin their names with _.
# ruff: noqa: F401 - imports of the reference: drop what you have no use for

"""Lab 9: health - answers to those who ask whether the daemon lives, is ready, and what it does.

HTTP on an address of this machine alone, from one thread that does nothing else: a worker that
hangs cannot keep it from saying so. Who asks is not trusted. A connection gets one answer, and
PATIENCE milliseconds from accept(2) to its end, whatever it sends meanwhile; there are at most
CLIENTS at a time, and the oldest makes room for the next. So neither a client that is slow nor a
thousand that are silent keep another from its answer, or take the descriptors that jobs need.

    /healthz   200 "ok", or 503: a worker gave no sign of life. Whoever asks may start us anew.
    /readyz    200 "ok", or 503: starting, stopping, or what jobs need cannot be used. Whoever
               asks should not send us work now; to start us anew would not help.
    /metrics   200, Prometheus' text format
    /          200, a page for people

To each come GET and HEAD; other methods get 405 with "Allow: GET, HEAD". Other paths get 404. A
request that is none gets 400, or its connection is closed; one whose first line is too long gets
414, one whose head is 431, one of another HTTP than 1 505. No answer is to be kept by a cache. The
path counts as it stands, without what comes after a '?'; nothing in it is decoded.

Twin of `c/src/health.c`.
"""

import errno
import fcntl
import os
import re
import select
import socket
import stat
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http import HTTPStatus

import labd.failure
from labd.clock import now_milliseconds
from labd.descriptors import descriptors_open
from labd.exposition import METRICS_TYPE, exposition_metrics, exposition_page
from labd.failure import Failure, bug, failing, failure
from labd.group import Group, group_late
from labd.log import Log, log_event, log_text
from labd.metrics import Metrics, metrics_read
from labd.syscalls import set_thread_name

CLIENTS = 64
"""Connections at a time."""
PATIENCE = 5000
"""Milliseconds for one."""
HEAD = 16384
"""Bytes of the head of a request."""

STARTING, READY, STOPPING = "starting", "ready", "stopping"


@dataclass(frozen=True, slots=True)
class Sources:
    """What the answers are made from. All of it outlives the server."""

    group: Group
    """Its workers have to be alive."""
    metrics: Metrics
    usable: Callable[[], None]
    """Raises Failure while what jobs need, spool and database, cannot be used. Called in the
    server's thread, when the state is READY; it may still run when that has changed."""
    limit: Callable[[], int]
    """How many milliseconds a worker may be without a sign of life: worker_timeout of now."""
    log: Log


@dataclass(slots=True)
class Client:
    """A connection."""

    socket: socket.socket
    until: int
    """Milliseconds of CLOCK_MONOTONIC."""
    head: bytearray = field(default_factory=bytearray)
    answer: bytes = b""
    """What is still to be sent."""


@dataclass(slots=True)
class Health:
    """A server."""

    sources: Sources
    address: str = ""
    """Where it listens, with the real port."""
    listener: socket.socket | None = None
    """None: there is no server."""
    path: tuple[int, int] | None = None
    """Device and inode of the socket's path: to know it again. None: there is no path."""
    mutex: threading.Lock = field(default_factory=threading.Lock)
    """Guards state."""
    state: str = STARTING
    thread: threading.Thread | None = None
    stop: int = -1
    """eventfd(2): readable once the thread has to end; -1: there is no thread."""
    clients: dict[int, Client] = field(default_factory=dict)
    """By descriptor, the oldest first."""
    rest: int = 0
    """Milliseconds of CLOCK_MONOTONIC: no accept(2) before that."""


def health_listen(address: str, sources: Sources) -> Health:
    """Open the socket at address; no server if address is empty.

    address is "127.0.0.1:PORT", "[::1]:PORT" or "unix:/absolute/path", as the configuration checks
    it. The socket is non-blocking and close-on-exec, and listens when this returns.

    TCP: with SO_REUSEADDR, so that connections of our predecessor that the kernel still remembers
    are not in the way, and IPV6_V6ONLY for [::1]. Port 0: the kernel chooses; health.address then
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

    Logs the event "listening" with the field address. The state is STARTING. Raises Failure, which
    names call and address, and leaves neither socket nor path.
    """
    raise labd.failure.todo("health_listen")


def health_start(health: Health) -> None:
    """Start the thread that answers, "health". Does nothing where there is no listener.

    poll(2) waits for the eventfd, the listener and every client, and for at most as long as the
    oldest client allows. Each turn:

    - who has sent something: recv(2) what is there. When the head of a request is whole, its
      answer is made, and its body is never read. HEAD bytes without the end of a head: 414 if not
      even the first line is whole, else 431. RFC 9112;
    - who has an answer to get: send(2) as much as fits; after the last of it the connection is
      closed;
    - accept(2), non-blocking and close-on-exec, until nobody waits or CLIENTS have come in. When
      there are CLIENTS, first the oldest is ended. With no descriptor left (EMFILE, ENFILE and
      what accept(2) says besides): end the oldest, too, and let a second pass before the next
      accept(2): the listener stays readable all the time;
    - who is later than PATIENCE is ended.

    An answer has Content-Type, Cache-Control: no-store and Connection: close.
    Raises Failure; the listener stays, and health_close has to be called.
    """
    raise labd.failure.todo("health_start")


def health_state(health: Health, state: str) -> None:
    """Say what /readyz has to say from now on.

    Never waits for anybody but for who reads or stores the state: no lock is held while usable is
    called, which a disk that does not answer may keep for ever. /healthz asks group_late, with the
    limit of now, in every state.
    """
    raise labd.failure.todo("health_state")


def health_close(health: Health) -> None:
    """End the thread, every connection, and the socket.

    The path of a socket is removed while we still listen, and only if it is still ours by device
    and inode: so nobody can take it over in between. Does nothing where there is no listener.
    """
    raise labd.failure.todo("health_close")
