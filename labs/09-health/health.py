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

Three modules are given. listener: the socket. pages: which pages there are; it asks us whether we
live, and are ready. answer: how requests and answers look on the wire.

- It lives unless group_late names a worker, with the limit of now, in whatever state. Then the line
  is "worker NAME: no sign of life for more than N ms".
- It is ready when health_state has said so, and usable says so too. Else the line is "starting",
  "stopping", or what usable has failed of.

A request that is none gets 400, or its connection is closed; one whose first line is too long gets
414, one whose head is 431, one of another HTTP than 1 505. The path counts as it stands, without
what comes after a '?'; nothing in it is decoded.

Twin of `c/src/health.c`.
"""

import errno
import os
import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import labd.failure
from labd.answer import answer_frame, answer_head, answer_plain, answer_read
from labd.clock import now_milliseconds
from labd.failure import Failure, bug, failing, failure
from labd.group import Group, group_late
from labd.listener import Listener, listener_close, listener_open
from labd.log import Log, log_event, log_text
from labd.metrics import Metrics
from labd.pages import Pages, pages_find
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
    listener: Listener = field(default_factory=Listener)
    """Its server is None: there is none."""
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
    """Listen at address, by listener_open; no server if address is empty.

    Logs the event "listening" with the field address, that of the listener. The state is STARTING.
    Raises Failure, with nothing left open then.
    """
    raise labd.failure.todo("health_listen")


def health_start(health: Health) -> None:
    """Start the thread that answers. Does nothing where there is no listener.

    First of all the thread takes the name "health", PR_SET_NAME of prctl(2).
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

    An answer is that of pages_find to what answer_read has read, as answer_frame writes it.
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
    """End the thread and every connection, and then listener_close.

    Does nothing where there is no listener.
    """
    raise labd.failure.todo("health_close")
