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

_REST, _WAIT, _LOOK = 1000, 2000, 10
"""Milliseconds."""
_BACKLOG = 128
_MODE = 0o660
_PLAIN = "text/plain; charset=utf-8"


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


# --- the socket ---


def _new_socket(family: int, address: str) -> socket.socket:
    with failing(f"socket({address})"):
        return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)


def _bind_and_listen(health: Health, address: str, where: tuple[str, int] | bytes) -> None:
    if health.listener is None:
        return
    with failing(f"bind({address})"):
        health.listener.bind(where)
    if isinstance(where, bytes):
        with suppress(OSError):
            status = os.lstat(where)
            health.path = status.st_dev, status.st_ino
        with failing(f"chmod({address})"):
            os.chmod(where, _MODE)
    with failing(f"listen({address})"):
        health.listener.listen(_BACKLOG)


def _listen_tcp(health: Health, address: str) -> None:
    host, _, port = address.rpartition(":")
    six = host.startswith("[")
    health.listener = _new_socket(socket.AF_INET6 if six else socket.AF_INET, address)
    with failing(f"setsockopt({address})"):
        health.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if six:
            health.listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    _bind_and_listen(health, address, (host.strip("[]"), int(port)))
    # The kernel has chosen where we left it the choice: port 0.
    health.address = f"{host}:{health.listener.getsockname()[1]}"


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


def _take_path(health: Health, address: str) -> None:
    path = address.removeprefix("unix:")
    if len(os.fsencode(path)) >= 108:  # sun_path: unix(7)
        raise failure(f"bind({address})", errno.ENAMETOOLONG)
    _clear_path(path)
    health.listener = _new_socket(socket.AF_UNIX, address)
    with failing(f"fchmod({address})"):
        os.fchmod(health.listener.fileno(), _MODE)
    _bind_and_listen(health, address, os.fsencode(path))


def _listen_path(health: Health, address: str) -> None:
    folder = _lock_folder(address.removeprefix("unix:"))
    try:
        _take_path(health, address)
    finally:
        os.close(folder)


def _close_listener(health: Health) -> None:
    if health.path is not None:
        path = health.address.removeprefix("unix:")
        with suppress(OSError):
            status = os.lstat(path)
            if (status.st_dev, status.st_ino) == health.path:
                os.unlink(path)
    if health.listener is not None:
        health.listener.close()
    health.listener = health.path = None


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
    health = Health(sources, address)
    if not address:
        return health
    try:
        (_listen_path if address.startswith("unix:") else _listen_tcp)(health, address)
    except Failure:
        _close_listener(health)
        raise
    log_event(sources.log, "info", "listening", address=log_text(health.address))
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


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: str
    type: str = _PLAIN


def _make_health(health: Health) -> _Answer:
    alive, text = _is_alive(health)
    return _Answer(200 if alive else 503, text)


def _make_readiness(health: Health) -> _Answer:
    ready, text = _is_ready(health)
    return _Answer(200 if ready else 503, text)


def _make_metrics(health: Health) -> _Answer:
    text = exposition_metrics(metrics_read(health.sources.metrics))
    return _Answer(200, text, METRICS_TYPE)


def _make_page(health: Health) -> _Answer:
    counters = metrics_read(health.sources.metrics)
    page = exposition_page(counters, _is_alive(health)[1], _is_ready(health)[1])
    return _Answer(200, page, "text/html; charset=utf-8")


_PAGES = {
    "/healthz": _make_health,
    "/readyz": _make_readiness,
    "/metrics": _make_metrics,
    "/": _make_page,
}


def _find_answer(health: Health, path: str, method: str) -> _Answer:
    make = _PAGES.get(path)
    if make is None:
        return _Answer(404, "not found\n")
    if method not in ("GET", "HEAD"):
        return _Answer(405, "method not allowed\n")
    return make(health)


# RFC 9112, sections 3 and 5. http.server reads heads, too, but forgives more than libmicrohttpd.
_FIELD = re.compile(rb"[!-9;-~]+:|[ \t]")
_LENGTH = re.compile(rb"content-length:(?![ \t]*\d+[ \t]*$)", re.IGNORECASE)


def _read_head(head: bytes) -> tuple[int, str, str]:
    """Status 0, method and path of a request; or a status that refuses it."""
    first, *fields = re.split(rb"\r?\n", head)
    words = re.split(rb" +", first)
    if len(words) == 3 and re.fullmatch(rb"HTTP/[02-9]\.\d", words[2]):
        return 505, "", ""
    if len(words) != 3 or not re.fullmatch(rb"HTTP/1\.\d", words[2]):
        return 400, "", ""
    if any(not _FIELD.match(line) or _LENGTH.match(line) for line in fields):
        return 400, "", ""
    method, path = (word.decode("latin-1") for word in words[:2])
    return 0, method, path.partition("?")[0]


def _respond(health: Health, head: bytes) -> bytes:
    """The whole answer to the head of a request."""
    status, method, path = _read_head(head)
    if status != 0:
        answer = _Answer(status, f"{HTTPStatus(status).phrase.lower()}\n")
    else:
        answer = _find_answer(health, path, method)
    return _frame(answer, method == "HEAD")


def _frame(answer: _Answer, head_only: bool = False) -> bytes:
    body = answer.body.encode(errors="surrogateescape")
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime()),
        "Connection: close",
        f"Content-Type: {answer.type}",
        "Cache-Control: no-store",
        f"Content-Length: {len(body)}",
    ]
    if answer.status == 405:
        lines.append("Allow: GET, HEAD")
    return "\r\n".join([*lines, "", ""]).encode() + (b"" if head_only else body)


# --- the thread ---

_END = re.compile(rb"\n\r?\n")


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
    head = bytes(client.head).lstrip(b"\r\n")  # RFC 9112, section 2.2
    if end := _END.search(head):
        client.answer = _respond(health, head[: end.start()].rstrip(b"\r"))
    elif len(client.head) >= HEAD:
        status = 431 if b"\n" in head else 414
        client.answer = _frame(_Answer(status, f"{HTTPStatus(status).phrase.lower()}\n"))


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
    if health.listener is None:
        return
    with failing("eventfd()"):
        health.stop = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    health.thread = threading.Thread(
        target=_serve, args=(health, health.listener), name="health", daemon=True
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
    """End the thread, every connection, and the socket.

    The path of a socket is removed while we still listen, and only if it is still ours by device
    and inode: so nobody can take it over in between. Does nothing where there is no listener.
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
    _close_listener(health)
