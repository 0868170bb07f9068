"""Do several things at once, each in a process of its own.

Processes, not threads: to launch a subject is to fork, and a forked process takes along only the
thread that forked. concurrent.futures would start threads before it forks.
"""

import os
import pickle
import select
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")


_ASKED_TO_END = (signal.SIGINT, signal.SIGTERM)


class WorkerLost(Exception):
    """A worker ended without a result."""


@contextmanager
def _not_now() -> Iterator[None]:
    """Hold back the request to end until the block is done."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ASKED_TO_END)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave(number: int, frame: object) -> NoReturn:
    """Asked to end: tidy up on the way out, and let nobody interrupt that."""
    for asked in _ASKED_TO_END:
        signal.signal(asked, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _work(job: Callable[[], T], result: int) -> NoReturn:
    try:
        try:
            for asked in _ASKED_TO_END:
                signal.signal(asked, leave)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ASKED_TO_END)
            answer: tuple[T | None, BaseException | None] = (job(), None)
        except BaseException as error:
            answer = (None, error)
        with os.fdopen(result, "wb") as file:
            pickle.dump(answer, file)
    finally:
        os._exit(0)


class _Worker:
    def __init__(self, index: int, job: Callable[[], Any]) -> None:
        self.index = index
        self.result, result_end = os.pipe()
        self.received = b""
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.result)
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

    def close(self) -> None:
        os.close(self.result)
        os.waitpid(self.pid, 0)


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
                with _not_now():
                    worker = _Worker(*waiting.pop())
                    workers[worker.result] = worker
                arrival.register(worker.result, select.POLLIN)
            for fd, _ in arrival.poll():
                if workers[fd].receive():
                    worker = workers.pop(fd)
                    arrival.unregister(fd)
                    worker.close()
                    results[worker.index] = worker.answer()
    finally:
        for worker in workers.values():
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGTERM)  # our child, not reaped yet
        for worker in workers.values():
            worker.close()
    return [results[index] for index in range(len(jobs))]
