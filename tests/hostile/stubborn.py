"""A program that is hard to end, in several ways: stubborn.py WAY.

Each way says "ready" when all of its processes stand. None lives for more than LIFE seconds,
whatever becomes of who should end it.
"""

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress

LIFE = 30


def live(way: str = "") -> None:
    """One more process that lives on; a fork(2) has cleared its alarm."""
    signal.alarm(LIFE)
    if way:
        print(way, flush=True)
    while True:
        signal.pause()


def child(act, *arguments) -> int:
    """Fork a process that does one thing."""
    pid = os.fork()
    if pid == 0:
        try:
            act(*arguments)
        finally:
            os._exit(0)
    return pid


def orphan(act, *arguments) -> None:
    """Fork twice, the parent ends: the process belongs to the reaper."""
    middle = child(lambda: child(act, *arguments))
    with suppress(ChildProcessError):  # SIGCHLD may have come ignored: waitpid(2)
        os.waitpid(middle, 0)


def deafen() -> None:
    """Ignore and block every signal that can be. ALRM alone still ends us."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGALRM}:
        signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {number})


gate = os.pipe()


def stand() -> None:
    """Say that this process stands as it should, and live on."""
    os.write(gate[1], b".")
    live()


def daemon() -> None:
    """A daemon as the book makes it, and children of its own."""

    def lead() -> None:
        os.setsid()
        orphan(lead_on)

    def lead_on() -> None:
        child(stand)
        stand()

    orphan(lead)
    wait_for(2)


def deaf() -> None:
    """A daemon and its grandchild, deaf to every signal but KILL."""

    def lead() -> None:
        os.setsid()
        deafen()
        child(lambda: child(stand) and stand())
        stand()

    orphan(lead)
    wait_for(3)


def stopped() -> None:
    """Daemons that are stopped: one by itself, one with a running child."""

    def stop(children: int) -> None:
        os.setsid()
        for _ in range(children):
            child(stand)
        os.write(gate[1], b".")
        signal.alarm(LIFE)
        os.kill(os.getpid(), signal.SIGSTOP)

    orphan(stop, 0)
    orphan(stop, 1)
    wait_for(3)


def traced() -> None:
    """A process that is traced by another, which neither waits for it nor lets it go on."""
    trace_me, library = 0, ctypes.CDLL(None, use_errno=True)

    def be_traced() -> None:
        assert library.ptrace(trace_me, 0, None, None) == 0
        os.write(gate[1], b".")
        signal.alarm(LIFE)
        os.kill(os.getpid(), signal.SIGSTOP)

    def trace() -> None:
        os.setsid()
        deafen()
        child(be_traced)
        stand()

    orphan(trace)
    wait_for(2)


def phoenix() -> None:
    """Two processes, each of which replaces the other when that dies; at most 300 times, 3 s."""
    end = time.monotonic() + 3

    def replace(left: int) -> None:
        os.setsid()
        signal.alarm(LIFE)
        while left and time.monotonic() < end:
            left -= 1
            os.waitpid(child(follow, left, os.getpid()), 0)

    def follow(left: int, leader: int) -> None:
        os.setsid()
        os.write(gate[1], b".")
        signal.alarm(LIFE)
        while os.getppid() == leader and time.monotonic() < end:
            time.sleep(0.0005)
        replace(left)

    orphan(replace, 300)
    wait_for(1)


def zombies() -> None:
    """A daemon that never reaps: a hundred of its children are dead already."""

    def breed() -> None:
        os.setsid()
        for _ in range(100):
            os.waitid(os.P_PID, child(lambda: None), os.WEXITED | os.WNOWAIT)
        stand()

    orphan(breed)
    wait_for(1)


def threads() -> None:
    """A daemon whose main thread has ended, while others run."""
    import threading

    def run() -> None:
        os.setsid()
        threading.Thread(target=stand).start()
        ctypes.CDLL(None).pthread_exit(None)

    orphan(run)
    wait_for(1)


def keeper(number: str) -> None:
    """A daemon that sends a signal to the process that adopted it."""

    def strike(middle: int) -> None:
        os.setsid()
        while os.getppid() == middle:
            time.sleep(0.001)
        child(stand)
        os.kill(os.getppid(), signal.Signals[f"SIG{number}"])
        stand()

    os.waitpid(child(lambda: child(strike, os.getpid())), 0)
    wait_for(2)


def shell(number: str) -> None:
    """A starter that sends a signal to the process that started it."""
    child(stand)
    wait_for(1, lambda: os.kill(os.getppid(), signal.Signals[f"SIG{number}"]))


def wait_for(count: int, act=lambda: None) -> None:
    """In the starter: when so many processes stand, act, say so, and live on."""
    while count:
        count -= len(os.read(gate[0], count))
    act()
    live("ready")


if __name__ == "__main__":
    signal.alarm(LIFE)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # else nobody could be waited for
    globals()[sys.argv[1]](*sys.argv[2:])
