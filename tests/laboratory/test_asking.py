"""Asking a daemon over HTTP: what is told of one that does not answer."""

import socket
import threading
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from daemonlab.asking import Answer, ask, connected


def test_nobody_listens() -> None:
    """Where nobody listens is told with the address: the daemon may have logged another one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    answer = ask(address, "/healthz")
    assert answer == replace(
        Answer(0, refused=f"{address}: Connection refused"), seconds=answer.seconds
    )


def test_no_path(tmp_path: Path) -> None:
    """So is a path that is not there."""
    answer = ask(f"unix:{tmp_path}/s", "/healthz")
    assert answer.refused == f"unix:{tmp_path}/s: No such file or directory"


def test_nobody_answers() -> None:
    """One that listens, and says nothing, was not refused."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        answer = ask(f"127.0.0.1:{server.getsockname()[1]}", "/healthz", seconds=0.2)
    assert answer.status == 0 and answer.refused == ""


def test_backlog_is_full(temporary: Path) -> None:
    """Who has come when nobody is let in waits until somebody is; but not for ever."""
    address = f"unix:{temporary}/s"
    with socket.socket(socket.AF_UNIX) as server, ExitStack() as crowd:
        server.bind(f"{temporary}/s")
        server.listen(1)
        with pytest.raises(BlockingIOError):
            for _ in range(9):
                crowd.enter_context(connected(address, 0.1))
        threading.Timer(0.2, server.accept).start()
        crowd.enter_context(connected(address, 60))


ANSWER = b"HTTP/1.1 200 OK\r\n\r\nok"


def test_busy_one_is_waited_for() -> None:
    """Who is at work is given more time: on a busy machine it may not have had a processor yet."""
    asked = threading.Event()

    def answer_late(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            asked.wait(60)
            connection.sendall(ANSWER)

    def works() -> bool:
        asked.set()
        return True

    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=answer_late, args=(server,))
        answering.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert ask(address, "/", seconds=0.5, works=works).body == b"ok"
        answering.join()


def test_answer_without_end() -> None:
    """One that goes on and on, a byte at a time, is not listened to for ever."""
    over = threading.Event()

    def drip(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection, suppress(OSError):
            connection.sendall(ANSWER)
            while not over.wait(0.01):
                connection.sendall(b".")

    with socket.create_server(("127.0.0.1", 0)) as server:
        dripping = threading.Thread(target=drip, args=(server,))
        dripping.start()
        answer = ask(f"127.0.0.1:{server.getsockname()[1]}", "/", seconds=0.5, works=lambda: True)
        over.set()
        dripping.join()
    assert answer.status == 200 and answer.body.startswith(b"ok.")
