"""The same checks judge daemons that nobody here wrote: what they do, and where they differ from
daemon(7), in an environment that holds everything one can inherit.

What is asserted was seen with redis 7.0, nginx 1.22 and at 3.2, those of Debian 12. `make peers`
installs them; where one is missing, its tests are skipped, and say so.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from daemonlab.checks import CHECKS, Verdict
from daemonlab.environment import FRIENDLY, HOSTILE, Environment
from daemonlab.facts import facts_of
from daemonlab.perform import perform
from daemonlab.record import Record
from daemonlab.report import as_json
from daemonlab.scenarios import of_any
from daemonlab.show import OF_ANY_DAEMON

pytestmark = pytest.mark.usefixtures("nothing_left")

ATD_PIDFILE = Path("/run/atd.pid")
"""Compiled in: atd has no option for it."""


def needs(program: str) -> str:
    """The path of a program; skips the test where it is not installed."""
    found = shutil.which(program, path=HOSTILE.variables["PATH"])
    if found is None:
        pytest.skip(f"{program} is not installed: make peers")
    return found


def judged(command: Sequence[str], environment: Environment) -> tuple[Record, dict[str, Verdict]]:
    """Launch it; what every check says that asks nothing but to be a daemon."""
    record = perform(lambda configuration: command, of_any(environment))
    facts = facts_of(record)
    return record, {name: CHECKS[name](facts) for name in OF_ANY_DAEMON}


def observed(verdicts: dict[str, Verdict], passed: bool) -> dict[str, str]:
    """What was seen, of the checks that passed or of those that failed."""
    found = {name: one.observed for name, one in verdicts.items() if one.passed is passed}
    assert all(one.passed is not None for one in verdicts.values()), as_json(verdicts)
    return found


def redis(folder: Path) -> list[str]:
    """A redis on a socket alone, which keeps nothing."""
    options = {"daemonize": "yes", "port": "0", "save": "", "dir": folder}
    options["unixsocket"] = folder / "socket"
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    return [needs("redis-server"), *words]


def test_redis(tmp_path: Path) -> None:
    """redis forks once and takes care of 0, 1 and 2; all else it keeps as it was given: where
    SIGTERM was blocked by whoever started it, SIGTERM does not end it."""
    record, verdicts = judged(redis(tmp_path), HOSTILE)
    failed = observed(verdicts, False)
    assert list(failed) == [
        *("leader", "umask", "inherited", "dispositions", "mask", "stop-signals", "term"),
    ], as_json(verdicts)
    assert failed["inherited"] == "7 300 900"
    assert {"USR1", "TERM"} <= set(failed["mask"].split())  # at times SIGALRM, for a moment
    assert failed["term"] == "runs on"
    assert len(record.processes) == 1


def test_redis_among_friends(tmp_path: Path) -> None:
    """The same program where nothing odd is inherited: SIGTERM ends it. What it lacks by itself is
    left, and the umask that it was given."""
    _, verdicts = judged(redis(tmp_path), FRIENDLY)
    failed = observed(verdicts, False)
    assert list(failed) == ["leader", "umask", "stop-signals"], as_json(verdicts)
    assert observed(verdicts, True)["term"] == "exit 0"


@pytest.fixture
def nginx(tmp_path: Path) -> list[str]:
    """An nginx on a socket alone, with everything that it writes in one folder."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = " ".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in kinds)
    (tmp_path / "conf").write_text(
        f"pid {tmp_path}/pid; worker_processes 1; error_log {tmp_path}/error; events {{}}\n"
        f"http {{ access_log off; {paths} server {{ listen unix:{tmp_path}/socket; }} }}\n"
    )
    return [needs("nginx"), "-c", f"{tmp_path}/conf", "-e", f"{tmp_path}/error"]


def test_nginx(nginx: list[str]) -> None:
    """nginx has two processes, of which the one that was adopted is the daemon. It takes its
    signals in hand, and ends when it is told to; but it stays where it was started, and hands on
    what it was given. That its socket is kept over exec is meant so: an upgrade inherits it."""
    record, verdicts = judged(nginx, HOSTILE)
    failed = observed(verdicts, False)
    assert list(failed) == [
        *("leader", "directory", "standard", "inherited", "cloexec", "stop-signals"),
    ], as_json(verdicts)
    assert failed["directory"] == "where it was started"
    assert failed["inherited"] == "7 300 900"
    assert "/error" in failed["standard"]
    assert observed(verdicts, True)["term"] == "exit 0"
    assert [process.comm for process in record.processes] == ["nginx", "nginx"]
    assert record.daemon == record.processes[0]
    assert record.processes[1].ppid == record.daemon.process.pid


@pytest.fixture
def atd() -> Iterator[list[str]]:
    """An atd, where no other one is; it is root's alone, and has its PID file in one place."""
    program = needs("atd")
    if os.geteuid() != 0:
        pytest.skip("atd starts as root alone")
    with suppress(OSError):
        if (Path("/proc") / ATD_PIDFILE.read_text().strip() / "comm").read_text() == "atd\n":
            pytest.skip("another atd is running, and there can be but one")
    yield [program]
    ATD_PIDFILE.unlink(missing_ok=True)


def test_atd(atd: list[str]) -> None:
    """atd calls daemon(3), which does what it says and no more: it leads its session, holds what it
    was given, and is deaf to the SIGTERM that was blocked."""
    _, verdicts = judged(atd, HOSTILE)
    failed = observed(verdicts, False)
    assert list(failed) == [
        *("leader", "inherited", "dispositions", "mask", "stop-signals", "term"),
    ], as_json(verdicts)
    assert observed(verdicts, True)["directory"] == "/var/spool/cron/atjobs"


def test_setsid_in_a_script() -> None:
    """The daemon of many a script: a session of its own, and nothing else that makes one."""
    record, verdicts = judged(["sh", "-c", "setsid sleep 60 &"], HOSTILE)
    assert list(observed(verdicts, True)) == [
        *("starts", "parent", "session", "terminal", "logout", "cloexec", "sigpipe"),
    ], as_json(verdicts)
    failed = observed(verdicts, False)
    assert failed["leader"] == "yes" and failed["umask"] == f"{HOSTILE.umask:03o}"
    assert failed["standard"].startswith("stdout: /dev/pts/")
    assert failed["term"] == "runs on"
    assert record.daemon is not None and record.daemon.command == ("sleep", "60")
