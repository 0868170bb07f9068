"""Subjects for the tests of observing: small processes in a known state."""

import json
import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

DEADLINE = 20  # seconds; reached only when something is broken

PROLOGUE = """
import ctypes, fcntl, json, os, resource, select, signal, socket, struct, sys, threading
def ready(told=None):
    print(json.dumps(told), flush=True)
    sys.stdin.read()
"""


@contextmanager
def running(body: str, *arguments: str, **options: Any) -> Iterator[tuple[int, Any]]:
    """Run a Python subject until it says ready(); yields its pid and what it told."""
    command = [sys.executable, "-I", "-S", "-c", PROLOGUE + textwrap.dedent(body), *arguments]
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, **options}
    with subprocess.Popen(command, **options) as child:
        try:
            assert child.stdout is not None
            assert select.select([child.stdout], [], [], DEADLINE)[0], "the subject says nothing"
            yield child.pid, json.loads(child.stdout.readline())
        finally:
            child.kill()


@contextmanager
def sleeping() -> Iterator[int]:
    """Run a small subject: a shell that has come to rest, with descriptors 0, 1 and 2 alone."""
    command = ["sh", "-c", "echo; read line"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None and child.stdout.readline() == b"\n"
            yield child.pid
        finally:
            child.kill()


def end(pid: int, *, reap: bool) -> None:
    """Kill our child and wait until it is a zombie, or gone."""
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | (0 if reap else os.WNOWAIT))


def until(condition: Callable[[], bool]) -> None:
    """Look again and again until it is so, for what tells us no event."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "it never became so"
        select.select([], [], [], 0.001)


@contextmanager
def at_call(number: int, act: Callable[[], None]) -> Iterator[list[str]]:
    """Do something right before the nth system call that reads /proc; yields their names."""
    calls: list[str] = []

    def counted(do: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(do.__name__)
            if len(calls) == number:
                act()
            return do(*arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("open", "read", "readlink", "stat", "listdir"):
            patch.setattr(os, name, counted(getattr(os, name)))
        yield calls
