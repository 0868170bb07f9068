"""What one launch of one subject showed: pure data, the source of every fact."""

from collections.abc import Mapping
from dataclasses import dataclass

from daemonlab.asking import Answer
from daemonlab.environment import Environment
from daemonlab.observe import Process, Snapshot
from daemonlab.stuck import Stuck

EARLY = "ask while it starts"
"""The action of asking the daemon over HTTP before it is ready."""
LOSS = "loss of the starter"
"""The action of killing the starter while the daemon is starting."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a daemon did when something was done to it."""

    action: str
    """A signal's name without SIG, "logout", "storm", signals in a row ("TERM TERM"), "loss of the
    starter", or what perform.act knows besides."""
    alive: bool
    """It still runs, as far as the deadline lets us tell."""
    code: int | None = None
    """Its exit code, when it exited."""
    signal: int | None = None
    """The signal that ended it, when one did."""
    seconds: float = 0.0
    """From the first signal to its end, or to the deadline; of "again", to the starter's end."""
    again: "Again | None" = None
    """What a second start did, where the action was one."""
    work: "Work | None" = None
    """What became of the jobs, where the action gave it some."""
    logs: "Mapping[str, bytes] | None" = None
    """What was in the log, by step, where the action was one of logwork.py or configwork.py; what
    was answered, where it was "answers"."""
    answers: "Mapping[str, Answer] | None" = None
    """What was answered over HTTP, by step, where the action was one of healthwork.py."""
    writes: int | None = None
    """How many system calls of the daemon wrote something meanwhile, as the kernel counts them;
    None: it does not, or that was not asked."""


@dataclass(frozen=True, slots=True)
class Again:
    """A second start, with the same command line and configuration as the first."""

    code: int | None
    """Exit code of the second starter; None if a signal ended it, or it did not end in time."""
    signal: int | None
    """The signal that ended it."""
    seconds: float
    output: bytes
    daemon: int
    """The number of the daemon that it left; 0 for none."""
    files: Mapping[str, "File"]
    """The folder of the launch, while the second daemon, if any, was there."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a daemon did with jobs that it was given."""

    children: tuple[Snapshot, ...] = ()
    """The children, or orphans, that the action looked at while they ran."""
    stopped: tuple[Snapshot, ...] = ()
    """The daemon while it was stopped and its children had ended."""
    ended: int = 0
    """How many children had ended by then: zombies, since nobody could reap them."""
    zombies: int = 0
    """How many were still there when the time to reap them was over."""
    unfinished: tuple[str, ...] = ()
    """The jobs that still lay in new/ or cur/ when the time was over."""
    left: tuple[Snapshot, ...] = ()
    """The subject's processes other than the daemon when the time was over."""


@dataclass(frozen=True, slots=True)
class File:
    """A file in the folder of the launch."""

    kind: str
    """file, directory, link, fifo, or other."""
    mode: int
    """Permission bits."""
    inode: int
    content: bytes
    """Its first 4096 bytes; of a link, where it leads."""


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread of the daemon."""

    number: int
    name: str
    """What /proc shows as comm."""
    blocked: frozenset[int]
    """The signals that it blocks."""


@dataclass(frozen=True, slots=True)
class Record:
    """One launch. Numbers of processes are those of the moment; nothing here is alive any more."""

    scenario: str
    environment: Environment
    command: tuple[str, ...]
    settings: Mapping[str, str] | None
    """What its configuration said; None: it is any program, and was given none of ours."""
    scratch: str
    """The folder that it was started in; it is gone by now."""
    keeper: int
    """The process that adopts orphans: the parent that a detached daemon must have."""
    shell: int
    """The stand-in for the login shell: leader of the session the starter was started in."""
    starter: int
    """The process that the shell waited for."""
    not_executed: int
    """The errno of a failed execve(2), else 0."""
    starter_code: int | None
    """Exit code of the starter; None if it was ended by a signal, or still ran at the deadline."""
    starter_signal: int | None
    starter_seconds: float | None
    """From its fork to its end; None if it still ran at the deadline."""
    late: bool
    """The daemon was ready before what was to be done while it started had been done: the machine
    was too busy, and nothing is proved."""
    ready_first: bool | None
    """What came first: that the log said that the daemon is ready, or the starter's end; None:
    neither came, or nobody looked."""
    waited: float
    """Seconds that the starter was given."""
    daemon: Snapshot | None
    """The daemon, once settled; the starter itself if that stayed; None: nothing was left."""
    processes: tuple[Snapshot, ...]
    """Every process of the subject at that time, the daemon among them."""
    stuck: tuple[Stuck, ...]
    """Where they stood when the time was over; where the starter had come to its end, where each
    thread of the daemon stood when all had been done to it."""
    last: Reaction | None
    """How the daemon was, or had ended, by then; None: there was none, or nothing was done."""
    threads: tuple[Thread, ...]
    """The daemon's threads at that time, but the main one."""
    reactions: tuple[Reaction, ...]
    output: bytes
    """What came over the terminal, or over descriptors 1 and 2."""
    log: bytes
    """What the daemon wrote to the log it was given; empty if it was given none."""
    log_mode: int | None
    """Permission bits of that file; None: there is none."""
    files: Mapping[str, File]
    """The folder of the launch once the daemon had settled, by name."""
    files_after: Mapping[str, File]
    """The same after all that was done to the daemon."""
    overtaken: int | None
    """How many locks it was about to take while its file was exchanged; -1: locks cannot be held
    here; None: that was not tried."""
    left: tuple[Process, ...]
    """Its processes that were alive after all that."""
    bequeathed: tuple[int, ...]
    """The numbers of its processes that had ended by then, and whose parent had not asked how: the
    keeper did, who adopted them. The starter is among them."""
    clock: tuple[float, float]
    """When the launch began and when all was done, in seconds of the clock that tells the time."""
    trouble: str
    """Why the launch was cut short ("more than 256 processes", …), else empty."""

    def reaction(self, action: str) -> Reaction | None:
        """The reaction to an action, None if it was not tried."""
        return next((r for r in self.reactions if r.action == action), None)
