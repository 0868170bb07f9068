"""Give the daemon jobs, and look at what it does with its children.

The jobs of a scenario wait in a folder of their own until an action drops them into the spool, so
that the daemon has settled by then. Each action looks at /proc until what it waits for is there,
or its time is over.
"""

import signal
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from daemonlab import logwork
from daemonlab.launch import Launch
from daemonlab.observe import Process, ProcessGone, Snapshot, children, snapshot
from daemonlab.patience import until
from daemonlab.record import Work
from daemonlab.scenarios import STUBBORN

JOB_TIME = 5.0
"""Seconds that the daemon is given to do what an action waits for."""
ZOMBIE_TIME = 1.0
"""Seconds after which no child that has ended may be left."""
_PARTS = frozenset({"status", "descriptors", "environ"})


def prepare(jobs: Mapping[str, str], scratch: Path) -> None:
    """Write the jobs into the folder of the launch, not yet into the spool. One without a script
    is a file that is no program."""
    (scratch / "spool").mkdir()
    (scratch / "jobs").mkdir()
    for name, script in jobs.items():
        path = scratch / "jobs" / name
        path.write_text(f"#!/bin/sh\n{script.replace('{scratch}', str(scratch))}\n")
        path.chmod(0o755 if script else 0o644)  # not even root can execute that: execve(2)


def _drop(subject: Launch, daemon: Process, but: Collection[str] = ()) -> tuple[str, ...]:
    """Into the spool by rename(2), as its users do, all but some; then let the daemon look for
    them. Returns their names. On a busy machine it may still be taking those that came before: it
    is given the time to come to rest, or it would take these with them, before the signal."""
    dropped = []
    with suppress(ProcessGone):
        until(lambda: snapshot(daemon.pid, {"status"}).state not in "RD", JOB_TIME)
    with suppress(OSError):  # the daemon may not have made the folder, or may have removed ours
        for job in sorted((subject.scratch / "jobs").iterdir()):
            if job.name not in but:
                job.rename(subject.scratch / "spool" / "new" / job.name)
                dropped.append(job.name)
    with suppress(ProcessGone):
        subject.send(daemon, signal.SIGHUP)
        until(lambda: _has_taken(daemon, signal.SIGHUP), JOB_TIME)
    return tuple(dropped)


def _has_taken(daemon: Process, number: signal.Signals) -> bool:
    """Whether a signal waits no more, and the daemon is at rest again."""
    now = snapshot(daemon.pid, {"status"})
    return now.state not in "RD" and not is_pending(now, number)


def is_pending(now: Snapshot, number: int) -> bool:
    """Whether a signal waits to be taken."""
    return any(
        isinstance(signals, frozenset) and number in signals
        for signals in (now.sig_pending, now.sig_shared_pending)
    )


def _unfinished(scratch: Path) -> tuple[str, ...]:
    found: list[str] = []
    for folder in ("new", "cur"):
        with suppress(OSError):
            found += [job.name for job in (scratch / "spool" / folder).iterdir()]
    return tuple(sorted(found))


def _left_over(subject: Launch, but: str) -> tuple[str, ...]:
    return tuple(name for name in _unfinished(subject.scratch) if name != but)


def _states(daemon: Process) -> dict[Process, str]:
    """The state of each child of the daemon: S, Z, …"""
    states = {}
    with suppress(ProcessGone):
        for child in children(daemon.pid):
            with suppress(ProcessGone):
                states[child] = snapshot(child.pid, {"status"}).state
    return states


def _zombies(daemon: Process) -> int:
    return sum(state in "ZX" for state in _states(daemon).values())


def _snapshots(
    processes: Iterable[Process], parts: Collection[str] = _PARTS
) -> tuple[Snapshot, ...]:
    seen = []
    for process in processes:
        with suppress(ProcessGone):
            seen.append(snapshot(process.pid, parts))
    return tuple(seen)


def _sleeps(seen: Snapshot) -> bool:
    """Whether it runs sleep(1), which the jobs that are looked at end in."""
    return seen.comm == "sleep" and seen.state == "S"


def _sleeps_alone(seen: Snapshot) -> bool:
    """Whether it does so in a session of its own, which no signal to its job's group reaches."""
    return _sleeps(seen) and seen.session == seen.process.pid


def _asleep(
    subject: Launch, number: int, wanted: Callable[[Snapshot], bool] = _sleeps
) -> tuple[Snapshot, ...]:
    """Wait until so many of the subject's processes are as wanted."""
    found: tuple[Snapshot, ...] = ()

    def there() -> bool:
        nonlocal found
        seen = _snapshots(subject.processes())
        found = tuple(filter(wanted, seen))
        return len(found) >= number

    until(there, JOB_TIME)
    # Once more: a snapshot is read file by file, and the first may be of before its execve(2).
    return _snapshots(one.process for one in found)


def _others(subject: Launch, daemon: Process) -> list[Process]:
    return [process for process in subject.processes() if process != daemon]


def look(subject: Launch, daemon: Process) -> Work:
    """Drop the job "look", which sleeps, and look at it."""
    _drop(subject, daemon, STUBBORN)
    return Work(children=_asleep(subject, 1))


def stubborn(subject: Launch, daemon: Process) -> Work:
    """Drop the jobs that take SIGTERM in their own way, and wait until they are ready to."""
    there = [subject.scratch / name for name in _drop(subject, daemon)]
    until(lambda: all(file.exists() for file in there), JOB_TIME)
    return Work(unfinished=_unfinished(subject.scratch))


def overlap(subject: Launch, daemon: Process) -> Work:
    """Drop the job "deaf", which does not heed its deadline; then another, which runs while the
    next deadline of the first is far away, and wait for its end."""
    _drop(subject, daemon, ("polite",))
    until(lambda: b'"job_signalled"' in logwork.read(subject.scratch / logwork.LOG), JOB_TIME)
    _drop(subject, daemon)
    until(lambda: not _left_over(subject, "deaf"), JOB_TIME)
    return Work(unfinished=_left_over(subject, "deaf"))


def ends(subject: Launch, daemon: Process) -> Work:
    """Drop jobs that end in every way, and see that each is told; then end what they left."""
    _drop(subject, daemon)
    until(lambda: not _unfinished(subject.scratch), JOB_TIME)
    orphans = _asleep(subject, 1, _sleeps_alone)
    for orphan in orphans:
        with suppress(ProcessGone):
            subject.send(orphan.process, signal.SIGKILL)
    until(lambda: not _others(subject, daemon) and not _zombies(daemon), ZOMBIE_TIME)
    return Work(
        children=orphans,
        unfinished=_unfinished(subject.scratch),
        zombies=_zombies(daemon),
        left=_snapshots(_others(subject, daemon)),
    )


def inject(subject: Launch, daemon: Process) -> Work:
    """Drop a job whose name would forge a line of the log."""
    _drop(subject, daemon)
    until(lambda: not _unfinished(subject.scratch), JOB_TIME)
    return Work(unfinished=_unfinished(subject.scratch))


def burst(subject: Launch, daemon: Process) -> Work:
    """Stop the daemon, end all its children meanwhile, let it go on: many ends, one SIGCHLD."""
    dropped = _drop(subject, daemon, STUBBORN)
    sleeping = _asleep(subject, len(dropped))
    with suppress(ProcessGone):
        subject.send(daemon, signal.SIGSTOP)
        until(lambda: snapshot(daemon.pid, {"status"}).state == "T", JOB_TIME)
        for child in sleeping:
            subject.send(child.process, signal.SIGKILL)
        until(lambda: _zombies(daemon) >= len(sleeping), JOB_TIME)
        stopped = _snapshots([daemon], {"status"})
        ended = _zombies(daemon)
        subject.send(daemon, signal.SIGCONT)
        until(lambda: not _zombies(daemon), ZOMBIE_TIME)
        zombies = _zombies(daemon)
        if not zombies:  # then their jobs are put away, which takes a moment more
            until(lambda: not _unfinished(subject.scratch), JOB_TIME)
        return Work(sleeping, stopped, ended, zombies, _unfinished(subject.scratch))
    return Work(sleeping)


def late(subject: Launch, daemon: Process) -> Work:
    """Drop jobs that run longer than they may, and wait for their ends."""
    _drop(subject, daemon)
    until(lambda: not _unfinished(subject.scratch), JOB_TIME)
    until(lambda: not _others(subject, daemon), ZOMBIE_TIME)
    return Work(unfinished=_unfinished(subject.scratch), left=_snapshots(_others(subject, daemon)))


ACTIONS: Mapping[str, Callable[[Launch, Process], Work]] = {
    "look": look,
    "stubborn": stubborn,
    "overlap": overlap,
    "ends": ends,
    "burst": burst,
    "late": late,
    "inject": inject,
}
