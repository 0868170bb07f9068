"""Facts: named, documented values, each derived from what one launch showed, with its evidence.

A fact is what the kernel says, put into words; it does not judge. Where the record does not hold
it (no daemon was left, the kernel refused), the value is None and the evidence tells why.
"""

import json
import os
import re
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from daemonlab.configwork import ANSWERS, ASKED, CONFIGURATION
from daemonlab.logwork import LOG, events
from daemonlab.observe import Descriptor, Snapshot, Unknown
from daemonlab.procfs import terminal_name, text
from daemonlab.record import LOSS, File, Reaction, Record, Work
from daemonlab.scenarios import DATABASE, INJECTED, LABS, PIDFILE, TORN, VICTIM, Scenario


@dataclass(frozen=True, slots=True)
class Fact:
    """What was found, and what it was read from."""

    value: object
    evidence: str = ""


Facts = dict[str, Fact]

_FACTS: dict[str, Callable[[Record], Fact]] = {}


def _fact(derive: Callable[[Record], Fact]) -> Callable[[Record], Fact]:
    _FACTS[derive.__name__] = derive
    return derive


register = _fact
"""For the facts of a lab that stand in a module of their own: they are loaded below."""


def _of_daemon(derive: Callable[[Record, Snapshot], Fact]) -> Callable[[Record], Fact]:
    """A fact about the daemon's snapshot: unknown when there is no daemon."""

    def derived(record: Record) -> Fact:
        if record.daemon is None:
            return Fact(None, "no daemon was left")
        return derive(record, record.daemon)

    derived.__name__, derived.__doc__ = derive.__name__, derive.__doc__
    return _fact(derived)


def facts_of(record: Record) -> Facts:
    """Every fact of a launch, by name."""
    return {name: derive(record) for name, derive in _FACTS.items()}


def documentation() -> dict[str, str]:
    """What each fact means, by name."""
    return {name: " ".join((derive.__doc__ or "").split()) for name, derive in _FACTS.items()}


def signal_names(numbers: Iterable[int]) -> tuple[str, ...]:
    """Names without SIG, in the order of the numbers; real-time signals as RT+n."""
    return tuple(_signal_name(number) for number in sorted(numbers))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:  # 32 and 33 belong to the C library, and have no name
        return f"RT+{number - signal.SIGRTMIN}" if number > signal.SIGRTMIN else str(number)


def _at(process: Snapshot, file: str) -> str:
    return f"/proc/{process.process.pid}/{file}"


def _line(process: Snapshot, name: str) -> str:
    """A line of its status, as one could have read it oneself."""
    return f"{_at(process, 'status')}: {process.line(name)}".replace("\t", " ")


# --- how it started ---


@_fact
def environment(record: Record) -> Fact:
    """The name of the environment that it was started in."""
    return Fact(record.environment.name)


@_fact
def trouble(record: Record) -> Fact:
    """Why the launch was cut short, or nothing."""
    return Fact(record.trouble)


@_fact
def starter_status(record: Record) -> Fact:
    """How the process ended that the shell waited for: its exit code, a signal, or "running"."""
    if record.not_executed:
        return Fact("not executed", f"execve({record.command[0]}): errno {record.not_executed}")
    if record.starter_seconds is None:
        return Fact("running", f"still there after {record.waited:g} s")
    after = f"after {record.starter_seconds * 1000:.0f} ms"
    if record.starter_signal is not None:
        return Fact(f"SIG{_signal_name(record.starter_signal)}", after)
    return Fact(record.starter_code, f"exit code {record.starter_code} {after}")


@_fact
def starter_seconds(record: Record) -> Fact:
    """Seconds from the starter's fork to its end."""
    return Fact(record.starter_seconds)


@_fact
def ready_first(record: Record) -> Fact:
    """Whether the log said that the daemon is ready before its starter ended."""
    return Fact(record.ready_first, str(starter_status(record).evidence))


@_fact
def output(record: Record) -> Fact:
    """What it printed, as text."""
    return Fact(record.output.decode(errors="backslashreplace").replace("\r\n", "\n").strip())


@_fact
def processes(record: Record) -> Fact:
    """How many processes it has."""
    return Fact(len(record.processes), _list(record.processes))


def _list(snapshots: Iterable[Snapshot]) -> str:
    return ", ".join(f"{seen.process.pid} {seen.comm}" for seen in snapshots)


# --- lab 1: where it stands ---


@_of_daemon
def parent(record: Record, daemon: Snapshot) -> Fact:
    """Who its parent is: the reaper of orphans, as PID 1 is, when it has detached."""
    names = {record.keeper: "reaper", record.shell: "shell", record.starter: "starter"}
    return Fact(names.get(daemon.ppid, "other"), _line(daemon, "PPid"))


@_of_daemon
def session(record: Record, daemon: Snapshot) -> Fact:
    """Whose session it is in: "own" if it is none of the shell's."""
    whose = "shell's" if daemon.session == record.shell else "own"
    line = f"{_at(daemon, 'stat')}, field 6 (session): {daemon.session}"
    return Fact(whose, f"{line}; the shell's: {record.shell}")


@_of_daemon
def session_leader(record: Record, daemon: Snapshot) -> Fact:
    """Whether it leads its session. A leader gains a terminal by opening one: setsid(2), tty(4)."""
    pid = daemon.process.pid
    return Fact(
        daemon.session == pid, f"{_at(daemon, 'stat')}, field 6 (session): {daemon.session}"
    )


@_of_daemon
def terminal(record: Record, daemon: Snapshot) -> Fact:
    """Its controlling terminal: stat field 7, proc_pid_stat(5)."""
    line = f"{_at(daemon, 'stat')}, field 7 (tty_nr): {daemon.tty}"
    return Fact(terminal_name(daemon.tty) if daemon.tty else "none", line)


@_of_daemon
def umask(record: Record, daemon: Snapshot) -> Fact:
    """Its umask, octal: proc_pid_status(5), umask(2)."""
    if isinstance(daemon.umask, Unknown):
        return Fact(None, daemon.umask.reason)
    return Fact(f"{daemon.umask:03o}", _line(daemon, "Umask"))


@_fact
def umask_given(record: Record) -> Fact:
    """The umask that it was started with."""
    return Fact(f"{record.environment.umask:03o}")


@_fact
def umask_chosen(record: Record) -> Fact:
    """The umask that its configuration asks for."""
    if record.settings is None:
        return Fact(None, "it has no configuration of ours")
    return Fact(f"{int(record.settings.get('umask', '022'), 8):03o}")


@_fact
def directory_chosen(record: Record) -> Fact:
    """The working directory that its configuration asks for."""
    if record.settings is None:
        return Fact(None, "it has no configuration of ours")
    return Fact(record.settings.get("directory", "/"))


@_of_daemon
def directory(record: Record, daemon: Snapshot) -> Fact:
    """Its working directory: proc_pid_cwd(5)."""
    if isinstance(daemon.cwd, Unknown):
        return Fact(None, daemon.cwd.reason)
    return Fact(daemon.cwd, f"{_at(daemon, 'cwd')} -> {daemon.cwd}")


@_of_daemon
def directory_kept(record: Record, daemon: Snapshot) -> Fact:
    """Whether it still is where it was started."""
    if isinstance(daemon.cwd, Unknown) or isinstance(daemon.cwd_deleted, Unknown):
        return Fact(None, str(daemon.cwd))
    kept = daemon.cwd == record.scratch or daemon.cwd_deleted
    return Fact(kept, f"{_at(daemon, 'cwd')} -> {daemon.cwd}")


# --- lab 2: what it holds ---


def _show(process: Snapshot, *descriptors: Descriptor, none: str = "none above 2") -> str:
    """Descriptors as `ls -l /proc/PID/fd` shows them, with what their fdinfo adds."""
    links = []
    for fd in descriptors:
        kept = "" if fd.close_on_exec else ", kept over exec"
        links.append(f"{fd.number} -> {fd.target} ({fd.mode}{kept})")
    return f"{_at(process, 'fd')}: {'; '.join(links) or none}"


def _standard(number: int) -> Callable[[Record, Snapshot], Fact]:
    def derive(record: Record, daemon: Snapshot) -> Fact:
        if isinstance(daemon.descriptors, Unknown):
            return Fact(None, daemon.descriptors.reason)
        for descriptor in daemon.descriptors:
            if descriptor.number == number:
                null = descriptor.device == (1, 3)
                what = "/dev/null" if null else descriptor.target
                return Fact(f"{what} {descriptor.mode}", _show(daemon, descriptor))
        return Fact("closed", _show(daemon, none=f"no {number}"))

    derive.__name__ = ("stdin", "stdout", "stderr")[number]
    derive.__doc__ = f"Where descriptor {number} leads, and its mode: r, w or rw."
    return derive


stdin, stdout, stderr = (_of_daemon(_standard(number)) for number in range(3))


def _above_standard(daemon: Snapshot) -> tuple[Descriptor, ...]:
    if isinstance(daemon.descriptors, Unknown):
        return ()
    return tuple(descriptor for descriptor in daemon.descriptors if descriptor.number > 2)


def _inherited(descriptor: Descriptor) -> bool:
    return descriptor.target.endswith("/leaked") or descriptor.target.startswith("/dev/pts/")


@_of_daemon
def inherited(record: Record, daemon: Snapshot) -> Fact:
    """The descriptors above 2 that it got from whoever started it."""
    if isinstance(daemon.descriptors, Unknown):
        return Fact(None, daemon.descriptors.reason)
    kept = [descriptor for descriptor in _above_standard(daemon) if _inherited(descriptor)]
    numbers = tuple(descriptor.number for descriptor in kept)
    return Fact(numbers, _show(daemon, *kept))


@_of_daemon
def kept_over_exec(record: Record, daemon: Snapshot) -> Fact:
    """Its own descriptors above 2 that a program started by it would inherit: fcntl(2)."""
    if isinstance(daemon.descriptors, Unknown):
        return Fact(None, daemon.descriptors.reason)
    own = [descriptor for descriptor in _above_standard(daemon) if not _inherited(descriptor)]
    kept = [descriptor for descriptor in own if not descriptor.close_on_exec]
    return Fact(tuple(descriptor.number for descriptor in kept), _show(daemon, *(kept or own)))


@_of_daemon
def pipes(record: Record, daemon: Snapshot) -> Fact:
    """The ends of pipes that it holds above descriptor 2: "r" for one to read from, "w" to
    write."""
    if isinstance(daemon.descriptors, Unknown):
        return Fact(None, daemon.descriptors.reason)
    held = [fd for fd in _above_standard(daemon) if fd.target.startswith("pipe:")]
    return Fact(tuple(fd.mode for fd in held), _show(daemon, *held))


@_of_daemon
def filtered(record: Record, daemon: Snapshot) -> Fact:
    """Whether system calls may be denied to it: a filter of seccomp(2), proc_pid_status(5)."""
    line = daemon.line("Seccomp")
    if isinstance(line, Unknown):
        return Fact(None, line.reason)
    return Fact(line.split()[-1] == "2", _line(daemon, "Seccomp"))


# --- lab 3: what it hears ---


def _signals(name: str, line: str, meaning: str) -> None:
    def derive(record: Record, daemon: Snapshot) -> Fact:
        numbers = getattr(daemon, f"sig_{name}")
        if isinstance(numbers, Unknown):
            return Fact(None, numbers.reason)
        return Fact(signal_names(numbers), _line(daemon, line))

    derive.__name__, derive.__doc__ = name, meaning
    _of_daemon(derive)


_signals("ignored", "SigIgn", "Signals that it ignores: proc_pid_status(5).")
_signals("blocked", "SigBlk", "Signals that its main thread blocks: proc_pid_status(5).")
_signals("caught", "SigCgt", "Signals that it has a handler for: proc_pid_status(5).")


@_of_daemon
def signalfd(record: Record, daemon: Snapshot) -> Fact:
    """Signals that it reads from a descriptor: fdinfo of a signalfd, proc_pid_fdinfo(5)."""
    if isinstance(daemon.descriptors, Unknown):
        return Fact(None, daemon.descriptors.reason)
    found = [fd for fd in daemon.descriptors if fd.sigmask is not None]
    numbers = frozenset[int]().union(*(fd.sigmask or () for fd in found))
    return Fact(signal_names(numbers), _show(daemon, *found, none="no signalfd"))


@_fact
def signals_given(record: Record) -> Fact:
    """The signals that it was started with ignored, and those it was started with blocked."""
    return Fact(
        (signal_names(record.environment.ignored), signal_names(record.environment.blocked))
    )


@_fact
def log_events(record: Record) -> Fact:
    """The events in its log, in order; a line that is not a JSON object is None."""
    events: list[object] = []
    for line in record.log.splitlines():
        try:
            events.append(json.loads(line).get("event"))
        except (ValueError, AttributeError):
            events.append(None)
    return Fact(tuple(events))


def _reaction(action: str, name: str) -> None:
    def derive(record: Record) -> Fact:
        reaction = record.reaction(action)
        if reaction is None:
            return Fact(None, "not tried")
        return Fact(_outcome(reaction), f"{reaction.seconds * 1000:.0f} ms after the {action}")

    derive.__name__ = name
    derive.__doc__ = f"What it did at {action}: lived on, its exit code, or the signal it died of."
    _fact(derive)


def _outcome(reaction: Reaction) -> str:
    if reaction.alive:
        return "runs on"
    if reaction.signal is not None:
        return f"killed by SIG{_signal_name(reaction.signal)}"
    if reaction.code is not None:
        return f"exit {reaction.code}"
    return "gone"


# --- lab 4: which one it is ---


def _content(record: Record, file: File | None) -> Fact:
    """What a file holds; whose number it is, if it is a daemon's."""
    if file is None:
        return Fact("no file")
    text = file.content.decode(errors="backslashreplace")
    evidence = f"{file.kind}, mode {file.mode:03o}, holds {text.strip()}"
    if record.daemon is not None and text == f"{record.daemon.process.pid}\n":
        return Fact("its own", evidence)
    reaction = record.reaction("again")
    if reaction and reaction.again and text == f"{reaction.again.daemon}\n":
        return Fact("the second's", evidence)
    return Fact(text, evidence)


@_of_daemon
def pidfile(record: Record, daemon: Snapshot) -> Fact:
    """Whose number its PID file holds: "its own", "the second's", or what else is there."""
    return _content(record, record.files.get(PIDFILE))


@_of_daemon
def pidfile_mode(record: Record, daemon: Snapshot) -> Fact:
    """The permission bits of its PID file."""
    file = record.files.get(PIDFILE)
    return Fact(f"{file.mode:03o}" if file else "no file", file.kind if file else "")


@_of_daemon
def pidfile_lock(record: Record, daemon: Snapshot) -> Fact:
    """The kind of lock that it holds on its PID file: fdinfo, proc_locks(5)."""
    file = record.files.get(PIDFILE)
    if isinstance(daemon.locks, Unknown) or file is None:
        return Fact(None if file else "no file", str(daemon.locks) if file else "")
    held = [lock for lock in daemon.locks if lock.inode == file.inode and not lock.blocked]
    lines = "; ".join(f"lock: {lock.kind} {lock.mode} by {lock.pid}" for lock in held)
    evidence = f"{_at(daemon, 'fdinfo')}: {lines or 'no line of a lock on this file'}"
    return Fact(tuple(lock.kind for lock in held), evidence)


@_fact
def overtaken(record: Record) -> Fact:
    """How many times it locked a file while its own was being exchanged under it."""
    if record.overtaken is None:
        return Fact(None, "not tried")
    if record.overtaken < 0:
        return Fact(None, "this kernel does not let us hold a call: seccomp_unotify(2)")
    return Fact(record.overtaken, f"{record.overtaken} calls of flock(2) or fcntl(2)")


@_fact
def pidfile_after(record: Record) -> Fact:
    """What its PID file holds after all that was done to it; "no file" when it is gone."""
    return _content(record, record.files_after.get(PIDFILE))


@_fact
def victim(record: Record) -> Fact:
    """What a file holds that is not the daemon's, and to which its PID file is a link."""
    return _content(record, record.files_after.get(VICTIM))


@_fact
def again(record: Record) -> Fact:
    """How a second start ended: its exit code, and whether it left a daemon."""
    reaction = record.reaction("again")
    if reaction is None or reaction.again is None:
        return Fact(None, "not tried")
    second = reaction.again
    left = "left a daemon" if second.daemon else "left none"
    ended = "does not return" if second.signal is None else f"SIG{_signal_name(second.signal)}"
    told = ended if second.code is None else f"exit {second.code}"
    return Fact((second.code, bool(second.daemon)), f"{told}, {left}")


@_fact
def again_names(record: Record) -> Fact:
    """Whether the message of the second start names the number of the first daemon."""
    reaction = record.reaction("again")
    if reaction is None or reaction.again is None or record.daemon is None:
        return Fact(None, "not tried")
    said = reaction.again.output.decode(errors="backslashreplace").strip()
    return Fact(re.search(rf"\b{record.daemon.process.pid}\b", said) is not None, said)


@_fact
def again_seconds(record: Record) -> Fact:
    """Seconds from the second starter's fork to its end."""
    reaction = record.reaction("again")
    return Fact(reaction.again.seconds if reaction and reaction.again else None)


@_fact
def again_pidfile(record: Record) -> Fact:
    """Whose number the PID file holds after the second start."""
    reaction = record.reaction("again")
    if reaction is None or reaction.again is None:
        return Fact(None, "not tried")
    return _content(record, reaction.again.files.get(PIDFILE))


# --- lab 5: whom it runs ---


def _of_work(derive: Callable[[Record, Work], Fact]) -> Callable[[Record], Fact]:
    """A fact about what became of jobs: unknown when none were given."""

    def derived(record: Record) -> Fact:
        work = next((reaction.work for reaction in record.reactions if reaction.work), None)
        return Fact(None, "not tried") if work is None else derive(record, work)

    derived.__name__, derived.__doc__ = derive.__name__, derive.__doc__
    return _fact(derived)


def _of_child(derive: Callable[[Record, Snapshot], Fact]) -> Callable[[Record], Fact]:
    """A fact about one child while it ran: unknown when none was seen."""

    def derived(record: Record, work: Work) -> Fact:
        if not work.children:
            return Fact(None, "no child was seen")
        return derive(record, work.children[0])

    derived.__name__, derived.__doc__ = derive.__name__, derive.__doc__
    return _of_work(derived)


@_of_child
def child_parent(record: Record, child: Snapshot) -> Fact:
    """Whose child it is now: the daemon's, though the one between them may have ended."""
    names = {record.keeper: "reaper", record.daemon.process.pid if record.daemon else 0: "daemon"}
    return Fact(names.get(child.ppid, "other"), _line(child, "PPid"))


@_of_child
def child_group(record: Record, child: Snapshot) -> Fact:
    """Whether it leads a process group of its own."""
    own = child.pgrp == child.process.pid
    line = f"{_at(child, 'stat')}, field 5 (pgrp): {child.pgrp}"
    return Fact("own" if own else "another's", line)


_OF_THE_SHELL = {"PWD", "OLDPWD", "SHLVL", "_"}
"""What a shell exports of its own accord: dash(1), bash(1)."""
_C_LIBRARY = {32, 33}
"""Signals of the C library's own: its posix_spawn(3) leaves them ignored in the child."""


@_of_child
def child_ignored(record: Record, child: Snapshot) -> Fact:
    """The signals that a child ignores, but for the two that the C library keeps for itself."""
    if isinstance(child.sig_ignored, Unknown):
        return Fact(None, child.sig_ignored.reason)
    return Fact(signal_names(child.sig_ignored - _C_LIBRARY), _line(child, "SigIgn"))


@_of_child
def child_blocked(record: Record, child: Snapshot) -> Fact:
    """The signals that a child blocks."""
    if isinstance(child.sig_blocked, Unknown):
        return Fact(None, child.sig_blocked.reason)
    return Fact(signal_names(child.sig_blocked), _line(child, "SigBlk"))


@_of_child
def child_stdin(record: Record, child: Snapshot) -> Fact:
    """Where a child reads from."""
    return _standard(0)(record, child)


@_of_child
def child_stdout(record: Record, child: Snapshot) -> Fact:
    """Where a child's output goes."""
    return _standard(1)(record, child)


@_of_child
def child_stderr(record: Record, child: Snapshot) -> Fact:
    """Where a child's errors go."""
    return _standard(2)(record, child)


@_of_child
def child_descriptors(record: Record, child: Snapshot) -> Fact:
    """The descriptors above 2 that a child was given."""
    if isinstance(child.descriptors, Unknown):
        return Fact(None, child.descriptors.reason)
    above = _above_standard(child)
    return Fact(tuple(descriptor.number for descriptor in above), _show(child, *above))


@_of_child
def child_variables(record: Record, child: Snapshot) -> Fact:
    """The environment variables of a child, but for those that a shell sets itself."""
    if isinstance(child.environ, Unknown):
        return Fact(None, child.environ.reason)
    names = {line.partition("=")[0] for line in child.environ} - _OF_THE_SHELL
    return Fact(tuple(sorted(names)), f"{_at(child, 'environ')}: {' '.join(child.environ)}")


def _of_jobs(record: Record, *names: str) -> Iterator[dict[str, object]]:
    """The events of these names in the log."""
    return (event for event in events(record.log) if event.get("event") in names)


def _ends(record: Record, stopping: bool) -> Fact:
    """The ends of jobs that were logged before the daemon was asked to stop, or after that."""
    ends, stop = [], False
    for event in _of_jobs(record, "job_ended", "job_failed", "stop"):
        stop = stop or event.get("event") == "stop"
        if "job" in event and stop == stopping:
            how = event.get("code", event.get("signal", "not started"))
            ends.append(f"{event['job']} {how}")
    when = "after" if stopping else "before any"
    return Fact(tuple(sorted(ends)), f"{len(ends)} events job_ended or job_failed {when} stop")


def _scenario(record: Record) -> Scenario:
    given = (scenario for lab in LABS.values() for scenario in lab if scenario.jobs)
    return next(scenario for scenario in given if scenario.name == record.scenario)


@_of_work
def job_ends(record: Record, work: Work) -> Fact:
    """How each job ended, as the daemon logged it: "NAME CODE", "NAME SIGNAL", or "NAME not
    started"."""
    return _ends(record, stopping=False)


@_of_work
def job_ends_due(record: Record, work: Work) -> Fact:
    """How each job had to end, in the same words."""
    return Fact(tuple(sorted(_scenario(record).ends)))


@_of_work
def job_ends_at_stop(record: Record, work: Work) -> Fact:
    """How those jobs ended that still ran when the daemon was asked to stop."""
    return _ends(record, stopping=True)


@_of_work
def job_ends_due_at_stop(record: Record, work: Work) -> Fact:
    """How those had to end."""
    return Fact(tuple(sorted(_scenario(record).ends_at_stop)))


def _least(record: Record, signals: Iterable[object]) -> int:
    """The milliseconds that a job has run at least when it was sent these signals."""
    due = ["job_timeout", "job_grace"] if "KILL" in signals else ["job_timeout"]
    settings = record.settings or {}
    return sum(round(1000 * float(settings.get(key, 0))) for key in due)


@_of_work
def ended_early(record: Record, work: Work) -> Fact:
    """The jobs that the daemon ended before their time: SIGTERM is due after job_timeout, SIGKILL
    after job_grace more."""
    sent: dict[object, list[object]] = {}
    for event in _of_jobs(record, "job_signalled"):
        sent.setdefault(event.get("job"), []).append(event.get("signal"))
    early = [
        f"{event.get('job')} after {ran} ms"
        for event in _of_jobs(record, "job_ended")
        if (job := event.get("job")) in sent
        and isinstance(ran := event.get("milliseconds"), int)
        and ran < _least(record, sent[job])
    ]
    return Fact(tuple(early), f"job_timeout and job_grace: {_least(record, ())} ms and more")


@_of_work
def unreaped(record: Record, work: Work) -> Fact:
    """The jobs of which the daemon has not asked how they ended: the keeper found them dead."""
    jobs = {event.get("child"): event.get("job") for event in _of_jobs(record, "job_started")}
    found = tuple(str(jobs[number]) for number in record.bequeathed if number in jobs)
    return Fact(found, f"{len(jobs)} events job_started in the log")


@_of_work
def unfinished(record: Record, work: Work) -> Fact:
    """The jobs that the daemon had not put away when the time was over."""
    return Fact(work.unfinished, "in new/ or cur/ of the spool")


@_of_work
def ended_while_stopped(record: Record, work: Work) -> Fact:
    """How many of its children ended while the daemon itself was stopped."""
    return Fact(work.ended, f"{work.ended} children in state Z")


@_of_work
def pending_while_stopped(record: Record, work: Work) -> Fact:
    """The signals that waited for it meanwhile. However many children ended: one SIGCHLD."""
    if not work.stopped:
        return Fact(None, "it was not stopped")
    stopped = work.stopped[0]
    if isinstance(stopped.sig_shared_pending, Unknown):
        return Fact(None, stopped.sig_shared_pending.reason)
    return Fact(signal_names(stopped.sig_shared_pending), _line(stopped, "ShdPnd"))


@_of_work
def zombies(record: Record, work: Work) -> Fact:
    """How many children that had ended were not reaped in time."""
    return Fact(work.zombies, f"{work.zombies} children in state Z")


@_of_work
def left_by_jobs(record: Record, work: Work) -> Fact:
    """How many processes its jobs had left when they were over."""
    named = ", ".join(f"PID {seen.process.pid} ({seen.comm})" for seen in work.left)
    return Fact(len(work.left), named or "none")


@_fact
def left(record: Record) -> Fact:
    """How many processes of it were alive when all was done."""
    numbers = ", ".join(f"PID {process.pid}" for process in record.left)
    return Fact(len(record.left), numbers or "none")


# --- lab 6: what it says ---

_LEVELS = ("debug", "info", "warning", "error")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def _is_whole(line: bytes, pid: int) -> bool:
    """Whether a line of a log is an object with all that each must have."""
    try:
        event = json.loads(line)
        return (
            list(event)[:4] == ["ts", "level", "event", "pid"]
            and _TIMESTAMP.fullmatch(event["ts"]) is not None
            and event["level"] in _LEVELS
            and isinstance(event["event"], str)
            and event["pid"] == pid
        )
    except (ValueError, TypeError):  # of UnicodeDecodeError, too
        return False


def _step(record: Record, step: str) -> bytes | None:
    """What was in the log at a step of an action; None: that was not tried."""
    steps = (reaction.logs for reaction in record.reactions if reaction.logs is not None)
    return next((logs[step] for logs in steps if step in logs), None)


@_of_daemon
def bad_lines(record: Record, daemon: Snapshot) -> Fact:
    """The lines of its log, also of one that was renamed, that are no JSON object with ts, level,
    event and pid, in this order. What others left of a line, or what the disk left, is not one."""
    torn = (TORN, _step(record, "torn") or b"")
    lines = record.log.split(b"\n")
    bad = [last for last in lines[-1:] if last]  # what comes after the last newline
    lines = [*(_step(record, "old") or b"").splitlines(), *lines[:-1]]
    lines = [line for line in lines if line not in torn]
    bad += [line for line in lines if not _is_whole(line, daemon.process.pid)]
    shown = tuple(line.decode(errors="backslashreplace")[:60] for line in bad)
    return Fact(shown, f"{len(lines)} lines, {len(bad)} of them bad")


def _times(record: Record) -> tuple[str, ...]:
    times = (str(event.get("ts")) for event in events(record.log))
    return tuple(ts for ts in times if _TIMESTAMP.fullmatch(ts))


_SET_ASIDE = 60.0
"""Seconds by which somebody may have set the clock meanwhile. No time zone is so near to UTC."""


@_fact
def misdated(record: Record) -> Fact:
    """The times in its log that lie outside of the launch."""
    first, last = record.clock[0] - _SET_ASIDE, record.clock[1] + _SET_ASIDE
    bad = []
    for ts in _times(record):
        with suppress(ValueError):  # month 13 is no time, and no time of the launch
            if first <= datetime.fromisoformat(ts).timestamp() <= last:
                continue
        bad.append(ts)
    zone = record.environment.variables.get("TZ", "not set")
    return Fact(tuple(bad), f"{len(_times(record))} times, TZ {zone}")


@_fact
def microseconds(record: Record) -> Fact:
    """Whether the times in its log have a fraction that is not always zero."""
    if not (times := _times(record)):
        return Fact(None, "no time in the log")
    return Fact(any(not ts.endswith(".000000Z") for ts in times), times[0])


@_fact
def extra_writes(record: Record) -> Fact:
    """How many more system calls than lines there were while it wrote some: proc_pid_io(5)."""
    reaction = record.reaction("level")
    if reaction is None or reaction.writes is None:
        return Fact(None, "not tried, or not told by this kernel")
    if record.threads:
        return Fact(None, "its other threads write, too")
    lines = record.log.count(b"\n") - (_step(record, "start") or b"").count(b"\n")
    return Fact(reaction.writes - lines, f"{reaction.writes} calls that write, {lines} lines")


@_fact
def printed_events(record: Record) -> Fact:
    """The events that it printed, in order."""
    found = tuple(str(event.get("event")) for event in events(record.output))
    return Fact(found, f"{len(record.output.splitlines())} lines printed")


@_fact
def log_mode(record: Record) -> Fact:
    """The permission bits of its log."""
    if record.log_mode is None:
        return Fact("no log", "there was no such file")
    return Fact(
        f"{record.log_mode:03o}", f"stat {record.scratch}/{LOG}: mode {record.log_mode:03o}"
    )


@_of_daemon
def log_flags(record: Record, daemon: Snapshot) -> Fact:
    """The flags of the descriptor of its log: of append, nonblock and cloexec, those it has."""
    if isinstance(daemon.descriptors, Unknown):
        return Fact(None, daemon.descriptors.reason)
    flags = {"append": os.O_APPEND, "nonblock": os.O_NONBLOCK, "cloexec": os.O_CLOEXEC}
    for descriptor in daemon.descriptors:
        if descriptor.target == f"{record.scratch}/{LOG}":
            found = tuple(name for name, bit in flags.items() if descriptor.flags & bit)
            return Fact(found, _show(daemon, descriptor))
    return Fact("no log", _show(daemon, none="none leads there"))


@_fact
def control_bytes(record: Record) -> Fact:
    """The control characters in its log other than the newline, in hexadecimal."""
    found = sorted({byte for byte in record.log if byte < 0x20 or byte == 0x7F} - {ord("\n")})
    return Fact(tuple(f"{byte:02x}" for byte in found), f"{len(record.log)} bytes looked at")


@_fact
def job_logged(record: Record) -> Fact:
    """Whether the name of a job stands in its log as it is: U+FFFD for what is no UTF-8, in one
    field of one line."""
    if record.reaction("inject") is None:
        return Fact(None, "not tried")
    name = re.sub("[\udc80-\udcff]", "\ufffd", INJECTED)  # Python's form of such a byte, PEP 383
    found = [event.get("job") for event in events(record.log) if "job" in event]
    return Fact(bool(found) and set(found) == {name}, repr(found[:1]))


def _logged(step: str, name: str, meaning: str) -> None:
    """A fact: the events that were in the log at a step of an action of logwork.py."""

    def derive(record: Record) -> Fact:
        log = _step(record, step)
        if log is None:
            return Fact(None, "not tried")
        shown = log.decode(errors="backslashreplace").splitlines()[-1:]
        return Fact(tuple(str(event.get("event")) for event in events(log)), *shown)

    derive.__name__, derive.__doc__ = name, meaning
    _fact(derive)


_logged("start", "at_level_start", "What it logged when it was started with the level error.")
_logged("error", "at_level_error", "What it logged at a SIGHUP while the level was error.")
_logged("debug", "at_level_debug", "What it logged at a SIGHUP while the level was debug.")
_logged("old", "in_old_log", "The events in the log that was renamed.")
_logged("rotated", "in_new_log", "The events in the log after a rename and SIGUSR1.")
_logged("vanished", "in_log_again", "The events in a log that could not be written for a while.")
_logged("filled", "in_full_log", "The events in a log that had no room for a while.")


def _losses(record: Record, step: str) -> Fact:
    log = _step(record, step)
    if log is None:
        return Fact(None, "not tried")
    lost = [event for event in events(log) if event.get("event") == "log_lost"]
    told = tuple(f"{event.get('lines')} {event.get('level')}" for event in lost)
    return Fact(told, json.dumps(lost))


@_fact
def lines_lost(record: Record) -> Fact:
    """How many lines it says were lost while its log could not be written, and at which level it
    says so."""
    return _losses(record, "vanished")


@_fact
def lines_without_room(record: Record) -> Fact:
    """How many lines it says were lost while its log had no room, and at which level it says so."""
    return _losses(record, "filled")


# --- lab 7: which configuration holds ---


def _change(event: dict[str, object]) -> str:
    """What an event says about the configuration, in a word or two; empty if nothing."""
    name, cause = event.get("event"), event.get("cause")
    if name == "reload":
        was, now = event.get("was"), event.get("generation")
        steps = now - was if isinstance(was, int) and isinstance(now, int) else "?"
        return f"{cause}+{steps}"
    if name == "reload_failed":
        return f"{cause}:kept"
    return f"restart:{event.get('keys')}".replace(" ", "") if name == "restart_needed" else ""


def _changed(step: str, name: str, when: str) -> None:
    """A fact: what became of the configuration at a step of an action of configwork.py."""

    def derive(record: Record) -> Fact:
        log = _step(record, step)
        if log is None:
            return Fact(None, "not tried")
        shown = log.decode(errors="backslashreplace").splitlines()[-1:] or ["nothing logged"]
        return Fact(tuple(filter(None, map(_change, events(log)))), f"{when}: {shown[0]}")

    derive.__name__ = name
    derive.__doc__ = (
        f"What became of the configuration {when}. "
        "CAUSE+1: the next generation; CAUSE:kept: the old one holds."
    )
    _fact(derive)


_changed("hangup", "when_hung_up", "at a SIGHUP")
_changed("hangup again", "when_hung_up_again", "at the next SIGHUP")
_changed("beside", "when_beside", "when a file was written beside its own")
_changed("renamed", "when_renamed", "when another file was renamed over its own")
_changed("away", "when_away", "when its file was renamed to something else")
_changed("back", "when_back", "when its file was renamed back")
_changed("cut begun", "when_cut", "when its file was cut, and half of it written")
_changed("cut closed", "when_cut_closed", "when the rest was written, and it was closed")
_changed("made begun", "when_made", "when its file was made anew, and half of it written")
_changed("made closed", "when_made_closed", "when the rest came, and it was closed")
_changed("swapped", "when_swapped", "when a link on the way to its file was exchanged")
_changed("swapped again", "when_swapped_again", "when the link was exchanged once more")
_changed("fixed", "when_fixed", "when umask, drain and workers were changed")
_changed("fixed again", "when_fixed_again", "at a SIGHUP after umask and workers were changed")
_changed("unfixed", "when_unfixed", "when umask, drain and workers were changed back")
_changed("bad", "when_bad", "when a bad file was renamed over its own")
_changed("good", "when_good", "when a good file came after the bad one")


@_fact
def generations(record: Record) -> Fact:
    """The generations of the configuration that its log names at one SIGHUP after another."""
    logs = [_step(record, step) or b"" for step in ("hangup", "hangup again")]
    found = [event for log in logs for event in events(log) if event.get("event") == "reload"]
    numbers = tuple(event.get("generation") for event in found)
    return Fact(numbers, f"{len(found)} events reload in the log")


@_fact
def job_generations(record: Record) -> Fact:
    """Under which generation of the configuration each job was started."""
    started = _of_jobs(record, "job_started")
    return Fact(tuple(f"{event.get('job')}:{event.get('generation')}" for event in started))


@_fact
def job_signals(record: Record) -> Fact:
    """What the deadlines brought the jobs, in order: JOB:SIGNAL."""
    sent = list(_of_jobs(record, "job_signalled"))
    shown = json.dumps(sent[-1]) if sent else "no event job_signalled"
    return Fact(tuple(f"{event.get('job')}:{event.get('signal')}" for event in sent), shown)


@_fact
def complaint(record: Record) -> Fact:
    """What it says of a file that is wrong, in the event reload_failed: which line, and what
    stands there."""
    failed = list(_of_jobs(record, "reload_failed"))
    if not failed:
        return Fact(None, "no event reload_failed in the log")
    return Fact(_complaint(str(failed[0].get("error")), CONFIGURATION), str(failed[0].get("error")))


def _complaint(text: str, file: str) -> str:
    """What is said of which line of the file; empty if not all of it is."""
    found = re.search(rf'/{re.escape(file)}, line (\d+): "([^"]*)": expected .', text)
    return f"{found[1]}: {found[2]}" if found else ""


@_fact
def answers(record: Record) -> Fact:
    """What --check answers about files that are wrong: its exit code, the line it names, and what
    stands there."""
    reaction = record.reaction("answers")
    if reaction is None or reaction.logs is None:
        return Fact(None, "not tried")
    found = []
    for name in ANSWERS:
        code, _, text = reaction.logs.get(name, b"").decode(errors="replace").partition(" ")
        found.append(f"{name} {code} {_complaint(text, ASKED)}".strip())
    return Fact(tuple(found), f"--check, {len(found)} times")


@_fact
def answers_said(record: Record) -> Fact:
    """What --check printed about each of these files."""
    reaction = record.reaction("answers")
    if reaction is None or reaction.logs is None:
        return Fact(None, "not tried")
    said = (reaction.logs.get(name, b"").decode(errors="replace") for name in ANSWERS)
    return Fact(tuple(text.partition(" ")[2].strip() for text in said))


# --- lab 8: who works, and how they end ---

BLOCKABLE = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
"""The signals that a thread can block."""


@_of_daemon
def threads(record: Record, daemon: Snapshot) -> Fact:
    """The names of its threads but the main one, in the order of the alphabet."""
    numbers = " ".join(str(thread.number) for thread in record.threads)
    evidence = f"/proc/{daemon.process.pid}/task: {numbers or 'one alone'}, comm"
    return Fact(tuple(sorted(thread.name for thread in record.threads)), evidence)


@_of_daemon
def thread_signals(record: Record, daemon: Snapshot) -> Fact:
    """The signals that one of those threads does not block: it could be the one that gets them."""
    if not record.threads:
        return Fact(None, "it has but one thread")
    least = max(record.threads, key=lambda thread: len(BLOCKABLE - thread.blocked))
    free = signal_names(BLOCKABLE - least.blocked)
    where = f"/proc/{daemon.process.pid}/task/{least.number}/status: SigBlk of {least.name}"
    return Fact(free, f"{where}: {len(least.blocked)} signals")


@_fact
def waited(record: Record) -> Fact:
    """Whether it took the time after SIGTERM that its configuration gives, or more: stop_timeout to
    a worker that hangs, else drain to the work that is left."""
    reaction, settings = record.reaction("TERM"), record.settings or {}
    given = settings.get("stop_timeout", settings.get("drain"))
    if reaction is None or given is None:
        return Fact(None, "not tried")
    text = f"{reaction.seconds * 1000:.0f} ms after the TERM"
    return Fact(reaction.seconds > float(given) * _CLOCKS, text)


_CLOCKS = 0.9
"""What of a time is left that was counted in whole milliseconds, by another clock."""


def _last(record: Record) -> dict[str, object]:
    return next(reversed(events(record.log)), {})


@_fact
def last_event(record: Record) -> Fact:
    """The event of the last line in its log."""
    line = record.log.splitlines()[-1:]
    return Fact(str(_last(record).get("event", "none")), *map(text, line))


@_fact
def last_error(record: Record) -> Fact:
    """The error that the last line in its log tells."""
    return Fact(str(_last(record).get("error", "none")), f"event {_last(record).get('event')}")


@_fact
def worker_ends(record: Record) -> Fact:
    """What its log says of its workers' ends, in order: "failed NAME", "ended NAME" and so on."""
    found = [
        f"{str(event['event']).removeprefix('worker_')} {event.get('worker')}"
        for event in events(record.log)
        if event.get("event") in ("worker_failed", "worker_ended", "worker_hung")
    ]
    return Fact(tuple(found), f"{len(found)} events worker_…")


# --- lab 10: what is undone ---


@_fact
def cleanups(record: Record) -> Fact:
    """What it undid, in order: the names of the events "cleanup" in its log."""
    found = [event for event in events(record.log) if event.get("event") == "cleanup"]
    names = tuple(str(event.get("name")) for event in found)
    return Fact(names, f"{len(names)} events cleanup")


@_fact
def taken(record: Record) -> Fact:
    """What it had taken, in order, as far as its start got in this scenario."""
    given = (scenario for lab in LABS.values() for scenario in lab if scenario.takes)
    found = next((one.takes for one in given if one.name == record.scenario), None)
    return Fact(found, "the start-up table")


@_fact
def left_behind(record: Record) -> Fact:
    """The files that it left in the folder of the launch, but for those that are to last."""
    names = tuple(sorted(set(record.files_after) - _LASTING))
    return Fact(names, ", ".join(sorted(record.files_after)) or "no files")


_LASTING = {"spool", "jobs", DATABASE}

_reaction(LOSS, "at_loss")
for _action in ("logout", "TERM", "INT", "HUP", "KILL", "replace", "storm", "TERM TERM"):
    _reaction(_action, "at_" + _action.replace(" ", "_"))
for _action in ("afresh", "fail", "fail both", "vanish", "TERM fail", "late TERM"):
    _reaction(_action, "at_" + _action.replace(" ", "_"))

# They need what stands above.
from daemonlab import healthfacts as healthfacts  # noqa: E402
