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

_REST = 1000
"""Milliseconds."""


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
    health = Health(sources)
    if address:
        health.listener = listener_open(address)
        told = log_text(health.listener.address)
        log_event(sources.log, "info", "listening", address=told)
    return health


# --- the answers ---


def _is_alive(health: Health) -> tuple[bool, str]:
    limit = health.sources.limit()
    late = group_late(health.sources.group, limit)
    if not late:
        return True, "ok\n"
    return False, f"worker {late}: no sign of life for more than {limit} ms\n"


def _is_ready(health: Health) -> tuple[bool, str]:
    with health.mutex:
        state = health.state
    if state != READY:
        return False, f"{state}\n"
    try:
        health.sources.usable()
    except Failure as failed:
        return False, f"{failed.text}\n"
    return True, "ok\n"


def _respond(health: Health, head: bytes) -> bytes:
    """The whole answer to the head of a request."""
    status, method, path = answer_read(head)
    if status != 0:
        return answer_frame(answer_plain(status))
    pages = Pages(lambda: _is_alive(health), lambda: _is_ready(health), health.sources.metrics)
    return answer_frame(pages_find(pages, method, path), method == "HEAD")


# --- the thread ---


def _dismiss(health: Health, client: Client) -> None:
    """End a connection."""
    health.clients.pop(client.socket.fileno(), None)
    client.socket.close()


def _admit(health: Health, client: socket.socket) -> None:
    if len(health.clients) == CLIENTS:
        _dismiss(health, next(iter(health.clients.values())))
    client.setblocking(False)
    health.clients[client.fileno()] = Client(client, now_milliseconds() + PATIENCE)


def _accept_clients(health: Health, listener: socket.socket) -> None:
    for _ in range(CLIENTS):
        try:
            client, _ = listener.accept()
        except BlockingIOError:
            return
        except ConnectionAbortedError:
            continue
        except OSError:
            health.rest = now_milliseconds() + _REST
            if health.clients:
                _dismiss(health, next(iter(health.clients.values())))
            return
        _admit(health, client)


def _read(health: Health, client: Client) -> None:
    """Read what is there; once the head is whole, the answer is."""
    data = client.socket.recv(HEAD)
    if not data:
        _dismiss(health, client)
        return
    client.head += data
    whole, head = answer_head(bytes(client.head))
    if whole:
        client.answer = _respond(health, head)
    elif len(client.head) >= HEAD:
        client.answer = answer_frame(answer_plain(431 if b"\n" in head else 414))


def _write(health: Health, client: Client) -> None:
    sent = client.socket.send(client.answer, socket.MSG_NOSIGNAL)
    client.answer = client.answer[sent:]
    if not client.answer:
        with suppress(OSError):
            client.socket.shutdown(socket.SHUT_WR)
        _dismiss(health, client)


def _turn(health: Health, client: Client) -> None:
    """One step of a connection, whose socket is ready for it."""
    try:
        if not client.answer:
            _read(health, client)
        if client.answer:
            _write(health, client)
    except BlockingIOError:
        pass
    except OSError:
        _dismiss(health, client)
    except Exception as error:  # in what one has asked for: the others still want an answer
        log_event(health.sources.log, "error", "failed", error=log_text(bug(error).text))
        _dismiss(health, client)


def _dismiss_late(health: Health) -> None:
    now = now_milliseconds()
    for client in [client for client in health.clients.values() if client.until <= now]:
        _dismiss(health, client)


def _patience(health: Health) -> int | None:
    """For how long to wait at most: None for ever."""
    now = now_milliseconds()
    until = [client.until for client in health.clients.values()]
    until += [health.rest] if health.rest > now else []
    return max(0, min(until) - now) if until else None


def _serve(health: Health, listener: socket.socket) -> None:
    set_thread_name("health")
    while True:
        waiting = select.poll()
        waiting.register(health.stop, select.POLLIN)
        if health.rest <= now_milliseconds():
            waiting.register(listener, select.POLLIN)
        for fd, client in health.clients.items():
            waiting.register(fd, select.POLLOUT if client.answer else select.POLLIN)
        ready = {fd for fd, _ in waiting.poll(_patience(health))}
        if health.stop in ready:
            return
        for fd in ready & health.clients.keys():
            _turn(health, health.clients[fd])
        if listener.fileno() in ready:
            _accept_clients(health, listener)
        _dismiss_late(health)


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
    if health.listener.server is None:
        return
    with failing("eventfd()"):
        health.stop = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    health.thread = threading.Thread(
        target=_serve, args=(health, health.listener.server), name="health", daemon=True
    )
    try:
        health.thread.start()
    except RuntimeError:
        health.thread = None
        raise failure("pthread_create()", errno.EAGAIN) from None


def health_state(health: Health, state: str) -> None:
    """Say what /readyz has to say from now on.

    Never waits for anybody but for who reads or stores the state: no lock is held while usable is
    called, which a disk that does not answer may keep for ever. /healthz asks group_late, with the
    limit of now, in every state.
    """
    with health.mutex:
        health.state = state


def health_close(health: Health) -> None:
    """End the thread and every connection, and then listener_close.

    Does nothing where there is no listener.
    """
    if health.thread is not None:
        os.eventfd_write(health.stop, 1)
        health.thread.join()
        health.thread = None
    if health.stop >= 0:
        os.close(health.stop)
        health.stop = -1
    for client in list(health.clients.values()):
        _dismiss(health, client)
    listener_close(health.listener)
