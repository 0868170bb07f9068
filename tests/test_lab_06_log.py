"""Lab 6: what chapter 6 claims about logs, observed from outside."""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from daemonlab import subjects
from daemonlab.house import ROOT
from daemonlab.logwork import UNHEARD
from daemonlab.logwork import events as events_of
from daemonlab.observe import Process, alive, snapshot
from labresults import LANGUAGES, explain, facts, record
from waiting import until

both = pytest.mark.parametrize("language", LANGUAGES)

Events = list[dict[str, Any]]


@both
@pytest.mark.parametrize(
    ("scenario", "fact", "value"),
    [
        ("friendly", "bad_lines", ()),
        ("friendly", "log_mode", "640"),
        ("killed", "log_mode", "640"),
        ("inject", "bad_lines", ()),
        ("inject", "misdated", ()),
        ("inject", "microseconds", True),
        ("level", "extra_writes", 0),
        ("level", "at_level_start", ()),
        ("vanish", "bad_lines", ()),
        ("rotate", "bad_lines", ()),
        ("foreground", "printed_events", ("starting", "ready", "stop", "stopped")),
        ("friendly", "log_flags", ("append", "nonblock", "cloexec")),
        ("friendly", "log_events", (None, "starting", "ready", "stop", "stopped")),  # None: torn
        ("killed", "log_events", ("starting", "ready")),
        ("inject", "control_bytes", ()),
        ("inject", "job_logged", True),
        ("level", "at_level_error", ()),
        ("level", "at_level_debug", ("reload",)),
        ("rotate", "in_old_log", ("starting", "ready", "reload")),
        ("rotate", "in_new_log", ("reopened", "reload")),
        ("vanish", "lines_lost", (f"{UNHEARD} warning",)),
        ("vanish", "in_log_again", ("log_lost", "reload", "reload")),
        ("vanish", "lines_without_room", (f"{UNHEARD} warning",)),
        ("vanish", "in_full_log", ("log_lost", "reload", "reload")),
    ],
)
def test_log(language: str, scenario: str, fact: str, value: object) -> None:
    """Each line is whole and at once in the file; it follows its path, and owns up to gaps."""
    assert facts(6, language, scenario)[fact].value == value, explain(6, language, scenario)


def _keys(log: bytes) -> set[tuple[str, ...]]:
    return {tuple(event) for event in events_of(log)}


@pytest.mark.parametrize(
    ("lab", "scenario"),
    [(4, "stale"), (5, "ends"), (5, "late"), (6, "friendly"), (6, "inject"), (6, "rotate")],
)
def test_same_events_with_the_same_keys(lab: int, scenario: str) -> None:
    """The lines of both daemons have the same keys in the same order, event by event."""
    c, python = (record(lab, language, scenario).log for language in LANGUAGES)
    assert _keys(c) == _keys(python)
    assert _events(c) == _events(python) != set()


def _events(log: bytes) -> set[tuple[str, str]]:
    return {(event["event"], event["level"]) for event in events_of(log)}


# --- rotation, by the tool that does it everywhere ---


def _needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed: make peers")
    return found


def _flood(language: str, folder: Path) -> list[str]:
    """The program that does nothing but log, with the module of one language."""
    if language == "python":
        return [sys.executable, str(ROOT / "tests" / "flood" / "flood.py")]
    program, source = folder / "flood", ROOT / "tests" / "flood" / "flood.c"
    names = ("log", "metrics", "descriptors", "failure")
    modules = [ROOT / "c" / "src" / f"{name}.c" for name in names]
    flags = ["-std=gnu17", "-D_GNU_SOURCE", "-O2", f"-I{ROOT}/c/src"]
    command = [os.environ.get("CC", "cc"), *flags, "-o", program, source, *modules, "-ljansson"]
    subprocess.run(command, check=True)
    return [str(program)]


@pytest.mark.slow
@pytest.mark.timeout(300)
@both
def test_logrotate_under_twenty_thousand_lines_a_second(language: str, tmp_path: Path) -> None:
    """Eight rotations by the real logrotate: every line is there, once, whole and in order."""
    logrotate, jq = _needs("logrotate"), _needs("jq")
    log, settings = tmp_path / "log", tmp_path / "logrotate.conf"
    with subprocess.Popen(
        [*_flood(language, tmp_path), str(log), "20000"], stdout=subprocess.PIPE
    ) as flood:
        try:
            settings.write_text(
                f"{log} {{\n  rotate 99\n  size 1\n  nocreate\n  nocompress\n  missingok\n"
                f"  postrotate\n    kill -USR1 {flood.pid}\n  endscript\n}}\n"
            )
            settings.chmod(0o644)
            for number in range(1, 9):
                until(lambda: log.exists() and log.stat().st_size > 100_000)
                state = ("--state", tmp_path / "state")
                subprocess.run([logrotate, *state, "--force", settings], check=True)
                until(lambda n=number: (tmp_path / f"log.{n}").exists())  # type: ignore[misc]
            until(log.exists)
            flood.terminate()
            told, _ = flood.communicate()
        finally:
            flood.kill()
    logged, lost = map(int, told.split())
    files = [log, *(tmp_path / f"log.{number}" for number in range(1, 9))]
    parsed = subprocess.run(
        [jq, ".number", *reversed(files)], check=True, capture_output=True, text=True
    )
    assert lost == 0
    assert logged > 8 * 1000
    assert [int(line) for line in parsed.stdout.split()] == list(range(logged))


# --- a daemon of our own to look at: in the foreground, so that it is our child ---


def _taken(daemon: Process) -> bool:
    """Whether no signal waits and the daemon sleeps, at three looks in a row: between two steps it
    may sleep, too, waiting for the disk."""
    for _ in range(3):
        now = snapshot(daemon.pid, {"status"})
        waiting = (now.sig_pending, now.sig_shared_pending)
        if now.state != "S" or waiting != (frozenset(), frozenset()):
            return False
        time.sleep(0.005)
    return True


def _hang_up(daemon: Process, times: int = 1) -> None:
    """SIGHUP, so many times, each when the one before has been dealt with: a line each."""
    for _ in range(times):
        os.kill(daemon.pid, signal.SIGHUP)
        until(lambda: _taken(daemon))


@contextmanager
def _labd(
    language: str, folder: Path, settings: str, around: Sequence[str] = (), **popen: Any
) -> Iterator[subprocess.Popen[bytes]]:
    (folder / "labd.ini").write_text(f"[labd]\n{settings}\n")
    subject = dict(zip(LANGUAGES, subjects.reference(), strict=True))[language]
    command = [*around, *subject.command(6, folder / "labd.ini"), "--foreground"]
    with subprocess.Popen(command, env={**os.environ, **subject.variables}, **popen) as daemon:
        try:
            yield daemon
            daemon.terminate()
            assert daemon.wait(20) == 0
        finally:
            daemon.kill()


def _ready(log: Path) -> Callable[[], bool]:
    return lambda: log.exists() and b'"ready"' in log.read_bytes()


def _mine(daemon: subprocess.Popen[bytes]) -> Process:
    return snapshot(daemon.pid, {"status"}).process


def _parse(text: bytes) -> Events:
    return [json.loads(line) for line in text.splitlines()]


@both
def test_without_a_log_it_says_it_on_standard_error(language: str, tmp_path: Path) -> None:
    """In the foreground: a service manager, or a person, reads there."""
    with _labd(language, tmp_path, "", stderr=subprocess.PIPE) as daemon:
        assert daemon.stderr is not None
        first = [daemon.stderr.readline() for _ in range(2)]
    assert [event["event"] for event in map(json.loads, first)] == ["starting", "ready"]


@both
def test_fifo_without_a_reader_is_refused(language: str, tmp_path: Path) -> None:
    """Not waited for: the start fails, and says at what."""
    os.mkfifo(tmp_path / "log")
    (tmp_path / "labd.ini").write_text(f"[labd]\nlog = {tmp_path}/log\n")
    subject = dict(zip(LANGUAGES, subjects.reference(), strict=True))[language]
    done = subprocess.run(
        [*subject.command(6, tmp_path / "labd.ini")], capture_output=True, timeout=20, check=False
    )
    said = f"labd: open({tmp_path}/log): No such device or address\n"
    assert (done.returncode, done.stderr.decode()) == (1, said)


@both
def test_fifo_with_a_slow_reader(language: str, tmp_path: Path) -> None:
    """It does not wait for the reader; what does not fit is counted, and told when it does."""
    os.mkfifo(tmp_path / "log")
    reader = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    try:
        with _labd(language, tmp_path, f"log = {tmp_path}/log") as daemon:
            read = bytearray()

            def ready() -> bool:
                with suppress(BlockingIOError):
                    read.extend(os.read(reader, 4096))
                return b'"ready"' in read

            until(ready)
            _hang_up(_mine(daemon), 60)  # more than 4096 bytes hold
            read += os.read(reader, 8192)
            _hang_up(_mine(daemon))
            read += os.read(reader, 8192)
            assert alive(_mine(daemon))
    finally:
        os.close(reader)
    events = _parse(bytes(read))
    # The short line that tells of a loss may fit where the next one does not: it is told again.
    lost = sum(event["lines"] for event in events if event["event"] == "log_lost")
    assert lost > 0
    assert sum(event["event"] == "reload" for event in events) + lost == 61


@both
def test_removed_log_is_made_anew(language: str, tmp_path: Path) -> None:
    """Without a signal: a file that has no name any more is one that nobody will read."""
    log = tmp_path / "log"
    with _labd(language, tmp_path, f"log = {log}") as daemon:
        until(_ready(log))
        log.unlink()
        _hang_up(_mine(daemon))
        assert [event["event"] for event in _parse(log.read_bytes())] == ["reload"]


@both
def test_line_that_another_left_unfinished(language: str, tmp_path: Path) -> None:
    """It is ended first: the half line of the one that died spoils no line of ours."""
    log = tmp_path / "log"
    log.write_text('{"ts":"2026-')
    with _labd(language, tmp_path, f"log = {log}"):
        until(_ready(log))
    first, *others = log.read_bytes().splitlines()
    assert first == b'{"ts":"2026-'
    assert [json.loads(line)["event"] for line in others][:2] == ["starting", "ready"]


@both
def test_bad_configuration_keeps_the_level(language: str, tmp_path: Path) -> None:
    """A reload that is refused is told, and changes nothing."""
    log = tmp_path / "log"
    with _labd(language, tmp_path, f"log = {log}\nlog_level = debug") as daemon:
        until(_ready(log))
        (tmp_path / "labd.ini").write_text("[labd]\nlog_level = loud\n")
        _hang_up(_mine(daemon))
    failed = next(event for event in _parse(log.read_bytes()) if event["event"] == "reload_failed")
    assert failed["level"] == "error"
    assert "loud" in failed["error"]


# --- what needs mounts: a full disk, the journal's socket ---


def _unshared(script: str) -> list[str]:
    """Runs a script, then the command, with mounts of their own: unshare(1)."""
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    unshare = ["unshare", *user, "--mount", "--propagation", "private", "/bin/sh", "-c"]
    if subprocess.run([*unshare, "mount -t tmpfs none /mnt"], check=False).returncode != 0:
        pytest.skip("mounting needs root or user namespaces: see unshare(1)")
    return [*unshare, f'{script}; exec "$@"', "sh"]


@both
def test_full_disk(language: str, tmp_path: Path) -> None:
    """The daemon goes on. What was torn is ended, what was lost is told, once there is room."""
    around = _unshared("mount -t tmpfs -o size=16k none /mnt")
    with _labd(language, tmp_path, "log = /mnt/log", around) as daemon:
        mnt = Path(f"/proc/{daemon.pid}/root/mnt")
        log = mnt / "log"
        until(lambda: mnt.exists() and _ready(log)())
        with suppress(OSError), open(mnt / "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        _hang_up(_mine(daemon), 60)  # the page that the log has is soon full, too
        assert log.stat().st_size == 4096
        (mnt / "filler").unlink()
        _hang_up(_mine(daemon))
        lines = log.read_bytes().splitlines()
    events = []
    for line in lines:
        with suppress(ValueError):
            events.append(json.loads(line))
    assert len(lines) - len(events) <= 1  # the torn one
    lost = sum(event["lines"] for event in events if event["event"] == "log_lost")
    assert lost > 0
    assert sum(event["event"] == "reload" for event in events) + lost == 61
    assert events[-1]["event"] == "reload"


@both
def test_journal(language: str, tmp_path: Path) -> None:
    """Where standard error leads to the journal, lines go to its socket, with a priority."""
    around = _unshared(
        "mount -t tmpfs none /run; mkdir -p /run/systemd/journal; echo mounted;"
        "until [ -S /run/systemd/journal/socket ]; do sleep 0.01; done;"
        "export JOURNAL_STREAM=$(stat -L -c %d:%i /dev/fd/2)"
    )
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with _labd(language, tmp_path, "", around, **streams) as daemon:
        assert daemon.stdout is not None
        assert daemon.stderr is not None
        assert daemon.stdout.readline() == b"mounted\n"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
            journal.settimeout(20)
            journal.bind(f"/proc/{daemon.pid}/root/run/systemd/journal/socket")
            messages = [journal.recv(65536).decode() for _ in range(2)]
        os.set_blocking(daemon.stderr.fileno(), False)
        assert daemon.stderr.read() is None
    for message, event in zip(messages, ("starting", "ready"), strict=True):
        found = re.fullmatch(
            rf"PRIORITY=6\nSYSLOG_IDENTIFIER=labd\nLABD_EVENT={event}\nMESSAGE=(.*)\n", message
        )
        assert found, message
        assert json.loads(found[1])["event"] == event
