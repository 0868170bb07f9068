"""Do several things at once, each in a process of its own.

Processes, not threads: to launch a subject is to fork, and a forked process takes along only the
thread that forked. concurrent.futures would start threads before it forks.
"""

import os
import pickle
import select
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from daemonlab.ending import ASKED, leave, not_now

T = TypeVar("T")


_TICK = 0.2
"""Seconds between two looks at the workers: a subject may have stopped the one that watches it."""
_PATIENCE = 30.0
"""Seconds that workers are given to tidy up: more than the end of a launch may take."""


class WorkerLost(Exception):
    """A worker ended without a result."""


def _work(job: Callable[[], T], result: int) -> NoReturn:
    try:
        try:
            for asked in ASKED:
                if asked == signal.SIGTERM or signal.getsignal(asked) != signal.SIG_IGN:
                    signal.signal(asked, leave)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKED)
            answer: tuple[T | None, BaseException | None] = (job(), None)
        except BaseException as error:
            answer = (None, error)
        with os.fdopen(result, "wb") as file:
            pickle.dump(answer, file)
    finally:
        os._exit(0)


class _Worker:
    def __init__(self, index: int, job: Callable[[], Any], others: Iterable["_Worker"]) -> None:
        self.index = index
        self.result, result_end = os.pipe()
        self.received = b""
        self.pid = os.fork()
        if self.pid == 0:
            for worker in (self, *others):
                os.close(worker.result)
            _work(job, result_end)
        os.close(result_end)

    def receive(self) -> bool:
        """Take what has come. Returns whether that was all."""
        piece = os.read(self.result, 1 << 20)
        self.received += piece
        return not piece

    def answer(self) -> Any:
        try:  # our own child's, which runs our code alone
            value, error = pickle.loads(self.received)
        except (EOFError, pickle.UnpicklingError):  # nothing, or the beginning of something
            raise WorkerLost("a worker of the laboratory was killed") from None
        if error is not None:
            raise error
        return value

    def send(self, number: int) -> None:
        """Send a signal to the process, which is our child and not reaped yet."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def close(self) -> None:
        os.close(self.result)
        os.waitpid(self.pid, 0)


def _wake(workers: Iterable[_Worker]) -> None:
    """Let those go on that were stopped. For others this does nothing."""
    for worker in workers:
        worker.send(signal.SIGCONT)


def _end(workers: Sequence[_Worker]) -> None:
    """Ask them to end, wake those who cannot hear it, and kill those who do not come to an end."""
    for worker in workers:
        worker.send(signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE
    left = list(workers)
    while left and time.monotonic() < deadline:
        _wake(left)
        readable, _, _ = select.select([worker.result for worker in left], [], [], _TICK)
        left = [worker for worker in left if worker.result not in readable or not worker.receive()]
    for worker in left:
        worker.send(signal.SIGKILL)
    for worker in workers:
        worker.close()


def run_all(jobs: Sequence[Callable[[], T]], at_once: int) -> list[T]:
    """Run the jobs, at most at_once at a time; return their results in the order of the jobs.

    An exception of a job is raised here; the jobs that still run are then ended first, by a
    SystemExit that is raised in them: they tidy up.
    """
    waiting = list(enumerate(jobs))[::-1]
    results: dict[int, T] = {}
    workers: dict[int, _Worker] = {}
    arrival = select.poll()
    try:
        while waiting or workers:
            while waiting and len(workers) < at_once:
                with not_now():
                    worker = _Worker(*waiting.pop(), workers.values())
                    workers[worker.result] = worker
                arrival.register(worker.result, select.POLLIN)
            for fd, _ in arrival.poll(_TICK * 1000):
                if workers[fd].receive():
                    arrival.unregister(fd)
                    with not_now():
                        worker = workers.pop(fd)
                        worker.close()
                    results[worker.index] = worker.answer()
            _wake(workers.values())
    finally:
        with not_now():
            _end(list(workers.values()))
    return [results[index] for index in range(len(jobs))]
