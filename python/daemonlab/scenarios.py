"""Which launches a lab looks at: an environment, settings of the daemon, and what is done to it."""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from daemonlab.configwork import mount
from daemonlab.environment import BARE, FRIENDLY, HOSTILE, NULL_VARIABLES, Environment
from daemonlab.healthwork import LIMIT, SOCKET_PATH
from daemonlab.interfere import HOLDING, HOLDING_WAITS, denying
from daemonlab.logwork import LOG

DRAIN = 1.7
"""Seconds that a group is given for its work: more than the second between two looks at it."""
WARMUP = 0.8
"""Seconds of work that the daemons of the scenarios "slow" and "abandoned" are told to have before
they are ready: more than it takes to see that they are starting, on a busy machine."""
HOME = "home"
"""The folder where the daemon of a scenario is told to go, in the folder of the launch."""
NOWHERE = "nowhere"
"""A folder that does not exist: where the daemon of the scenario "failing" is told to go."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One launch, to be made of every subject alike."""

    name: str
    environment: Environment
    settings: Mapping[str, str] = field(default_factory=dict)
    """Keys of the configuration; {scratch} stands for the folder of the launch."""
    actions: tuple[str, ...] = ()
    """In this order, each on a daemon that has settled: see perform.act."""
    prepare: Callable[[Path], None] | None = None
    """Puts something into the folder of the launch before the daemon is started."""
    jobs: Mapping[str, str] = field(default_factory=dict)
    """Shell scripts by name, for the actions of work.py; {scratch} as above. An empty one stands
    for a file that is no program."""
    ends: tuple[str, ...] = ()
    """How these jobs have to end: "NAME CODE", "NAME SIGNAL", or "NAME not started"."""
    ends_at_stop: tuple[str, ...] = ()
    """How those have to end that still run when the daemon is asked to stop."""
    copies: int = 1
    """How many times the command is started at once, by one shell that waits for all of them."""
    foreground: bool = False
    """It is told to stay in the foreground, where its starter is the daemon."""
    any_program: bool = False
    """The subject need not be a labd: it is given no configuration."""
    killed_early: bool = False
    """The daemon is killed as soon as it logs that it is starting, before it can be ready."""
    abandoned: bool = False
    """The starter is killed then, and it is seen what the daemon does once it is ready."""
    through: tuple[str, ...] = ()
    """Put before the command line: a program that becomes the command, see interfere.py."""
    overtake: Callable[[Path], None] | None = None
    """What happens in the folder of the launch just before it locks a file for the first time:
    for a command that is started through HOLDING."""
    held_early: bool = False
    """The daemon is stopped then, until its starter has ended or has come to rest, and goes on."""
    asked_early: bool = False
    """It is asked over HTTP as soon as it logs that it is starting."""
    keeps: bool = False
    """Once it has started, each lock that it would take waits for ever: for one that is started
    through HOLDING."""
    takes: tuple[str, ...] = ()
    """The rows of the start-up table that have something to give back, as far as it gets."""
    holds: tuple[str, ...] = ()
    """Its threads whose waits are held, by name: for one that is started through HOLDING_WAITS."""
    waits: float = 0
    """Seconds that it takes at least, because of a limit of time: those with most begin first."""

    @property
    def early(self) -> bool:
        """Whether something is done to it while it is starting."""
        return self.killed_early or self.abandoned or self.held_early or self.asked_early

    @property
    def slower(self) -> "Scenario":
        """The same with more time while it is starting."""
        warmup = float((self.settings or {}).get("warmup", 0))
        more = (_SLOWER - 1) * warmup
        settings = {**(self.settings or {}), "warmup": str(warmup + more)}
        return replace(self, settings=settings, waits=self.waits + more)


_SLOWER = 4
"""How many times as long a daemon warms up where the laboratory came too late to see it."""

PIDFILE = "labd.pid"
VICTIM = "victim"
"""A file that is not the daemon's, where its PID file leads in the scenarios "link" and
"hard-link"."""
ANOTHER = b"another daemon's\n"
"""What the PID file holds when another daemon has taken its place."""
COPIES = 8
"""How many daemons of the scenario "race" start at once."""

_LOG = {"log": "{scratch}/log"}
_PIDFILE = {**_LOG, "pidfile": "{scratch}/" + PIDFILE}
_SERVED = replace(FRIENDLY, variables={**NULL_VARIABLES, "JOURNAL_STREAM": "1:1"})
"""A descendant of a service, which has inherited the name of a journal that is not its own."""
_LEAKING = replace(FRIENDLY, descriptors=HOSTILE.descriptors, descriptor_limit=256)


def _stale(scratch: Path) -> None:
    (scratch / PIDFILE).write_bytes(b"1\n")  # PID 1 lives, but is no labd: a recycled number
    (scratch / PIDFILE).chmod(0o666)


def _garbage(scratch: Path) -> None:
    (scratch / PIDFILE).write_bytes(b"\xff\x1b[2J not a number\0\n" * 100)


def _link(scratch: Path) -> None:
    (scratch / VICTIM).write_bytes(ANOTHER)
    (scratch / PIDFILE).symlink_to(VICTIM)


def _hard_link(scratch: Path) -> None:
    (scratch / VICTIM).write_bytes(ANOTHER)
    (scratch / PIDFILE).hardlink_to(scratch / VICTIM)


def _exchange(scratch: Path) -> None:
    """What happens when the last owner removes its file, and another daemon makes its own."""
    (scratch / PIDFILE).unlink(missing_ok=True)
    (scratch / PIDFILE).write_bytes(ANOTHER)


def _home(scratch: Path) -> None:
    (scratch / HOME).mkdir()


def _fifo(scratch: Path) -> None:
    os.mkfifo(scratch / PIDFILE)


def _shared(scratch: Path) -> None:
    (scratch / "shared").mkdir()
    (scratch / "shared").chmod(0o777)


def _torn(scratch: Path) -> None:
    """A log whose last writer died within a line."""
    (scratch / LOG).write_bytes(TORN)
    (scratch / LOG).chmod(0o640)


WORKERS = 8
"""How many jobs run at a time. In the scenario "ends" more than these cannot be started: when each
keeps a place, the last finds none."""
_SPOOL = {**_LOG, "spool": "{scratch}/spool", "poll_interval": "0", "workers": str(WORKERS)}
_LATE = {**_SPOOL, "job_timeout": "0.4", "job_grace": "0.2"}
_PATIENT = {**_SPOOL, "job_timeout": "0.4", "job_grace": "60"}
SLEEP = "exec sleep 60"
_DEAF = "trap '' TERM; >{scratch}/deaf; exec sleep 60"
_HEEDS = "trap 'exit 7' TERM; sleep 60 & >{scratch}/heeds; while :; do wait; done"
STUBBORN = frozenset({"deaf", "heeds"})
"""Jobs that take SIGTERM in their own way, once there is a file of their name."""
ENDS = {
    "good": "exit 0",
    "bad": "exit 3",
    "killed": "kill -KILL $$",
    "closed": "exec 0<&- 1>&- 2>&-; exit 4",
    # It leaves a process in its group, which has to end with it.
    "leaver": "sleep 60 & exit 0",
    # It leaves a process in a session of its own, which has got there when it ends.
    "orphan": "setsid sh -c '>{scratch}/there; exec sleep 60' &\n"
    "while [ ! -e {scratch}/there ]; do sleep 0.01; done",
    **{f"broken{number}": "" for number in range(WORKERS + 1)},
}
"""Jobs by how they end."""
LATE = {
    "polite": SLEEP,
    "group": "sleep 60 & wait",
    "deaf": "trap '' TERM; sleep 60 & while :; do sleep 1; done",
    "stopped": "kill -STOP $$",
}
"""Jobs that do not end by themselves."""

FORGED = "forged"
"""The event of a line that nobody wrote, in the name of a job."""
_NO_UTF8 = b"\xff\xc0\xaf\xed\xa0\x80\xe2\x82".decode(errors="surrogateescape")
"""RFC 3629, section 3: no such byte; an overlong form; a surrogate; a character that is cut."""
INJECTED = (
    f'job\n{{"ts":"","level":"info","event":"{FORGED}","pid":1}}\n\x1b[2J\x7f\u00fc\u20ac\U0001f600'
    + _NO_UTF8
)
"""A name: newlines, what a terminal would obey, characters of 2, 3 and 4 bytes, and bytes that
are none."""
_LIMITED = {**_LOG, "spool": "{scratch}/spool", "job_timeout": "60", "job_grace": "60"}
_SHORT = {
    "first": "trap '' TERM; >{scratch}/first; exec sleep 60",
    "second": "trap '' TERM; exec sleep 60",
}
"""Jobs that only SIGKILL ends."""

WORKERS_NAMED = ("config", "queue", "reporter")
"""The workers of the daemon, in the order of the alphabet."""
VICTIM_WORKER = "reporter"
"""The one that is made to fail."""
WORKER_TIMEOUT = 0.1
"""Seconds without a sign of life after which a worker is late, where one is to be late."""


def _holding(name: str, action: str, *others: str, **settings: str) -> Scenario:
    return Scenario(
        name,
        FRIENDLY,
        {**_LOG, **settings},
        (action,),
        through=HOLDING_WAITS,
        holds=(VICTIM_WORKER, *others),
        waits=float(settings.get("stop_timeout", 0)),
    )


_LISTEN = {"listen": "unix:{scratch}/" + SOCKET_PATH}
_SERVED_LOG = {**_LOG, **_LISTEN}
_SERVED_SPOOL = {**_SPOOL, **_LISTEN}


def _dead(scratch: Path) -> None:
    """What a daemon leaves that was killed: the path of a socket that nobody listens at."""
    with socket.socket(socket.AF_UNIX) as gone:
        place = os.open(scratch, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:  # an address has at most 108 bytes, unix(7): the folder's path may have more
            gone.bind(f"/proc/self/fd/{place}/{SOCKET_PATH}")
        finally:
            os.close(place)


def _occupied(scratch: Path) -> None:
    (scratch / SOCKET_PATH).write_bytes(ANOTHER)


DATABASE = "results.db"
ROWS = (
    "log_open",
    "signals_open",
    "pidfile_acquire",
    "config_watch",
    "results_open",
    "jobs_open",
    "capture_open",
    "children_open",
    "group_open",
    "health",
)
"""The rows of the start-up table that have something to give back, in order."""
STUCK = "results_open"
"""Where the stop of the scenario "stuck" hangs: SQLite locks the database to close it."""
_WHOLE = {
    **_SPOOL,
    "log_level": "debug",
    "pidfile": "{scratch}/" + PIDFILE,
    "database": "{scratch}/" + DATABASE,
}


def _no_database(scratch: Path) -> None:
    (scratch / DATABASE).mkdir()


def _no_start(name: str, fails_at: str, **others: object) -> Scenario:
    """One whose start-up fails at a row of the table."""
    takes = ROWS[: ROWS.index(fails_at)]
    jobs = {} if fails_at == "jobs_open" else {"look": SLEEP}
    return Scenario(name, FRIENDLY, _WHOLE, jobs=jobs, takes=takes, **others)  # type: ignore[arg-type]


TORN = b'{"ts":"2026-'
"""What the log of the scenario "friendly" of lab 6 holds before the daemon starts."""

LABS: Mapping[int, tuple[Scenario, ...]] = {
    1: (
        Scenario("friendly", FRIENDLY, _LOG, ("logout",)),
        Scenario(
            "hostile",
            HOSTILE,
            {**_LOG, "umask": "027", "directory": "{scratch}/" + HOME},
            ("logout",),
            prepare=_home,
        ),
        Scenario("bare", BARE, _LOG),
        Scenario("slow", FRIENDLY, {**_LOG, "warmup": str(WARMUP)}, held_early=True, waits=WARMUP),
        Scenario("failing", FRIENDLY, {**_LOG, "directory": "{scratch}/" + NOWHERE}),
        Scenario("dying", FRIENDLY, {**_LOG, "warmup": "60"}, killed_early=True),
        Scenario(
            "abandoned", FRIENDLY, {**_LOG, "warmup": str(WARMUP)}, abandoned=True, waits=WARMUP
        ),
    ),
    2: (
        Scenario("friendly", FRIENDLY, _LOG),
        Scenario("hostile", HOSTILE, _LOG),
        Scenario("bare", BARE, _LOG),
        Scenario("denied", _LEAKING, _LOG, through=denying("close_range", "ENOSYS")),
    ),
    3: (
        Scenario("friendly", FRIENDLY, _LOG, ("HUP", "storm", "TERM")),
        Scenario("hostile", HOSTILE, _LOG, ("HUP", "INT")),
        Scenario("bare", BARE, _LOG, ("TERM",)),
        Scenario("draining", FRIENDLY, {**_LOG, "drain": "60"}, ("TERM TERM",)),
    ),
    4: (
        Scenario("friendly", FRIENDLY, _PIDFILE, ("again", "TERM")),
        Scenario("stale", HOSTILE, _PIDFILE, ("KILL", "again"), prepare=_stale),
        Scenario(
            "garbage",
            BARE,
            {**_PIDFILE, "umask": "077"},
            ("replace", "TERM"),
            prepare=_garbage,
        ),
        Scenario("overtaken", FRIENDLY, _PIDFILE, through=HOLDING, overtake=_exchange),
        Scenario("link", FRIENDLY, _PIDFILE, prepare=_link),
        Scenario("hard-link", FRIENDLY, _PIDFILE, prepare=_hard_link),
        Scenario("fifo", FRIENDLY, _PIDFILE, prepare=_fifo),
        Scenario(
            "shared", FRIENDLY, {**_LOG, "pidfile": "{scratch}/shared/labd.pid"}, prepare=_shared
        ),
        Scenario("race", FRIENDLY, _PIDFILE, copies=COPIES, waits=1),
    ),
    5: (
        Scenario(
            "child",
            HOSTILE,
            _SPOOL,
            ("look", "stubborn", "TERM"),
            jobs={"look": SLEEP, "heeds": _HEEDS},
            ends_at_stop=("heeds 7", "look TERM"),
        ),
        Scenario(
            "ends",
            FRIENDLY,
            _SPOOL,
            ("ends",),
            jobs=ENDS,
            ends=(
                "bad 3",
                *(f"broken{number} not started" for number in range(WORKERS + 1)),
                "closed 4",
                "good 0",
                "killed KILL",
                "leaver 0",
                "orphan 0",
            ),
        ),
        Scenario(
            "burst",
            BARE,
            {**_SPOOL, "job_grace": "0.1"},
            ("burst", "stubborn", "TERM"),
            jobs={**{f"job{n}": SLEEP for n in range(5)}, "deaf": _DEAF},
            ends=tuple(f"job{n} KILL" for n in range(5)),
            ends_at_stop=("deaf KILL",),
        ),
        Scenario(
            "late",
            FRIENDLY,
            _LATE,
            ("late",),
            jobs=LATE,
            ends=("deaf KILL", "group TERM", "polite TERM", "stopped TERM"),
            waits=0.6,
        ),
        Scenario(
            "overlap",
            FRIENDLY,
            _PATIENT,
            ("overlap", "TERM TERM"),
            jobs={"deaf": _DEAF, "polite": SLEEP},
            ends=("polite TERM",),
            ends_at_stop=("deaf KILL",),
            waits=0.8,
        ),
        # Its 0, 1 and 2 are those of whoever started it, its log among them: not for its jobs.
        Scenario(
            "foreground",
            FRIENDLY,
            {key: value for key, value in _SPOOL.items() if key != "log"},
            ("look",),
            jobs={"look": SLEEP},
            foreground=True,
        ),
    ),
    6: (
        Scenario("friendly", FRIENDLY, _LOG, ("TERM",), prepare=_torn),
        Scenario("killed", BARE, {**_LOG, "umask": "000"}, ("KILL",)),
        Scenario("inject", HOSTILE, _SPOOL, ("inject",), jobs={INJECTED: "exit 0"}),
        Scenario("level", FRIENDLY, {**_LOG, "log_level": "error"}, ("level",)),
        Scenario("rotate", FRIENDLY, _LOG, ("rotate",)),
        Scenario("vanish", FRIENDLY, _LOG, ("vanish", "fill")),
        Scenario("foreground", _SERVED, {}, ("TERM",), foreground=True),
    ),
    7: (
        Scenario("friendly", FRIENDLY, _LOG, ("hangup", "answers", "TERM")),
        Scenario("rename", FRIENDLY, _LOG, ("rename",)),
        Scenario("in-place", BARE, _LOG, ("in-place",)),
        Scenario("swap", FRIENDLY, _LOG, ("swap",), prepare=mount),
        Scenario("restart", HOSTILE, _LOG, ("restart",)),
        Scenario("limits", FRIENDLY, _LIMITED, ("limits",), jobs=_SHORT, waits=0.5),
    ),
    8: (
        Scenario("friendly", FRIENDLY, {**_LOG, "drain": str(DRAIN)}, ("TERM",)),
        Scenario("denied", FRIENDLY, _LOG, through=denying("clone3", "EAGAIN")),
        _holding("failing", "fail"),
        _holding("both", "fail both", "queue"),
        _holding("gone", "vanish"),
        _holding("stopping", "TERM fail"),
        _holding("hung", "TERM", stop_timeout="1"),
        Scenario(
            "late",
            FRIENDLY,
            {**_LOG, "drain": "60", "worker_timeout": str(WORKER_TIMEOUT), "stop_timeout": "0.3"},
            ("late TERM",),
            through=HOLDING_WAITS,
            holds=("queue",),
            waits=1.3,
        ),
    ),
    9: (
        Scenario(
            "friendly",
            FRIENDLY,
            {**_SERVED_SPOOL, "warmup": str(2 * WARMUP)},
            ("pages", "unusable", "TERM"),
            jobs={"good": "exit 0", "bad": "exit 3"},
            asked_early=True,
        ),
        Scenario("port", BARE, {**_LOG, "listen": "127.0.0.1:0"}, ("hostile", "TERM")),
        Scenario("stopping", HOSTILE, {**_SERVED_LOG, "drain": "60"}, ("ask and stop",)),
        Scenario("stale", BARE, _SERVED_LOG, ("still", "TERM"), prepare=_dead),
        Scenario("crowd", FRIENDLY, _SERVED_LOG, ("crowd", "still")),
        Scenario("taken", FRIENDLY, _SERVED_LOG, ("again", "still", "replace socket", "TERM")),
        Scenario("occupied", FRIENDLY, _SERVED_LOG, prepare=_occupied),
        Scenario(
            "hung",
            FRIENDLY,
            {**_SERVED_LOG, "worker_timeout": str(LIMIT), "stop_timeout": "0.5"},
            ("hang",),
            through=HOLDING_WAITS,
            holds=("queue",),
            waits=LIMIT,
        ),
    ),
    10: (
        Scenario(
            "busy",
            FRIENDLY,
            _WHOLE,
            ("look", "TERM"),
            jobs={"look": SLEEP},
            ends_at_stop=("look TERM",),
            takes=ROWS,
        ),
        Scenario(
            "worker",
            FRIENDLY,
            _WHOLE,
            ("look", "fail"),
            jobs={"look": SLEEP},
            through=HOLDING_WAITS,
            holds=(VICTIM_WORKER,),
            takes=ROWS,
        ),
        Scenario("crashed", BARE, _WHOLE, ("look", "KILL", "afresh"), jobs={"look": SLEEP}),
        _no_start("no-database", "results_open", prepare=_no_database),
        _no_start("no-spool", "jobs_open"),
        _no_start("no-timer", "children_open", through=denying("timerfd_create", "EMFILE")),
        Scenario(
            "no-thread",
            FRIENDLY,
            _WHOLE,
            jobs={"look": SLEEP},
            through=denying("clone3", "EAGAIN"),
            takes=ROWS,
        ),
        Scenario(
            "stuck",
            FRIENDLY,
            {**_WHOLE, "stop_timeout": "1"},
            ("TERM",),
            jobs={"look": SLEEP},
            through=HOLDING,
            overtake=lambda scratch: None,
            keeps=True,
            takes=ROWS,
            waits=1,
        ),
    ),
}


def of_any(environment: Environment) -> Scenario:
    """The scenario of any command, in an environment of the user's choice."""
    return Scenario(environment.name, environment, actions=("logout", "TERM"), any_program=True)
