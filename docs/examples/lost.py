import fcntl
import os
from collections.abc import Callable
from pathlib import Path

Lock = Callable[[int, int], object]
NOW = fcntl.LOCK_EX | fcntl.LOCK_NB


def refused(lock: Lock) -> int:
    try:
        lock(os.open("pid", os.O_RDWR), NOW)
    except OSError:
        return 1
    return 0


def another_tries(when: str, lock: Lock) -> None:
    if os.fork() == 0:
        os._exit(refused(lock))
    _, status = os.wait()
    print(f"{when}: another", "is refused" if status else "gets the lock", flush=True)


def attempt(name: str, lock: Lock) -> None:
    fd = os.open("pid", os.O_RDWR | os.O_CREAT, 0o644)
    lock(fd, NOW)
    another_tries(name, lock)
    Path("pid").read_text()  # as a function would that reads the number
    another_tries("  after a look into the file", lock)
    os.close(fd)


attempt("fcntl", fcntl.lockf)  # lockf() is what Python calls the record locks of fcntl(2)
attempt("flock", fcntl.flock)
