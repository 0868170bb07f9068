"""Perform a scenario: launch the subject, let it settle, act on it, write down what it showed.

The only module that both acts and observes; what comes out is a Record, pure data.
"""

import os
import re
import signal
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from daemonlab import configwork, groupwork, healthwork, logwork, stuck, work
from daemonlab.environment import FRIENDLY
from daemonlab.interfere import SOCKET, Locks, Waits, locks, waits
from daemonlab.keeper import FLOOD
from daemonlab.launch import Ended, Launch, LaunchError, folder, launch
from daemonlab.observe import (
    Process,
    ProcessGone,
    Snapshot,
    Unknown,
    alive,
    children,
    identity,
    snapshot,
)
from daemonlab.patience import LOOK, patiently, until
from daemonlab.record import EARLY, LOSS, Again, File, Reaction, Record
from daemonlab.refusal import refused
from daemonlab.scenarios import ANOTHER, PIDFILE, Scenario

START_TIME = 5.0
"""Seconds that a starter is given, and on while it works, or one of many that start at once."""
STOP_TIME = 3.0
"""Seconds that a daemon is given to end after a signal that asks it to."""
_MUCH_WORK = 2.0
"""Seconds of CPU in which a daemon has started, and has stopped: who has used more is in a loop."""
_HOLD_TIME = 1.0
"""Seconds that a starter is given, while its daemon stands still, to end or to come to rest."""
STORM = 100
"""How many times the storm stops, continues and hangs up the daemon."""
_SETTLE_TIME = 2.0
"""Seconds that a subject is given to come to rest once its starter has returned."""
_DYING_TIME = 1.0
"""Seconds that what was sent SIGKILL is given to be gone, on a busy machine."""
_ENDED = Unknown("the process has ended")
"""What a snapshot holds for the descriptors of a process that is on its way out."""
_SILENT = frozenset({"warning", "error"})
"""Levels of the log at which a daemon does not say that it is ready."""
_OURS = frozenset({"labd.ini", "leaked", "log", SOCKET})
"""Files in the folder of a launch that are the laboratory's, or looked at elsewhere."""

Command = Callable[[Path], Sequence[str]]
"""Makes the command line from the path of the configuration file."""


def _settings(scenario: Scenario, scratch: Path) -> dict[str, str]:
    return {key: value.format(scratch=scratch) for key, value in scenario.settings.items()}


def _write_configuration(scenario: Scenario, scratch: Path) -> Path:
    lines = [f"{key} = {value}" for key, value in _settings(scenario, scratch).items()]
    path = scratch / "labd.ini"
    path.write_text("\n".join(["[labd]", *lines, ""]), encoding="utf-8")
    return path


def _log_events(subject: Launch) -> list[dict[str, object]]:
    """What the daemon has logged so far."""
    return logwork.events(logwork.read(subject.scratch / logwork.LOG))


def _writes(process: Process) -> int | None:
    """How many of its system calls have written something: proc_pid_io(5)."""
    with suppress(OSError):
        counters = Path(f"/proc/{process.pid}/io").read_text(encoding="ascii")
        if found := re.search(r"^syscw: (\d+)$", counters, re.MULTILINE):
            return int(found[1])
    return None


def _picture(process: Process) -> tuple[object, ...]:
    """What must hold still for a daemon to have settled; nothing, if it is not at rest."""
    with suppress(ProcessGone):
        now = snapshot(process.pid, {"status", "cwd", "descriptors"})
        if now.state in "RD":  # it may just not have come to run yet, on a busy machine
            return ()
        return (
            now.ppid,
            now.pgrp,
            now.session,
            now.tty,
            now.umask,
            now.cwd,
            now.sig_blocked,
            now.sig_ignored,
            now.descriptors,
        )
    return ()


def _works(subject: Launch) -> bool:
    """Whether one of its processes, or its keeper, runs, or waits for a processor or a disk. Not
    one that has had a processor for long enough, and none in a flood."""
    if len(subject.output()) > FLOOD:
        return False
    for process in (subject.keeper, *subject.processes()):
        with suppress(ProcessGone):
            if process != subject.keeper and stuck.used(process.pid) > _MUCH_WORK:
                continue
            tasks = snapshot(process.pid, {"tasks"}).tasks
            if not isinstance(tasks, Unknown) and any(task.state in "RD" for task in tasks):
                return True
    return False


def _wait_starter(subject: Launch, seconds: float) -> Ended | None:
    """Wait until the starter has ended. None: it does not, although nobody keeps it from it."""
    return patiently(subject.wait_starter, partial(_works, subject), seconds)


def _settled(subject: Launch, scenario: Scenario, processes: int) -> bool:
    """Whether a labd says in its log that it is ready. Of many that started at once those that were
    refused must be gone, too: the end of file that lets a starter go comes a moment before."""
    ready = sum(event.get("event") == "ready" for event in _log_events(subject))
    return ready >= (1 if scenario.copies == 1 else max(1, processes))


def _settle(subject: Launch, scenario: Scenario) -> list[Process]:
    """Look until two looks show the same processes at rest, and the log of a labd that is to say so
    says that it is ready: one may let its starter go too early, another may end right after it.

    There is no event to wait for: nothing tells when another program is done with preparing.
    """
    deadline = time.monotonic() + _SETTLE_TIME
    before = None
    while True:
        processes = subject.processes()
        now = [(process, _picture(process)) for process in processes]
        still = before == now and all(picture for _, picture in now)
        if not scenario.any_program and scenario.settings.get("log_level") not in _SILENT:
            still = still and _settled(subject, scenario, len(now))
        # Nobody there: one whose parent left it while we looked is missed. So look once more.
        settled = still if now else before == now
        if settled or time.monotonic() > deadline:
            return processes
        before = now
        time.sleep(LOOK)


def _quiet(subject: Launch, process: Process, number: int) -> None:
    """Wait until a signal has been taken and dealt with, or the process has ended."""
    deadline = time.monotonic() + STOP_TIME
    looks = 0
    while looks < 3 and time.monotonic() < deadline:
        try:
            now = snapshot(process.pid, {"status"})
        except ProcessGone:
            return
        looks = looks + 1 if now.state == "S" and not work.is_pending(now, number) else 0
        if now.state in "ZX" or subject.wait_ended(process, LOOK):
            return


def _send(subject: Launch, process: Process, number: signal.Signals) -> None:
    """Send a signal and wait until it has been dealt with."""
    with suppress(ProcessGone):
        subject.send(process, number)
        _quiet(subject, process, number)


def _file(path: Path) -> File | None:
    with suppress(OSError):
        status = path.lstat()
        kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
        kinds[stat.S_IFSOCK] = "socket"
        kind = kinds.get(stat.S_IFMT(status.st_mode), "other")
        content = b""
        if kind == "file":
            with open(path, "rb", opener=_without_following) as file:
                content = file.read(4096) or b""
        elif kind == "link":
            content = os.fsencode(os.readlink(path))
        return File(kind, stat.S_IMODE(status.st_mode), status.st_ino, content)
    return None


def _without_following(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _files(scratch: Path) -> dict[str, File]:
    """What lies in the folder of the launch, without what the laboratory itself put there."""
    found = {}
    with suppress(OSError):  # the subject may have removed it
        found = {path.name: _file(path) for path in scratch.iterdir()}
    return {name: file for name, file in found.items() if file and name not in _OURS}


def _left(second: Launch, failed: bool) -> list[Process]:
    """The daemons of a second start. One that failed is given time to be gone: the end of file
    that lets the starter go comes a moment before the process has ended."""
    if failed:
        until(lambda: not second.daemons(), _SETTLE_TIME)
    return second.daemons()


def _again(subject: Launch, daemon: Process) -> Reaction:
    """Start the same once more, in the same folder. What is started so is ended at once."""
    began = time.monotonic()
    with launch(subject.command, subject.environment, subject.variables, subject.scratch) as second:
        ended = _wait_starter(second, START_TIME)
        left = _left(second, failed=ended is not None and ended.code != 0)
        again = Again(
            code=ended.code if ended else None,
            signal=ended.signal if ended else None,
            seconds=ended.time - second.began if ended else START_TIME,
            output=second.output(),
            daemon=left[0].pid if left else 0,
            files=_files(subject.scratch),
        )
        return Reaction("again", alive(daemon), seconds=time.monotonic() - began, again=again)


def _afresh(subject: Launch, daemon: Process) -> Reaction:
    """Start the same once more, give it time to see what the first has left, and ask it to stop."""
    ready = sum(event.get("event") == "ready" for event in _log_events(subject))
    began = time.monotonic()
    with launch(subject.command, subject.environment, subject.variables, subject.scratch) as second:
        _wait_starter(second, START_TIME)

        def at_work() -> bool:
            events = [event.get("event") for event in _log_events(subject)]
            return events.count("ready") > ready and events.count("job_started") > 1

        until(at_work, _SETTLE_TIME)
        if not (daemons := second.daemons()):
            return Reaction("afresh", alive=False, seconds=time.monotonic() - began)
        return replace(act(second, daemons[0], "TERM"), action="afresh")


def _answers(subject: Launch, daemon: Process) -> Reaction:
    """Ask with --check about files that are wrong. The daemon that runs has no part in it."""
    asked, path = {}, subject.scratch / configwork.ASKED
    own = str(subject.scratch / configwork.CONFIGURATION)
    command = [str(path) if word == own else word for word in subject.command]
    for name, (text, _) in configwork.ANSWERS.items():
        with suppress(OSError):  # the subject may have put anything there
            path.write_text(text, encoding="utf-8")
        one = launch([*command, "--check"], FRIENDLY, subject.variables, subject.scratch)
        with one as second:
            ended = _wait_starter(second, START_TIME)
            code = "none" if ended is None else str(ended.code)
            asked[name] = f"{code} ".encode() + second.output()
    return Reaction("answers", alive(daemon), logs=asked)


def _replace(subject: Launch, daemon: Process) -> Reaction:
    """Put another daemon's PID file in the place of its own."""
    other = subject.scratch / "other.pid"
    with suppress(OSError):  # the subject may have put anything there
        with open(other, "xb") as file:
            file.write(ANOTHER)
        other.rename(subject.scratch / PIDFILE)
    return Reaction("replace", alive(daemon))


def _reaction(
    subject: Launch, process: Process, action: str, began: float, seconds: float
) -> Reaction:
    # News of a death may still be on its way from the keeper.
    wait = partial(subject.wait_ended, process)
    ended = patiently(wait, partial(_works, subject), seconds if alive(process) else STOP_TIME)
    if ended is None:
        return Reaction(action, alive=alive(process), seconds=time.monotonic() - began)
    return Reaction(
        action, alive=False, code=ended.code, signal=ended.signal, seconds=ended.time - began
    )


def _storm(subject: Launch, process: Process) -> None:
    for _ in range(STORM):
        for number in (signal.SIGSTOP, signal.SIGCONT, signal.SIGHUP):
            subject.send(process, number)


_LOGGED = {**logwork.ACTIONS, **configwork.ACTIONS}


def _log_reaction(subject: Launch, process: Process, action: str) -> Reaction:
    writer = logwork.Writer(
        process.pid,
        subject.scratch,
        send=partial(_send, subject, process),
        rest=partial(_quiet, subject, process, 0),
    )
    began, before, logs = time.monotonic(), _writes(process), None
    with suppress(OSError):  # the subject may have removed what is to be changed, or be dead
        logs = _LOGGED[action](writer)
    after = _writes(process)
    writes = None if before is None or after is None else after - before
    return Reaction(
        action, alive(process), seconds=time.monotonic() - began, logs=logs, writes=writes
    )


def _worker_reaction(subject: Launch, process: Process, action: str, held: Waits) -> Reaction:
    send = partial(subject.send, process)
    victim = groupwork.Victim(subject.scratch, held, held.threads, send)
    began = time.monotonic()
    with suppress(ProcessGone):
        groupwork.ACTIONS[action](victim)
    return _reaction(subject, process, action, began, STOP_TIME)


def _health_reaction(
    subject: Launch,
    process: Process,
    action: str,
    ask: Callable[[healthwork.Patient], healthwork.Answers],
    listen: str,
) -> Reaction:
    patient = healthwork.Patient(
        process.pid,
        subject.scratch,
        listen,
        partial(subject.send, process),
        partial(_works, subject),
    )
    began, answers = time.monotonic(), None
    with suppress(ProcessGone):
        answers = ask(patient)
    ends = action in healthwork.ENDING
    return replace(
        _reaction(subject, process, action, began, STOP_TIME if ends else 0), answers=answers
    )


def act(
    subject: Launch, process: Process, action: str, held: Waits | None = None, listen: str = ""
) -> Reaction:
    """Do one thing to the daemon and see what it does.

    "logout" ends the session it was started from and hangs up its terminal; "again" starts the
    same once more; "afresh" does so, too, and then stops that; "replace" puts another's PID file
    in the place of its own; "storm" sends many SIGSTOP, SIGCONT and SIGHUP; HUP alone expects it
    to live on; else the names of signals, in a row, each sent when the one before has been taken,
    and it is expected to end. The actions of work.py give it jobs, those of logwork.py do
    something to its log, those of configwork.py to its configuration, those of groupwork.py to
    one of its workers that is held, those of healthwork.py ask it over HTTP; "answers" asks the
    program what it thinks of other configurations.
    """
    if held is not None and action in groupwork.ACTIONS:
        return _worker_reaction(subject, process, action, held)
    if action in healthwork.ACTIONS:
        return _health_reaction(subject, process, action, healthwork.ACTIONS[action], listen)
    if action == "again":
        return _again(subject, process)
    if action == "afresh":
        return _afresh(subject, process)
    if action == "replace":
        return _replace(subject, process)
    began = time.monotonic()
    if action in work.ACTIONS:
        done = work.ACTIONS[action](subject, process)
        return Reaction(action, alive(process), seconds=time.monotonic() - began, work=done)
    if action == "answers":
        return _answers(subject, process)
    if action in _LOGGED:
        return _log_reaction(subject, process, action)
    with suppress(ProcessGone):
        if action == "logout":
            subject.log_out()
            _quiet(subject, process, signal.SIGHUP)
            return _reaction(subject, process, action, began, 0)
        if action == "storm":
            _storm(subject, process)
            _quiet(subject, process, signal.SIGHUP)
            return _reaction(subject, process, action, began, 0)
        *first, last = [signal.Signals[f"SIG{name}"] for name in action.split()]
        for number in first:
            _send(subject, process, number)
        subject.send(process, last)
        if action == "HUP":
            _quiet(subject, process, last)
            return _reaction(subject, process, action, began, 0)
    return _reaction(subject, process, action, began, STOP_TIME)


def _actions(
    subject: Launch, daemon: Process, actions: Sequence[str], held: Waits | None, listen: str
) -> tuple[Reaction, ...]:
    reactions: list[Reaction] = []
    for action in actions:
        if reactions and not reactions[-1].alive and action not in ("again", "afresh"):
            break
        reactions.append(act(subject, daemon, action, held, listen))
    return tuple(reactions)


def _trouble(subject: Launch) -> str:
    if subject.too_many:
        return "it had more than 256 processes, and was ended"
    if subject.keeper_lost:
        return "it killed the process that watched it"
    return ""


def _starting(subject: Launch) -> Process | None:
    """The process that says in the log that it is starting, if it is the subject's."""
    for event in _log_events(subject):
        if event.get("event") == "starting":
            pid = event.get("pid")
            return next((known for known in subject.processes() if known.pid == pid), None)
    return None


def _await_starting(subject: Launch, seconds: float) -> Process | None:
    """Wait until the daemon is starting. None: it was not, or was ready before we saw it."""
    look = partial(until, lambda: subject.wait_starter(0) or _starting(subject))
    found = patiently(look, partial(_works, subject), seconds)
    return found if isinstance(found, Process) else None


def _says_ready(subject: Launch) -> bool:
    return any(event.get("event") == "ready" for event in _log_events(subject))


def _at_rest(processes: Sequence[Process]) -> bool:
    """Whether each of them waits for something, or is gone."""
    for process in processes:
        with suppress(ProcessGone):
            if snapshot(process.pid, {"status"}).state not in "STZX":
                return False
    return True


def _hold(subject: Launch, daemon: Process) -> None:
    """Stop the daemon until its starter has ended, or three looks have shown that it waits: a
    starter that does not wait for its daemon ends meanwhile, be the machine as slow as it may."""
    looks = 0

    def seen() -> bool:
        nonlocal looks
        looks = looks + 1 if _at_rest(subject.processes()) else 0
        return subject.wait_starter(0) is not None or looks == 3

    with suppress(ProcessGone):
        subject.send(daemon, signal.SIGSTOP)
        until(seen, _HOLD_TIME)
        subject.send(daemon, signal.SIGCONT)


def _ready_first(subject: Launch, daemon: Process | None, seconds: float) -> bool | None:
    """Hold the daemon that is starting, and see what comes first: that it says that it is ready, or
    that its starter ends."""

    ready = partial(_says_ready, subject)
    if daemon:
        _hold(subject, daemon)
        until(lambda: subject.wait_starter(0) or ready(), seconds)
    ended = subject.wait_starter(0)  # first this, then the log: what it does not say now is late
    return ready() if ended else True if ready() else None


def _kill(subject: Launch, daemon: Process) -> None:
    with suppress(ProcessGone):
        subject.send(daemon, signal.SIGKILL)


def _abandon(subject: Launch, scenario: Scenario, daemon: Process) -> tuple[Reaction, ...]:
    """Kill the starter of the daemon that is starting, and see what becomes of the daemon."""
    began = time.monotonic()
    with suppress(ProcessGone):
        subject.send(identity(subject.starter), signal.SIGKILL)
    ended = subject.wait_starter(STOP_TIME)
    if ended is None or ended.signal != signal.SIGKILL:  # it had been let go
        return ()
    return (_reaction(subject, daemon, LOSS, began, scenario.waits + STOP_TIME),)


def _was_late(subject: Launch, scenario: Scenario, early: Sequence[Reaction]) -> bool:
    """Whether the daemon was ready too soon for its starter to be killed, or for it to be asked. A
    starter that does not wait for its daemon is gone before that is ready: that is no accident."""
    if scenario.abandoned:
        missed = not early
    else:
        missed = scenario.asked_early and all(healthwork.ready(one.answers) for one in early)
    return missed and _says_ready(subject)


def _ask_early(subject: Launch, daemon: Process, listen: str) -> tuple[Reaction, ...]:
    """Ask the daemon over HTTP as soon as it says that it is starting."""
    return (_health_reaction(subject, daemon, EARLY, healthwork.starting, listen),)


def _await_ready(subject: Launch, seconds: float) -> Ended | None:
    """Wait until a daemon in the foreground prints that it is ready; how it ended, if it did."""

    def ready() -> bool:
        events = logwork.events(subject.output())
        return any(event.get("event") == "ready" for event in events)

    until(lambda: subject.wait_starter(0) or ready(), seconds)
    return subject.wait_starter(0)


def _left_alive(subject: Launch, reactions: Sequence[Reaction]) -> tuple[Process, ...]:
    """What is alive of it. When the daemon has ended, what it has killed may take a moment."""
    if reactions and not reactions[-1].alive:
        gone = partial(until, lambda: not subject.processes())
        patiently(gone, partial(_works, subject), _DYING_TIME)
    return tuple(subject.processes())


def _all_asked_for(subject: Launch) -> bool:
    """Whether no child of the keeper is dead and waits to be asked how it ended."""
    states = []
    for child in children(subject.keeper.pid):
        with suppress(ProcessGone):
            states.append(snapshot(child.pid, {"status"}).state)
    return not {"Z", "X"} & {*states}


def _bequeathed(subject: Launch) -> tuple[int, ...]:
    """Wait until the keeper has asked for all that has ended: it does so at once."""
    until(partial(_all_asked_for, subject), _SETTLE_TIME)
    return subject.bequeathed()


def _overtake(subject: Launch, scenario: Scenario, held: Locks, seconds: float) -> int | None:
    """Do what the scenario has happen just before the daemon locks its file."""
    if scenario.overtake is None:
        return None
    return held.overtake(
        partial(scenario.overtake, subject.scratch),
        lambda: subject.wait_starter(0) is not None,
        time.monotonic() + seconds,
        scenario.keeps,
    )


def _daemon(
    subject: Launch, seen: Mapping[Process, Snapshot], any_program: bool, stayed: bool
) -> Process | None:
    """Which of its processes is the daemon.

    labd has one process when it has just started: were there more, the youngest would be the
    daemon. Other programs have helpers: their daemon is the one that was adopted first, or the
    starter that stayed.
    """
    if not seen:
        return None
    if not any_program:
        return max(seen, key=lambda process: (process.start, process.pid))
    adopted = subject.daemons()
    return next((process for process in seen if process in adopted or stayed), None)


def _snapshots(processes: Sequence[Process]) -> dict[Process, Snapshot]:
    found = {}
    for process in processes:
        with suppress(ProcessGone):
            seen = snapshot(process.pid)
            if seen.process == process and seen.state not in "ZX" and seen.descriptors != _ENDED:
                found[process] = seen
    return found


def _copied(command: Sequence[str], copies: int) -> tuple[str, ...]:
    """The command, or a shell that starts it so many times at once and waits for all."""
    if copies == 1:
        return tuple(command)
    script = f'i=0; while [ $i -lt {copies} ]; do "$@" & i=$((i + 1)); done; wait'
    return ("/bin/sh", "-c", script, "sh", *command)


def _prepare(command: Command, scenario: Scenario, scratch: Path) -> tuple[str, ...]:
    """Put into the folder what is to be there; returns the command line."""
    try:
        if scenario.prepare is not None:
            scenario.prepare(scratch)
        if scenario.jobs:
            work.prepare(scenario.jobs, scratch)
        configuration = _write_configuration(scenario, scratch)
    except OSError as error:
        raise LaunchError(refused(f"nothing can be written to {scratch}", error)) from error
    stays = ("--foreground",) if scenario.foreground else ()
    return (*scenario.through, *_copied(command(configuration), scenario.copies), *stays)


def _watch(
    subject: Launch,
    scenario: Scenario,
    held: Locks | Waits | None,
    start_time: float,
    clock: float,
) -> Record:
    """See what the subject turns into, act on it, and write down what it showed."""
    listen = _settings(scenario, subject.scratch).get("listen", "")
    starting = _await_starting(subject, start_time) if scenario.early else None
    waited = scenario.early and starting is None
    ready_first = _ready_first(subject, starting, start_time) if scenario.held_early else None
    early: tuple[Reaction, ...] = ()
    if starting and scenario.killed_early:
        _kill(subject, starting)
    elif starting and scenario.abandoned:
        early = _abandon(subject, scenario, starting)
    elif starting and scenario.asked_early:
        early = _ask_early(subject, starting, listen)
    late = _was_late(subject, scenario, early)
    began = time.monotonic()
    overtaken = _overtake(subject, scenario, held, start_time) if isinstance(held, Locks) else None
    waited = waited or time.monotonic() > began + start_time
    began = time.monotonic()
    if scenario.foreground:
        ended = _await_ready(subject, start_time)
    else:
        ended = _wait_starter(subject, 0 if waited else start_time)
    waited_for = time.monotonic() - began
    patience = start_time if waited_for < start_time + 1 else round(waited_for)
    # A labd whose starter does not return has failed: more patience would show nothing more.
    hangs = ended is None and not scenario.any_program and not scenario.foreground
    settled = hangs or scenario.foreground
    seen = _snapshots(subject.processes() if settled else _settle(subject, scenario))
    files = _files(subject.scratch)
    daemon = _daemon(subject, seen, scenario.any_program, stayed=ended is None)
    threads = groupwork.threads(daemon.pid) if daemon else ()
    workers = held if isinstance(held, Waits) else None
    acts = scenario.actions if daemon and not hangs else ()
    reactions = _actions(subject, daemon, acts, workers, listen) if daemon else ()
    last = _reaction(subject, daemon, "none", time.monotonic(), 0) if daemon and reactions else None
    if hangs:
        standing = tuple(map(stuck.look, seen.values()))
    else:
        standing = stuck.threads(seen[daemon]) if daemon and last and last.alive else ()
    log = _file(subject.scratch / logwork.LOG)
    return Record(
        scenario=scenario.name,
        environment=scenario.environment,
        command=tuple(subject.command),
        settings=None if scenario.any_program else _settings(scenario, subject.scratch),
        scratch=str(subject.scratch),
        keeper=subject.keeper.pid,
        shell=subject.shell,
        starter=subject.starter,
        not_executed=subject.not_executed,
        starter_code=ended.code if ended else None,
        starter_signal=ended.signal if ended else None,
        starter_seconds=ended.time - subject.began if ended else None,
        late=late,
        ready_first=ready_first,
        waited=patience,
        daemon=seen[daemon] if daemon else None,
        processes=tuple(seen.values()),
        stuck=standing,
        last=last,
        threads=threads,
        reactions=(*early, *reactions),
        overtaken=overtaken,
        output=subject.output(),
        log=logwork.read(subject.scratch / logwork.LOG),
        log_mode=log.mode if log else None,
        files=files,
        files_after=_files(subject.scratch),
        left=_left_alive(subject, reactions),
        bequeathed=_bequeathed(subject),
        clock=(clock, time.time()),
        trouble=_trouble(subject),
    )


@contextmanager
def performing(
    command: Command,
    scenario: Scenario,
    variables: Mapping[str, str] | None = None,
    start_time: float = START_TIME,
) -> Iterator[tuple[Launch, Record]]:
    """Launch the subject, observe it, act on it; it runs on until the context is left, which leaves
    no process and no file.

    start_time is in seconds. Raises LaunchError.
    """
    clock = time.time()
    with folder() as scratch, ExitStack() as stack:
        line = _prepare(command, scenario, scratch)
        held: Locks | Waits | None = None
        if scenario.overtake:
            held = stack.enter_context(locks(scratch))
        elif scenario.holds:
            held = stack.enter_context(waits(scratch, scenario.holds))
        subject = stack.enter_context(launch(line, scenario.environment, variables, scratch))
        yield subject, _watch(subject, scenario, held, start_time, clock)


def perform(
    command: Command,
    scenario: Scenario,
    variables: Mapping[str, str] | None = None,
    start_time: float = START_TIME,
) -> Record:
    """As performing(), and end it. Where the laboratory came too late to act while the daemon was
    starting, once more, and slower."""
    with performing(command, scenario, variables, start_time) as (_, record):
        pass
    if not record.late:
        return record
    with performing(command, scenario.slower, variables, start_time) as (_, record):
        return record
