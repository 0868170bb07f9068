"""Ask a daemon for its health while things happen to it: jobs, a crowd, a stop, a hung worker.

Each action brings answers by the name of a step. Nothing else of the daemon is needed than the
address that it logs, or that its configuration has.
"""

import os
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGHUP, SIGTERM, Signals

from daemonlab import logwork
from daemonlab.asking import ASK_TIME, Answer, Works, ask, connected, send
from daemonlab.patience import until

SOCKET_PATH = "labd.sock"
"""The daemon's socket in the folder of a launch."""
CROWD = 150
"""How many connections say nothing, at once: more than a daemon may keep."""
MOST_CONNECTIONS = 64
"""How many it may keep: what the contract says."""
LIMIT = 1.5
"""The worker_timeout of the scenario "hung", in seconds."""
_HANG = 15.0
"""Seconds in which a worker that hangs has to be noticed, on a busy machine."""
_WAIT = 10.0
_DEAF_TIME = 0.3
"""Seconds for an answer of one who has not given the last: a student waits for each."""

Answers = dict[str, Answer]


@dataclass(slots=True)
class Patient:
    """A daemon that is asked."""

    pid: int
    scratch: Path
    listen: str
    """What its configuration says."""
    send: Callable[[Signals], None]
    """Sends it a signal."""
    works: Works
    """Whether it is at work."""
    deaf: bool = False
    """It has not answered the last question."""

    def events(self) -> list[dict[str, object]]:
        """What it has logged so far."""
        return logwork.events(logwork.read(self.scratch / logwork.LOG))

    def logged(self, *names: str, times: int = 1) -> bool:
        """Wait until it has logged one of these events so many times, or the time is over."""
        return until(
            lambda: sum(event.get("event") in names for event in self.events()) >= times, _WAIT
        )

    @property
    def address(self) -> str:
        """Where it listens: the port may be the kernel's choice, which only the log tells."""
        told = [
            event.get("address") for event in self.events() if event.get("event") == "listening"
        ]
        return str(told[-1]) if told else self.listen

    def _patience(self) -> float:
        return _DEAF_TIME if self.deaf else ASK_TIME

    def ask(self, path: str, method: str = "GET") -> Answer:
        """One request."""
        answer = ask(self.address, path, method, self._patience(), self.works)
        self.deaf = answer.status == 0
        return answer

    def say(self, request: bytes) -> Answer:
        """These bytes, which need not be a request, and to be closed on is an answer."""
        limit = self._patience()
        answer = send(self.address, request, limit, self.works)
        self.deaf = answer.seconds >= limit
        return answer


def _look(patient: Patient, when: str = "") -> Answers:
    return {f"{path}{when}": patient.ask(f"/{path}") for path in ("healthz", "readyz")}


def starting(patient: Patient) -> Answers:
    """While it starts."""
    return _look(patient)


def ready(answers: Mapping[str, Answer] | None) -> bool:
    """Whether who was asked while it started said that it was ready."""
    return answers is not None and answers["readyz"].status == 200


_JOBS = re.compile(rb"^labd_jobs_total\{.*\} (\S+)$", re.MULTILINE)


def _counted(patient: Patient, jobs: int) -> Answer:
    """The numbers, once they count so many jobs: a daemon may log an end before it counts it."""
    answers: list[Answer] = []

    def counted() -> bool:
        answers.append(patient.ask("/metrics"))
        with suppress(ValueError):
            if sum(float(value) for value in _JOBS.findall(answers[-1].body)) >= jobs:
                return True
        return answers[-1].status != 200

    until(counted, _WAIT)
    return answers[-1]


def pages(patient: Patient) -> Answers:
    """Every page, and what is none; the numbers once its two jobs have ended."""
    with suppress(OSError):
        for job in sorted((patient.scratch / "jobs").iterdir()):
            job.rename(patient.scratch / "spool" / "new" / job.name)
        patient.send(SIGHUP)
        patient.logged("job_ended", times=2)
    return _look(patient) | {
        "metrics": _counted(patient, 2),
        "page": patient.ask("/"),
        "query": patient.ask("/healthz?verbose"),
        "head": patient.ask("/healthz", "HEAD"),
        "missing": patient.ask("/nothing"),
        "post": patient.ask("/healthz", "POST"),
    }


def unusable(patient: Patient) -> Answers:
    """While a folder of its spool has another name, and when it has its own again."""
    folder = patient.scratch / "spool" / "new"
    aside = folder.with_name("aside")
    answers: Answers = {}
    with suppress(OSError):
        folder.rename(aside)
        answers = _look(patient)
        aside.rename(folder)
        answers |= _look(patient, " again")
    return answers


def _connections(pid: int) -> int:
    """How many sockets a process has open."""
    count = 0
    with suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                count += os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
    return count


def crowd(patient: Patient) -> Answers:
    """While many are connected and say nothing, or not all: somebody else asks."""
    with ExitStack() as stack, suppress(OSError):
        for number in range(CROWD):
            connection = stack.enter_context(connected(patient.address))
            if number % 2:
                with suppress(OSError):
                    connection.send(b"GET /healthz HT")
        answers = {"crowded": patient.ask("/healthz")}
        kept = _connections(patient.pid)
        return answers | {"kept": Answer(kept)}
    return {"crowded": Answer(0)}  # not even they all got in: nobody accepts them


HOSTILE = {
    "nonsense": b"\x16\x03\x01 nonsense\r\n\r\n",
    "no newline": b"x" * 100_000,
    "long head": b"GET /healthz HTTP/1.1\r\n" + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
    "long path": b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
    "large body": b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000,
}
"""Requests that are none."""


def hostile(patient: Patient) -> Answers:
    """What nobody should send; after that somebody asks."""
    answers = {name: patient.say(request) for name, request in HOSTILE.items()}
    patient.deaf = False  # it may have been busy with the last; this question has to be answered
    return answers | {"after": patient.ask("/healthz")}


def stopping(patient: Patient) -> Answers:
    """Between the request to stop and the end. A second one then cuts it short."""
    patient.send(SIGTERM)
    patient.logged("stop")
    answers = _look(patient)
    patient.send(SIGTERM)
    return answers


def hang(patient: Patient) -> Answers:
    """Ask until it says that it is ill, or the time is over: one of its workers is held."""
    answers: list[Answer] = []

    def ill() -> bool:
        answers.append(patient.ask("/healthz"))
        return answers[-1].status != 200

    until(ill, _HANG)
    return {"healthz": answers[-1], "metrics": patient.ask("/metrics")}


def still(patient: Patient) -> Answers:
    """Whether it still answers."""
    return _look(patient)


def replace(patient: Patient) -> Answers:
    """Another daemon takes the place of its socket: by rename(2), as one does that is sure."""
    with suppress(OSError):
        other = patient.scratch / "other"
        other.write_bytes(b"another's")
        other.rename(patient.scratch / SOCKET_PATH)
    return {}


ENDING = frozenset({"ask and stop"})
"""The actions after which it is expected to end."""
ACTIONS: Mapping[str, Callable[[Patient], Answers]] = {
    "pages": pages,
    "unusable": unusable,
    "crowd": crowd,
    "hostile": hostile,
    "ask and stop": stopping,
    "hang": hang,
    "still": still,
    "replace socket": replace,
}
