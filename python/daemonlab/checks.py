"""Checks: pure functions from the facts of one launch to a verdict.

The same function judges the reference in the tests, a student's module, a submission and any
program of the system. What a check is worth and why it matters stands in the lab's `lab.toml`.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from daemonlab.configwork import ANSWERS, WRONG
from daemonlab.facts import BLOCKABLE, Facts, signal_names
from daemonlab.logwork import UNHEARD
from daemonlab.scenarios import (
    ANOTHER,
    COPIES,
    DRAIN,
    FORGED,
    NOWHERE,
    ROWS,
    STUCK,
    VICTIM_WORKER,
    WORKERS_NAMED,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found. passed None: there was nothing to judge, something before it failed."""

    passed: bool | None
    observed: str
    expected: str
    evidence: str = ""


Check = Callable[[Facts], Verdict]
CHECKS: dict[str, Check] = {}


def register(name: str) -> Callable[[Check], Check]:
    """Make a function the check of this name. Those of a lab that stand in a module of their own
    are loaded below."""

    def keep(check: Check) -> Check:
        CHECKS[name] = check
        return check

    return keep


def show(value: object) -> str:
    """A fact's value in a word or two."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Collection) and not isinstance(value, str):
        return " ".join(map(str, value)) or "none"
    return "unknown" if value is None else str(value)


def how_ended(status: object) -> str:
    """How a starter ended, by the fact starter_status."""
    words = {"running": "the starter does not return", "not executed": "could not be executed"}
    if isinstance(status, str):
        return words.get(status, f"killed by {status}")
    return f"exit {show(status)}"


def _judge(facts: Facts, name: str, passed: Callable[[object], bool], expected: str) -> Verdict:
    """Judge one fact; one that could not be had is neither passed nor failed."""
    fact = facts[name]
    if fact.value is None:
        return Verdict(None, fact.evidence, expected)
    return Verdict(passed(fact.value), show(fact.value), expected, fact.evidence)


def equals(facts: Facts, name: str, value: object, expected: str | None = None) -> Verdict:
    """Whether one fact has this value; one that could not be had is neither passed nor failed."""
    return _judge(facts, name, lambda found: found == value, expected or show(value))


def _names(facts: Facts, *facts_named: str) -> set[str]:
    """The signals in several facts together."""
    found: set[str] = set()
    for name in facts_named:
        value = facts[name].value
        found.update(value if isinstance(value, tuple) else ())
    return found


# --- lab 1 ---


@register("starts")
def starts(facts: Facts) -> Verdict:
    """The starter says that all is well, and there is a daemon."""
    expected = "the starter exits with 0 and leaves a daemon"
    status = facts["starter_status"]
    if facts["trouble"].value:
        return Verdict(False, show(facts["trouble"].value), expected)
    if status.value == "not executed":
        return Verdict(False, "the program could not be executed", expected, status.evidence)
    if status.value == "running":
        return Verdict(False, "the starter does not return", expected, status.evidence)
    if status.value != 0:
        return Verdict(
            False, f"the starter ended with {show(status.value)}", expected, status.evidence
        )
    if facts["parent"].value is None:
        return Verdict(False, "no daemon", expected, f"{status.evidence}; no process was left")
    return Verdict(True, "yes", expected, status.evidence)


@register("parent")
def parent(facts: Facts) -> Verdict:
    """Its parent is the process that adopts orphans."""
    return equals(facts, "parent", "reaper", "the reaper: PID 1, or a child subreaper")


@register("session")
def session(facts: Facts) -> Verdict:
    """It is in a session of its own."""
    return equals(facts, "session", "own", "another session than the shell's")


@register("leader")
def leader(facts: Facts) -> Verdict:
    """It does not lead its session."""
    return equals(facts, "session_leader", False)


@register("terminal")
def terminal(facts: Facts) -> Verdict:
    """It has no controlling terminal."""
    return equals(facts, "terminal", "none")


@register("logout")
def logout(facts: Facts) -> Verdict:
    """It outlives the session that it was started from."""
    return equals(facts, "at_logout", "runs on")


@register("umask")
def umask(facts: Facts) -> Verdict:
    """Its umask is its own choice."""
    given, chosen = facts["umask_given"].value, facts["umask_chosen"].value
    if chosen is not None:
        return equals(facts, "umask", chosen, f"{chosen}, as configured")
    return _judge(
        facts,
        "umask",
        lambda found: found != given,
        f"its own choice, not the {given} it inherited",
    )


@register("directory")
def directory(facts: Facts) -> Verdict:
    """It has left the directory that it was started in, for the one that it was told."""
    chosen = facts["directory_chosen"].value
    expected = f"{chosen}, as configured" if chosen else "/, or a directory of its own choice"
    if facts["directory_kept"].value is None:
        return Verdict(None, facts["directory_kept"].evidence, expected)
    kept = facts["directory_kept"].value
    found = facts["directory"].value
    where = "where it was started" if kept else show(found)
    passed = found == chosen if chosen else not kept
    return Verdict(passed, where, expected, facts["directory"].evidence)


@register("ready")
def ready(facts: Facts) -> Verdict:
    """The starter stays until the daemon is ready, also when that takes a while."""
    expected = "the starter ends once the log says that the daemon is ready, and not before"
    seconds, first = facts["starter_seconds"].value, facts["ready_first"]
    if not isinstance(seconds, float):
        return Verdict(False, "the starter does not return", expected)
    observed = "once it was ready" if first.value else "before it was ready"
    return Verdict(first.value is True, observed, expected, first.evidence)


@register("verdict")
def verdict(facts: Facts) -> Verdict:
    """The starter tells of a failed start. Scenario "failing": chdir(2) finds no directory."""
    expected = f'exit 1, a message that names "{NOWHERE}", no process left'
    status, said = facts["starter_status"].value, str(facts["output"].value)
    left = facts["processes"].value
    if status in ("running", "not executed"):
        return Verdict(False, "the starter does not return", expected)
    observed = [
        how_ended(status),
        "says why" if NOWHERE in said else "does not say why",
        f"{show(left)} process left" if left else "nothing left",
    ]
    passed = status == 1 and NOWHERE in said and not left
    return Verdict(passed, ", ".join(observed), expected, said or "it printed nothing")


@register("death")
def death(facts: Facts) -> Verdict:
    """The starter tells of a daemon that died in silence. Scenario "dying": it is killed."""
    expected = "exit 1 and a message: end of file without a verdict is a failure"
    status, said = facts["starter_status"].value, str(facts["output"].value)
    if status in ("running", "not executed"):
        return Verdict(False, "the starter does not return", expected)
    observed = f"{how_ended(status)}, {'says so' if said else 'says nothing'}"
    return Verdict(status == 1 and bool(said), observed, expected, said or "it printed nothing")


@register("pipe")
def pipe(facts: Facts) -> Verdict:
    """Once it is ready it holds no end of the pipe to its starter."""
    return equals(facts, "pipes", (), "no end of the starter's pipe once it is ready")


@register("abandoned")
def abandoned(facts: Facts) -> Verdict:
    """It stops, in order, when there is nobody any more to be told that it is ready. Scenario
    "abandoned": its starter is killed."""
    return equals(facts, "at_loss", "exit 1", "exit 1 once it is ready: nobody waits for it")


# --- lab 2 ---


@register("standard")
def standard(facts: Facts) -> Verdict:
    """0, 1 and 2 are on /dev/null; 0 can be read, 1 and 2 can be written."""
    expected = "/dev/null: 0 readable, 1 and 2 writable"
    for name, modes in (("stdin", ("r", "rw")), ("stdout", ("w", "rw")), ("stderr", ("w", "rw"))):
        good = [f"/dev/null {mode}" for mode in modes]
        found = _judge(facts, name, lambda value, good=good: value in good, expected)  # type: ignore[misc]
        if not found.passed:
            return Verdict(found.passed, f"{name}: {found.observed}", expected, found.evidence)
    return Verdict(True, "/dev/null", expected, facts["stdin"].evidence)


@register("inherited")
def inherited(facts: Facts) -> Verdict:
    """It holds nothing that it was given above descriptor 2."""
    return equals(facts, "inherited", (), "no descriptor above 2 that it did not open itself")


@register("cloexec")
def cloexec(facts: Facts) -> Verdict:
    """What it opened itself is close-on-exec."""
    return equals(facts, "kept_over_exec", (), "each descriptor above 2 with O_CLOEXEC")


@register("fallback")
def fallback(facts: Facts) -> Verdict:
    """It does the same on a kernel without close_range(2). Scenario "denied"."""
    expected = "starts, and holds no descriptor above 2 that it did not open itself"
    started = starts(facts)
    if not started.passed:
        return Verdict(False, started.observed, expected, str(facts["output"].value))
    if not facts["filtered"].value:
        return Verdict(None, "no call can be denied here", expected, facts["filtered"].evidence)
    return equals(facts, "inherited", (), expected)


# --- lab 3 ---


@register("dispositions")
def dispositions(facts: Facts) -> Verdict:
    """No signal is ignored only because it was inherited so. SIGPIPE has a check of its own."""
    given = facts["signals_given"].value
    inherited_ignored = set(given[0] if isinstance(given, tuple) else ()) - {"PIPE"}
    return _judge(
        facts,
        "ignored",
        lambda found: not inherited_ignored & _names(facts, "ignored"),
        f"does not ignore {show(sorted(inherited_ignored))}: inherited",
    )


@register("mask")
def mask(facts: Facts) -> Verdict:
    """No signal is blocked, but for those that it reads from a signalfd."""
    given = facts["signals_given"].value
    deaf = set(given[1] if isinstance(given, tuple) else ()) & _names(facts, "blocked")
    deaf -= _names(facts, "signalfd")
    expected = "blocks nothing but what its signalfd takes"
    if deaf and facts["signalfd"].value is None:  # its descriptors may not be read
        return Verdict(None, facts["signalfd"].evidence, expected)
    return _judge(facts, "blocked", lambda found: not deaf, expected)


def _survives(facts: Facts, *signals: str) -> Verdict:
    dealt_with = _names(facts, "ignored", "caught", "blocked")
    missing = [name for name in signals if name not in dealt_with]
    wanted = f"ignores {show(signals)}, or takes it"
    if facts["ignored"].value is None:
        return Verdict(None, facts["ignored"].evidence, wanted)
    observed = f"{show(missing)} at default" if missing else "ignored or taken"
    return Verdict(not missing, observed, wanted, facts["ignored"].evidence)


@register("stop-signals")
def stop_signals(facts: Facts) -> Verdict:
    """A terminal cannot stop it."""
    return _survives(facts, "TSTP", "TTIN", "TTOU")


@register("sigpipe")
def sigpipe(facts: Facts) -> Verdict:
    """A peer that hangs up cannot kill it."""
    return _survives(facts, "PIPE")


@register("term")
def term(facts: Facts) -> Verdict:
    """SIGTERM ends it, cleanly and in time."""
    return equals(facts, "at_TERM", "exit 0")


@register("int")
def interrupt(facts: Facts) -> Verdict:
    """SIGINT ends it, cleanly and in time."""
    return equals(facts, "at_INT", "exit 0")


@register("hup")
def hup(facts: Facts) -> Verdict:
    """SIGHUP does not end it; it logs a "reload"."""
    found = equals(facts, "at_HUP", "runs on", 'runs on, and logs the event "reload"')
    if found.passed and "reload" not in _names(facts, "log_events"):
        return Verdict(False, "runs on, but logs no reload", found.expected, found.evidence)
    return found


@register("storm")
def storm(facts: Facts) -> Verdict:
    """Being stopped, continued and hung up many times does not end it."""
    return equals(facts, "at_storm", "runs on")


@register("second")
def second(facts: Facts) -> Verdict:
    """A second SIGTERM, while it is stopping, ends it at once. Scenario "draining"."""
    return equals(facts, "at_TERM_TERM", "exit 1", "exit 1, at once")


# --- lab 4 ---

_SOON = 2.0
"""Seconds within which a second start must have been refused, or ten times what the first took: on
a machine at rest that is milliseconds, on a busy one it may be much. What counts is that it does
not wait for the first daemon, which lives on."""


@register("content")
def content(facts: Facts) -> Verdict:
    """The PID file holds the daemon's number and a newline, whatever it held before."""
    return equals(facts, "pidfile", "its own", "the daemon's number and a newline, nothing else")


@register("mode")
def mode(facts: Facts) -> Verdict:
    """Everybody may read it, nobody else may write it."""
    return equals(facts, "pidfile_mode", "644")


@register("lock")
def lock(facts: Facts) -> Verdict:
    """The daemon itself holds a lock on the file."""
    return _judge(
        facts,
        "pidfile_lock",
        lambda found: isinstance(found, tuple) and bool(found),  # else the file is missing
        "a lock on the PID file, held by the daemon",
    )


@register("refuses")
def refuses(facts: Facts) -> Verdict:
    """A second start is refused at once, and told who is running."""
    expected = "exit 3 at once, naming the daemon's number; the first runs on"
    if facts["again"].value is None:
        return Verdict(None, facts["again"].evidence, expected)
    seconds = facts["again_seconds"].value
    first = facts["starter_seconds"].value
    limit = max(_SOON, 10 * first) if isinstance(first, float) else _SOON
    soon = isinstance(seconds, float) and seconds < limit
    named, kept = facts["again_names"], facts["again_pidfile"].value == "its own"
    observed = [
        facts["again"].evidence,
        "" if named.value else "the number not named",
        "" if kept else "the file does not name the first any more",
        "" if soon else f"only after {seconds:.1f} s",
    ]
    passed = facts["again"].value == (3, False) and bool(named.value) and kept and soon
    return Verdict(passed, ", ".join(filter(None, observed)), expected, named.evidence)


@register("killed")
def killed(facts: Facts) -> Verdict:
    """What a daemon left that was killed does not keep the next one from starting."""
    expected = "exit 0; the file then names the new daemon"
    if facts["again"].value is None:
        return Verdict(None, facts["again"].evidence, expected)
    named = facts["again_pidfile"]
    its = named.value == "the second's"
    observed = facts["again"].evidence + ("" if its else ", the file names another")
    passed = facts["again"].value == (0, True) and its
    return Verdict(passed, observed, expected, named.evidence)


@register("refused-forms")
def refused_forms(facts: Facts) -> Verdict:
    """What is no PID file of ours is refused, not followed, not waited for, not written to."""
    expected = "exit 1, a message that names the file, nothing written"
    status, said = facts["starter_status"].value, str(facts["output"].value)
    observed = [
        how_ended(status),
        "" if "labd.pid" in said else "the file not named",
        "a daemon runs" if facts["processes"].value else "",
        "written through" if facts["victim"].value not in ("no file", ANOTHER.decode()) else "",
    ]
    shown = ", ".join(filter(None, observed))
    return Verdict(shown == "exit 1", shown, expected, said or "it printed nothing")


@register("race")
def race(facts: Facts) -> Verdict:
    """Of many that start at once exactly one becomes the daemon, and the others say so."""
    expected = f"1 daemon of {COPIES} started at once, {COPIES - 1} refused"
    refused = str(facts["output"].value).count("already running")
    observed = f"{show(facts['processes'].value)} running, {refused} refused"
    passed = facts["processes"].value == 1 and refused == COPIES - 1
    return Verdict(passed, observed, expected, facts["processes"].evidence)


@register("overtaken")
def overtaken(facts: Facts) -> Verdict:
    """The file that it has locked is the one that the path leads to, also when that was exchanged
    between its open and its lock. Scenario "overtaken"."""
    expected = "the lock on the file that is there, not on one that is gone"
    if not facts["overtaken"].value:
        return Verdict(None, facts["overtaken"].evidence, expected)
    held = _judge(facts, "pidfile_lock", lambda found: found not in ((), "no file"), expected)
    if held.passed is False:
        return Verdict(False, "a lock on a file that is gone", expected, facts["pidfile"].evidence)
    return held


@register("removed")
def removed(facts: Facts) -> Verdict:
    """A daemon that was asked to stop leaves no PID file."""
    if facts["at_TERM"].value is None:
        return Verdict(None, facts["at_TERM"].evidence, "no file")
    return equals(facts, "pidfile_after", "no file")


@register("foreign")
def foreign(facts: Facts) -> Verdict:
    """A file that has taken the place of its own is not removed: it is another daemon's."""
    expected = "the other's file is still there"
    if facts["at_TERM"].value is None:
        return Verdict(None, facts["at_TERM"].evidence, expected)
    kept = facts["pidfile_after"].value == ANOTHER.decode()
    return Verdict(kept, "still there" if kept else show(facts["pidfile_after"].value), expected)


# --- lab 5 ---


@register("child-group")
def child_group(facts: Facts) -> Verdict:
    """A child leads a process group of its own."""
    return equals(facts, "child_group", "own", "a process group of its own")


@register("child-signals")
def child_signals(facts: Facts) -> Verdict:
    """A child has every signal at default, and none blocked."""
    expected = "nothing blocked, nothing ignored"
    for name in ("child_blocked", "child_ignored"):
        verdict = equals(facts, name, (), expected)
        if not verdict.passed:
            return verdict
    return verdict


@register("child-descriptors")
def child_descriptors(facts: Facts) -> Verdict:
    """A child has /dev/null as 0, 1 and 2, and nothing above."""
    verdict = equals(facts, "child_descriptors", (), "only 0, 1 and 2")
    if not verdict.passed:
        return verdict
    expected = "/dev/null: 0 to read, 1 and 2 to write"
    verdict = equals(facts, "child_stdin", "/dev/null r", expected)
    for name in ("child_stdout", "child_stderr"):
        if verdict.passed:
            verdict = _judge(facts, name, _is_output, expected)
    return verdict


def _is_output(found: object) -> bool:
    """From lab 7 on the daemon keeps what a job writes: it goes into a pipe of the spool."""
    return found == "/dev/null w" or re.fullmatch(r"/.*/spool/pipe/[^/]+ w", str(found)) is not None


@register("child-environment")
def child_environment(facts: Facts) -> Verdict:
    """A child gets PATH and nothing that the daemon itself was started with."""
    return equals(facts, "child_variables", ("PATH",))


@register("stop-children")
def stop_children(facts: Facts) -> Verdict:
    """A daemon that stops leaves no job running: it asks each, ends those that do not heed it, and
    learns how each ended. A second signal cuts that short. Scenario "overlap": with a job that
    does not heed the first."""
    forced = facts["at_TERM_TERM"].value is not None
    code = "exit 1" if forced else "exit 0"
    expected = f"{code}, no process left, and no end of a job unasked for"
    found = equals(facts, "at_TERM_TERM" if forced else "at_TERM", code, expected)
    if found.passed:
        found = _nobody(facts, "left", expected)
    if found.passed:
        found = equals(facts, "unreaped", (), expected)
    return _ends(facts, "_at_stop") if found.passed else found


def _nobody(facts: Facts, name: str, expected: str) -> Verdict:
    """Whether none of the processes is there that a fact counts: in words, with their numbers."""
    verdict = equals(facts, name, 0, expected)
    if verdict.passed is not False:
        return verdict
    left = f"{verdict.observed} process{'' if verdict.observed == '1' else 'es'} left"
    return replace(verdict, observed=f"{left}: {verdict.evidence}", evidence="")


def _ends(facts: Facts, when: str = "") -> Verdict:
    """Whether the daemon logged the ends that its jobs had to have, each exactly once."""
    logged = facts[f"job_ends{when}"]
    found, due = logged.value, facts[f"job_ends_due{when}"].value
    if not isinstance(found, tuple) or not isinstance(due, tuple):
        return Verdict(None, logged.evidence, show(due))
    missing = sorted(set(due) - set(found))
    too_many = sorted(set(found) - set(due)) or [end for end in found if found.count(end) > 1]
    told = [f"missing: {', '.join(missing)}"] if missing else []
    told += [f"too many: {', '.join(too_many)}"] if too_many else []
    return Verdict(not told, "; ".join(told) or "each as it was", ", ".join(due), logged.evidence)


@register("statuses")
def statuses(facts: Facts) -> Verdict:
    """The end of each job is known: its exit code, or the signal that ended it. One that could not
    be started takes no place from the others."""
    found = _ends(facts)
    left = facts["unfinished"]
    if found.passed and left.value:
        observed = f"not put away: {show(left.value)}"
        return Verdict(False, observed, found.expected, left.evidence)
    return found


@register("orphans")
def orphans(facts: Facts) -> Verdict:
    """What a job left behind is the daemon's child, and is reaped when it ends."""
    expected = "the daemon is its parent, and reaps it within 1 s of its end"
    verdict = equals(facts, "child_parent", "daemon", expected)
    if not verdict.passed or facts["zombies"].value == 0:
        return verdict
    return Verdict(False, "a zombie", expected, facts["zombies"].evidence)


@register("reaped")
def reaped(facts: Facts) -> Verdict:
    """Of many children that ended at once none stays a zombie."""
    expected = "all reaped within 1 s, though one SIGCHLD came for all"
    ended, zombies_left = facts["ended_while_stopped"].value, facts["zombies"].value
    if not ended:
        return Verdict(None, "no child has ended", expected)
    pending = facts["pending_while_stopped"]
    observed = f"{show(zombies_left)} of {show(ended)} still there"
    waited = f"while it was stopped {show(pending.value)} waited: {pending.evidence}"
    return Verdict(zombies_left == 0, observed, expected, waited)


@register("deadline")
def deadline(facts: Facts) -> Verdict:
    """A job that runs too long gets SIGTERM, and one that does not heed it SIGKILL."""
    verdict = statuses(facts)
    if verdict.passed and facts["ended_early"].value:
        early = facts["ended_early"]
        return Verdict(False, f"too early: {show(early.value)}", verdict.expected, early.evidence)
    return verdict


@register("whole-group")
def whole_group(facts: Facts) -> Verdict:
    """With a job ends every process of its group."""
    return _nobody(facts, "left_by_jobs", "no process of an ended job left")


# --- lab 6 ---


@register("lines")
def lines(facts: Facts) -> Verdict:
    """Every line of its log is one JSON object, with what each must have."""
    expected = (
        "each line an object with ts (UTC, microseconds), level, event and pid; a newline at the "
        "end; one system call a line"
    )
    verdict = equals(facts, "bad_lines", (), expected)
    moved = facts["in_new_log"].value is not None or facts["in_log_again"].value is not None
    if verdict.passed and not facts["log_events"].value and not moved:  # that has its own checks
        return Verdict(False, "nothing", expected, verdict.evidence)
    for name, good, wrong in (
        ("misdated", (), "the wrong time: {}"),
        ("microseconds", True, "microseconds that are always 0"),
        ("extra_writes", 0, "{} more system calls than lines"),
    ):
        fact = facts[name]
        if verdict.passed and fact.value not in (good, None):
            return Verdict(False, wrong.format(show(fact.value)), expected, fact.evidence)
    return verdict


@register("at-once")
def at_once(facts: Facts) -> Verdict:
    """What was said is in the file when the daemon dies without a chance to write it."""
    expected = "the events starting and ready, though it was killed"
    if facts["at_KILL"].value is None:
        return Verdict(None, facts["at_KILL"].evidence, expected)
    found = facts["log_events"]
    logged = _names(facts, "log_events")
    return Verdict({"starting", "ready"} <= logged, show(found.value), expected, found.evidence)


@register("append")
def append(facts: Facts) -> Verdict:
    """Its log is open to append, and no slow reader can hold it up."""
    expected = "O_APPEND and O_NONBLOCK, mode 640"
    verdict = _judge(
        facts,
        "log_flags",
        lambda found: isinstance(found, tuple) and {"append", "nonblock"} <= {*found},
        expected,
    )
    if not verdict.passed:
        return verdict
    mode = equals(facts, "log_mode", "640", expected)
    return verdict if mode.passed else replace(mode, observed=f"mode {mode.observed}")


@register("injection")
def injection(facts: Facts) -> Verdict:
    """Nobody can write a line of his own into its log."""
    expected = "one line for each event, no control character, the job's name whole"
    if FORGED in _names(facts, "log_events"):
        return Verdict(False, "a forged line", expected, facts["bad_lines"].evidence)
    verdict = equals(facts, "control_bytes", (), expected)
    if not verdict.passed:
        return verdict
    named = facts["job_logged"]
    if named.value is None:
        return Verdict(None, named.evidence, expected)
    observed = "named as it is" if named.value else "the name of the job is not in it"
    return Verdict(bool(named.value), observed, expected, named.evidence)


@register("level")
def level(facts: Facts) -> Verdict:
    """It writes what the level of the configuration asks for, also after a reload."""
    expected = "nothing of start and reload at level error; the event reload at level debug"
    wanted_at = (("at_level_start", ()), ("at_level_error", ()), ("at_level_debug", ("reload",)))
    for name, wanted in wanted_at:
        verdict = equals(facts, name, wanted, expected)
        if not verdict.passed:
            return verdict
    return verdict


@register("rotate")
def rotate(facts: Facts) -> Verdict:
    """After a rename and SIGUSR1 it writes to a new file, and nothing is lost in between."""
    expected = "reload in the old file, then reopened and reload in the new one"
    old, new = _names(facts, "in_old_log"), facts["in_new_log"]
    if new.value is None:
        return Verdict(None, new.evidence, expected)
    if new.value != ("reopened", "reload"):
        return Verdict(False, f"in the new file: {show(new.value)}", expected, new.evidence)
    return Verdict("reload" in old, show(new.value), expected, facts["in_old_log"].evidence)


@register("lost")
def lost(facts: Facts) -> Verdict:
    """It says how much could not be written, as soon as it can."""
    expected = f"log_lost with {UNHEARD} lines, a warning, once; then what came next"
    for told, found, when in (
        ("lines_lost", "in_log_again", "after the path was gone"),
        ("lines_without_room", "in_full_log", "after the disk was full"),
    ):
        events = facts[found]
        if events.value is None or facts[told].value is None:
            return Verdict(None, events.evidence, expected)
        if events.value != ("log_lost", "reload", "reload"):
            observed = f"{when}: {show(events.value)}"
            return Verdict(False, observed, expected, events.evidence)
        if facts[told].value != (f"{UNHEARD} warning",):
            observed = f"{when}: {show(facts[told].value)}"
            return Verdict(False, observed, expected, facts[told].evidence)
    return Verdict(True, f"{UNHEARD} of {UNHEARD}", expected, facts[told].evidence)


@register("foreground")
def foreground(facts: Facts) -> Verdict:
    """In the foreground, without a log of its own, it says on standard error what it has to say."""
    wanted = ("starting", "ready", "stop", "stopped")
    return _judge(
        facts,
        "printed_events",
        lambda found: _without_workers(found) == wanted,
        f"printed: {show(wanted)}",
    )


def _without_workers(events: object) -> object:
    """From lab 8 on its workers have something to say, too."""
    if not isinstance(events, tuple):
        return events
    return tuple(event for event in events if not str(event).startswith("worker_"))


# --- lab 7 ---

_NEXT = ("file+1",)
"""The file was noticed, and the next generation holds."""


def _all(facts: Facts, wanted: Mapping[str, object], expected: str) -> Verdict:
    """The first of these facts that is not as wanted, or the last."""
    verdict = Verdict(None, "nothing was looked at", expected)
    for name, value in wanted.items():
        verdict = equals(facts, name, value, expected)
        if not verdict.passed:
            said = " ".join(name.split("_"))
            return replace(verdict, observed=f"{said}: {verdict.observed}")
    return verdict


@register("wrong")
def wrong(facts: Facts) -> Verdict:
    """With --check it refuses what is wrong, and names the line that is."""
    expected = "exit 78, with the file, the line, what stands there and what was expected"
    found, said = facts["answers"], facts["answers_said"]
    if not isinstance(found.value, tuple) or not isinstance(said.value, tuple):
        return Verdict(None, found.evidence, expected)
    asked = zip(found.value, said.value, ANSWERS.items(), strict=True)
    for answer, words, (name, (text, line)) in asked:
        stands = text.splitlines()[line - 1]
        if answer != f"{name} 78 {line}: {stands}":
            observed = f'{answer.split(" ")[1]} at "{stands}", line {line}: {WRONG[name]}'
            return Verdict(
                False, f"exit {observed}", expected, f"the file:\n{text}it said:\n{words}"
            )
    return Verdict(True, f"{len(found.value)} of {len(found.value)} refused", expected)


@register("hangup")
def hangup(facts: Facts) -> Verdict:
    """At SIGHUP it reads its configuration again: the next generation holds."""
    wanted = {"when_hung_up": ("HUP+1",), "when_hung_up_again": ("HUP+1",), "generations": (2, 3)}
    return _all(facts, wanted, "the event reload at each, with generation 2 and 3")


@register("renamed")
def renamed(facts: Facts) -> Verdict:
    """It notices when another file is renamed over its own. What happens beside it, or that it is
    gone for a moment, is no reason to read anything."""
    wanted = {"when_renamed": _NEXT, "when_beside": (), "when_away": (), "when_back": _NEXT}
    return _all(facts, wanted, "one reload for the rename over it, one when it is back")


@register("written")
def written(facts: Facts) -> Verdict:
    """It notices when its file was written in place, once it is closed: half of a file is never
    read."""
    wanted = {
        "when_cut": (),
        "when_cut_closed": _NEXT,
        "when_made": (),
        "when_made_closed": _NEXT,
    }
    return _all(facts, wanted, "one reload when it is closed, none before")


@register("swapped")
def swapped(facts: Facts) -> Verdict:
    """It notices each time that a link on the way to its file is exchanged."""
    wanted = {"when_swapped": _NEXT, "when_swapped_again": _NEXT}
    return _all(facts, wanted, "one reload for each exchange")


@register("kept")
def kept(facts: Facts) -> Verdict:
    """A bad file changes nothing, and the log says what is wrong with it."""
    wanted = {"when_bad": ("file:kept",), "complaint": "6: workers = none", "when_good": _NEXT}
    verdict = _all(facts, wanted, "reload_failed with file and line, generation 1 kept")
    if not verdict.passed:
        return verdict
    # Also what was good in it: the first job was started while it lay there.
    signals = facts["job_signals"]
    if any(sent.startswith("first:") for sent in _names(facts, "job_signals")):
        observed = f"limits of the bad file: {show(signals.value)}"
        return Verdict(False, observed, verdict.expected, signals.evidence)
    first = [job for job in _names(facts, "job_generations") if job.startswith("first:")]
    return Verdict(first == ["first:1"], show(first), verdict.expected, verdict.evidence)


@register("whole")
def whole(facts: Facts) -> Verdict:
    """A new generation holds as a whole: all limits of a job are of one. Those that run keep
    theirs."""
    expected = "TERM and KILL by the new limits for the second job, nothing for the first"
    wanted = {"job_signals": ("second:TERM", "second:KILL")}
    return _all(facts, wanted, expected)


@register("restart")
def restart(facts: Facts) -> Verdict:
    """It says which keys cannot change while it runs, for as long as the file has others."""
    wanted = {
        "when_fixed": ("file+1", "restart:umask,workers"),
        "when_fixed_again": ("HUP+1", "restart:umask,workers"),
        "when_unfixed": _NEXT,
    }
    return _all(facts, wanted, "restart_needed with umask and workers, until they are changed back")


# --- lab 8 ---

_WORKER = f"worker {VICTIM_WORKER}"


@register("threads")
def threads(facts: Facts) -> Verdict:
    """Each worker is a thread that has the worker's name."""
    return equals(facts, "threads", WORKERS_NAMED)


def _shortest(names: set[str]) -> str:
    """Signals, or all but those that are left out: who sees sixty names sees none."""
    every = signal_names(BLOCKABLE)
    left_out = [name for name in every if name not in names]
    if len(left_out) > len(names):
        return show(tuple(name for name in every if name in names))
    return f"all but {show(tuple(left_out))}" if left_out else "all"


@register("thread-signals")
def thread_signals(facts: Facts) -> Verdict:
    """No worker can be the one that gets a signal; the main thread can, as before."""
    expected = "each worker blocks all signals, and the main thread those of lab 3 alone"
    verdict = _judge(facts, "thread_signals", lambda free: free == (), expected)
    if verdict.passed is False:
        free = _shortest(_names(facts, "thread_signals"))
        return replace(verdict, observed=f"not blocked: {free}")
    blocked = facts["blocked"]
    if verdict.passed and len(_names(facts, "blocked")) > _READ:
        observed = f"the main thread blocks {_shortest(_names(facts, 'blocked'))}"
        return Verdict(False, observed, expected, blocked.evidence)
    return verdict


_READ = 5
"""Signals that lab 3 reads from a descriptor."""


@register("not-started")
def not_started(facts: Facts) -> Verdict:
    """A worker that cannot be started is a start that has failed."""
    expected = "the starter exits with 1 and names the worker; no process left"
    status, output = facts["starter_status"], facts["output"]
    if status.value != 1:
        observed = f"the starter: {show(status.value)}"
        return Verdict(False, observed, expected, status.evidence)
    if not any(f"worker {name}" in str(output.value) for name in WORKERS_NAMED):
        return Verdict(False, "no worker is named", expected, show(output.value))
    verdict = equals(facts, "left", 0, expected)
    return replace(verdict, observed="1") if verdict.passed else verdict


def _fails(facts: Facts, action: str, *words: str, worker: str = _WORKER) -> Verdict:
    """Whether it has ended with 1, and told the cause in the last line of its log."""
    expected = f"exit 1 within 3 s; the last line is failed and names {worker}"
    verdict = equals(facts, action, "exit 1", expected)
    if not verdict.passed:
        return verdict
    event, error = facts["last_event"], facts["last_error"]
    if event.value != "failed":
        return Verdict(False, f"the last line: {show(event.value)}", expected, event.evidence)
    if not all(word in str(error.value) for word in (worker, *words)):
        return Verdict(False, f"the cause: {show(error.value)}", expected, error.evidence)
    return Verdict(True, show(error.value), expected, verdict.evidence)


@register("fails")
def fails(facts: Facts) -> Verdict:
    """A worker that fails ends the daemon, which tells why."""
    return _fails(facts, "at_fail")


@register("first-error")
def first_error(facts: Facts) -> Verdict:
    """Of two workers that fail the first is the cause."""
    return _fails(facts, "at_fail_both")


@register("vanishes")
def vanishes(facts: Facts) -> Verdict:
    """A worker that ends without having been asked has failed, too."""
    return _fails(facts, "at_vanish")


@register("fails-stopping")
def fails_stopping(facts: Facts) -> Verdict:
    """One that fails while all are stopping has failed."""
    return _fails(facts, "at_TERM_fail")


@register("hangs")
def hangs(facts: Facts) -> Verdict:
    """One that does not stop is given its time, named, and left behind."""
    verdict = _fails(facts, "at_TERM")
    told, waited = facts["worker_ends"], facts["waited"]
    if verdict.passed and f"hung {VICTIM_WORKER}" not in _names(facts, "worker_ends"):
        return Verdict(False, f"logged: {show(told.value)}", verdict.expected, told.evidence)
    if verdict.passed and waited.value is False:
        expected = "an end after stop_timeout, 1 s, and not before it"
        return Verdict(False, "it did not wait so long", expected, waited.evidence)
    return verdict


@register("late")
def late(facts: Facts) -> Verdict:
    """A queue that hangs is not waited for until drain is over."""
    return _fails(facts, "at_late_TERM", worker="worker queue")


@register("others")
def others(facts: Facts) -> Verdict:
    """When one has failed, all others are asked to stop, and do."""
    rest = [f"ended {name}" for name in WORKERS_NAMED if name != VICTIM_WORKER]
    expected = f"failed {VICTIM_WORKER}, then {', '.join(rest)}"
    wanted = [f"failed {VICTIM_WORKER}", *rest]
    return _judge(
        facts,
        "worker_ends",
        lambda found: (
            isinstance(found, tuple)
            and found[:1] == (wanted[0],)
            and sorted(found) == sorted(wanted)
        ),
        expected,
    )


@register("stops")
def stops(facts: Facts) -> Verdict:
    """Asked to stop, each worker ends, and the daemon with them."""
    expected = "exit 0; each worker has ended; the last line is stopped"
    verdict = equals(facts, "at_TERM", "exit 0", expected)
    if not verdict.passed:
        return verdict
    ends, last = facts["worker_ends"], facts["last_event"]
    if sorted(_names(facts, "worker_ends")) != [f"ended {name}" for name in WORKERS_NAMED]:
        return Verdict(False, f"logged: {show(ends.value)}", expected, ends.evidence)
    if last.value != "stopped":
        return Verdict(False, f"the last line: {show(last.value)}", expected, last.evidence)
    if facts["waited"].value is False:
        expected = f"{DRAIN} s, drain, for the work: who gives signs of life is not late"
        return Verdict(False, "it was given up at once", expected, facts["waited"].evidence)
    return verdict


# --- lab 10 ---


def _in_reverse(facts: Facts) -> Verdict:
    """Whether it undid what it had taken, the last first, each once. It may have taken more than
    we know of: then that is passed over."""
    taken, undone = facts["taken"].value, facts["cleanups"]
    if not isinstance(taken, tuple) or not isinstance(undone.value, tuple):
        return Verdict(None, "unknown", "")
    wanted = tuple(reversed(taken))
    known = tuple(name for name in undone.value if name in ROWS)
    expected = f"undone: {show(wanted)}"
    return Verdict(known == wanted, f"undone: {show(known)}", expected, undone.evidence)


def _nothing_left(facts: Facts) -> Verdict:
    """Whether no file of it is left that is not to last, and no process."""
    expected = "no file left, and no process"
    files, left = facts["left_behind"], facts["left"]
    if files.value:
        return Verdict(False, f"left: {show(files.value)}", expected, files.evidence)
    if left.value:
        return Verdict(False, f"left: {left.value} processes", expected, left.evidence)
    return Verdict(True, "nothing left", expected, files.evidence)


@register("order")
def order(facts: Facts) -> Verdict:
    """What it has taken it gives back, the last first, each once."""
    return _in_reverse(facts)


@register("undone")
def undone(facts: Facts) -> Verdict:
    """Whatever ends it, or the one that is started after a crash, it leaves nothing behind."""
    ways = {"at_TERM": "exit 0", "at_fail": "exit 1", "at_afresh": "exit 0"}
    way = next((name for name in ways if facts[name].value is not None), "at_TERM")
    verdict = equals(facts, way, ways[way], f"{ways[way]}, and nothing left")
    if not verdict.passed:
        return verdict
    rest = _nothing_left(facts)
    last = facts["last_event"]
    wanted = "failed" if way == "at_fail" else "stopped"
    if rest.passed and last.value != wanted:
        return Verdict(False, f"the last line: {show(last.value)}", wanted, last.evidence)
    return rest


@register("failed-start")
def failed_start(facts: Facts) -> Verdict:
    """A start that fails half-way gives back what it had taken until then."""
    status, last = facts["starter_status"], facts["last_event"]
    expected = "the starter exits with 1; all undone in reverse; nothing left"
    if status.value != 1:
        return Verdict(False, f"the starter: {show(status.value)}", expected, status.evidence)
    for verdict in (_in_reverse(facts), _nothing_left(facts)):
        if not verdict.passed:
            return replace(verdict, expected=expected)
    if last.value != "failed":
        return Verdict(False, f"the last line: {show(last.value)}", expected, last.evidence)
    return Verdict(True, "1, nothing left", expected, status.evidence)


@register("time-limit")
def time_limit(facts: Facts) -> Verdict:
    """An undo that does not come back does not keep it from ending. Scenario "stuck"."""
    if facts["overtaken"].value is None:
        return Verdict(None, facts["overtaken"].evidence, "")
    expected = "exit 1 within 3 s"
    return equals(facts, "at_TERM", "exit 1", expected)


@register("named")
def named(facts: Facts) -> Verdict:
    """It says what it could not undo, the one that hangs first."""
    if facts["overtaken"].value is None:
        return Verdict(None, facts["overtaken"].evidence, "")
    left = [name for name in reversed(ROWS) if ROWS.index(name) <= ROWS.index(STUCK)]
    expected = f"the last line is failed; its error names, in this order: {' '.join(left)}"
    last, error = facts["last_event"], facts["last_error"]
    if last.value != "failed":
        return Verdict(False, f"the last line: {show(last.value)}", expected, last.evidence)
    told = [word.strip(":,") for word in str(error.value).split()]
    found = [word for word in told if word in ROWS]
    return Verdict(found == left, show(error.value), expected, error.evidence)


# They need what stands above.
from daemonlab import healthchecks as healthchecks  # noqa: E402
